"""Every stage can learn two records by heart, and then says and makes what they say."""

from dataclasses import dataclass

import pytest
import torch

from anygen import AnyGen
from anygen.config.loader import load_run
from anygen.core.media import Audio, Image, Message
from anygen.generation.events import MediaDone
from anygen.training.collate import assemble
from anygen.training.dialogues import Dialogue
from anygen.training.losses import contrast_loss, generation_losses, text_loss
from anygen.training.runs.dialogue_losses import hidden_of
from anygen.training.runs.trainable import unfreeze
from anygen.training.stages import STAGES, learned_prefixes
from decoders.base import RenderRequest, never, no_progress

pytestmark = pytest.mark.slow

GENERATOR = torch.Generator().manual_seed(0)
PICTURE = Image(torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8, generator=GENERATOR))
SOUND = Audio(torch.rand(1, 4096, generator=GENERATOR) - 0.5, 16_000)


@dataclass(frozen=True)
class Lesson:
    """Two dialogues, and how long they are studied."""

    dialogues: list[Dialogue]
    steps: int
    rate: float


def lesson(*pairs, steps, rate):
    """(question, answer, caption of the answer's medium) each."""
    dialogues = [
        Dialogue(
            [Message("user", question), Message("assistant", answer)],
            captions={0: caption} if caption else {},
        )
        for question, answer, caption in pairs
    ]
    return Lesson(dialogues, steps, rate)


LESSONS = {
    "encode": lesson(
        ((PICTURE,), ("a",), None),
        ((SOUND,), ("b",), None),
        steps=200,
        rate=3e-2,
    ),
    "decode": lesson(
        (("draw a cat",), (PICTURE,), "a cat"),
        (("play a bell",), (SOUND,), "a bell"),
        steps=180,
        rate=1e-2,
    ),
    "instruct": lesson(
        (("draw a cat",), ("Here: ", PICTURE, "a cat"), "a cat"),
        (("play a bell",), ("Hear: ", SOUND), "a bell"),
        steps=100,
        rate=1e-2,
    ),
}


def study(model, stage, lesson, write_run):
    """All loss terms after the lesson; what learns is what the stage's row says."""
    run = load_run(write_run(stage))
    auxiliaries = STAGES[stage].auxiliaries(model, run)
    learned = unfreeze(model, learned_prefixes(run))
    optimizer = torch.optim.Adam(learned.values(), lesson.rate)
    for _ in range(lesson.steps):
        batch = assemble(model, lesson.dialogues)
        hidden = hidden_of(model, batch)
        losses = {"text": text_loss(model.llm, hidden, batch.labels)}
        if batch.targets:
            losses |= generation_losses(model, hidden, batch, auxiliaries.negatives, [], run)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    model.eval().requires_grad_(False)
    for target in batch.targets:  # an untrained text encoder hardly tells captions apart
        wanted = model.decoders[target.modality].encode_prompt([target.caption])
        least = contrast_loss(wanted, wanted, auxiliaries.negatives(target.modality))
        losses[f"{target.modality}_contrast"] -= least
    return {name: loss.item() for name, loss in losses.items()}


QUERIES = "llm.signals={kind: queries, droppable: true}"


@pytest.mark.parametrize(
    ("stage", "settings"), [*((stage, ()) for stage in LESSONS), ("instruct", (QUERIES,))]
)
def test_two_records_are_learned_by_heart(stage, settings, make_model, write_run):
    model, lesson = make_model(*STAGES[stage].needs, settings=settings), LESSONS[stage]
    losses = study(model, stage, lesson, write_run)
    assert max(losses.values()) < 0.3, losses
    for dialogue in lesson.dialogues:
        question, answer = dialogue.messages
        if stage == "encode":  # its model has no decoders to build
            assert said(model, question) == "".join(answer.parts)
            continue
        made = AnyGen(model).generate([question], max_new_tokens=60)
        assert outline(made) == outline(answer)
        for caption in dialogue.captions.values():
            assert_medium_is_that_of(caption, model, question)


def said(model, question):
    events = AnyGen(model).reply([question], max_new_tokens=5)
    return "".join(event.text for event in list(events)[:-1])


def outline(message):
    return [part if isinstance(part, str) else type(part) for part in message.parts]


def assert_medium_is_that_of(caption, model, question):
    """What the LLM's hidden states ask for is what the caption asks for."""
    [done] = [e for e in AnyGen(model).reply([question], seed=3) if isinstance(e, MediaDone)]
    modality = "image" if isinstance(done.media, Image) else "audio"
    decoder = model.decoders[modality]
    conditions = decoder.encode_prompt([caption, ""])
    tasks = [RenderRequest(condition, done.seed) for condition in conditions]
    wanted, other = decoder.sample(tasks, no_progress, never)
    assert distance(done.media, wanted) < 0.5 * distance(done.media, other)


def distance(left, right):
    values = [m.pixels.float() if isinstance(m, Image) else m.samples for m in (left, right)]
    return float((values[0] - values[1]).square().mean())


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_a_denoiser_learns_one_medium(modality, make_model):
    """Losses at the same noise before and after, so that luck plays no part."""
    decoder = make_model("decoders").decoders[modality].requires_grad_(False)
    decoder.unet.requires_grad_(True)
    decoder.layout.requires_grad_(True)
    with torch.no_grad():
        condition = decoder.encode_prompt(["a cat"])
        media = decoder.sample([RenderRequest(condition[0], 0)], no_progress, never)
        condition = condition.expand(4, -1, -1)

    def loss():
        generators = [torch.Generator().manual_seed(seed) for seed in range(4)]
        return decoder.loss(media * 4, condition, generators).mean()

    before = loss().item()
    optimizer = torch.optim.Adam(decoder.unet.parameters(), 3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < before / 3
