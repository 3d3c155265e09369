"""The OpenAPI description of all endpoints."""

import json
import re

import pytest
from fastapi import APIRouter, FastAPI

from anygen.serve.app import ENDPOINTS
from anygen.serve.errors import RESPONSES, ApiError

FORMS = ("/v1/files", "/v1/images/edits", "/v1/videos", "/v1/videos/sync")


@pytest.fixture(scope="module")
def described():
    app = FastAPI(responses=RESPONSES)
    for module in ENDPOINTS:
        assert isinstance(module.router, APIRouter)
        app.include_router(module.router)
    return app.openapi()


def test_the_bodies_of_forms_are_described(described):
    for path in FORMS:
        [schema] = {
            json.dumps(content["schema"], sort_keys=True)
            for content in described["paths"][path]["post"]["requestBody"]["content"].values()
        }
        assert json.loads(schema)["additionalProperties"] is False
    image = described["paths"]["/v1/images/edits"]["post"]["requestBody"]["content"]
    fields = image["multipart/form-data"]["schema"]["properties"]
    assert fields["image"]["format"] == "binary"
    assert fields["strength"]["anyOf"][0] == {"type": "number"}


def test_a_video_may_be_asked_for_in_json(described):
    content = described["paths"]["/v1/videos"]["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data", "application/json"]


def test_every_reference_leads_to_a_schema(described):
    names = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described))
    assert "Extension" in names
    assert set(names) <= described["components"]["schemas"].keys()


def test_errors_have_the_form_that_is_described(described):
    for operations in described["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            assert "default" in operation["responses"]
    schemas = described["components"]["schemas"]
    envelope = ApiError(400, "no", "invalid_value").envelope
    assert envelope.keys() == set(schemas["ErrorEnvelope"]["properties"])
    assert envelope["error"].keys() == set(schemas["ErrorBody"]["properties"])
