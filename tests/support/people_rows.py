"""A small people.jsonl of our own, with media that are rendered, and answers that are right."""

import json
from pathlib import Path
from typing import Any

from anygen.core.media import Message, Part
from anygen.generation.answer import Answer
from anygen.io.media_files import write_media
from mosit_data.world.pictures import render_picture
from mosit_data.world.scene import PictureScene, SoundScene, Thing, VideoScene
from mosit_data.world.sounds import render_sound
from mosit_data.world.videos import render_video


def picture(*names: str, background: str = "white", size: float = 0.6, style: str = "flat") -> Any:
    """One thing in the middle, or several from left to right."""
    things = tuple(
        Thing(concept=name, x=(i + 0.5) / len(names), y=0.5, size=size / len(names))
        for i, name in enumerate(names)
    )
    relation = "to the left of" if len(set(names)) > 1 else None
    scene = PictureScene(things=things, relation=relation, style=style, background=background)
    return render_picture(scene)


def sound(name: str, pattern: str | None = None) -> Any:
    melodic = pattern not in (None, "beat")
    pitch, tempo = ("middle" if melodic else None), ("fast" if pattern else None)
    return render_sound(SoundScene(sound=name, pattern=pattern, pitch=pitch, tempo=tempo))


def video(name: str, motion: str, background: str = "green") -> Any:
    thing = Thing(concept=name, x=0.5, y=0.5, size=0.5)
    return render_video(VideoScene(thing=thing, motion=motion, style="flat", background=background))


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


LOOK = [{"type": "image", "path": "media/owl.png"}, text("who lives in this tree?")]
REDO = [
    {"role": "user", "content": "one tiny house"},
    {"role": "assistant", "content": [{"type": "image", "path": "media/house.png"}]},
    {"role": "user", "content": "a good deal larger, if you can"},
]
IMAGE, AUDIO, VIDEO = ["image"], ["audio"], ["video"]

# id, kind, what is asked, what is expected
ROWS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("i1", "image", "sketch me a turtle", {"media": IMAGE, "object": ["turtle"]}),
    ("i2", "image", "panda on pink", {"media": IMAGE, "object": "panda", "background": "pink"}),
    ("i3", "image", "a pair of apples", {"media": IMAGE, "object": "apple", "count": 2}),
    ("i4", "image", "a green apple", {"media": IMAGE, "object": ["apple"], "colour": "green"}),
    (
        *("i5", "image", "car left, tree right"),
        {"media": IMAGE, "object": [["car", "tree"]], "relation": "to the left of"},
    ),
    (
        *("a1", "audio", "some banjo, rising"),
        {"media": AUDIO, "object": ["banjo"], "pattern": "rising"},
    ),
    (
        *("v1", "video", "let a ball of fire rise"),
        {"media": VIDEO, "object": "fire", "motion": "moving up", "background": "green"},
    ),
    (
        *("m1", "multi", "a bell to see and to hear"),
        {"media": ["image", "audio"], "object": ["bell", "bell|music box"], "pattern": "chord"},
    ),
    (
        *("f1", "followup", REDO),
        {"media": IMAGE, "object": ["house"], "larger_than": ["media/house.png"]},
    ),
    ("u1", "understand", [{"role": "user", "content": LOOK}], {"match": r"\bowl\b"}),
    (
        "n1",
        "unknown",
        "a unicorn",
        {"media_any": [[], IMAGE], "match": "cannot", "not_match": "sure"},
    ),
    ("p1", "plain", "what do bees make?", {"match": "honey", "faithful": True, "base": ["Honey."]}),
]


def write_people(folder: Path) -> Path:
    """A folder for `--data`."""
    lines = []
    for row_id, kind, asked, expect in ROWS:
        key = "prompt" if isinstance(asked, str) else "messages"
        row = {"id": row_id, "kind": kind, "who": "a tester", key: asked, "expect": expect}
        lines.append(json.dumps(row) + "\n")
    (folder / "media").mkdir()
    write_media(picture("owl"), folder / "media" / "owl.png")
    write_media(picture("house", size=0.3), folder / "media" / "house.png")
    (folder / "people.jsonl").write_text("".join(lines))
    return folder


def right_answers() -> dict[str, tuple[Part, ...]]:
    """What a perfect model answers, by the ids of the rows."""
    green = picture("apple")
    green.pixels[:] = green.pixels[[1, 0, 2]]  # red and green change places
    return {
        "i1": (picture("turtle"),),
        "i2": ("A panda.", picture("panda", background="pink")),
        "i3": (picture("apple", "apple"),),
        "i4": (green,),
        "i5": (picture("car", "tree", size=0.85),),
        "a1": (sound("banjo", "rising"),),
        "v1": (video("fire", "moving up"),),
        "m1": (picture("bell"), "It sounds so:", sound("bell", "chord")),
        "f1": (picture("house"),),
        "u1": ("That is an owl.",),
        "n1": ("I cannot draw that.",),
        "p1": ("Honey.",),
    }


def answer(*parts: Part, finish: Any = "stop") -> Answer:
    return Answer(Message("assistant", parts), finish)
