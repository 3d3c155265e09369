"""On prompt_toolkit's own pipe: keys in, lines out, without a terminal."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from platformdirs import user_state_path
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from anygen.chat.slash_commands import COMMANDS
from anygen.terminal.line_editor import LineCompleter, typed_lines


@contextmanager
def typing(keys: str) -> Iterator[None]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        yield


def lines(keys: str, **settings) -> list[str]:
    settings = {"commands": COMMANDS, "take_prefill": lambda: "", "remember": False, **settings}
    with typing(keys):
        return list(typed_lines(**settings))


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


CTRL_C, CTRL_D, ALT_ENTER = "\x03", "\x04", "\x1b\r"


def test_lines_come_as_they_are_typed_and_ctrl_d_leaves():
    assert lines(f"hello\rthere\r{CTRL_D}never") == ["hello", "there"]


def test_ctrl_c_clears_the_line_and_twice_leaves():
    assert lines(f"helo{CTRL_C}hello\r{CTRL_C}{CTRL_C}never") == ["hello"]


def test_three_quotes_begin_and_end_a_text_of_several_lines():
    assert lines(f'"""one\rtwo\r"""\rthree\r{CTRL_D}') == ["one\ntwo\n", "three"]
    assert lines(f'"""one"""\r{CTRL_D}') == ["one"]


def test_alt_enter_is_a_new_line():
    assert lines(f"one{ALT_ENTER}two\r{CTRL_D}") == ["one\ntwo"]


def test_a_pasted_text_of_several_lines_is_one_question():
    assert lines(f"\x1b[200~one\ntwo\n\x1b[201~\r{CTRL_D}") == ["one\ntwo\n"]


def test_a_draft_stands_in_the_prompt_once():
    drafts = ["a dgo"]
    keys = f"\x7f\x7fog\rx\r{CTRL_D}"
    assert lines(keys, take_prefill=lambda: drafts.pop() if drafts else "") == ["a dog", "x"]


def test_history_is_kept_for_this_user_alone():
    lines(f"hello\r{CTRL_D}", remember=True)
    path = user_state_path("anygen") / "history"
    assert "+hello" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert lines(f"\x1b[A\r{CTRL_D}", remember=True) == ["hello"]


def test_a_history_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "state").touch()
    with pytest.raises(ValueError, match=r"history: cannot be written .* chat --no-history"):
        lines(f"hello\r{CTRL_D}", remember=True)


def test_without_history_nothing_is_written():
    lines(f"hello\r{CTRL_D}", remember=False)
    assert not (user_state_path("anygen") / "history").exists()


def completions(text: str) -> list[str]:
    document = Document(text)
    return [c.text for c in LineCompleter(COMMANDS).get_completions(document, CompleteEvent())]


def test_tab_completes_commands():
    assert completions("/re") == ["/record", "/retry", "/reset"]
    assert completions("say /re") == []


@pytest.mark.parametrize("before", ["@ca", "what is @ca", '@"ca', "/attach ca", "/load ca"])
def test_tab_completes_paths(tmp_path, monkeypatch, before):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.png").touch()
    assert completions(before) == ["t.png"]


@pytest.mark.parametrize("text", ["ca", "me@ca", ""])
def test_other_words_are_not_completed(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.png").touch()
    assert completions(text) == []
