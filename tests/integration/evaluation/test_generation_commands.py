"""The commands of generation suites, arena and leaderboard, with a real tiny model."""

import json
import webbrowser
from threading import Thread

import httpx2
import pytest
import torch
from torch import Tensor, nn

from anygen.evaluation.arena.battles import read_battles
from anygen.evaluation.results import RESULTS, read_lines
from anygen.io.media_files import read_media
from anygen.web.arena import STATE, VOTES
from anygen.web.page import SESSION
from support.generation_suites import write_geneval
from support.suites import write_captions, write_lines


class Shades(nn.Module):
    """The mean of each colour."""

    def forward(self, pixels: Tensor):
        return pixels.mean((2, 3))


def run(anygen_cli, *arguments, stdin=""):
    code, out, err = anygen_cli(*map(str, arguments), stdin=stdin)
    assert (code, err) == (0, ""), err
    return out


@pytest.fixture
def geneval(anygen_cli, saved_model, tmp_path):
    """The command and the folder of its results, after one prompt of each tag."""
    data, out = write_geneval(tmp_path / "data"), tmp_path / "results" / "geneval"
    command = ("evaluate", "--suite", "geneval", "--data", data, "--model", saved_model)
    command += ("--out", out, "--limit", "1")
    run(anygen_cli, *command)
    return command, out


def test_samples_and_their_plain_captions_are_written_scored_and_ranked(
    geneval, anygen_cli, tmp_path
):
    command, out = geneval
    results = json.loads((out / RESULTS).read_text())
    made = results["rows"]["made"]
    assert (made["value"], made["control"]["value"], made["over_control"]["value"]) == (100, 100, 0)
    for folder, right in ((out / "geneval", 4), (out / "geneval_control", 2)):
        samples = sorted(folder.rglob("*.png"))
        assert len(samples) == 8
        assert (folder / "00000" / "metadata.jsonl").is_file()
        pixels = [read_media(path).pixels for path in samples]
        assert not torch.equal(pixels[0], pixels[1])  # every sample has a seed of its own
        rows = [{"filename": str(p), "correct": n < right} for n, p in enumerate(samples)]
        write_lines(folder / "results.jsonl", rows)
    text = run(anygen_cli, *command, "--score-only")
    assert "not scored yet" not in text
    row = json.loads((out / RESULTS).read_text())["rows"]["geneval"]
    assert (row["value"], row["control"]["value"]) == (50, 25)
    assert row["over_control"]["value"] == 25
    board = run(anygen_cli, "evaluate", "leaderboard", "results")
    assert board.splitlines()[0] == "geneval, mode exactly, seed 0"
    page = (tmp_path / "leaderboard.html").read_text()
    assert "single_object" in page


def test_a_run_that_goes_on_makes_nothing_again(geneval, anygen_cli):
    command, out = geneval
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    run(anygen_cli, *command)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
    assert len(read_lines(out)) == 2


def test_a_network_that_comes_later_judges_what_was_made(anygen_cli, saved_model, tmp_path):
    data, out = write_captions(tmp_path / "data", [["a cat"], ["a dog"], ["a hat"]]), "results"
    folder = tmp_path / "shades"
    folder.mkdir()
    torch.jit.script(Shades()).save(folder / "shades.pt")
    command = ("evaluate", "--suite", "coco_images", "--data", data, "--out", out)
    run(anygen_cli, *command, "--model", saved_model)
    network = ("--extractor", f"inception={folder}")
    text = run(anygen_cli, *command, *network, "--score-only")
    assert "fd_shades_tf299_n3" in text
    results = json.loads((tmp_path / out / RESULTS).read_text())
    assert set(results["extractors"]) == {"inception"}
    row = results["rows"]["fd_shades_tf299_n3"]
    assert row["value"] > 0
    assert row["control"]["value"] > 0
    # what was made stays, but other results may not be mixed with these
    code, _, err = anygen_cli(*map(str, (*command, "--model", saved_model)))
    assert code == 2
    assert "they differ in extractors; choose another folder" in err


@pytest.mark.slow
def test_two_models_meet_in_the_arena(anygen_cli, saved_model, tmp_path):
    (tmp_path / "prompts.txt").write_text("draw a cat\n")
    other = tmp_path / "other"
    other.symlink_to(saved_model)
    command = ("arena", "vote", saved_model, other, "--prompts", "prompts.txt")
    text = run(anygen_cli, *command, stdin="1\n")
    assert "Answer 2" in text
    assert "1 of 1 prompts have a vote" in text
    assert [p.suffix for p in (tmp_path / "arena" / "media").iterdir()].count(".png") > 1
    text = run(anygen_cli, "arena", "rate", "arena")
    assert text.splitlines()[0].split()[:2] == ["model", "rating"]
    assert (tmp_path / "ratings" / "arena.html").is_file()


def first_is_better(url):
    """Votes for the first answer, as the page at that address does."""
    server, token = url.split("/#token=")
    with httpx2.Client(base_url=server, timeout=300, trust_env=False) as page:
        bearer = {"Authorization": f"Bearer {token}"}
        key = page.post(SESSION, headers=bearer).json()["key"]
        page.headers["Authorization"] = f"Bearer {key}"
        while (state := page.get(STATE).json())["state"] != "over":
            if state["state"] == "vote":
                page.post(VOTES, json={"number": state["number"], "vote": "first"})


@pytest.mark.slow
def test_the_command_opens_a_page_to_vote_on(anygen_cli, saved_model, tmp_path, monkeypatch):
    (tmp_path / "prompts.txt").write_text("draw a cat\n")
    other = tmp_path / "other"
    other.symlink_to(saved_model)
    opened = []

    def open_browser(url):
        opened.append(Thread(target=first_is_better, args=(url,)))
        opened[0].start()

    monkeypatch.setattr(webbrowser, "open", open_browser)
    command = ("arena", "vote", saved_model, other, "--prompts", "prompts.txt", "--web")
    code, text, err = anygen_cli(*map(str, command))
    opened[0].join()
    assert code == 0, err
    assert "1 of 1 prompts have a vote" in text
    assert err.startswith("anygen: the arena at http://127.0.0.1:")
    [battle] = read_battles([tmp_path / "arena"])
    assert battle.vote == "first"
