"""Votes of the arena on a page: the journal of the terminal, and what a browser shows."""

import queue
import re
import threading
import time
from contextlib import contextmanager, suppress

import httpx2
import pytest

from anygen.evaluation.arena.battles import FILE
from anygen.evaluation.arena.matches import read_prompts
from anygen.evaluation.arena.sessions import Session
from anygen.evaluation.arena.voters import vote_by_hand
from anygen.web.arena import STATE, VOTES, vote_in_browser
from anygen.web.page import SESSION
from support.generation_suites import Making, flat

NAMES = ("the-first-model", "the-other-model")
SECONDS = 60


def session(folder, answer=lambda text, n: ["no"]):
    folder.mkdir(parents=True)
    (folder / "prompts.txt").write_text("draw a cat\nhow are you?\nsing\n")
    models = (Making(lambda text, n: ["Here: <b>", flat(9)]), Making(answer))
    prompts = read_prompts(folder / "prompts.txt")
    return Session(dict(zip(NAMES, models)), prompts, folder / "out", 0)


class Running:
    """A session whose votes come from a page: its address, what it says, and its end."""

    def __init__(self, arena):
        self.addresses, self.lines, self.errors = queue.Queue(), [], []
        self.thread = threading.Thread(target=self.run, args=(arena,))
        self.thread.start()
        self.address = self.addresses.get(timeout=SECONDS)
        self.url, token = self.address.split("/#token=")
        self.http = httpx2.Client(base_url=self.url, timeout=SECONDS, trust_env=False)
        self.token = {"Authorization": f"Bearer {token}"}

    def run(self, arena):
        try:
            vote_in_browser(arena, 0, self.addresses.put, self.lines.append)
        except Exception as error:
            self.errors.append(error)

    def sign_in(self):
        reply = self.http.post(SESSION, headers=self.token)
        if reply.status_code == 200:  # the token was not used before
            self.http.headers["Authorization"] = f"Bearer {reply.json()['key']}"

    def state(self):
        """The state, once models have answered."""
        while (state := self.http.get(STATE).json())["state"] == "answering":
            time.sleep(0.01)
        return state

    def vote(self, number, vote):
        return self.http.post(VOTES, json={"number": number, "vote": vote})

    def has_ended(self):
        self.thread.join(SECONDS)
        return not self.thread.is_alive()


@contextmanager
def running(arena):
    """A session that is over at the end, whatever the test has left of it."""
    found = Running(arena)
    try:
        yield found
    finally:
        with suppress(httpx2.HTTPError):  # it has ended
            found.sign_in()
        with suppress(httpx2.HTTPError):
            while (state := found.state())["state"] != "over":
                found.vote(state["number"], "stop")
        assert found.has_ended()
        found.http.close()


def journal(arena):
    return (arena.out / FILE).read_bytes()


def test_votes_of_the_page_are_those_of_the_terminal(tmp_path):
    arena = session(tmp_path / "page")
    with running(arena) as page:
        page.sign_in()
        for number, vote in enumerate(("first", "bad", "skip"), start=1):
            state = page.state()
            assert state["number"] == number
            assert not any(name in str(state) for name in NAMES)
            models = page.vote(number, vote).json()["models"]
            assert models is None if vote == "skip" else set(models) == set(NAMES)
        assert page.state()["lines"][0] == "2 of 3 prompts have a vote, 1 were left out"
        assert page.has_ended()
    typed = iter("10s")
    terminal = session(tmp_path / "terminal")
    list(terminal.run(lambda m: vote_by_hand(m, lambda *_: None, lambda _: next(typed))))
    assert journal(arena) == journal(terminal)


def test_parts_of_prompts_and_answers_keep_their_order(tmp_path):
    with running(session(tmp_path / "page")) as page:
        page.sign_in()
        state = page.state()
    assert state["prompt"] == [{"type": "text", "text": "draw a cat"}]
    kinds = [[part["type"] for part in answer] for answer in state["answers"]]
    assert sorted(kinds) == [["text"], ["text", "image"]]


def test_a_vote_is_for_the_match_that_is_shown(tmp_path):
    with running(session(tmp_path / "page")) as page:
        page.sign_in()
        page.state()
        for number, vote, code in ((2, "tie", "invalid_value"), (1, "best", "invalid_value")):
            reply = page.vote(number, vote)
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
        assert page.vote(1, "tie").status_code == 200
        assert page.state()["number"] == 2
        assert page.vote(1, "first").status_code == 400
    assert page.lines[1].startswith("stopped")


def test_nobody_else_reads_or_votes(tmp_path):
    with running(session(tmp_path / "page")) as page:
        assert page.http.get(STATE).status_code == 401
        assert page.vote(1, "tie").status_code == 401
        page.sign_in()
        assert page.http.post(SESSION, headers=page.token).status_code == 403
        foreign = {"Origin": "https://evil.example"}
        body = {"number": 1, "vote": "tie"}
        assert page.http.post(VOTES, json=body, headers=foreign).status_code == 403
        policy = page.http.get("/").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_what_ends_the_session_is_an_error_of_the_command(tmp_path):
    def fail(text, n):
        raise ConnectionError("the endpoint does not answer")

    found = Running(session(tmp_path / "page", fail))
    assert found.has_ended()
    [error] = found.errors
    assert str(error) == "the endpoint does not answer"
    found.http.close()


# --- in a browser


def open_page(browser, page_of_arena):
    page = browser.new_context(locale="en-GB").new_page()
    page.set_default_timeout(300_000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    own = (page_of_arena.url, "blob:", "data:")
    page.on("request", lambda sent: sent.url.startswith(own) or page.faults.append(sent.url))
    page.goto(page_of_arena.address)
    return page


@pytest.mark.slow
def test_a_person_votes_with_keys_and_buttons(browser, tmp_path):
    arena = session(tmp_path / "page")
    with running(arena) as found:
        page = open_page(browser, found)
        status = page.locator("#status")
        page.locator("#votes button:enabled").first.wait_for()
        assert "token" not in page.url
        assert page.locator("#prompt").inner_text() == "draw a cat"
        assert page.locator("#answers img").evaluate("e => e.decode().then(() => e.naturalWidth)")
        assert "Here: <b>" in page.locator("#answers").inner_text()
        assert not any(name in page.content() for name in NAMES)
        page.keyboard.press("1")
        page.locator("#count", has_text="Match 2").wait_for()
        assert set(re.findall(r"the-\w+-model", status.inner_text())) == set(NAMES)
        page.locator("#language").click()
        assert page.locator("#votes button").first.inner_text() == "1 更好"
        page.locator("#votes button[value=tie]").click()
        page.locator("#count", has_text="3").wait_for()
        page.keyboard.press("q")
        assert found.has_ended()
        page.locator("#status", has_text="anygen arena rate").wait_for()
        assert page.faults == []
        page.context.close()
    assert [battle.vote for battle in arena.battles()] == ["first", "tie"]
