"""What is kept for clients: for how long, and how much of it."""

import asyncio

import pytest

from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.store import Store, StoredFile, StoredResponse, Tasks

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


# --- servers that work together


class Place:
    is_open = True

    def release(self):
        self.is_open = False


def file(name, created_at):
    return StoredFile(name, b"data", "a.png", "vision", created_at, created_at + 60)


def view(kept):
    return {"id": kept.id, "created_at": kept.created_at}


@pytest.fixture
def servers():
    """Two, each of which asks the other."""

    def asking(number):
        async def ask(method, *arguments):
            return [getattr(found[1 - number], method)(*arguments)]

        return ask

    found = [Tasks(Store(1000, 60), asking(number)) for number in range(2)]
    return found


def test_what_one_server_keeps_is_found_listed_and_dropped_by_another(servers):
    for number, server in enumerate(servers):
        server.store.put(f"{number}", file(f"{number}", number))

    async def use():
        for server in servers:
            found = [await server.find(name, StoredFile) for name in "01"]
            assert [kept.id for kept in found] == ["0", "1"]
            assert await server.find("0", StoredResponse) is None
            entries = await server.describe(StoredFile, view)
            assert [entry["id"] for entry in entries] == ["1", "0"]  # the newest first
        assert await servers[1].drop("0", StoredFile)
        assert not await servers[1].drop("0", StoredFile)
        for server in servers:
            assert await server.find("0", StoredFile) is None

    asyncio.run(use())


def test_what_was_made_in_one_second_is_listed_by_its_ids_whenever_it_was_finished(servers):
    for name in ("1", "2", "0"):
        servers[0].store.put(name, file(name, 5))
    entries = asyncio.run(servers[1].describe(StoredFile, view))
    assert [entry["id"] for entry in entries] == ["2", "1", "0"]


def test_work_of_one_server_is_stopped_or_dropped_by_another(servers):
    one, two = servers
    places = {"stopped": Place(), "dropped": Place()}

    async def use():
        ended = asyncio.Event()
        for name, place in places.items():
            one.start(name, file(name, 0), ended.wait(), place)
        await two.stop("stopped", StoredFile)
        assert await two.drop("dropped", StoredFile)
        assert not any(place.is_open for place in places.values())
        ended.set()
        while one.running:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [entry["id"] for entry in await two.describe(StoredFile, view)] == ["stopped"]

    asyncio.run(use())
