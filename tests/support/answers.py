"""What the tests of the engine share: what an answer is made of, to the last bit."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from anygen.core.content_hash import content_hash
from anygen.core.media import Message
from anygen.generation.events import Done, MediaDone, MediaFailed, MediaStarted, TextDelta

ONE_STEP = {m: {"steps": 1} for m in ("image", "audio", "video")}


@dataclass
class Heard:
    """What a model did."""

    positions: int = 0  # that were read
    encoded: list[str] = field(default_factory=list)  # digests of media
    conditions: list[torch.Tensor] = field(default_factory=list)


@contextmanager
def listening(model):
    """Counts what is read and encoded, and keeps the conditions of media."""
    network = model.model
    heard, read, encode = Heard(), network.llm.read, network.encoder.encode

    def reading(rows):
        heard.positions += sum(len(keys) for _, _, keys in rows)
        assert all(len(keys) == len(embeds) for _, embeds, keys in rows)
        return read(rows)

    def encoding(media):
        heard.encoded += map(content_hash, media)
        return encode(media)

    hooks = [
        projector.register_forward_hook(lambda *args: heard.conditions.append(args[-1]))
        for projector in network.output_projectors.values()
    ]
    network.llm.read, network.encoder.encode = reading, encoding
    try:
        yield heard
    finally:
        network.llm.read, network.encoder.encode = read, encode
        for hook in hooks:
            hook.remove()


def forget(model):
    """The model as if it had just been opened: it reads and encodes everything anew."""
    model.engine.kv_caches.idle.clear()
    model.engine.embeddings.kept.clear()
    model.model.llm.trigger_bias.fill_(2.0)  # it likes to make media of all kinds
    return model


def told(events):
    """An answer as values that are equal if every bit is: text, media, seeds, its end."""
    values, text = [], ""
    for event in events:
        match event:
            case TextDelta(delta):
                text += delta
            case MediaStarted(part, modality):
                values.append((part, modality, len(text)))
            case MediaDone(part, media, seed):
                values.append((part, content_hash(media), seed))
            case MediaFailed(part, modality, error):
                values.append((part, modality, error))
            case Done(reason, prompt_tokens, _, new_tokens):
                values.append((reason, prompt_tokens, new_tokens))
    return text, sorted(values, key=str)


def user(*parts):
    return Message("user", parts)


def spans_are_whole(model, context):
    """Signal tokens stand in a context as whole spans only, and a mark before whole features."""
    signals, left = model.model.llm.signals, list(context.positions)
    while left:
        modality = signals.modality_of(left[0]) if isinstance(left[0], int) else None
        if modality:
            span = signals.span(modality)
            if left[: len(span)] != span:
                return False
            del left[: len(span)]
        elif isinstance(left[0], tuple):
            name = left[0][0]
            own = [key for key in left if isinstance(key, tuple) and key[0] == name]
            length = max(index for _, index in own) + 1
            if left[:length] != [(name, index) for index in range(length)]:
                return False
            del left[:length]
        elif left[0] >= signals.vocabulary:
            return False
        else:
            del left[0]
    return True
