from itertools import combinations

import pytest

from anygen.modality import MEDIA, TABLE
from anygen.signals import Signals

SIGNALS = Signals(1000, MEDIA)


def test_ids_follow_the_vocabulary_without_gap_or_overlap():
    ids = [i for m in MEDIA for i in SIGNALS.span(m)] + [SIGNALS.mark(m) for m in MEDIA]
    assert ids == list(range(1000, 1000 + SIGNALS.rows))


def test_spans_are_as_long_as_the_table_says():
    assert [len(SIGNALS.span(m)) for m in MEDIA] == [TABLE[m].signal_tokens for m in MEDIA]


def test_only_the_first_token_of_a_span_triggers():
    for modality in MEDIA:
        trigger, *rest = SIGNALS.span(modality)
        assert SIGNALS.modality_of(trigger) == SIGNALS.modality_of(SIGNALS.trigger(modality))
        assert SIGNALS.modality_of(trigger) == modality
        assert {SIGNALS.modality_of(token) for token in rest} == {None}
        assert SIGNALS.modality_of(SIGNALS.mark(modality)) is None
    assert SIGNALS.modality_of(999) is None


@pytest.mark.parametrize("modalities", [(), *combinations(MEDIA, 1), *combinations(MEDIA, 2)])
def test_a_system_with_fewer_modalities_has_fewer_rows(modalities):
    signals = Signals(7, modalities)
    assert signals.rows == sum(TABLE[m].signal_tokens for m in modalities) + len(MEDIA)
    assert signals.mark("video") == 7 + signals.rows - 1, "what cannot be made can still be read"
    assert [signals.modality_of(signals.trigger(m)) for m in modalities] == list(modalities)
