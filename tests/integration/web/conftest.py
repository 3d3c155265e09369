"""A tiny model that makes media of all kinds behind the page, and a browser for it."""

import shutil

import pytest

from anygen import AnyGen
from anygen.generation.options import AnswerOptions
from anygen.web.page import Page
from support.served import OPTIONS, serving

KEY = "the-key"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def model(eager_model):
    return AnyGen.from_pretrained(eager_model)


@pytest.fixture
def page_of_server():
    return Page(KEY)


@pytest.fixture
def served(model, page_of_server):
    options = AnswerOptions.model_validate(OPTIONS)
    with serving(model, page_of_server, keys=(KEY,), options=options) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    """Chromium of this machine; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
