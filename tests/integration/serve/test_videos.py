"""/v1/videos: made in the background, fetched whole or in ranges, and forgotten."""

import time

import openai
import pytest

from support.served import STEPS, failing

OPTIONS = {"modalities": ["video"], "exactly": {"video": 1}, "media": {"video": STEPS}}


@pytest.fixture
def videos(served):
    return served.openai.videos


def create(served, **fields):
    body = {"prompt": "a ball", "extra_body": {"seed": 3, "steps": 2}, **fields}
    return served.openai.videos.create(model=served.service.name, **body)


@pytest.fixture(scope="module")
def file(generated):
    """What `anygen generate` makes of the same prompt and seed."""
    [(_, found)] = generated("a ball", 3, OPTIONS)
    return found


def test_a_video_has_the_bytes_of_generate(served, videos, file):
    video = create(served)
    assert (video.object, video.prompt, video.seed) == ("video", "a ball", 3)
    done = videos.poll(video.id)
    assert (done.id, done.status, done.progress) == (video.id, "completed", 100)
    assert float(done.seconds) > 0
    assert done.size == "16x16"
    assert done.expires_at > done.completed_at
    assert videos.download_content(video.id).read() == file
    assert done in videos.list().data


def test_a_video_can_be_had_at_once_from_json(served, file):
    body = {"prompt": "a ball", "seed": 3, "steps": 2}
    reply = served.http.post("/v1/videos/sync", json=body)
    assert reply.content == file
    assert reply.headers["content-type"] == "video/mp4"
    assert reply.headers["x-seed"] == "3"


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-", 10, None),
        ("bytes=-5", -5, None),
        ("bytes=3-7", 3, 8),
        ("bytes=3-999999999", 3, None),
        ("bytes=-999999999", None, None),
    ],
)
def test_a_range_of_a_video_is_that_part(served, videos, file, header, start, stop):
    video = videos.poll(create(served).id)
    path = f"/v1/videos/{video.id}/content"
    reply = served.http.get(path, headers={"Range": header})
    assert reply.status_code == 206
    assert reply.content == file[start:stop]
    begin, end, _ = slice(start, stop).indices(len(file))
    assert reply.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(file)}"


def test_a_range_that_does_not_exist_is_refused_and_one_that_is_no_range_ignored(served, videos):
    path = f"/v1/videos/{videos.poll(create(served).id).id}/content"
    whole = served.http.get(path)
    assert whole.headers["accept-ranges"] == "bytes"
    for header in (f"bytes={len(whole.content)}-", "bytes=5-4", "bytes=-0"):
        reply = served.http.get(path, headers={"Range": header})
        assert reply.status_code == 416
        assert reply.headers["content-range"] == f"bytes */{len(whole.content)}"
    for header in ("bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=x-"):
        reply = served.http.get(path, headers={"Range": header})
        assert (reply.status_code, reply.content) == (200, whole.content)


@pytest.fixture
def hanging_video(model, monkeypatch, hanging):
    images = model.model.decoders["image"]
    monkeypatch.setattr(model.model.decoders["video"], "sample", images.sample)
    return hanging


def test_a_video_that_is_being_made_can_be_watched_and_deleted(served, videos, hanging_video):
    begun, ended = hanging_video
    video = create(served)
    assert begun.acquire(timeout=300)
    while videos.retrieve(video.id).progress != 50:
        time.sleep(0.01)
    watched = videos.with_raw_response.retrieve(video.id)
    assert watched.headers["openai-poll-after-ms"]
    assert watched.parse().status == "in_progress"
    assert video.id in {each.id for each in videos.list().data}
    with pytest.raises(openai.NotFoundError) as refused:
        videos.download_content(video.id)
    assert refused.value.code == "video_not_ready"
    assert videos.delete(video.id).deleted
    assert ended.acquire(timeout=300)
    assert served.is_idle()
    for call in (videos.retrieve, videos.download_content, videos.delete):
        with pytest.raises(openai.NotFoundError) as refused:
            call(video.id)
        assert refused.value.code == "video_not_found"


def test_a_finished_video_can_be_deleted(served, videos):
    video = videos.poll(create(served).id)
    assert videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError):
        videos.retrieve(video.id)


def test_a_video_that_fails_says_why(served, model, monkeypatch):
    with failing(model, monkeypatch, "video"):
        video = served.openai.videos.poll(create(served).id)
    assert video.status == "failed"
    assert (video.error.code, video.error.message) == ("model_error", "the paint is dry")


def test_a_reference_is_read(served, videos):
    body = {"prompt": "a ball", "steps": 1, "response_format": "url"}
    [image] = served.http.post("/v1/images/generations", json=body).json()["data"]
    png = served.http.get(image["url"]).content
    video = videos.poll(create(served, input_reference=("a.png", png)).id)
    assert video.status == "completed"
    with pytest.raises(openai.BadRequestError) as refused:
        create(served, input_reference=("a.png", b"no picture"))
    assert "input_reference" in refused.value.message


def test_a_video_may_have_the_seconds_that_another_one_has(served, videos, file):
    video = videos.poll(create(served, seconds=videos.poll(create(served).id).seconds).id)
    assert videos.download_content(video.id).read() == file


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"seconds": "400"}, "unsupported_value", "seconds"),
        ({"seconds": "0.001"}, "unsupported_value", "seconds"),
        ({"seconds": "0"}, "invalid_value", "seconds"),
        ({"seconds": "1e308"}, "invalid_value", "seconds"),
        ({"seconds": "1", "frames": "8"}, "unsupported_value", "seconds"),
        ({"size": "1280x720"}, "unsupported_value", "size"),
        ({"prompt": " "}, "invalid_value", None),
        ({"smell": "1"}, "unknown_parameter", "smell"),
        ({"steps": "many"}, "invalid_value", "steps"),
        ({"anygen": "{"}, "invalid_value", "anygen"),
        ({"anygen[smell]": "1"}, "unknown_parameter", "anygen.smell"),
        ({"input_reference": "cat.png"}, "invalid_value", "input_reference"),
        ({"model": "sora-2"}, "model_not_found", "model"),
    ],
    ids=str,
)
def test_what_a_video_cannot_be_is_refused(served, fields, code, param):
    data = {"prompt": "a ball", **fields}
    forms = {name: (None, value) for name, value in data.items()}
    for sent in ({"files": forms}, *([] if "[" in str(fields) else [{"json": data}])):
        reply = served.http.post("/v1/videos", **sent)
        assert reply.status_code in (400, 404)
        error = reply.json()["error"]
        assert error["code"] == code
        assert param in (None, error["param"])


def test_a_thumbnail_is_not_made(served, videos):
    with pytest.raises(openai.BadRequestError):
        videos.download_content(videos.poll(create(served).id).id, variant="thumbnail")
