import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from anygen.batch.records import file_stem
from anygen.batch.runner import BatchSettings, generate_file
from anygen.checkpoints.model_id import ModelId
from anygen.conversation.provenance import read_provenance
from anygen.core.media import Image, Message
from anygen.generation.answer import Answer, MediaInfo, collect
from anygen.generation.events import Done, MediaDone, MediaFailed, MediaStarted, TextDelta
from anygen.generation.options import AnswerOptions, Edit
from anygen.generation.request import Request, derive_seed
from anygen.io.media_files import read_media, write_media


class Painter:
    """Answers every prompt with a text and a picture that its seed decides.

    A prompt that says "refuse" cannot be answered; one that says "stop" interrupts, as Ctrl-C.
    """

    model_id = ModelId("mini", "0" * 64)

    def __init__(self) -> None:
        self.batches: list[list[Request]] = []

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        self.batches.append(list(requests))
        made = (MediaInfo(part=0),)
        return [Answer(self.answer(request), "stop", media_info=made) for request in requests]

    def answer(self, request: Request) -> Message:
        prompt = str(request.messages[-1].parts[0])
        if "refuse" in prompt:
            raise ValueError("the prompt is too long")
        if "stop" in prompt:
            raise KeyboardInterrupt
        generator = torch.Generator().manual_seed(request.seed)
        pixels = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8, generator=generator)
        return Message("assistant", (f"Here is {prompt}:", Image(pixels)))


def never_load() -> Painter:
    pytest.fail("the model was loaded")


def write_rows(folder: Path, *rows: Any) -> Path:
    """A JSONL file; a row that is a text is written as it is."""
    path = folder / "rows.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    return path


def run(load: Callable[[], Painter], source: Path | str, out: Path, **settings) -> list[dict]:
    return list(generate_file(load, source, BatchSettings(out, **settings)))


def records(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]


def rows_of(*prompts: str) -> list[dict]:
    return [{"id": f"r{i}", "prompt": prompt} for i, prompt in enumerate(prompts)]


def test_a_file_of_prompts_becomes_media_and_records(tmp_path):
    out = tmp_path / "out"
    made = run(Painter, write_rows(tmp_path, {"id": "a", "prompt": "a cat"}), out, seed=3)
    assert made == records(out)
    assert made == [
        {
            "id": "a",
            "status": "ok",
            "seed": derive_seed(3, "a"),
            "content": [
                {"type": "text", "text": "Here is a cat:"},
                {"type": "image", "path": "a_002_image.png"},
            ],
        }
    ]
    assert read_media(out / "a_002_image.png").pixels.shape == (3, 4, 4)


def test_a_prompt_alone_is_answered_and_only_a_repeat_is_skipped(tmp_path):
    (made,) = run(Painter, "A red cat!", tmp_path)
    assert made["id"].startswith("a-red-cat-")
    assert made["status"] == "ok"
    assert run(never_load, "A red cat!", tmp_path) == []
    assert len(run(Painter, "A red cat!", tmp_path, seed=1)) == 1
    assert len(run(Painter, "Ein Bär?", tmp_path)) == 1


def test_a_dialogue_keeps_its_roles_parts_seed_and_modalities(tmp_path, image):
    (tmp_path / "media").mkdir()
    write_media(image, tmp_path / "media" / "cat.png")
    content = [{"type": "text", "text": "what is"}, {"type": "image", "path": "media/cat.png"}]
    row = {
        "id": "a",
        "seed": 9,
        "modalities": ["text"],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": content},
        ],
    }
    model = Painter()
    (made,) = run(
        lambda: model,
        write_rows(tmp_path, row),
        tmp_path / "out",
        options=AnswerOptions(max_new_tokens=5),
    )
    ((request,),) = model.batches
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert request.messages[2].parts[0] == "what is"
    assert request.messages[2].parts[1].pixels.equal(image.pixels)
    assert request.seed == 9
    assert request.options == AnswerOptions(modalities=("text",), max_new_tokens=5)
    assert made["seed"] == 9


def test_results_do_not_depend_on_batch_size_or_order(tmp_path):
    rows = rows_of("a", "b", "c", "d", "e")
    run(Painter, write_rows(tmp_path, *rows), tmp_path / "one")
    run(Painter, write_rows(tmp_path, *reversed(rows)), tmp_path / "many", batch_size=3)
    for path in (tmp_path / "one").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "many" / path.name).read_bytes()
    key = "id"
    assert records(tmp_path / "one") == sorted(records(tmp_path / "many"), key=lambda r: r[key])


def test_rows_are_asked_batch_by_batch(tmp_path):
    model = Painter()
    run(lambda: model, write_rows(tmp_path, *rows_of("a", "b", "c")), tmp_path, batch_size=2)
    assert [len(batch) for batch in model.batches] == [2, 1]


def test_ids_that_are_not_sound_are_refused_before_the_model_is_loaded(tmp_path):
    source = write_rows(
        tmp_path,
        {"id": "a", "prompt": "x"},
        {"prompt": "x"},
        {"id": "", "prompt": "x"},
        {"id": 7, "prompt": "x"},
        {"id": "a", "prompt": "y"},
    )
    with pytest.raises(ValueError, match='every line needs its own "id"') as error:
        run(never_load, source, tmp_path / "out")
    assert str(error.value).endswith(
        "line 1: the id 'a' is not unique; line 2: no id; line 3: no id; line 4: no id; "
        "line 5: the id 'a' is not unique"
    )


def test_bad_rows_become_error_records_and_the_rest_is_answered(tmp_path):
    gone = [{"type": "image", "path": "gone.png"}]
    source = write_rows(
        tmp_path,
        '{"id": "half", "prom',
        "[1, 2]",
        {"id": "gone", "messages": [{"role": "user", "content": gone}]},
        {"id": "typo", "promt": "x"},
        {"id": "mute", "messages": [{"role": "assistant", "content": "x"}]},
        {"id": "good", "prompt": "a cat"},
    )
    made = {record["id"]: record for record in run(Painter, source, tmp_path, batch_size=10)}
    assert [made[row_id]["status"] for row_id in made] == ["error"] * 5 + ["ok"]
    assert made["line-1"]["error"].startswith("line 1 is not JSON: ")
    assert made["line-2"]["error"] == "line 2 is not a JSON object"
    assert made["gone"]["error"] == f"{tmp_path / 'gone.png'}: no such file"
    assert "messages: Field required; promt: Extra inputs" in made["typo"]["error"]
    assert made["mute"]["error"].startswith("the last message must have the role user")


def test_a_row_that_the_model_refuses_does_not_take_its_batch_along(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "refuse this", "c"))
    made = run(Painter, source, tmp_path, batch_size=3)
    assert [record["status"] for record in made] == ["ok", "error", "ok"]
    assert made[1]["error"] == "the prompt is too long"
    assert made[1]["content"] == []


def test_a_medium_that_failed_is_an_error_and_the_rest_of_the_answer_stands(tmp_path):
    class Faulty(Painter):
        def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
            [whole] = super().reply_many(requests)
            events = [
                TextDelta("Hm."),
                MediaStarted(0, "audio"),
                MediaFailed(0, "audio", "out of memory"),
                MediaStarted(1, "image"),
                MediaDone(1, whole.message.parts[1], 7),
                Done("stop", 1, 0, 1),
            ]
            return [collect(events)]

    source, out = write_rows(tmp_path, {"id": "a", "prompt": "both"}), tmp_path / "out"
    (made,) = run(Faulty, source, out)
    assert (made["status"], made["error"]) == ("error", "out of memory")
    assert made["content"] == [
        {"type": "text", "text": "Hm."},
        {"type": "image", "path": "a_002_image.png"},
    ]
    assert read_provenance(out / "a_002_image.png").part == 1
    (again,) = run(Painter, source, out)
    assert again["status"] == "ok"
    assert records(out) == [again]
    assert read_provenance(out / "a_002_image.png").part == 0


def test_an_answer_that_was_cut_short_says_why(tmp_path):
    class Brief(Painter):
        def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
            return [replace(answer, finish="length") for answer in super().reply_many(requests)]

    (made,) = run(Brief, write_rows(tmp_path, *rows_of("a")), tmp_path)
    assert (made["status"], made["finish"]) == ("ok", "length")


def test_the_options_of_a_row_stand_before_those_of_all(tmp_path, image):
    write_media(image, tmp_path / "cat.png")
    ref = {"type": "image", "ref": 1, "strength": 0.4}
    shown = [{"role": "user", "content": [{"type": "image", "path": "cat.png"}]}]
    asked = [{"role": "user", "content": [ref, {"type": "text", "text": "in blue"}]}]
    rows = [
        {"id": "a", "prompt": "x", "options": {"exactly": {"image": 2}, "stop": ["END"]}},
        {"id": "b", "messages": shown + asked},
        {"id": "c", "prompt": "x", "options": {"exactly": {"smell": 2}}},
        {"id": "d", "prompt": "x", "options": {"max_media": 1, "exactly": {"image": 2}}},
    ]
    model = Painter()
    given = AnswerOptions(max_new_tokens=5, stop=("Bye",))
    made = run(lambda: model, write_rows(tmp_path, *rows), tmp_path, batch_size=4, options=given)
    [first, second] = model.batches[0]
    assert first.options == AnswerOptions(max_new_tokens=5, stop=("END",), exactly={"image": 2})
    assert second.options == AnswerOptions(
        max_new_tokens=5, stop=("Bye",), edit=Edit(ref=1, strength=0.4)
    )
    assert second.messages[1].parts[0] is second.messages[0].parts[0]
    assert "exactly.smell" in made[2]["error"]
    assert made[3]["error"].startswith("exactly: 2 image cannot be made")


def test_a_second_run_skips_what_is_done_and_tries_errors_again(tmp_path):
    run(Painter, write_rows(tmp_path, *rows_of("a", "refuse")), tmp_path / "out")
    model = Painter()
    source = write_rows(tmp_path, *rows_of("a", "b", "c"))
    made = run(lambda: model, source, tmp_path / "out")
    assert [record["id"] for record in made] == ["r1", "r2"]
    assert [(r["id"], r["status"]) for r in records(tmp_path / "out")] == [
        ("r0", "ok"),
        ("r1", "ok"),
        ("r2", "ok"),
    ]
    assert run(never_load, source, tmp_path / "out") == []


def test_errors_of_another_file_in_the_same_folder_are_kept(tmp_path):
    out = tmp_path / "out"
    run(Painter, write_rows(tmp_path, {"id": "other", "prompt": "refuse"}), out)
    run(Painter, write_rows(tmp_path, {"id": "mine", "prompt": "a"}), out)
    assert [(r["id"], r["status"]) for r in records(out)] == [("other", "error"), ("mine", "ok")]


def test_ctrl_c_leaves_whole_records_and_the_next_run_goes_on(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(Painter, write_rows(tmp_path, *rows_of("a", "stop", "c")), out)
    assert [record["id"] for record in records(out)] == ["r0"]
    run(Painter, write_rows(tmp_path, *rows_of("a", "b", "c")), out)
    assert [record["id"] for record in records(out)] == ["r0", "r1", "r2"]


def test_a_half_record_left_by_a_crash_is_taken_out(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "b"))
    run(Painter, source, tmp_path)
    path = tmp_path / "records.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert [record["id"] for record in run(Painter, source, tmp_path)] == ["r1"]
    assert path.read_bytes() == whole


def test_records_that_are_not_ours_are_never_overwritten(tmp_path):
    (tmp_path / "records.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(ValueError, match="line 1 was not written by anygen; choose another --out"):
        run(never_load, write_rows(tmp_path, *rows_of("a")), tmp_path)
    assert (tmp_path / "records.jsonl").read_text() == '{"mine": 1}\n'


def test_an_id_cannot_leave_the_folder_or_take_the_file_of_another(tmp_path):
    ids = ["../up", "..", "a/b", "a_b", "A_b", "a_B", "ä", "x" * 300, "nul\x00", "line\nbreak"]
    source = write_rows(tmp_path, *({"id": row_id, "prompt": "x"} for row_id in ids))
    made = run(Painter, source, tmp_path / "out")
    names = [record["content"][1]["path"] for record in made]
    assert len({name.lower() for name in names}) == len(ids)  # as some file systems compare them
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*names, "records.jsonl"}
    assert [record["id"] for record in records(tmp_path / "out")] == ids


def test_a_plain_id_is_its_own_file_name():
    assert file_stem("cat-01_b") == "cat-01_b"


def test_seeds_differ_by_run_and_row_and_never_change():
    assert derive_seed(0, "a") == derive_seed(0, "a")
    assert len({derive_seed(run, row) for run in range(10) for row in "abcdefghij"}) == 100
    assert derive_seed(0, "a") == 232140491835332
