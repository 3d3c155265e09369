"""The Java programs of captions: what they wrote once, and what they write where they are."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from anygen.evaluation.caption_metrics import bleu, bleu_counts, cider_d, mean_percent, rouge_l
from anygen.evaluation.judges import caption_programs
from anygen.evaluation.suites import captions

TEXTS = ("A man is speaking.", "Rain falls!", "", "It's a \"dog\" -- (big) café, isn't it?")
TOKENIZED = [
    "a man is speaking .",
    "rain falls !",
    "",
    "it 's a `` dog '' -- -lrb- big -rrb- café , is n't it ?",
]
PUNCTUATION = ["''", "``", ".", "?", "!", ",", "--"]
SPEAKING = ["a man speaks", "someone speaks", "a man is speaking while a bird is chirping"]
# Of METEOR 1.5, to "a man is speaking" beside SPEAKING, "rain falls" beside "rain is falling hard
# on a surface", "" beside "a b", "rain falls" beside itself; each alone, then all together.
STATISTICS = [
    "4.0 3.0 2.0 1.0 1.0 1.0 1.0 1.0 0 0 0 0 0 0 0 0 1.0 1.0 1.0 0.0 1.0 4.0 3.0",
    "2.0 7.0 0.0 3.0 1.0 1.0 0.0 0.0 0 0 0 0 0 0 0 0 1.0 0.0 0.0 1.0 1.0 2.0 2.0",
    "0.0 2.0 0.0 1.0 0.0 0.0 0.0 0.0 0 0 0 0 0 0 0 0 0.0 0.0 0.0 0.0 0.0 0.0 0.0",
    "2.0 2.0 0.0 0.0 2.0 2.0 0.0 0.0 0 0 0 0 0 0 0 0 0.0 0.0 0.0 0.0 1.0 2.0 2.0",
]
EACH = [82.41563055062167, 12.809018869872418, 0, 100]
TOGETHER = 30.866164997489737


@pytest.fixture
def recorded(monkeypatch):
    """Programs that write these lines; returns what they were given."""
    given = []

    def use(lines):
        files = SimpleNamespace(
            STANFORD_CORENLP_3_4_1_JAR="t.jar", METEOR_JAR="m.jar", PUNCTUATIONS=PUNCTUATION
        )
        monkeypatch.setattr(caption_programs, "module", lambda name: (files, Path("folder")))
        monkeypatch.setattr(
            caption_programs, "run_java", lambda folder, options, rows: given.extend(rows) or lines
        )
        caption_programs.ptb_tokenized.cache_clear()
        return given

    yield use
    caption_programs.ptb_tokenized.cache_clear()


def test_the_tokenizer_reads_a_text_in_one_line_and_loses_its_punctuation(recorded):
    given = recorded(TOKENIZED)
    tokens = caption_programs.ptb_tokenized(("A man\u2028is\nspeaking.", *TEXTS[1:]))
    assert given[0] == "A man is speaking."
    assert tokens[:3] == [["a", "man", "is", "speaking"], ["rain", "falls"], []]
    assert tokens[3] == ["it", "'s", "a", "dog", "-lrb-", "big", "-rrb-", "café", "is", "n't", "it"]


def test_meteor_has_the_figures_of_its_program(recorded):
    given = recorded(STATISTICS)
    pairs = [(["a", "|||", "b"], [["c"], ["d", "e"]])]
    statistics = caption_programs.meteor_statistics(pairs)
    assert given == ["SCORE ||| c ||| d e ||| a  b"]
    assert [caption_programs.meteor([one]) for one in statistics] == pytest.approx(EACH)
    assert caption_programs.meteor(statistics) == pytest.approx(TOGETHER, rel=1e-12)


def test_statistics_of_another_program_are_refused(recorded):
    recorded(["0.5 0.5"])
    with pytest.raises(ValueError, match=r"m\.jar: wrote other statistics than METEOR 1\.5"):
        caption_programs.meteor_statistics([(["a"], [["a"]])])


def test_published_names_stand_only_where_the_programs_are(monkeypatch):
    monkeypatch.setattr(caption_programs, "are_installed", lambda: False)
    rows = captions.figures(())
    assert all(name.endswith("_simple") for name in rows)
    assert "need java and the package pycocoevalcap" in rows["cider_d_simple"].note
    monkeypatch.setattr(caption_programs, "are_installed", lambda: True)
    rows = captions.figures(())
    assert {"cider_d", "bleu_1", "bleu_4", "rouge_l", "meteor", "cider_d_simple"} <= rows.keys()
    assert not any(row.note for row in rows.values())


def test_a_program_that_fails_is_named_with_its_reason(monkeypatch, tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho cut\necho 'no memory' >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"wrote 1 of 2 lines in .*, exit code 1: no memory"):
        caption_programs.run_java(tmp_path, ["-jar", "m.jar"], ["a", "b"])


@pytest.mark.slow
@pytest.mark.skipif(not caption_programs.are_installed(), reason=f"needs {caption_programs.NEEDED}")
def test_figures_are_those_of_pycocoevalcap():
    """Its own tokenizer, METEOR and scorers, run as it runs them."""

    def part(name):
        return importlib.import_module(f"pycocoevalcap.{name}")

    golds = [SPEAKING, ["Rain is falling hard, on a surface."], ["a b"], ["A big dog's café", "c"]]
    pairs = list(zip(map(caption_programs.ptb_tokenized, [(text,) for text in TEXTS]), golds))
    pairs = [
        (text[0], caption_programs.ptb_tokenized(tuple(references))) for text, references in pairs
    ]
    tokenizer = part("tokenizer.ptbtokenizer").PTBTokenizer()
    own = tokenizer.tokenize({n: [{"caption": text}] for n, text in enumerate(TEXTS)})
    theirs = tokenizer.tokenize({n: [{"caption": g} for g in row] for n, row in enumerate(golds)})
    together, each = part("meteor.meteor").Meteor().compute_score(theirs, own)
    statistics = caption_programs.meteor_statistics(pairs)
    assert [caption_programs.meteor([one]) / 100 for one in statistics] == pytest.approx(each)
    assert caption_programs.meteor(statistics) / 100 == pytest.approx(together)
    expected = part("cider.cider").Cider().compute_score(theirs, own)[0]
    assert mean_percent(cider_d(pairs)) / 100 == pytest.approx(expected)
    expected = part("bleu.bleu").Bleu(4).compute_score(theirs, own, verbose=0)[0]
    found = [bleu(order, bleu_counts(pairs)) / 100 for order in range(1, 5)]
    assert found == pytest.approx(expected)
    expected = part("rouge.rouge").Rouge().compute_score(theirs, own)[0]
    assert mean_percent(rouge_l(pairs)) / 100 == pytest.approx(expected)
