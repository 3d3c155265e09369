"""What no record can hold is refused, in a sentence, with its place and its id."""

import pytest

from support.layouts import (
    LLAVA,
    SWIFT,
    TALK,
    TWO,
    read_layout,
    shown,
    write_rows,
)

PNG = "data:image/png;base64,"
MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
MATCHED = {"image_name": "a.jpg", "matched_text_index": 1}


def answer(text):
    return [TALK[0], {"from": "gpt", "value": text}]


def question(text):
    return [{"from": "human", "value": text}, TWO]


@pytest.mark.parametrize(
    ("layout", "row", "reason"),
    [
        (
            "llava",
            {
                "image": "a.jpg",
                "conversations": question("<image><image>?"),
            },
            "2 markers, 1 image: ",
        ),
        ("llava", {"image": "a.jpg", "conversations": TALK}, "0 markers, 1 image: "),
        ("llava", {"conversations": TALK[::-1]}, "message 1 is the assistant's; a dialogue begins"),
        (
            "llava",
            {"conversations": [TALK[0], TALK[0], TWO]},
            "messages 1 and 2 are both the user's",
        ),
        ("llava", {"conversations": TALK[:1]}, "the last message is the user's"),
        (
            "llava",
            {"conversations": question("<image>\nWho?")},
            "message 1: the text holds <image>",
        ),
        ("llava", {"conversations": []}, "there is no message"),
        (
            "llava",
            {"conversations": answer(" ")},
            "message 2: the assistant's content is empty",
        ),
        ("llava", {**LLAVA, "image": "gone.jpg"}, "gone.jpg: no such file in "),
        ("llava", {**LLAVA, "image": "/etc/passwd"}, "/etc/passwd: is an absolute path"),
        ("llava", {**LLAVA, "image": "C:\\x.jpg"}, "C:\\x.jpg: is an absolute path"),
        ("llava", {**LLAVA, "image": "part/../../x.jpg"}, "part/../../x.jpg: leads out of --media"),
        ("llava", {**LLAVA, "image": "http://x/a.jpg"}, "http://x/a.jpg: is an address; fetch"),
        ("llava", {**LLAVA, "image": f"{PNG}@@"}, "the base64 text of a medium is"),
        (
            "llava",
            {**LLAVA, "image": f"{PNG}AAAA"},
            "the bytes in the row: ",
        ),
        ("llava", {**LLAVA, "image": 5}, "the name of a file is missing"),
        ("llava", {"conversations": "Hi"}, "conversations: Input should be a valid list"),
        (
            "sharegpt",
            {"conversations": [*TALK, {"from": "function_call", "value": ""}]},
            "no role",
        ),
        ("lamm", {"pcl": "x.npy", "conversations": TALK}, "a point cloud ('pcl') is no picture"),
        ("lamm", {"image": "/coco/1.jpg", "conversations": TALK}, "/coco/1.jpg: is an absolute"),
        (
            "nextgpt",
            {"conversation": answer("<Image>a")},
            "<Image> is not",
        ),
        (
            "nextgpt",
            {"conversation": answer("<Image>a<Image>b</Image></Image>")},
            "<Image> stands inside <Image>",
        ),
        (
            "nextgpt",
            {"conversation": answer("a <Image>m_01.jpg</Image>")},
            "m_01.jpg is not in the row's image_list",
        ),
        (
            "nextgpt",
            {"conversation": question("<Image>a cat</Image>")},
            "the image is a caption only, and the user shows it",
        ),
        (
            "nextgpt",
            {
                "image_captions": ["a", "b"],
                "conversations": answer("<image>"),
            },
            "1 marker, 2 images: ",
        ),
        ("nextgpt", {"image_name": "a.jpg"}, "the row has neither turns nor a medium"),
        (
            "swift",
            {**SWIFT, "objects": {"bbox": [[1, 2], [3, 4]]}},
            "1 placeholder <bbox>, 2",
        ),
        (
            "swift",
            {
                "messages": [
                    {"role": "user", "content": "Draw"},
                    {"role": "assistant", "content": "<image>"},
                ],
                "images": ["a.jpg"],
            },
            "message 2: the image has no caption",
        ),
        ("spider", {"Question": "Find it", "Answer": "<MASK>a cup</MASK>"}, "<MASK> is no picture"),
        (
            "spider",
            {"Question": "Show", "TaskPrompt": "[IMAGE]", "Answer": "<VIDEO>a gate</VIDEO>"},
            "[IMAGE] limits the answer, which has video",
        ),
        (
            "mmc4",
            {"text_list": ["a"], "image_info": [MATCHED]},
            "a.jpg: no sentence 1",
        ),
        (
            "obelics",
            {"images": [None, "https://x/b.jpg"], "texts": ["Mix.", None]},
            "https://x/b.jpg: is an a",
        ),
        ("obelics", {"images": [None], "texts": ["Mix.", None]}, "1 images and 2 texts"),
        ("obelics", {"images": ["b.jpg"], "texts": ["Mix."]}, "position 0 should hold either"),
        (
            "obelics",
            {"images": [None, "b.jpg"], "texts": ["Mix.", None]},
            "message 1: the image has no",
        ),
        (
            "captions",
            {"image": "a.jpg", "video": "clips/v1.mp4", "text": "x"},
            "the row has 2",
        ),
        (
            "captions",
            {"file": "notes.pdf", "text": "x"},
            "notes.pdf: its suffix is",
        ),
        (
            "openai",
            {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
            "no part of",
        ),
        (
            "m3it",
            {"instruction": "Name it.", "outputs": "A van.", "image_str": ["AAAA"]},
            "'image_str' is not read by this layout, and a medium would be lost",
        ),
        ("llava", {"video_path": "a.mp4", "conversations": TALK}, "'video_path' is not read"),
        (
            "sharegpt",
            {"conversations": [{**TALK[0], "images": ["a.jpg"]}, TALK[1]]},
            "'images' is not read",
        ),
        (
            "openai",
            {"messages": MESSAGES, "audio": {"path": "rain.wav"}},
            "'audio' is not read",
        ),
        ("parquet", {"a": 1}, "the columns are a, id, neither messages nor a medium"),
    ],
)
def test_a_row_that_no_record_can_hold_is_refused_in_a_sentence(folder, layout, row, reason):
    rows = [{**row, "id": "r1"}, {**row, "id": 7}, {**row, "id": None}]
    first, second, third = read_layout(layout, write_rows(folder / "rows.jsonl", rows))
    assert shown(first).startswith(reason)
    assert (first.place, first.id) == ("rows.jsonl:1", "r1")
    assert (second.place, second.id) == ("rows.jsonl:2", "7")
    assert (third.place, third.id) == ("rows.jsonl:3", "rows-3")
