"""Requests that are made of the OpenAPI description, right and wrong ones, by a fixed seed."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from anygen.generation.options import AnswerOptions
from support.served import STEPS, serving

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
pytestmark = pytest.mark.slow
EXAMPLES = settings(
    max_examples=2,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TYPES = {
    *("invalid_request_error", "authentication_error", "permission_error", "not_found"),
    *("rate_limit", "server_error", "model_error"),
}


@pytest.fixture(scope="module")
def server(model):
    media = {modality: STEPS for modality in ("image", "audio", "video")}
    options = AnswerOptions(max_new_tokens=2, max_media=1, media=media)
    with serving(model, options=options) as found:
        yield found


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=str)
def test_no_request_is_a_fault_of_the_server_and_every_error_has_one_shape(server, mode):
    described = server.http.get("/openapi.json").json()
    assert "HTTPValidationError" not in described["components"]["schemas"]  # as no error is one
    schema = schemathesis.openapi.from_dict(described)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    statuses = set()
    for operation in operations:

        @EXAMPLES
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            reply = case.call(base_url=server.url, timeout=300)
            statuses.add(reply.status_code)
            assert reply.status_code < 500, (case, reply.text)
            if reply.status_code >= 400:
                error = reply.json()["error"]
                assert set(error) == {"message", "type", "param", "code"}
                assert error["type"] in TYPES
                assert error["message"]
                assert error["code"]

        with suppress(Unsatisfiable):  # nothing can be wrong with a path without parameters
            check()
    assert statuses >= {"positive": {200, 400}, "negative": {400}}[mode.value]
    assert server.is_idle()
