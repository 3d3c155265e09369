from itertools import combinations

import pytest
import torch

from anygen.config.loader import load_system
from anygen.config.system import SignalSettings
from anygen.core.modality import MEDIA, TABLE
from anygen.llm.signal_tokens import Signals, side_mask, side_positions

TOKENS = Signals(1000, MEDIA)
QUERIES = Signals(1000, MEDIA, SignalSettings(kind="queries"))
MANY = Signals(1000, MEDIA, SignalSettings(kind="queries", tokens={"image": 64}))

kinds = pytest.mark.parametrize("signals", [TOKENS, QUERIES, MANY], ids=["tokens", "queries", "64"])


def marks_of(signals):
    return [i for m in MEDIA for ids in signals.marks(m) for i in ids]


@kinds
@pytest.mark.parametrize("changes", [{}, {"marks": "around"}, {"marks": (2, 3), "closing": True}])
def test_ids_follow_the_vocabulary_without_gap_or_overlap(signals, changes):
    settings = SignalSettings(**(signals.settings.model_dump() | changes))
    signals = Signals(signals.vocabulary, signals.modalities, settings)
    ids = [i for m in MEDIA for i in signals.span(m)] + marks_of(signals)
    assert ids == list(range(1000, 1000 + signals.rows))


@pytest.mark.parametrize(
    ("marks", "counts"),
    [("none", (0, 0)), ("before", (1, 0)), ("around", (1, 1)), ([4, 2], (4, 2))],
)
def test_marks_stand_before_the_features_or_around_them(marks, counts):
    signals = Signals(1000, MEDIA, SignalSettings(marks=marks))
    assert {tuple(map(len, signals.marks(m))) for m in MEDIA} == {counts}
    assert signals.around == sum(counts)


def test_marks_that_are_none_are_refused():
    with pytest.raises(ValueError, match="marks"):
        SignalSettings(marks="behind")


def test_a_span_may_end_with_a_row_that_does_not_condition():
    for kind, leading in (("tokens", 0), ("queries", 1)):
        signals = Signals(1000, MEDIA, SignalSettings(kind=kind, closing=True))
        hidden = torch.arange(signals.length("image")).float()[:, None]
        assert signals.conditions(hidden)[:, 0].tolist() == [leading + i for i in range(4)]
        assert len(signals.span("image")) == leading + 4 + 1


def test_spans_of_tokens_are_as_long_as_the_table_says():
    assert [len(TOKENS.span(m)) for m in MEDIA] == [TABLE[m].signal_tokens for m in MEDIA]


def test_queries_follow_a_trigger_of_their_own():
    assert [len(QUERIES.span(m)) for m in MEDIA] == [1 + TABLE[m].signal_tokens for m in MEDIA]


def test_a_system_counts_its_own_signals_and_leaves_the_rest_to_the_table():
    assert [MANY.length(m) for m in MEDIA] == [65, *(QUERIES.length(m) for m in MEDIA[1:])]
    settings = load_system("tiny/system", ["llm.signals={kind: queries, tokens: {audio: 3}}"])
    counts = {**{m: TABLE[m].signal_tokens for m in MEDIA}, "audio": 3}
    assert settings.llm.signals.tokens == counts


@kinds
def test_a_span_is_as_long_as_its_ids(signals):
    assert [signals.length(m) for m in MEDIA] == [len(signals.span(m)) for m in MEDIA]


@pytest.mark.parametrize(
    ("signals", "conditioning"), [(TOKENS, [0, 1, 2, 3]), (QUERIES, [1, 2, 3, 4])]
)
def test_what_conditions_the_decoder_is_every_token_or_every_query_and_not_its_trigger(
    signals, conditioning
):
    hidden = torch.arange(signals.length("image")).float()[:, None]
    assert signals.conditions(hidden)[:, 0].tolist() == conditioning
    batch = hidden.expand(2, 3, -1, 1)
    assert signals.conditions(batch).shape == (2, 3, 4, 1)


@kinds
def test_only_the_first_position_of_a_span_triggers(signals):
    for modality in MEDIA:
        trigger, *rest = signals.span(modality)
        assert signals.modality_of(trigger) == signals.modality_of(signals.trigger(modality))
        assert signals.modality_of(trigger) == modality
        assert {signals.modality_of(token) for token in rest} == {None}
        assert {signals.modality_of(mark) for mark in marks_of(signals)} == {None}
    assert signals.modality_of(999) is None


@pytest.mark.parametrize("modalities", [(), *combinations(MEDIA, 1), *combinations(MEDIA, 2)])
def test_a_system_with_fewer_modalities_has_fewer_rows(modalities):
    signals = Signals(7, modalities)
    assert signals.rows == sum(TABLE[m].signal_tokens for m in modalities) + len(MEDIA)
    last = 7 + signals.rows - 1
    assert signals.marks("video") == ([last], []), "what cannot be made can still be read"
    assert [signals.modality_of(signals.trigger(m)) for m in modalities] == list(modalities)


# Text, a span, its features, another span, its features; a row that begins with a span.
BRANCHES = torch.tensor([[0, 0, 1, 1, 1, 0, 0, 2, 2, 0], [3, 3, 4, 0, 0, 0, 0, 0, 0, 0]])


def test_what_follows_a_span_stands_where_the_span_began():
    assert side_positions(BRANCHES).tolist() == [
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 4],
        [0, 1, 0, 0, 1, 2, 3, 4, 5, 6],
    ]


def test_without_spans_positions_count_and_all_that_came_before_is_seen():
    none = torch.zeros(2, 5, dtype=torch.long)
    assert side_positions(none).tolist() == [[0, 1, 2, 3, 4]] * 2
    assert (side_mask(none, torch.float32)[:, 0] == 0).equal(torch.ones(2, 5, 5).tril().bool())


def test_a_span_is_seen_by_itself_alone_and_sees_no_other():
    seen = side_mask(BRANCHES, torch.float32)[0, 0] == 0
    assert seen[4].nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert seen[6].nonzero()[:, 0].tolist() == [0, 1, 5, 6]
    assert seen[8].nonzero()[:, 0].tolist() == [0, 1, 5, 6, 7, 8]
    assert seen[9].nonzero()[:, 0].tolist() == [0, 1, 5, 6, 9]
