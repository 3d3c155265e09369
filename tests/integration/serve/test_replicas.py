"""`anygen serve --engine ray`: two replicas that answer as one server."""

import asyncio
import json
import sys
import threading
import time
from functools import partial
from unittest.mock import Mock

import httpx2
import openai
import pytest

from anygen.batch.shards import ray_pool
from anygen.generation.engine import MAX_SLOTS
from anygen.serve.errors import ApiError
from anygen.serve.replicas import Cluster, Replica, import_serve, serving
from anygen.serve.settings import ServeSettings
from anygen.serve.store import StoredFile
from support.served import IMAGE, OPTIONS, SEED, item_content
from support.worker_models import HANGING, open_tiny

pytestmark = pytest.mark.slow
KEY = "a key"
VIDEO = {"prompt": "a ball", "seed": 3, "steps": 2}
STORED = {"input": "draw a dog", "store": True, "anygen": {**IMAGE, "seed": 1}}


def connect(url, session):
    """A client whose requests go to one replica."""
    headers = {"Authorization": f"Bearer {KEY}", "X-Session-Id": session}
    return httpx2.Client(base_url=url, timeout=300, trust_env=False, headers=headers)


def counted(client):
    """Whether its replica has answered requests for the version."""
    return 'path="/version"' in client.get("/metrics").text


def load(client):
    lines = client.get("/metrics").text.splitlines()
    [value] = [line.split()[1] for line in lines if line.startswith("anygen_load ")]
    return float(value)


class Replicas:
    """Both, and a way to end them."""

    def __init__(self, context):
        self.context, self.url = context, context.__enter__()
        self.one = connect(self.url, "0")
        self.one.get("/version")
        clients = (connect(self.url, f"{number}") for number in range(1, 100))
        self.two = next(client for client in clients if not counted(client))

    def close(self):
        if self.context:
            context, self.context = self.context, None
            context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def replicas(cluster, eager_model):
    settings = ServeSettings(port=0, keys=(KEY,), queue=0, drain=5.0)
    found = Replicas(serving(partial(open_tiny, eager_model), settings, Cluster(workers=2)))
    yield found
    found.close()


@pytest.fixture(params=["one", "two"])
def client(replicas, request):
    return getattr(replicas, request.param)


def contents(response):
    return [item_content(item) for item in response["output"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["ray://127.0.0.1:1"],
            "--ray-address ray://127.0.0.1:1: a server is started on a machine",
        ),
        (["auto", "--port", "0"], "--port 0: the proxy of a cluster needs a port"),
    ],
    ids=str,
)
def test_what_a_cluster_cannot_serve_is_refused(anygen_cli, options, message):
    code, out, err = anygen_cli("serve", "--engine", "ray", "--ray-address", *options)
    assert (code, out) == (2, "")
    assert err.startswith(f"anygen: {message}")


def test_an_address_where_nothing_answers_is_one_sentence(anygen_cli):
    command = ["serve", "--engine", "ray", "--ray-address", "127.0.0.1:1"]
    code, out, err = anygen_cli(*command)
    assert (code, out) == (2, "")
    assert err == ("anygen: --ray-address 127.0.0.1:1: nothing answers there: Connection refused\n")


def test_what_ray_lacks_to_serve_is_named(anygen_cli, monkeypatch):
    ray = ray_pool.import_ray()
    monkeypatch.delattr(ray, "serve", raising=False)
    monkeypatch.setitem(sys.modules, "ray.serve", None)
    code, _, err = anygen_cli("serve", "--engine", "ray")
    assert (code, err) == (
        2,
        "anygen: --engine ray needs ray.serve: pip install 'anygen-mm[ray,serve]'\n",
    )


def test_a_replica_that_does_not_answer_the_others_is_an_error_of_the_api(monkeypatch):
    class Silent:
        def broadcast(self, *arguments):
            return self

        async def results_async(self, **limits):
            raise TimeoutError

    serve = import_serve(None)
    monkeypatch.setattr(serve, "get_deployment_handle", lambda *names: Silent())
    replica = Mock(id="one")
    with pytest.raises(ApiError) as raised:
        asyncio.run(Replica.ask(replica, "find_here", "file_1", StoredFile))
    assert (raised.value.status_code, raised.value.code) == (503, "replica_timeout")


def test_each_replica_has_the_bytes_of_generate_whole_and_streamed(client, generated):
    body = {"input": "draw a cat", "anygen": {**OPTIONS, "seed": SEED}}
    expected = generated("draw a cat", SEED, OPTIONS)
    assert contents(client.post("/v1/responses", json=body).json()) == expected
    with client.stream("POST", "/v1/responses", json={**body, "stream": True}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        frames = "".join(reply.iter_text()).split("\n\n")
    events = [json.loads(frame.partition("data: ")[2]) for frame in frames if "data: {" in frame]
    assert "anygen:media.progress" in {event["type"] for event in events}
    assert contents(events[-1]["response"]) == expected
    assert frames[-2] == "data: [DONE]"


def test_a_response_of_one_is_read_continued_and_deleted_by_the_other(replicas):
    one, two = replicas.one, replicas.two
    first = one.post("/v1/responses", json=STORED).json()
    path = f"/v1/responses/{first['id']}"
    assert two.get(path).json() == first
    then = {**STORED, "input": "a cat", "previous_response_id": first["id"]}
    [here], [there] = (
        contents(client.post("/v1/responses", json=then).json()) for client in (one, two)
    )
    assert here == there
    assert two.delete(path).status_code == 200
    for client in (one, two):
        assert client.get(path).json()["error"]["code"] == "response_not_found"
        refused = client.post("/v1/responses", json=then).json()["error"]
        assert refused["code"] == "previous_response_not_found"


def test_a_file_of_one_is_used_listed_and_deleted_by_the_other(replicas):
    one, two = replicas.one, replicas.two
    body = {"prompt": "a ball", "seed": 1, "steps": 1, "response_format": "url"}
    [image] = one.post("/v1/images/generations", json=body).json()["data"]
    png = two.get(image["url"]).content
    assert png == one.get(image["url"]).content
    file = one.post("/v1/files", files={"file": png}, data={"purpose": "vision"}).json()
    assert file["bytes"] == len(png)
    other = two.post("/v1/files", files={"file": png}, data={"purpose": "vision"}).json()
    parts = [{"type": "input_image", "file_id": file["id"]}, {"type": "input_text", "text": "?"}]
    question = {"input": [{"role": "user", "content": parts}], "anygen": {**IMAGE, "seed": 1}}
    [here], [there] = (
        contents(client.post("/v1/responses", json=question).json()) for client in (one, two)
    )
    assert here == there
    for client in (one, two):
        listed = client.get("/v1/files").json()["data"]
        assert {each["id"] for each in listed} == {file["id"], other["id"]}
    assert two.get(f"/v1/files/{file['id']}/content").content == png
    assert two.delete(f"/v1/files/{file['id']}").json()["deleted"]
    assert one.get("/v1/files").json()["data"] == [other]


def test_a_video_of_one_is_watched_fetched_and_ended_by_the_other(replicas, generated):
    one, two = replicas.one, replicas.two
    path = f"/v1/videos/{one.post('/v1/videos', json=VIDEO).json()['id']}"
    while two.get(path).json()["status"] != "completed":
        time.sleep(0.05)
    options = {"modalities": ["video"], "exactly": {"video": 1}, "media": {"video": {"steps": 2}}}
    [(_, file)] = generated("a ball", 3, options)
    assert two.get(f"{path}/content").content == file
    hanging = one.post("/v1/videos", json={**VIDEO, "steps": HANGING}).json()["id"]
    assert two.get(f"/v1/videos/{hanging}").json()["status"] in ("queued", "in_progress")
    assert two.get("/v1/videos").json()["first_id"] == hanging
    assert two.delete(f"/v1/videos/{hanging}").json()["deleted"]
    assert one.get(f"/v1/videos/{hanging}").status_code == 404
    while load(one):
        time.sleep(0.05)


def test_a_batch_of_one_is_cancelled_by_the_other(replicas):
    one, two = replicas.one, replicas.two
    url = "/v1/responses"
    video = {"modalities": ["video"], "exactly": {"video": 1}}
    body = {"input": "a ball", "anygen": {**video, "media": {"video": {"steps": HANGING}}}}
    line = {"custom_id": "a", "method": "POST", "url": url, "body": body}
    lines = {"file": json.dumps(line).encode()}
    file = two.post("/v1/files", files=lines, data={"purpose": "batch"}).json()
    asked = {"input_file_id": file["id"], "endpoint": url, "completion_window": "24h"}
    batch = one.post("/v1/batches", json=asked).json()
    path = f"/v1/batches/{batch['id']}"
    while two.get(path).json()["status"] != "in_progress":
        time.sleep(0.05)
    assert two.post(f"{path}/cancel").json()["status"] in ("cancelling", "cancelled")
    while two.get(path).json()["status"] != "cancelled":
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "Bearer none"}, 401, "invalid_api_key"),
        ({"Host": "example.org"}, 403, "unknown_host"),
        ({"Origin": "https://example.org"}, 403, "foreign_origin"),
    ],
    ids=str,
)
def test_the_guard_stands_before_each_replica(client, headers, status, code):
    reply = client.post("/v1/responses", json={"input": "a dog"}, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert len(reply.headers.get_list("x-request-id")) == 1


def test_a_full_replica_refuses_in_the_form_of_the_api(replicas):
    one, two = replicas.one, replicas.two
    body = {**VIDEO, "steps": HANGING}
    videos = [one.post("/v1/videos", json=body).json()["id"] for _ in range(MAX_SLOTS)]
    client = openai.OpenAI(
        base_url=f"{replicas.url}/v1", api_key=KEY, max_retries=0, http_client=one
    )
    with pytest.raises(openai.RateLimitError) as refused:
        client.responses.create(model="tiny", input="a dog")
    assert refused.value.code == "queue_full"
    assert int(refused.value.response.headers["retry-after"]) > 0
    assert two.post("/v1/responses", json=STORED).status_code == 200
    for video in videos:
        assert two.delete(f"/v1/videos/{video}").status_code == 200
    while load(one):
        time.sleep(0.05)


def test_what_is_being_made_gets_its_time_before_the_replicas_end(replicas):
    """This is the last test: it ends them."""
    assert replicas.one.post("/v1/videos", json={**VIDEO, "steps": HANGING}).status_code == 200
    closing = threading.Thread(target=replicas.close)
    closing.start()
    while (reply := replicas.two.post("/v1/responses", json=STORED)).status_code == 200:
        pass
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "draining")
    assert reply.headers["retry-after"]
    closing.join()
    with pytest.raises(httpx2.TransportError):
        replicas.one.get("/health")
