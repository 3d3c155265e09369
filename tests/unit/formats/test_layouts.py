"""Rows of published layouts become the dialogues that they mean."""

import json

import pytest

from anygen.cli import data as command
from mosit_data.formats.layouts import LAYOUTS, WRITERS
from support.layouts import (
    HOW_MANY,
    KITES,
    LLAVA,
    SWIFT,
    TALK,
    TWO,
    assistant,
    picture,
    read_layout,
    shown,
    user,
    write_rows,
)

WHAT_MOVES = {"from": "human", "value": "<video>\nWhat moves?"}
CHEER = [
    {"from": "human", "value": "My week was grey."},
    {"from": "gpt", "value": "Take this. <Image>mosit_i_0000007_00.jpg</Image>"},
]
TULIP = "a yellow tulip in a glass"
CHEERED = [user("My week was grey."), assistant("Take this. ", picture(None, TULIP))]
MOSIT = {
    "image_list": [
        {"image_name": "mosit_i_0000007_00.jpg", "data_source": "mosit", "caption": TULIP}
    ],
    "video_list": [],
    "audio_list": [],
    "conversation": CHEER,
}


@pytest.mark.parametrize(
    ("layout", "row", "expected"),
    [
        ("llava", LLAVA, KITES),
        ("llava", {"id": 7, "conversations": TALK}, [user("Hi"), assistant("Hello.")]),
        (
            "llava",
            {
                "image": ["a.jpg", "b.jpg"],
                "conversations": [
                    {"from": "human", "value": "Is <image> like <image>?"},
                    {"from": "gpt", "value": "Yes."},
                ],
            },
            [
                user("Is ", picture("a.jpg"), " like ", picture("b.jpg"), "?"),
                assistant("Yes."),
            ],
        ),
        (
            "llava",
            {
                "video": "v1",
                "source": "clips",
                "conversations": [{"from": "human", "value": "What moves?\n<video>"}, TWO],
            },
            [user("What moves?", ("video", "clips/v1.mp4", None)), assistant("Two, both red.")],
        ),
        (
            "llava",
            {"conversations": [{"from": "human", "value": "What is <image> in HTML?"}, TWO]},
            [user("What is <image> in HTML?"), assistant("Two, both red.")],
        ),
        (
            "llava",
            {"video": "clips/v1", "source": "", "conversations": [WHAT_MOVES, TWO]},
            [user(("video", "clips/v1.mp4", None), "What moves?"), assistant("Two, both red.")],
        ),
        (
            "llava",
            {"system": "Be a cat.", **LLAVA},
            [("system", "Be a cat."), *KITES],
        ),
        (
            "lamm",
            {
                "system": "Be a cat.",
                "image": "coco/1.jpg",
                "conversations": [{"from": "human", "value": "Name it."}, TWO],
            },
            [
                ("system", "Be a cat."),
                user(picture("coco/1.jpg"), "Name it."),
                assistant("Two, both red."),
            ],
        ),
        ("nextgpt", MOSIT, CHEERED),
        (
            "nextgpt",
            {
                "image_captions": [TULIP],
                "image_caption_embeddings": ["mosit_i_0000007_00.jpg.npy"],
                "conversations": [CHEER[0], {"from": "gpt", "value": "Take this. <image>"}],
            },
            CHEERED,
        ),
        (
            "nextgpt",
            {
                **MOSIT,
                "conversation": [
                    CHEER[0],
                    {"from": "gpt", "value": "Take this. <Image>a yellow tulip in a glass</Image>"},
                ],
            },
            CHEERED,
        ),
        (
            "nextgpt",
            {
                "image_list": [{"image_name": "a.jpg", "caption": "a kite"}],
                "audio_list": [{"audio_name": "rain.wav", "caption": "soft rain"}],
                "conversation": [
                    {"from": "human", "value": "<Image>a.jpg</Image> What sound fits?"},
                    {"from": "gpt", "value": "<Audio>rain.wav</Audio> This one."},
                ],
            },
            [
                user(picture("a.jpg", "a kite"), " What sound fits?"),
                assistant(("audio", "rain.wav", "soft rain"), " This one."),
            ],
        ),
        (
            "nextgpt",
            {"image_name": "a.jpg", "caption": "a kite"},
            [user("a kite"), assistant(picture("a.jpg", "a kite"))],
        ),
        (
            "nextgpt",
            {
                "audio_name": "t2x00120.wav",
                "output_modality": "audio",
                "conversation": [
                    {"from": "human", "value": "Play rain.", "input_modality": "text"},
                    {
                        "from": "gpt",
                        "value": "Here it is.",
                        "caption": "soft rain",
                        "output_modality": "audio",
                    },
                ],
            },
            [user("Play rain."), assistant("Here it is.", ("audio", None, "soft rain"))],
        ),
        (
            "nextgpt",
            {"input_image": "part/k1.jpg", "conversations": [HOW_MANY, TWO]},
            KITES,
        ),
        (
            "sharegpt",
            {"system": "Be brief.", "conversations": TALK},
            [("system", "Be brief."), user("Hi"), assistant("Hello.")],
        ),
        (
            "openai",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "How many "},
                            {"type": "image_url", "image_url": {"url": "k1.jpg"}},
                        ],
                    },
                    {"role": "assistant", "content": "Two."},
                ]
            },
            [user("How many ", picture("k1.jpg")), assistant("Two.")],
        ),
        (
            "openai",
            {
                "messages": [
                    {"role": "developer", "content": "Be brief."},
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Hello."},
                ]
            },
            [("system", "Be brief."), user("Hi"), assistant("Hello.")],
        ),
        (
            "alpaca",
            {
                "instruction": "Translate.",
                "input": "Guten Tag",
                "output": "Good day",
                "history": [["Hi", "Hello"]],
            },
            [user("Hi"), assistant("Hello"), user("Translate.\nGuten Tag"), assistant("Good day")],
        ),
        (
            "swift",
            SWIFT,
            [user(picture("a.jpg"), "Find a cup"), assistant("[1, 2, 30, 40]")],
        ),
        (
            "swift",
            {"query": "And now?", "response": "Two.", "history": [["Hi", "Hello."]]},
            [user("Hi"), assistant("Hello."), user("And now?"), assistant("Two.")],
        ),
        (
            "lamm",
            {
                "id": "1",
                "image": "coco/1.jpg",
                "task_type": "normal",
                "conversations": [{"from": "human", "value": "Name it."}, TWO],
            },
            [user(picture("coco/1.jpg"), "Name it."), assistant("Two, both red.")],
        ),
        (
            "spider",
            {
                "Question": "Show Kyoto",
                "TaskPrompt": "[SMARTMULTIMODAL]",
                "Answer": "Here: <IMAGE>a gate<IMAGE-Placeholder></IMAGE>",
            },
            [user("Show Kyoto"), assistant("Here: ", picture(None, "a gate"))],
        ),
        (
            "multiinstruct",
            {
                "unique_id": "u1",
                "task_name": "GC_selection",
                "image_path": "a.jpg",
                "region": ["10 12 60 80"],
                "prompt": "Which text fits?\n\n[Options]: a bed||||a dog",
                "target": "a dog",
            },
            [
                user(picture("a.jpg"), "Which text fits?\n\n[Options]: a bed||||a dog"),
                assistant("a dog"),
            ],
        ),
        (
            "mmc4",
            {
                "text_list": ["Mix.", "Bake."],
                "image_info": [
                    {"image_name": "a.jpg", "matched_text_index": 1, "matched_sim": 0.31}
                ],
                "similarity_matrix": [[0.2, 0.31]],
                "url": "https://example.org",
            },
            [assistant("Mix. Bake.", picture("a.jpg", "Bake."))],
        ),
        (
            "mmc4",
            {
                "instruction": "How do I bake it?",
                "text_list": ["Mix.", "Wait.", "Bake."],
                "image_info": [
                    {"image_name": "b.jpg", "matched_text_index": 1},
                    {"image_name": "a.jpg", "matched_text_index": 0},
                ],
            },
            [
                user("How do I bake it?"),
                assistant(
                    "Mix.", picture("a.jpg", "Mix."), "Wait.", picture("b.jpg", "Wait."), "Bake."
                ),
            ],
        ),
        (
            "obelics",
            {
                "images": [None, "b.jpg"],
                "texts": ["Mix.", None],
                "metadata": json.dumps([None, {"alt_text": "dough in a bowl"}]),
                "general_metadata": "{}",
            },
            [assistant("Mix.", picture("b.jpg", "dough in a bowl"))],
        ),
        (
            "captions",
            {"file_name": "rain.wav", "text": "soft rain"},
            [user("soft rain"), assistant(("audio", "rain.wav", "soft rain"))],
        ),
    ],
)
def test_a_row_becomes_the_dialogue_that_it_means(folder, layout, row, expected):
    [outcome] = read_layout(layout, write_rows(folder / "rows.json", [row]))
    assert shown(outcome) == expected
    assert [*map(shown, read_layout(layout, write_rows(folder / "rows.jsonl", [row])))] == [
        expected
    ]


def test_a_task_prompt_of_spider_limits_the_modalities(folder):
    row = {"Question": "Show Kyoto", "TaskPrompt": "[IMAGE]", "Answer": "<IMAGE>a gate</IMAGE>"}
    [outcome] = read_layout("spider", write_rows(folder / "rows.json", [row]))
    assert outcome.record.modalities == ["text", "image"]


def test_a_raw_dialogue_ends_at_the_end_of_the_file_and_goes_on_over_lines(folder):
    text = (
        "Human: My week was grey.\nGPT: Take this.\n<Image>a tulip</Image>\n---\n"
        "Human: And GPT: what is it?\nGPT: A name.\n"
    )
    first, second = read_layout("nextgpt", write_rows(folder / "talk.txt", text))
    assert shown(first) == [
        user("My week was grey."),
        assistant("Take this.\n", picture(None, "a tulip")),
    ]
    assert shown(second) == [user("And GPT: what is it?"), assistant("A name.")]
    assert (first.place, second.place) == ("talk.txt:1", "talk.txt:5")


def test_minigpt4_names_pictures_by_their_ids(folder):
    data = {"annotations": [{"image_id": "12", "caption": "A wide view of a harbour."}]}
    [outcome] = read_layout("minigpt4", write_rows(folder / "filter_cap.json", data))
    (_, shows, question), answer = shown(outcome)
    assert outcome.record.id == "12"
    assert (shows, answer) == (picture("image/12.jpg"), assistant("A wide view of a harbour."))
    assert question


def test_the_command_lists_the_layouts_that_there_are():
    assert set(command.LAYOUTS) == {*LAYOUTS, "chat"}
    assert set(command.WRITERS) == set(WRITERS)
