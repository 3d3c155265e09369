"""What is kept for clients: for how long, and how much of it."""

import pytest

from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.store import Store, StoredResponse

FILES = [EncodedMedia(bytes([i]) * 4, "png", "image/png") for i in range(3)]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    """Ten bytes for a minute, and three files of four bytes each that came one after the other."""
    store = Store(10, 60, clock)
    for name, file in zip("abc", FILES, strict=True):
        assert store.put(name, file)
    return store


def kept(store):
    return [name for name in "abc" if store.get(name, EncodedMedia)]


def test_the_oldest_makes_room_for_the_newest(store):
    assert kept(store) == ["b", "c"]
    assert store.all(EncodedMedia) == [FILES[2], FILES[1]]
    assert store.bytes == 8


def test_what_is_put_again_is_kept_from_then_on(store, clock):
    clock.now = 30
    assert store.put("b", FILES[1])
    clock.now = 61
    assert kept(store) == ["b"]
    assert store.bytes == 4
    clock.now = 90
    assert kept(store) == []
    assert store.bytes == 0


def test_what_is_larger_than_the_store_is_not_kept_and_displaces_nothing(store):
    assert not store.put("a", EncodedMedia(bytes(11), "png", "image/png"))
    assert kept(store) == ["b", "c"]


def test_a_value_is_found_and_removed_by_its_own_kind_alone(store):
    assert store.get("b", StoredResponse) is None
    assert not store.remove("b", StoredResponse)
    assert not store.remove("a", EncodedMedia)
    assert store.remove("b", EncodedMedia)
    assert kept(store) == ["c"]
    assert store.bytes == 4
