"""Strategies for what a person may type: any bytes, any path, and what is close to being right."""

from __future__ import annotations

import os
from itertools import chain

from hypothesis import strategies as st

from anygen.chat.slash_commands import ALIASES, COMMANDS
from anygen.cli.data import LAYOUTS
from anygen.generation.option_names import NAMES

ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.binary(max_size=20).map(os.fsdecode),
)
# Deeper than Python recurses; PyYAML takes ten times as long for a hundred more than 1024.
DEEP = 1000
# Files that exist (see test_any_input.py), that do not, that are none, and that cannot be.
PATHS = [
    *("cat.png", "./cat.png", "my cat.png", "tone.wav", "talk.json", "rows.jsonl", "system.yaml"),
    *("empty.png", "text.png", "half.png", "deep.json", "deep.yaml", "deep.jsonl", "folder"),
    *("gone.png", "gone.json", "gone.jsonl", "gone/new.html", "new.html", "new.md", "new.json"),
    *("new.png", "new.wav", "new.mp4", "new.txt", "cat.png/new.png", "cat.png/new.json", "con.png"),
    *("", ".", "..", " ", "~", "~nobody/x.png", "~/x.png", "~\0/x.png", "a\0b.png", "\udce9.png"),
    *("x" * 300 + ".png", "d/" * 3000 + "x.png", "猫.png", "-", "--", "-p", "*.png", "%00.png"),
    *("file://", "file:///gone.png", "file://[x/cat.png", "file:///%00.png", "file:///%ff.png"),
    *("http://x/y.png", "data:image/png;base64,AAAA", "/dev/null", "/dev/zero", "/dev/full"),
    *("/proc/self/mem", "/proc/self/x.png", "/gone/x.png", "/gone/new.html"),
]
NUMBERS = [
    *("0", "1", "2", "-1", "007", "1_0", "٣", "²", "9" * 30, "9" * 5000, "-" + "9" * 30, "0x1"),
    *("0.5", ".5", "1e400", "-0.0", "nan", ".nan", "inf", ".inf", "1e-320", "1:30", "1e3"),
]
VALUES = [
    *("true", "null", "default", "all", "text", "image", "text,image", "audio,video", ",", "smell"),
    *("[" * DEEP, "{" * DEEP, "&a [*a]", "!!python/none", "2024-13-45", "a: b: c", "%", "'", '"'),
    *("\\", '"""', "[1, 2]", "{a: 1}", "wait", "late", "euler", "cpu", "cuda", "float16", "int8"),
]
SETTINGS = [*NAMES, "image.steps", "exactly.image", "at_most.audio", "video.frames", "a.b.c", "."]


def _inside(text: str) -> str:
    """A path that a command may write to without leaving the folder of the test."""
    return text.replace("..", "_").lstrip("/~") if text not in PATHS else text


paths = st.one_of(st.sampled_from(PATHS), ANY_TEXT.map(_inside))
words = st.one_of(
    paths,
    st.sampled_from([*NUMBERS, *VALUES, *SETTINGS]),
    st.sampled_from(PATHS).map("@{}".format),
    st.sampled_from(PATHS).map('@"{}"'.format),
    st.sampled_from(PATHS).map("'{}'".format),
)
sentences = st.lists(words, max_size=4).map(" ".join)
settings_text = st.builds("{}{}{}".format, st.sampled_from(SETTINGS), st.sampled_from("= "), words)

commands = st.sampled_from([*COMMANDS, *ALIASES, "/", "//", "/nothing", "/sav"])
lines = st.one_of(
    ANY_TEXT.map(_inside),
    sentences,
    st.builds("{} {}".format, commands, sentences),
    st.builds("/set {}".format, settings_text),
    st.builds("/edit {} {} {}".format, st.sampled_from(NUMBERS), words, sentences),
    st.builds("/export {} {}".format, st.sampled_from(NUMBERS), paths),
    st.builds("{} {}".format, st.sampled_from(["/save", "/load", "/attach"]), paths),
)

# --- the command line

FLAGS = [
    *("--prompt", "-p", "--attach", "-a", "--out", "-o", "--seed", "--modalities", "--set"),
    *("--max-new-tokens", "--threads", "--batch-size", "--device", "--dtype", "--quant"),
    *("--offload", "--device-map", "--graphics", "--from", "--model", "-m", "--limit", "--layout"),
    *("--no-metadata", "--no-history", "--history", "--help", "--", "-x", "--nothing"),
]
values = st.one_of(words, settings_text, ANY_TEXT.map(_inside), paths)
flags = st.one_of(
    st.sampled_from(FLAGS).map(lambda flag: [flag]),
    st.tuples(st.sampled_from(FLAGS), values).map(list),
    st.tuples(st.just("--set"), settings_text).map(list),
    st.tuples(
        st.sampled_from(["--seed", "--threads", "--max-new-tokens"]), st.sampled_from(NUMBERS)
    ).map(list),
)
rest = st.lists(flags, max_size=3).map(lambda found: list(chain.from_iterable(found)))


def _command(*name: str, first: st.SearchStrategy[str] = values) -> st.SearchStrategy[list[str]]:
    return st.tuples(first, rest).map(lambda found: [*name, found[0], *found[1]])


questions = st.one_of(ANY_TEXT, sentences)
arguments = st.one_of(
    st.tuples(rest, questions).map(lambda found: ["chat", *found[0], "-p", found[1]]),
    st.tuples(rest, paths).map(lambda found: ["chat", "-p", "hi", *found[0], "-a", found[1]]),
    rest.map(lambda found: ["chat", *found]),
    _command("generate", first=questions),
    _command("generate", first=paths),
    _command("generate", "--from", first=paths),
    st.tuples(paths, st.sampled_from(LAYOUTS), rest).map(
        lambda found: ["data", "convert", found[0], "--from", found[1], *found[2]]
    ),
    _command("evaluate", "compare", "folder", first=paths),
    st.tuples(paths, st.lists(settings_text, max_size=2)).map(
        lambda found: ["config", found[0], *found[1]]
    ),
    st.lists(settings_text, max_size=2).map(lambda found: ["config", "system.yaml", *found]),
    _command("train", first=paths),
    _command("convert", first=paths),
    st.lists(values, max_size=4),
)
piped = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    st.lists(lines, max_size=2).map(lambda found: "\n".join(found).encode(errors="replace")),
)
