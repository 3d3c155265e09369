"""What is wrong with a record as training data, one sentence per fault.

A schema cannot say these: they concern several messages at once, or how a text and its media agree.
"""

import re
from collections.abc import Iterator

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import (
    MediaContent,
    Record,
    RecordMessage,
    TextContent,
    media_of_record,
)

# Where the layouts of LLaVA and others put the marker of a medium: at an end of the text.
MARKERS = {m: re.compile(rf"\A\s*<{m}>|<{m}>\s*\Z") for m in MEDIA}
# A caption between tags, as NExT-GPT writes it; Spider puts a placeholder behind it. HTML has other
# tags between its own.
TAGS = {m: re.compile(rf"(<{m}>)[^<>]*(?:<{m}-placeholder>)?</{m}>", re.IGNORECASE) for m in MEDIA}


def faults_of(record: Record) -> Iterator[str]:
    """Every fault of a record that is to be learned from; messages and media count from 1."""
    yield from order_faults(record.messages)
    for number, message in enumerate(record.messages, start=1):
        yield from (f"message {number}: {fault}" for fault in message_faults(message))
    yield from reference_faults(record)


def order_faults(messages: list[RecordMessage]) -> Iterator[str]:
    """A system message may come first; then user and assistant take turns, the assistant last.

    A document of text and media is a single message of the assistant.
    """
    roles = [message.role for message in messages]
    first = int(roles[:1] == ["system"])
    turns = roles[first:]
    if not turns:
        yield "there is no message to learn from"
    elif "system" in turns:
        yield f"message {roles.index('system', first) + 1} is the system's; that one comes first"
    elif len(turns) > 1 and turns[0] == "assistant":
        yield f"message {first + 1} is the assistant's; a dialogue begins with the user"
    elif turns[-1] == "user":
        yield "the last message is the user's, so that the answer is missing"
    else:
        for index in range(first + 1, len(roles)):
            if roles[index] == roles[index - 1]:
                name = roles[index]
                yield f"messages {index} and {index + 1} are both the {name}'s; join them"


def message_faults(message: RecordMessage) -> Iterator[str]:
    texts = [part.text for part in message.content if isinstance(part, TextContent)]
    media = [part for part in message.content if isinstance(part, MediaContent)]
    if not media and not "".join(texts).strip():
        yield f"the {message.role}'s content is empty"
    for modality in MEDIA:
        tags = (TAGS[modality].search(text) for text in texts)
        found = next((tag[1] for tag in tags if tag), "")
        if not found and any(MARKERS[modality].search(text) for text in texts):
            found = f"<{modality}>"
        if found:
            yield (
                f"the text holds {found}, a marker of other formats; remove it, and put the "
                f"{modality} in its place in the content"
            )
    for medium in media:
        if message.role == "assistant" and not (medium.caption or "").strip():
            yield f"the {medium.type} has no caption, and what the assistant makes needs one"


def reference_faults(record: Record) -> Iterator[str]:
    """Of media that name an earlier one."""
    earlier: list[tuple[MediaModality, bool]] = []  # the modality, whether there are pixels
    for number, (_, medium) in enumerate(media_of_record(record), start=1):
        if medium.ref is not None:
            if medium.ref > len(earlier) or earlier[medium.ref - 1][0] != medium.type:
                yield f"medium {number}: medium {medium.ref} is not an earlier {medium.type}"
            elif not earlier[medium.ref - 1][1]:
                yield f"medium {number}: of medium {medium.ref} only the caption is known"
        earlier.append((medium.type, not medium.is_caption_only))
