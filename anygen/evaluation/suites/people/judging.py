"""Whether an answer is what a person expected, in the columns of the table.

| column | right if |
|---|---|
| media | the sequence of media is one of those expected |
| text | it matches, and does not match what it should not; where no media are, there is some |
| judged | media show what was expected; the n-th expected of a modality is the n-th made |
| coherent | the background of every video holds still |
| clean | the text does not loop |
| all | all of these are right, and every medium could be made |
| same | a plain answer has the base model's very words |

Media are judged as they are in files. A column without anything to judge is left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anygen.core.media import Image, Media, Video, modality_of
from anygen.core.modality import TABLE, MediaModality
from anygen.evaluation.judges import pixels
from anygen.evaluation.judges.judges import PLACES, Judges, Verdict
from anygen.evaluation.metrics import is_looping
from anygen.evaluation.suites.base import media_in, text_of
from anygen.evaluation.suites.people.rows import Expectation
from anygen.generation.answer import Answer
from anygen.io.media_files import read_media, write_media

COLUMNS: dict[str, str] = {
    "media": "answers with the media that were expected, in their order",
    "text": "answers whose text says what was expected",
    "judged": "answers whose media show what was expected",
    "coherent": "answers whose videos hold their background still",
    "clean": "answers whose text does not loop",
    "all": "answers that are right in every respect",
    "same": "plain answers with the base model's very words",
}
RESIZED = 1.1  # the least factor between the areas of a larger and a smaller thing
# Which modalities each field is judged on.
APPLIES: dict[str, tuple[MediaModality, ...]] = {
    "object": ("image", "audio", "video"),
    "background": ("image", "video"),
    "style": ("image",),
    "motion": ("video",),
    "pattern": ("audio",),
    "colour": ("image",),
    "count": ("image",),
    "larger_than": ("image",),
    "smaller_than": ("image",),
}

Marks = dict[str, bool]
Check = Callable[["Shown", Any, Expectation], tuple[bool, str]]  # right, and what was found


class Shown:
    """A medium of an answer as its file holds it, and what the judges see in it."""

    def __init__(self, judges: Judges, medium: Media, folder: Path) -> None:
        self.judges, self.medium, self.folder = judges, as_in_file(medium), folder
        self.verdict = self.see()

    def see(self) -> Verdict:
        """The background of a video is that of most of its frames."""
        [verdict] = self.judges.judge([self.medium])
        if "sound" in verdict:
            return verdict | {"object": verdict["sound"]}
        if not isinstance(self.medium, Video):
            return verdict
        frames = self.judges.judge([Image(frame) for frame in self.medium.frames])
        [(background, _)] = Counter(one["background"] for one in frames).most_common(1)
        return verdict | {"background": background}

    @property
    def image(self) -> Image:
        assert isinstance(self.medium, Image), "these fields are judged on pictures only"
        return self.medium


def as_in_file(medium: Media) -> Media:
    """The medium after it was written and read: videos are compressed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"medium{TABLE[modality_of(medium)].suffix}"
        return read_media(write_media(medium, path))


def mark(
    judges: Judges, expect: Expectation, answer: Answer, folder: Path
) -> tuple[Marks, dict[str, str]]:
    """Whether each column is right, and what was found where media are wrong.

    `folder` is that of the row's own media.
    """
    text, media = text_of(answer), media_in(answer)
    modalities = tuple(modality_of(medium) for medium in media)
    sequence = modalities if modalities in expect.sequences else expect.sequences[0]
    shown = [Shown(judges, medium, folder) for medium in media]
    checks = dict(check_media(expect, sequence, shown))
    videos = [one.medium for one in shown if isinstance(one.medium, Video)]
    marks = {
        "media": modalities in expect.sequences,
        "text": is_text_right(expect, text, bool(media)),
    }
    if checks:
        marks["judged"] = all(right for right, _ in checks.values())
    if videos:
        marks["coherent"] = all(pixels.border_step(v) < pixels.BORDER_STEP for v in videos)
    marks["clean"] = not is_looping(text, answer.finish == "length")
    complete = bool(answer.message.parts) and not answer.failed
    marks["all"] = all(marks.values()) and complete
    if expect.faithful:
        marks["same"] = text in expect.base
    return marks, {name: found for name, (right, found) in checks.items() if not right}


def is_text_right(expect: Expectation, text: str, has_media: bool) -> bool:
    flags = re.IGNORECASE | re.DOTALL
    if not has_media and not re.search(r"\w", text):
        return False
    if expect.not_match is not None and re.search(expect.not_match, text, flags):
        return False
    return re.search(expect.match, text, flags) is not None


def check_media(
    expect: Expectation, sequence: Sequence[MediaModality], shown: Sequence[Shown]
) -> Iterator[tuple[str, tuple[bool, str]]]:
    """`object 2` -> whether the second medium shows it, and what it shows instead."""
    for place, modality in enumerate(sequence):
        same = [one for one in shown if modality_of(one.medium) == modality]
        number = sequence[:place].count(modality)
        for name in (name for name in APPLIES if modality in APPLIES[name]):
            values = getattr(expect, name)
            if not values or values[place] is None:
                continue
            found = (False, "nothing")
            if number < len(same):
                found = CHECKS.get(name, is_seen(name))(same[number], values[place], expect)
            yield f"{name} {place + 1}", found


def is_seen(name: str) -> Check:
    """The judges see it; `a|b` stands for either."""

    def check(shown: Shown, value: str, _: Expectation) -> tuple[bool, str]:
        visible = shown.verdict[name]
        return visible in value.split("|"), visible

    return check


def is_object(shown: Shown, value: Any, expect: Expectation) -> tuple[bool, str]:
    """Of a pair, each half shows its thing; a thing of a colour is seen in any hue."""
    if isinstance(value, tuple):
        assert expect.relation is not None
        visible = tuple(shown.verdict[half] for half in PLACES[expect.relation])
        return visible == value, " and ".join(visible)
    if not expect.colour or not isinstance(shown.medium, Image):
        return is_seen("object")(shown, value, expect)
    names = [verdict["object"] for verdict in shown.judges.judge(pixels.hue_turned(shown.image))]
    return any(name in names for name in value.split("|")), " or ".join(sorted(set(names)))


def is_coloured(shown: Shown, value: str, _: Expectation) -> tuple[bool, str]:
    shares = [pixels.colour_share(shown.image, name) for name in value.split("|")]
    return max(shares) >= pixels.COLOURED, f"{max(shares):.0%} of the thing"


def is_counted(shown: Shown, value: int, _: Expectation) -> tuple[bool, str]:
    count = pixels.count_things(shown.image)
    return count == value, str(count)


def is_larger(shown: Shown, value: str, _: Expectation) -> tuple[bool, str]:
    before, after = areas(shown, value)
    return after >= before * RESIZED, f"{before:.3f} to {after:.3f} of the picture"


def is_smaller(shown: Shown, value: str, _: Expectation) -> tuple[bool, str]:
    before, after = areas(shown, value)
    return after <= before / RESIZED, f"{before:.3f} to {after:.3f} of the picture"


def areas(shown: Shown, name: str) -> tuple[float, float]:
    """Of the thing in a picture of the folder, and in this one."""
    before = read_media(shown.folder / name)
    assert isinstance(before, Image), "rows name pictures"
    return pixels.area(before), pixels.area(shown.image)


CHECKS: Mapping[str, Check] = {
    "object": is_object,
    "colour": is_coloured,
    "count": is_counted,
    "larger_than": is_larger,
    "smaller_than": is_smaller,
}
