"""What the tests of the engine share: what an answer is made of, to the last bit."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from anygen.core.content_hash import content_hash
from anygen.core.media import Message
from anygen.generation.events import Done, MediaDone, MediaFailed, MediaStarted, TextDelta

ONE_STEP = {m: {"steps": 1} for m in ("image", "audio", "video")}


@dataclass
class Work:
    """What a model computed."""

    passes: list[list[list]] = field(default_factory=list)  # keys of the rows that the LLM read
    lengths: list[int] = field(default_factory=list)  # of their caches afterwards
    encoded: list[str] = field(default_factory=list)  # hashes of media
    conditions: list[torch.Tensor] = field(default_factory=list)

    @property
    def pieces(self):
        """The keys of each row, in the order of reading."""
        return [keys for rows in self.passes for keys in rows]

    @property
    def positions(self):
        """How many were read."""
        return sum(map(len, self.pieces))


@contextmanager
def observed(model):
    """The work of a model while the context is open: the one place that stands in its way."""
    network, work = model.model, Work()
    read, encode = network.llm.read, network.encoder.encode

    def reading(rows):
        assert all(len(keys) == len(embeds) for _, embeds, keys in rows)
        work.passes.append([list(keys) for _, _, keys in rows])
        hidden = read(rows)
        work.lengths += [cache.length for cache, _, _ in rows]
        return hidden

    def encoding(media):
        work.encoded += map(content_hash, media)
        return encode(media)

    hooks = [
        projector.register_forward_hook(lambda *args: work.conditions.append(args[-1]))
        for projector in network.output_projectors.values()
    ]
    network.llm.read, network.encoder.encode = reading, encoding
    try:
        yield work
    finally:
        network.llm.read, network.encoder.encode = read, encode
        for hook in hooks:
            hook.remove()


def forget(model):
    """The model as if it had just been opened: it reads and encodes everything anew."""
    model.engine.kv_caches.idle.clear()
    model.engine.embeddings.values.clear()
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
