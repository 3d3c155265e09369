"""/metrics: what the server has done, for Prometheus."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.served import IMAGE, serving


def values(served):
    """name and labels -> value"""
    page = served.http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(page.text)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def fresh(model):
    with serving(model) as found:
        yield found


def test_answers_media_steps_and_requests_are_counted(fresh):
    body = {"input": "draw a cat", "anygen": {**IMAGE, "seed": 1}}
    usage = fresh.http.post("/v1/responses", json=body).json()["usage"]
    fresh.http.get("/v1/files/file_1")
    fresh.http.get("/nothing/at/all")
    found = values(fresh)
    assert found["anygen_answers_total", "stop"] == 1
    assert found["anygen_media_total", "image", "made"] == 1
    assert found["anygen_denoising_steps_total", "image"] == 2
    assert found["anygen_first_seconds_count", "medium"] == 1
    assert found["anygen_answer_seconds_count",] == 1
    read = found["anygen_tokens_total", "read"] + found["anygen_tokens_total", "cached"]
    assert read == usage["input_tokens"]
    assert found["anygen_requests_total", "/v1/responses", "200"] == 1
    assert found["anygen_requests_total", "/v1/files/{file_id}", "404"] == 1
    assert found["anygen_requests_total", "404", "none"] == 1
    assert found["anygen_load",] == 0
    assert found["anygen_slots",] > 0
    assert found["anygen_store_bytes",] == fresh.service.store.bytes > 0


def test_cancelled_and_refused_answers_are_counted(fresh, hanging):
    begun, _ = hanging
    with fresh.send("/v1/responses", {"input": "draw", "anygen": IMAGE}):
        assert begun.acquire(timeout=300)
        assert values(fresh)["anygen_load",] == 1
    assert fresh.is_idle()
    fresh.http.get("/v1/models", headers={"Host": "evil.example"})
    found = values(fresh)
    assert found["anygen_answers_total", "cancelled"] == 1
    assert found["anygen_requests_total", "403", "none"] == 1
