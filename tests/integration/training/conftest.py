"""Runs of a few steps, which would spend most of their time on the answers that they write."""

import pytest

from anygen.training import samples


@pytest.fixture(autouse=True)
def _answers_are_short(monkeypatch):
    """An untrained model goes on to the limit."""
    monkeypatch.setattr(samples, "MAX_TOKENS", 6)
