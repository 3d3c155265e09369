"""OpenAI's asynchronous client gets what its synchronous one gets, many answers at a time."""

import asyncio
from base64 import b64decode

import httpx2
import pytest
from openai import AsyncOpenAI

from support.served import IMAGE, OPTIONS, SEED, STEPS, item_content

TURNS = [{"role": "user", "content": "draw a cat"}]
EXTRA = {"anygen": {**OPTIONS, "seed": SEED}}


def run(served, use):
    """What `use`, a coroutine of a client, returns."""

    async def connected():
        http = httpx2.AsyncClient(timeout=300, trust_env=False)
        async with AsyncOpenAI(
            base_url=f"{served.url}/v1", api_key="key", max_retries=0, http_client=http
        ) as client:
            return await use(client)

    return asyncio.run(connected())


@pytest.fixture(scope="module")
def expected(generated):
    return generated("draw a cat", SEED, OPTIONS)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_plain_and_streamed_answers_are_those_of_generate(served, expected):
    name = served.service.name

    async def ask(client):
        async def streamed():
            request = {"model": name, "input": "draw a cat", "extra_body": EXTRA}
            async with client.responses.stream(**request) as stream:
                async for _ in stream:
                    pass
                return await stream.get_final_response()

        async def completed():
            request = {"model": name, "messages": TURNS, "extra_body": EXTRA}
            async with client.chat.completions.stream(**request) as stream:
                async for _ in stream:
                    pass
                return await stream.get_final_completion()

        plain = client.responses.create(model=name, input="draw a cat", extra_body=EXTRA)
        return await asyncio.gather(plain, streamed(), completed())

    plain, streamed, completion = run(served, ask)
    for response in (plain, streamed):
        items = response.to_dict(warnings=False)["output"]
        assert [item_content(item) for item in items] == expected
    message = completion.choices[0].message
    assert message.content == "\n\n".join(text for kind, text in expected if kind == "text")
    urls = [image["image_url"]["url"] for image in message.images]
    pictures = [b64decode(url.rpartition(",")[2]) for url in urls]
    assert pictures == [content for kind, content in expected if kind == "image"]


def test_media_can_be_made_and_fetched(served, generated):
    name, extra = served.service.name, {"seed": 3, "steps": 2}

    async def make(client):
        images, video = await asyncio.gather(
            client.images.generate(model=name, prompt="a ball", extra_body=extra),
            client.videos.create_and_poll(model=name, prompt="a ball", extra_body=extra),
        )
        png = b64decode(images.data[0].b64_json)
        file = await client.files.create(file=("a.png", png), purpose="vision")
        kept = (await client.files.content(file.id)).content
        mp4 = (await client.videos.download_content(video.id)).content
        return png, kept, mp4

    png, kept, mp4 = run(served, make)
    video = {"modalities": ["video"], "exactly": {"video": 1}, "media": {"video": STEPS}}
    assert [("image", png)] == generated("a ball", 3, IMAGE)
    assert [("video", mp4)] == generated("a ball", 3, video)
    assert kept == png


def test_an_answer_ends_when_its_task_is_cancelled(served, hanging):
    begun, ended = hanging

    async def give_up(client):
        asking = asyncio.create_task(
            client.responses.create(
                model=served.service.name, input="draw", extra_body={"anygen": IMAGE}
            )
        )
        assert await asyncio.to_thread(begun.acquire, timeout=300)
        asking.cancel()

    run(served, give_up)
    assert ended.acquire(timeout=300)
    assert served.is_idle()
