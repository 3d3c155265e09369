import json
from pathlib import Path

import pytest

from anygen.chat import attachments
from anygen.chat.attachments import begins_with_path, parse_line
from anygen.core.media import Image
from anygen.io.media_files import MediaError
from support.scripted_chat import kinds


def test_a_line_without_attachments_is_one_part_of_text():
    assert parse_line("hello there") == ("hello there",)


def test_text_before_and_after_an_attachment_keeps_its_place(cat):
    parts = parse_line("which animal is this? @cat.png Now show it")
    assert kinds(parts) == ["which animal is this?", Image, "Now show it"]


@pytest.mark.parametrize(
    "written", ['@"my cat.png"', "@'my cat.png'", r"@my\ cat.png", '@"{folder}/my cat.png"']
)
def test_a_path_with_spaces_is_quoted_or_escaped(cat, tmp_path, written):
    cat.rename("my cat.png")
    parts = parse_line(f"look: {written.format(folder=tmp_path)} nice")
    assert kinds(parts) == ["look:", Image, "nice"]


def test_punctuation_after_an_attachment_is_text(cat):
    assert kinds(parse_line("is @cat.png?")) == ["is", Image, "?"]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".tif", ".tiff", ".JPEG"])
def test_text_that_follows_any_suffix_without_a_space_is_text(cat, suffix):
    Path(f"cat{suffix}").write_bytes(cat.read_bytes())
    assert kinds(parse_line(f"这是什么 @cat{suffix}。好")) == ["这是什么", Image, "。好"]


def test_several_attachments_follow_each_other(cat):
    assert kinds(parse_line("@cat.png @cat.png")) == [Image, Image]


def test_a_home_folder_is_found(cat, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kinds(parse_line("@~/cat.png")) == [Image]


def test_a_home_that_does_not_exist_is_no_file_and_no_crash(cat):
    assert parse_line('what does "~foo" mean?') == ('what does "~foo" mean?',)
    with pytest.raises(MediaError, match=r"^~nosuch/cat\.png: no such file$"):
        parse_line("what is in @~nosuch/cat.png")


@pytest.mark.parametrize(
    "line",
    [
        "write to me@cat.png",
        "thanks @anna",
        "@angular/core",
        "@",
        '@"so called"',
        'what is "cat.png" for?',
        "*.png and .png",
        "@" + "x" * 5000,
    ],
)
def test_an_at_sign_that_names_no_file_stays_text(cat, line):
    assert parse_line(line) == (line,)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("what is @dog.png ?", "dog.png: no such file"),
        ("what is in this picture ./nope.jpg", "nope.jpg: no such file"),
        ("what is in nope.jpg?", "nope.jpg: no such file"),
        ("what is in @photo.heic", "photo.heic: no such file"),
        ("/nope/x.png what", "/nope/x.png: no such file"),
        ("what is this @{folder}", "{folder}: is a folder, not a file"),
        ("what is https://example.org/cat.png", "https://example.org/cat.png: web addresses are "),
    ],
)
def test_an_attachment_that_is_meant_and_not_there_is_an_error(cat, tmp_path, line, complaint):
    with pytest.raises(MediaError) as caught:
        parse_line(line.format(folder=tmp_path))
    assert str(caught.value).startswith(complaint.format(folder=tmp_path))


def test_a_name_alone_is_attached(cat):
    assert kinds(parse_line("what is in cat.png?")) == ["what is in", Image, "?"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("(@cat.png)", ["(", Image, ")"]),
        ('see "@cat.png" now', ["see", Image, "now"]),
        ("@cat.png's colour", [Image, "'s colour"]),
        ("这是什么？ @cat.png。", ["这是什么？", Image, "。"]),
        ("@cat.png是什么？", [Image, "是什么？"]),
    ],
)
def test_quotes_brackets_and_other_languages_may_surround_an_attachment(cat, line, parts):
    assert kinds(parse_line(line)) == parts


def test_a_file_that_is_no_medium_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notes").write_text("buy some milk, and bread")
    with pytest.raises(MediaError, match="notes: holds no picture, sound or video"):
        parse_line("read @notes")


@pytest.mark.parametrize(
    "written", ["'{folder}/my cat.png'", '"{folder}/my cat.png"', r"{folder}/my\ cat.png"]
)
def test_a_file_that_is_dropped_on_the_terminal_needs_no_at_sign(cat, tmp_path, written):
    cat.rename("my cat.png")
    line = written.format(folder=tmp_path) + " what is this?"
    assert kinds(parse_line(line)) == [Image, "what is this?"]
    assert begins_with_path(line)


def test_a_file_address_is_a_path(cat, tmp_path):
    cat.rename("my cat.png")
    assert kinds(parse_line(f"file://{tmp_path}/my%20cat.png")) == [Image]


@pytest.mark.parametrize("line", ["/help", "/etc/passwd", "'tis 'so'"])
def test_what_is_not_marked_is_a_file_only_if_it_ends_like_a_medium(cat, line):
    assert parse_line(line) == (line,)
    assert not begins_with_path(line)


def test_an_apostrophe_hides_no_attachment(cat):
    assert kinds(parse_line("'tis @cat.png 'twas")) == ["'tis", Image, "'twas"]


def test_a_medium_knows_its_file(cat):
    (part,) = parse_line("@cat.png")
    assert part.path == Path("cat.png")


@pytest.mark.parametrize(
    "text",
    [
        "{" * 4_000,
        "@" * 4_000,
        "(@a" * 1_000,
        "@" + "。" * 4_000,
        json.dumps([[{"name": str(number)}] for number in range(500)], separators=(",", ":")),
    ],
    ids=["braces", "at signs", "both", "Chinese", "JSON"],
)
def test_a_long_text_without_spaces_looks_for_few_files(monkeypatch, text):
    looked: list[str] = []

    def exists(path: Path) -> bool:
        looked.append(str(path))
        return False

    monkeypatch.setattr(attachments, "exists", exists)
    assert parse_line(text) == (text,)
    assert len(looked) <= 10 * len(text)
