"""Labels x templates, as MultiInstruct, InstructBLIP and M3IT have them: no LLM is needed.

Tasks are drawn in proportion to the square root of their numbers of rows, as in InstructBLIP.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping

from mosit_data.build.dialogues import RawDialogue, exchange
from mosit_data.build.jobs import Job, Medium, job_random
from mosit_data.build.presets.about import WHERE, has_single_box, is_single, with_medium
from mosit_data.build.presets.base import NOUNS, Kind, Preset, Source, Step, Texts, corners
from mosit_data.build.subjects import endless, job_about, world_medium
from mosit_data.world.language.grammar import Bank, say

MAX_OPTIONS = 4
MAX_WORDS = 5  # of a label; a longer one is no short answer
MAX_VALUES = 100  # of a label with options to choose from
# Tasks that are no labels have the names of columns that are none.
CAPTION, PLACE = "caption", "instances"
ANSWER, QUESTION = "answer", "question"

# Labels with a short answer say so, or a model becomes terse everywhere.
LABEL: Bank = (
    "what is the {task} [of|in] this {noun}? [Answer in a word or two.|A word or two will do.]",
    "[name|give] the {task} of the {noun}, [in short|briefly|in a word].",
    "question: what is the {task}? Short answer:",
    "[which|what] {task} does this {noun} have? [Answer briefly.|Keep it short.]",
    "{task}, in a word or two?",
    "[identify|state] the {task} of this {noun}. [Give only its name.|Nothing but its name.]",
)
CHOICE: Bank = (
    "what is the {task} of this {noun}? [Options|Choose from]: {options}.",
    "which of these is the {task} of the {noun}: {options}? [Answer with one of them.|]",
    "[choose|pick] the {task} of this {noun} from [these|the options]: {options}.",
    "[one of these is the {task}|which {task} fits]: {options}. [Which one?|Name it.]",
    "select the right {task}. Options: {options}. Answer with the option alone.",
)
CAPTIONS: Bank = (
    "[a|write a] short [caption|description] [of|for] this {noun}[.|, please.]",
    "[describe|summarize] [this|the] {noun} in one [short |]sentence.",
    "what does this {noun} show? [One sentence will do.|In short, please.]",
    "[briefly |]say what is in [this|the] {noun}[.|, in one line.]",
    "provide a one-line caption of the {noun}.",
)
QUESTIONS: Bank = (
    "{question} [Answer in a few words.|Keep it short.]",
    "question: {question} Short answer:",
    "[given|based on|about] the {noun}: {question} [A short answer will do.|]",
    "[look at|consider] the {noun}. {question} [Be brief.|Answer briefly.]",
    "{question} [A word or two.|Briefly, please.]",
)

REPHRASE = """Reword an instruction that a user gives about a picture, sound or video. Keep its
meaning, all options and every hint at the length of the answer. Answer with the instruction
alone."""


def tasks_of(medium: Medium) -> list[str]:
    """Its labels of a few words, its question, its caption and the place of a thing."""
    labels = {name for name, value in medium.labels.items() if len(value.split()) <= MAX_WORDS}
    labels -= {QUESTION, ANSWER}
    if {QUESTION, ANSWER} <= set(medium.labels):
        labels.add(ANSWER)
    return sorted({CAPTION, *labels, *([PLACE] if has_single_box(medium) else [])})


def plan_tasks(name: str, preset: Preset, source: Source, count: int, seed: int) -> list[Job]:
    """Of the small world there are as many media as jobs."""
    [kind] = preset.kinds
    media = source.media
    if media is None:
        media = [world_medium(job_random(seed, f"medium {n}"), preset) for n in range(count)]
    of_task: dict[str, list[Medium]] = defaultdict(list)
    for medium in media:
        for task in tasks_of(medium):
            of_task[task].append(medium)
    names = sorted(of_task)
    shares = [math.sqrt(len(of_task[task])) for task in names]
    turns = {task: endless(of_task[task], job_random(seed, task)) for task in names}
    values = {task: sorted({m.labels.get(task, "") for m in of_task[task]}) for task in names}
    jobs = []
    for number in range(count):
        job_id = f"{name}-{number:06d}"
        rng = job_random(seed, job_id)
        [task] = rng.choices(names, shares)
        medium = next(turns[task])
        options = tuple(draw_options(rng, medium.labels.get(task, ""), values[task]))
        job = job_about(job_id, rng, kind, medium)
        jobs.append(job.model_copy(update={"task": task, "options": options}))
    return jobs


def draw_options(rng: random.Random, answer: str, values: list[str]) -> list[str]:
    """The answer among wrong ones, or none if there are no others or too many."""
    others = [value for value in values if value != answer]
    if not answer or not others or len(values) > MAX_VALUES:
        return []
    options = [answer, *rng.sample(others, min(len(others), MAX_OPTIONS - 1))]
    return rng.sample(options, len(options))


def instruction(job: Job) -> str:
    """The template, filled; it is drawn by the seed of the job."""
    rng = random.Random(f"{job.seed} template")
    medium = job.media[0]
    bank = {CAPTION: CAPTIONS, PLACE: WHERE, ANSWER: QUESTIONS}.get(job.task)
    if bank is None:
        bank = CHOICE if job.options and rng.random() < 0.5 else LABEL
    values: Mapping[str, str] = {
        "noun": NOUNS[medium.type],
        "task": job.task,
        "options": ", ".join(job.options),
        "question": medium.labels.get(QUESTION, ""),
        "name": box_name(job),
    }
    text = say(rng, bank, job.split, **values).strip()
    return text[0].upper() + text[1:]


def box_name(job: Job) -> str:
    names = [box.name for box in job.media[0].boxes if is_single(box.name, job.media[0])]
    return random.Random(f"{job.seed} box").choice(names) if names else ""


def answer(job: Job) -> str:
    medium = job.media[0]
    if job.task == PLACE:
        [box] = [box for box in medium.boxes if box.name == box_name(job)]
        return f"[{corners(box.corners)}]"
    text = medium.caption if job.task == CAPTION else medium.labels[job.task]
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def request(job: Job, earlier: Texts) -> str:
    return instruction(job)


def phrase(rng: random.Random, job: Job, earlier: Texts) -> str:
    return instruction(job)


def parse(job: Job, texts: Texts) -> RawDialogue:
    return with_medium(job, exchange(texts[-1], answer(job)))


TASK = Kind("task", (Step(REPHRASE, request, phrase),), parse)
