"""The page in a real browser: conversations with media of all kinds, and whatever goes wrong."""

import re
import time

import pytest
import torch

from anygen.core.media import Image
from decoders.base import CancelledError

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=300_000)
pytestmark = pytest.mark.slow
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def page(browser, served, page_of_server):
    """The page as `anygen web` opens it. Errors, alerts and calls of other hosts are collected."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("dialog", lambda dialog: page.faults.append(dialog.message))
    page.on(
        "request",
        lambda sent: (
            sent.url.startswith((served.url, "blob:", "data:")) or page.faults.append(sent.url)
        ),
    )
    page.goto(page_of_server.address(served.url))
    page.locator("#modalities input").first.wait_for(state="attached")
    yield page
    context.close()
    assert page.faults == []


def ask(page, text):
    page.locator("#text").fill(text)
    page.locator("#text").press("Enter")


def answered(page, turns=1):
    """The articles of so many answers, when the last one is complete."""
    page.locator("#send").wait_for(state="visible")
    page.locator("article.assistant").nth(turns - 1).wait_for()
    page.locator("text=Regenerate").wait_for()
    return page.locator("article.assistant")


def shown(article):
    """What an answer consists of, in its order."""
    names = {"IMG": "image", "AUDIO": "audio", "VIDEO": "video", "DIV": "text"}
    tags = "e => [...e.querySelectorAll('.text, img, audio, video')].map(e => e.tagName)"
    return [names[tag] for tag in article.evaluate(tags)]


def test_an_answer_has_its_parts_in_order_and_they_can_be_seen_and_heard(page, served):
    assert "token" not in page.url
    ask(page, "draw a cat")
    article = answered(page).last
    body = {"input": "draw a cat", "anygen": {"seed": seed_of(article)}}
    headers = {"Authorization": "Bearer the-key"}
    response = served.http.post("/v1/responses", json=body, headers=headers).json()
    kinds = {"message": "text", "image_generation_call": "image"}
    types = [item["type"] for item in response["output"]]
    expected = [kinds.get(kind) or kind.removeprefix("anygen:") for kind in types]
    assert {"image", "audio", "video"} <= set(expected)
    assert shown(article) == expected
    for tag in ("audio", "video"):
        player = article.locator(tag).first
        player.evaluate("e => e.readyState || new Promise(r => e.onloadedmetadata = r)")
        assert player.evaluate("e => e.duration > 0 && e.error === null")
    assert article.locator("img").first.evaluate("e => e.decode().then(() => e.naturalWidth)") > 0


def seed_of(article):
    return int(re.search(r"Seed (\d+)$", article.locator(".tools").inner_text().split("\n")[0])[1])


def test_a_conversation_survives_a_reload_and_goes_on(page):
    ask(page, "draw a cat")
    before = shown(answered(page).last)
    page.reload()
    assert shown(answered(page).last) == before
    ask(page, "and a dog")
    answered(page, 2)
    page.locator("#new").click()
    expect(page.locator("article")).to_have_count(0)
    page.locator("#conversations .open", has_text="draw a cat").click()
    expect(page.locator("article.assistant")).to_have_count(2)
    page.locator("#conversations li button").last.click()
    expect(page.locator("#conversations li")).to_have_count(0)


def test_a_conversation_that_the_server_forgot_is_sent_again(page, served):
    ask(page, "draw a cat")
    answered(page)
    served.service.store.seconds = 0.0
    ask(page, "and a dog")
    answered(page, 2)
    ask(page, "and a cow")
    expect(answered(page, 3)).to_have_count(3)


def test_an_answer_can_be_stopped_and_asked_again(page, model, monkeypatch, served):
    def hang(requests, on_step, cancelled):
        on_step(1, 2)
        requests[0].on_preview(Image(torch.zeros(3, 8, 8, dtype=torch.uint8)))
        while not cancelled():
            time.sleep(0.01)
        raise CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(model.model.decoders["image"], "sample", hang)
        ask(page, "draw a cat")
        page.locator("figure:has(progress) img").wait_for()
        page.keyboard.press("Escape")
        page.locator("#send").wait_for(state="visible")
        assert served.is_idle()
        expect(page.locator("#status")).to_have_text("Stopped.")
    assert page.locator("#text").input_value() == "draw a cat"
    page.locator("#send").click()
    assert "image" in shown(answered(page).last)


def test_regenerate_gives_another_answer(page):
    ask(page, "draw a cat")
    first = seed_of(answered(page).last)
    page.locator("text=Regenerate").click()
    assert seed_of(answered(page).last) != first
    expect(page.locator("article")).to_have_count(2)


def test_options_hold_and_a_mistake_is_a_sentence(page):
    page.locator("#options summary").click()
    page.locator("#seed").fill("7")
    page.locator("#temperature").fill("9")
    ask(page, "draw a cat")
    page.locator("#status.wrong").wait_for()
    assert "temperature" in page.locator("#status").inner_text()
    assert page.locator("#text").input_value() == "draw a cat"
    page.locator("#temperature").fill("")
    page.locator("#send").click()
    assert seed_of(answered(page).last) == 7


def test_a_medium_can_be_changed(page):
    ask(page, "draw a cat")
    answered(page)
    with page.expect_request("**/v1/responses") as sent:
        page.locator("figcaption button", has_text="Change").first.click()
        ask(page, "make it blue")
    assert sent.value.post_data_json["anygen"]["edit"] == {"ref": 1, "strength": 0.95}
    assert sent.value.post_data_json["previous_response_id"]
    assert shown(answered(page, 2).last)[0] == "image"


def test_nasty_names_and_messages_are_text(page, tmp_path):
    ask(page, "draw a cat")
    with page.expect_download() as saved:
        answered(page).last.locator("a", has_text="Save").first.click()
    path = tmp_path / "cat.png"
    saved.value.save_as(path)
    file = {"name": f"{NASTY}.png", "mimeType": "image/png", "buffer": path.read_bytes()}
    page.locator("#file").set_input_files(file)
    expect(page.locator("#attached span")).to_have_text(f"{NASTY}.png")
    ask(page, NASTY)
    answered(page, 2)
    question = page.locator("article.user").last
    expect(question.locator(".text")).to_have_text(NASTY)
    assert NASTY in question.locator("figcaption").inner_text()
    page.locator("#file").set_input_files({"name": "x", "mimeType": "text/html", "buffer": b"x"})
    assert "x is no picture" in page.locator("#status").inner_text()
    with page.expect_download() as exported:
        page.locator("#export").click()
    transcript = tmp_path / "transcript.html"
    exported.value.save_as(transcript)
    saved_page = page.context.new_page()
    saved_page.on("dialog", lambda dialog: page.faults.append(dialog.message))
    saved_page.goto(transcript.as_uri())
    assert NASTY in saved_page.locator(".user").last.inner_text()
    expect(saved_page.locator("img")).to_have_count(page.locator("#log img").count())
    assert saved_page.locator("img").last.evaluate("e => e.naturalWidth") > 0


def test_the_gallery_has_everything_that_was_made(page):
    page.locator("#openGallery").click()
    assert "Nothing" in page.locator("#pictures").inner_text()
    page.keyboard.press("Escape")
    ask(page, "draw a cat")
    made = [kind for kind in shown(answered(page).last) if kind != "text"]
    page.locator("#openGallery").click()
    expect(page.locator("#pictures figure")).to_have_count(len(made))


def test_it_is_usable_on_a_phone_by_keyboard_and_in_chinese(page):
    page.set_viewport_size({"width": 360, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not page.locator("#side").is_visible()
    page.locator("#openSide").press("Enter")
    page.locator("#language").press("Enter")
    page.locator("#closeSide").press("Enter")
    expect(page.locator("#send")).to_have_text("发送")
    assert page.locator("html").get_attribute("lang") == "zh"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea')].filter(e => e.checkVisibility()"
        " && !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map(e => e.id)"
    )
    assert unnamed == []
    ask(page, "画一只猫")
    page.locator("text=重新生成").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_the_key_it_says_where_to_get_it(browser, served):
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.goto(f"{served.url}/#token=wrong")
        page.locator("#status.wrong").wait_for()
        assert "anygen web prints" in page.locator("#status").inner_text()
