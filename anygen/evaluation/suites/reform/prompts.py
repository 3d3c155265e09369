"""The words of ReForm-Eval's questions: instructions, options with marks, and the turn before.

The form is the release's. The instructions are ours, five of each kind: the authors' own, or any
others, take their place from the file instructions.json in the folder of the data, which holds
`{"NAME OF A SET, OR A KIND BELOW": {"generation": [..], "likelihood": [..]}}`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

from anygen.evaluation.suites.base import LIKELIHOOD
from anygen.evaluation.suites.reading import read_json
from anygen.evaluation.suites.reform.catalogue import TaskSet, Turn

FILE = "instructions.json"
REPEATS = 5  # of each question, with another instruction, order and marks
BEGINNING = "The answer is"
MARKS = (ascii_uppercase, ascii_lowercase, "123456789")
GENERATION = "generation"
Instructions = Mapping[str, Mapping[str, Sequence[str]]]  # by kind and mode

# Before a question. Those of likelihood show no options.
OURS: Instructions = {
    "choice": {
        GENERATION: (
            "Look at the image, then answer the question with one of the options.",
            "Study the picture and choose the option that answers the question.",
            "Use the image to decide which of the options is right.",
            "Read the question, check it against the picture, and pick an option.",
            "Select the option that fits both the question and the image.",
        ),
        LIKELIHOOD: (
            "Look at the image, then answer the question.",
            "Study the picture and answer the question.",
            "Use the image to answer the question.",
            "Read the question, check it against the picture, and answer it.",
            "Give the answer that fits both the question and the image.",
        ),
    },
    "text": {
        GENERATION: (
            "Read what is written in the image and answer the question.",
            "Look for the text in the picture, then answer the question.",
            "Use the words in the image to answer the question.",
            "Answer the question with the text that the picture shows.",
            "Find the written answer to the question in the image.",
        ),
    },
}
# The questions of sets whose rows hold none; {} is the text that a row has instead. In likelihood
# mode they are asked without the request to choose.
CHOOSE = " Choose one of the options."
QUESTIONS: Mapping[str, Sequence[str]] = {
    "matching": (
        "Does the caption '{}' describe the image?",
        "Is '{}' a true description of this picture?",
        "Do the picture and the text '{}' show the same scene?",
        "Would '{}' be a fitting caption of the image?",
        "Judging by the picture, is the caption '{}' right?",
    ),
    "selection": (
        "Which caption describes the image best?",
        "Which of the texts is about this picture?",
        "What is a fitting caption of the image?",
        "Which sentence says what the picture shows?",
        "Which description matches the image?",
    ),
    "entailment": (
        "Does it follow from the image that '{}'?",
        "Can '{}' be concluded from what the picture shows?",
        "Judging by the image alone, is it true that '{}'?",
        "Does the picture support the statement '{}'?",
        "Is the statement '{}' implied by the image?",
    ),
    "step": (
        "The image is one step of the task '{}'. Which text describes this step?",
        "Someone is doing this: '{}'. What does the step in the picture show?",
        "Which instruction of the task '{}' belongs to the image?",
        "The picture belongs to a guide to '{}'. Which step is it?",
        "For the task '{}', which text fits the picture?",
    ),
    "description": (
        "Which description matches this image?",
        "Which sentence describes the picture?",
        "What does the image show?",
        "Which of the captions is right for this picture?",
        "Which text fits the image?",
    ),
    "disaster": (
        "What kind of disaster does the image show?",
        "Which disaster has happened in this picture?",
        "What type of disaster can be seen in the image?",
        "Which kind of disaster is the picture about?",
        "What disaster, if any, is shown here?",
    ),
    "region": (
        "Which expression refers to the marked region of the image?",
        "What is inside the box in the picture?",
        "Which phrase describes the object in the box?",
        "Which of the expressions is about the marked object?",
        "What does the box in the image enclose?",
    ),
    "caption": (
        "Describe this picture in one sentence.",
        "Write a caption of one sentence for the image.",
        "Say in one sentence what the image shows.",
        "Summarize the picture in a short sentence.",
        "Give a short description of the image.",
    ),
}


def read_instructions(folder: Path) -> Instructions:
    """Those of the data's folder, if any. Raises ValueError for a file in another form."""
    path = folder / FILE
    if not path.is_file():
        return {}
    found = read_json(path)
    for name, modes in found.items() if isinstance(found, dict) else [("", None)]:
        if not isinstance(modes, dict) or not all(map(is_list_of_texts, modes.values())):
            raise ValueError(
                f"{path}: {name!r} has no lists of instructions; it needs "
                f'{{"generation": [..], "likelihood": [..]}}'
            )
    return found


def is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def instructions(own: Instructions, task: TaskSet, mode: str) -> Sequence[str]:
    """Of a set, or of its kind; empty for sets whose instructions are the questions."""
    kind = task.question_kind or ("text" if task.family == "text" else "choice")
    for source, name in ((own, task.name), (own, kind), (OURS, kind)):
        if texts := source.get(name, {}).get(mode):
            return texts
    if not task.question_kind:
        return OURS[kind][GENERATION]
    end = CHOOSE if mode == GENERATION and task.family == "choice" else ""
    return [f"{text}{end}" for text in QUESTIONS[task.question_kind]]


def with_options(question: str, options: Sequence[str], marks: str) -> str:
    listed = "; ".join(f"({mark}) {option}" for mark, option in zip(marks, options))
    return f"{question} Options: {listed}."


def marked(place: int, options: Sequence[str], marks: str) -> str:
    """The answer with the option at this place, as it stands in a history."""
    return f"{BEGINNING} ({marks[place]}) {options[place]}"


def shown(turn: Turn) -> tuple[str, str]:
    """The question and the answer of the turn that shows the form."""
    marks = MARKS[0]
    answer = marked(0, turn.options, marks) + turn.end
    return with_options(turn.question, turn.options, marks), answer
