"""Lists in pages, and parameters in URLs."""

import pytest


@pytest.fixture(scope="module")
def client(served):
    return served.openai


@pytest.fixture(scope="module")
def files(client, served):
    """Three files, of which the first one is the oldest, and one of another purpose."""
    link = {"prompt": "a ball", "steps": 1, "response_format": "url"}
    [image] = served.http.post("/v1/images/generations", json=link).json()["data"]
    png = served.http.get(image["url"]).content
    made = [client.files.create(file=("a.jsonl", b"{}"), purpose="batch") for _ in range(3)]
    return [*made, client.files.create(file=("a.png", png), purpose="vision")]


def ids(entries):
    return [entry.id for entry in entries]


def refused(reply):
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    return error["code"], error["param"]


def test_a_client_goes_through_the_pages_of_a_list(client, files):
    newest_first = ids(files)[::-1]
    page = client.files.list(limit=3)
    assert ids(page.data) == newest_first[:3]
    assert (page.has_more, page.first_id, page.last_id) == (True, newest_first[0], newest_first[2])
    assert ids(page) == newest_first  # of all pages
    last = client.files.list(limit=3, after=newest_first[2])
    assert (ids(last.data), last.has_more) == (newest_first[3:], False)
    assert ids(client.files.list()) == newest_first
    assert ids(client.files.list(order="asc", limit=1)) == ids(files)
    assert ids(client.files.list(order="asc", after=newest_first[2])) == newest_first[:2][::-1]
    past = client.files.list(after=newest_first[-1])
    assert (past.data, past.first_id, past.has_more) == ([], None, False)


def test_what_was_the_last_of_a_page_may_be_deleted(client, files):
    made = [client.files.create(file=("b.jsonl", b"{}"), purpose="batch") for _ in range(5)]
    for entry in client.files.list(limit=2, purpose="batch"):
        if entry.id in ids(made):
            client.files.delete(entry.id)
    assert not set(ids(made)) & set(ids(client.files.list()))


def test_files_are_listed_by_purpose(client, files):
    assert ids(client.files.list(purpose="batch", limit=2)) == ids(files[2::-1])
    assert ids(client.files.list(purpose="vision")) == [files[3].id]
    assert ids(client.files.list(purpose="evals")) == []


def test_videos_and_batches_are_listed_in_pages(client, served, files):
    videos = [client.videos.create(prompt="a ball", extra_body={"steps": 1}).id for _ in range(3)]
    assert len(client.videos.list(limit=2).data) == 2
    assert set(ids(client.videos.list(limit=2))) == set(videos)
    batches = [
        client.batches.create(
            input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
        ).id
        for file in files[:2]
    ]
    assert len(client.batches.list(limit=1).data) == 1
    assert set(ids(client.batches.list(limit=1))) == set(batches)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/videos", "/v1/batches"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("0", "-1", "10001", "abc", "", "9" * 5000, "٢")),
        *(("order", "x"), ("after", "zzz"), ("after", "resp_" + "0" * 32)),
    ],
)
def test_a_page_that_is_none_is_refused(served, path, name, value):
    reply = served.http.get(path, params={name: value})
    assert refused(reply) == ("invalid_value", name)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/v1/models"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/file_0/content"),
        ("GET", "/v1/videos/video_0/content"),
        ("DELETE", "/v1/videos/video_0"),
        ("POST", "/v1/responses"),
        ("HEAD", "/v1/media/0"),
    ],
)
def test_an_unknown_parameter_of_a_url_is_refused_by_name(served, method, path):
    body = {"json": {"input": "hi"}} if method == "POST" else {}
    reply = served.http.request(method, path, params={"smell": "x"}, **body)
    assert reply.status_code == 400
    if method != "HEAD":
        assert refused(reply) == ("unknown_parameter", "smell")
