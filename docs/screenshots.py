"""The pictures of docs/web.md: mini answers on the page of `anygen web`, in Chromium.

    python docs/screenshots.py

Needs playwright and a Chromium (`apt install chromium`).
"""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import sync_playwright

from anygen import AnyGen
from anygen.serve.app import Server, address_of, bind
from anygen.serve.service import Service
from anygen.serve.settings import ServeSettings
from anygen.web.page import Page

OUT = Path(__file__).parent / "web"
KEY, SEED = "key", "7"
PROMPTS = (
    "draw a red car on a blue background",
    "play a piano playing a rising melody",
)
SIZES = {"wide": (1200, 800), "dark": (720, 800), "phone": (360, 720)}


@contextmanager
def serving() -> Iterator[str]:
    """The address at which the page opens."""
    settings, page = ServeSettings(port=0, keys=(KEY,)), Page(KEY)
    with bind(settings) as socket:
        server = Server(Service(AnyGen.from_pretrained("mini"), settings), page)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        while not server.started:
            time.sleep(0.1)
        yield page.address(address_of(socket))
        server.should_exit = True
        thread.join()


def converse(page: BrowserPage) -> None:
    page.locator("#options summary").click()
    page.locator("#seed").fill(SEED)
    page.locator("#options summary").click()
    for turn, prompt in enumerate(PROMPTS):
        page.locator("#text").fill(prompt)
        page.locator("#text").press("Enter")
        page.locator("article.assistant").nth(turn).wait_for()
        page.locator("text=Regenerate").wait_for()


def main() -> None:
    OUT.mkdir(exist_ok=True)
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with serving() as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(locale="en-GB")
        page.set_default_timeout(300_000)
        page.goto(address)
        page.locator("#modalities input").first.wait_for(state="attached")
        converse(page)
        for name, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if name == "dark" else "light")
            if name == "phone":
                page.locator("#options summary").click()
            page.locator("#log").evaluate("e => { e.scrollTop = 0 }")
            page.wait_for_timeout(500)
            page.screenshot(path=OUT / f"{name}.png")
        chromium.close()


if __name__ == "__main__":
    main()
