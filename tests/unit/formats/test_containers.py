"""Files that hold rows of any layout, and media inside of rows."""

import base64
import hashlib
import io
import json
import tarfile

import pytest

from anygen.io.media_files import read_media
from support.layouts import (
    HOW_MANY,
    TWO,
    assistant,
    picture,
    read_layout,
    shown,
    user,
    write_rows,
)


def test_base64_is_written_once_under_the_hash_of_its_bytes(folder):
    data = (folder / "a.jpg").read_bytes()
    text = base64.b64encode(data).decode()
    row = {"instruction": "Describe the picture.", "inputs": "", "outputs": "A ramp."}
    rows = [{**row, "image_base64_str": [text]}, {**row, "img_str": text}]
    outcomes = read_layout("m3it", write_rows(folder / "m3it.jsonl", rows))
    path = f"inline/{hashlib.sha256(data).hexdigest()[:32]}.png"
    expected = [user(picture(path), "Describe the picture."), assistant("A ramp.")]
    assert [*map(shown, outcomes)] == [expected, expected]
    assert (folder / path).read_bytes() == data
    assert len([*(folder / "inline").iterdir()]) == 1


@pytest.mark.parametrize(("prefix", "kind"), [("DC", "video"), ("SD", "image")])
def test_several_pictures_of_mimicit_are_a_clip_or_pictures_by_their_prefix(folder, prefix, kind):
    frames = [(folder / "a.jpg").read_bytes() for _ in range(2)]
    data = {
        f"{prefix}_INS_1": {
            "instruction": "Why wet?",
            "answer": "It rained.",
            "image_ids": ["1", "2"],
            "rel_ins_ids": [f"{prefix}_INS_4"],
        },
        f"{prefix}_INS_4": {"instruction": "Who?", "answer": "A girl.", "image_ids": []},
        f"{prefix}_INS_5": {"instruction": "Who?", "answer": "A girl.", "image_ids": ["9"]},
    }
    write_rows(folder / f"{prefix}_instructions.json", {"meta": {"version": "1"}, "data": data})
    encoded = {str(i): base64.b64encode(frame).decode() for i, frame in enumerate(frames, start=1)}
    write_rows(folder / f"{prefix}.json", encoded)
    first, second, third = read_layout("mimicit", folder / f"{prefix}_instructions.json")
    example, answer, (_, *media, question), _ = shown(first)
    assert (example, answer) == (user("Who?"), assistant("A girl."))
    assert question == "Why wet?"
    assert [kind for kind, *_ in media] == [kind] * (1 if kind == "video" else 2)
    assert shown(second) == [user("Who?"), assistant("A girl.")]
    assert shown(third) == "9: no such picture, or a damaged one"
    if kind == "video":
        clip = read_media(folder / media[0][1])
        assert (len(clip.frames), clip.fps) == (2, 1.0)


def test_the_examples_of_mimicit_are_those_of_its_training_file(folder):
    def row(question):
        return {"instruction": question, "answer": "Yes.", "rel_ins_ids": ["SN_INS_3"]}

    data = {f"SN_INS_{n}": row(f"Is it {n}?") for n in (1, 2, 3, 4)}
    write_rows(folder / "SN_instructions.json", {"meta": {}, "data": data})
    write_rows(folder / "SN.json", {})
    examples = {"SN_INS_1": ["SN_INS_2", "SN_INS_4"], "SN_INS_2": [], "SN_INS_4": "SN_INS_9"}
    write_rows(folder / "SN_train.json", examples)
    several, alone, held_out, wrong = read_layout("mimicit", folder / "SN_instructions.json")
    asked = [turn for n in (2, 4, 1) for turn in (user(f"Is it {n}?"), assistant("Yes."))]
    assert shown(several) == asked
    assert shown(alone) == asked[:2]
    assert shown(held_out) == "is not in the file that ends in _train.json"
    assert shown(wrong) == "SN_INS_9: no such instruction"


def test_dataset_info_names_files_columns_and_roles(folder):
    info = {
        "mine": {
            "file_name": "m.json",
            "formatting": "sharegpt",
            "columns": {"messages": "talk", "images": "pictures"},
            "tags": {"role_tag": "who", "content_tag": "what", "user_tag": "me"},
        },
        "plain": {"file_name": "p.json", "columns": {"prompt": "ask", "response": "reply"}},
        "blind": {"file_name": "b.json", "columns": {"prompt": "ask", "response": "reply"}},
        "far": {"hf_hub_url": "someone/something"},
        "pairs": {"file_name": "p.json", "ranking": True},
        "out": {"file_name": "../p.json"},
    }
    turns = [{"who": "me", "what": "<image>Name it."}, {"who": "gpt", "what": "A kite."}]
    write_rows(folder / "m.json", [{"talk": turns, "pictures": "a.jpg"}])
    write_rows(folder / "p.json", [{"ask": "Hi", "reply": "Hello.", "system": "Be a cat."}])
    write_rows(folder / "b.json", [{"ask": "Hi", "reply": "Hello.", "images": ["a.jpg"]}])
    write_rows(folder / "dataset_info.json", info)
    mine, plain, blind, far, pairs, out = read_layout("llamafactory", folder)
    assert shown(mine) == [user(picture("a.jpg"), "Name it."), assistant("A kite.")]
    assert shown(plain) == [user("Hi"), assistant("Hello.")]
    assert plain.unread == ("system",)
    assert shown(blind).startswith("'images' is not read by this layout")
    assert shown(far).startswith("the entry has no 'file_name'")
    assert shown(pairs).startswith("pairs of a better and a worse answer")
    assert shown(out) == "../p.json: leads out of --media"
    assert far.id == "far"


def test_a_folder_of_media_with_texts_beside_them(folder):
    (folder / "part" / "k1.txt").write_text("two red kites\n")
    [outcome] = read_layout("captions", folder / "part", folder / "part")
    assert shown(outcome) == [user("two red kites"), assistant(picture("k1.jpg", "two red kites"))]
    assert outcome.record.id == "k1"
    [missing] = read_layout("captions", folder / "coco")
    assert shown(missing) == "no 1.txt beside it"
    (folder / "part" / "k1.txt").rename(folder / "part" / "k1.TXT")
    assert read_layout("captions", folder / "part", folder / "part") == [outcome]


@pytest.mark.parametrize(
    "header", ["image;caption", "k1.jpg,two red kites", "image,words", "words,text"]
)
def test_a_table_without_a_medium_or_a_caption_is_answered_with_its_columns(folder, header):
    source = folder / "c.csv"
    source.write_text(f"{header}\na.jpg,kites\n")
    [outcome] = read_layout("captions", source)
    names = ", ".join(map(repr, header.split(",")))
    assert shown(outcome).startswith(f"the columns are {names}; a medium (image, ")


def test_csv_and_tsv_have_columns(folder):
    expected = [user("two, red"), assistant(picture("a.jpg", "two, red"))]
    for name, text in [
        ("c.csv", 'image,caption\na.jpg,"two, red"\n'),
        ("c.tsv", "image\ttext\na.jpg\ttwo, red\n"),
    ]:
        [outcome] = read_layout("captions", write_rows(folder / name, text))
        assert shown(outcome) == expected
        assert outcome.place == f"{name}:2"


def tar_of(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def test_files_of_a_webdataset_with_one_name_are_a_sample(folder):
    data = (folder / "a.jpg").read_bytes()
    turns = json.dumps({"conversations": [HOW_MANY, TWO], "images": ["elsewhere.jpg"]})
    files = {
        "s/k1.jpg": data,
        "s/k1.txt": b"two red kites",
        "s/k2.0.png": data,
        "s/k2.json": turns.encode(),
        "s/k3.json": b"{",
    }
    first, second, third = read_layout("webdataset", write_rows(folder / "w.tar", tar_of(files)))
    path = f"inline/{hashlib.sha256(data).hexdigest()[:32]}.png"
    assert shown(first) == [user("two red kites"), assistant(picture(path, "two red kites"))]
    assert shown(second) == [user(picture(path), "How many kites are up?"), assistant(TWO["value"])]
    assert shown(third).startswith("holds a damaged text")
    assert (first.place, third.id) == ("w.tar:s/k1", "s/k3")


def test_parquet_rows_hold_media_as_bytes(folder):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    data = (folder / "a.jpg").read_bytes()
    rows = [
        {
            "messages": [
                {"role": "user", "content": "<image>How many?"},
                {"role": "assistant", "content": "Two."},
            ],
            "images": [{"bytes": data, "path": "a.jpg"}],
        }
    ]
    write_table(pyarrow.Table.from_pylist(rows), folder / "p.parquet")
    [outcome] = read_layout("parquet", folder / "p.parquet")
    path = f"inline/{hashlib.sha256(data).hexdigest()[:32]}.png"
    assert shown(outcome) == [user(picture(path), "How many?"), assistant("Two.")]
