"""Where a position stands in a pass is decided by itself, whatever else is read."""

import random

import torch

from anygen.llm.attention import TILE, Attention
from anygen.llm.kv_cache import BLOCK, KVCache
from anygen.llm.passes import LANES, one_pass, passes_of_lanes
from anygen.numerics.devices import planning_for


def reading(start, count):
    """A context that has read `start` positions and is about to read `count`."""
    context = KVCache()
    context.positions = list(range(start))
    return context, torch.zeros(count, 1), list(range(start, start + count))


def positions_of(passes, row):
    """Which positions of a row are read, pass by pass, and where they stand."""
    return [
        (chunk.start + index, chunk.rows.start + index)
        for one in passes
        for chunk in one.chunks
        if chunk.index == row
        for index in range(chunk.end - chunk.start)
    ]


def draw_rows(seed):
    rng = random.Random(seed)
    lengths = [
        (rng.randint(0, 300), rng.choice([1, 1, 1, 2, 7, 40])) for _ in range(rng.randint(1, 9))
    ]
    return [reading(start, count) for start, count in lengths]


def test_every_position_stands_in_its_own_lane_and_comes_after_those_before_it():
    for seed in range(50):
        rows = draw_rows(seed)
        passes = passes_of_lanes(rows)
        assert {one.length for one in passes} == {LANES}
        for row, (_, _, keys) in enumerate(rows):
            found = positions_of(passes, row)
            assert [position for position, _ in found] == keys
            assert all(lane == position % LANES for position, lane in found)
        for one in passes:
            lanes = [lane for c in one.chunks for lane in range(c.rows.start, c.rows.stop)]
            assert len(lanes) == len(set(lanes))


def test_conversations_share_a_pass_where_their_lanes_allow_it():
    together = [reading(start, 1) for start in range(LANES)]
    assert len(passes_of_lanes(together)) == 1
    assert len(passes_of_lanes([reading(5, 1), reading(5 + LANES, 1)])) == 2
    assert len(passes_of_lanes([reading(3, LANES)])) == 1
    assert len(passes_of_lanes([reading(0, 3 * LANES)])) == 3


def test_one_pass_holds_all_rows_and_as_many_idle_ones_as_are_asked_for():
    rows = [reading(10, 4), reading(0, 3)]
    [one] = one_pass(rows, 5)
    assert one.length == 10
    assert positions_of([one], 0) == [(10, 0), (11, 1), (12, 2), (13, 3)]
    assert positions_of([one], 1) == [(0, 4), (1, 5), (2, 6)]


def test_a_plan_takes_the_tiles_of_the_device_that_it_is_for():
    [one] = one_pass([reading(10, 300)], 3)
    on_cpu = len(Attention(one, torch.device("cpu")).tiles)
    assert on_cpu > 1
    for kind, count in {"cpu": on_cpu, "cuda": 1}.items():
        with planning_for(kind):
            assert len(Attention(one, torch.device("meta")).tiles) == count


def test_every_position_stands_at_its_place_in_a_tile_and_sees_whole_blocks_up_to_its_own():
    for seed in range(50):
        [one] = one_pass(draw_rows(seed), 3)
        attention = Attention(one, torch.device("cpu"))
        for tiles in attention.tiles:
            assert tiles.width == TILE
            assert (tiles.positions % TILE == torch.arange(TILE)).all()
            assert (tiles.positions // BLOCK == tiles.keys // BLOCK - 1).all()
        stands = torch.cat([tiles.positions.flatten() for tiles in attention.tiles])
        _, from_tiles, _ = attention.places_of(1, 1, torch.device("cpu"))
        for chunk in one.chunks:
            assert stands[from_tiles[chunk.rows]].tolist() == list(range(chunk.start, chunk.end))
