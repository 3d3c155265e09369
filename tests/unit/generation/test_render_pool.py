import random
import signal
import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
import torch

from anygen.checkpoints.checkpoint import read_system
from anygen.core.media import Audio, Image
from anygen.generation import render_pool
from anygen.generation.render_pool import MAX_ROWS, Failed, Progress, RenderingPool
from anygen.model.decoder_cache import LazyDecoders
from decoders.base import RenderRequest, SampleOptions, never, no_progress


@pytest.fixture
def decoder(tiny_model):
    return tiny_model.decoders["image"]


@pytest.fixture
def pool(tiny_model):
    with RenderingPool(tiny_model.decoders) as pool:
        yield pool


@pytest.fixture
def task(tiny_model):
    def make(seed=1, modality="image", **options):
        [condition] = tiny_model.decoders[modality].encode_prompt([f"{seed} red cats"])
        return RenderRequest(condition, seed, SampleOptions(**options))

    return make


@pytest.fixture
def spoiled(task):
    """A task that its decoder cannot do."""
    return replace(task(), condition=torch.zeros(8, 3))


@pytest.fixture
def sampled(decoder, monkeypatch):
    """The seeds of every batch that the image decoder is given."""
    batches, sample = [], decoder.sample

    def noted(tasks, on_step, cancelled):
        batches.append([task.seed for task in tasks])
        return sample(tasks, on_step, cancelled)

    monkeypatch.setattr(decoder, "sample", noted)
    return batches


@contextmanager
def before_each_step(decoder, act):
    hook = decoder.unet.register_forward_pre_hook(lambda *_: act())
    try:
        yield
    finally:
        hook.remove()


def alone(decoder, task):
    with torch.inference_mode():
        [medium] = decoder.sample([task], no_progress, never)
    return medium


def all_results(pool):
    """Until no ticket is open."""
    found = []
    while arrived := pool.results(wait=True):
        found += arrived
    return found


def media_of(results):
    return {ticket: result for ticket, result in results if not isinstance(result, Progress)}


def test_progress_comes_step_by_step_and_the_medium_last(pool, task):
    pool.submit("image", {"a": task(steps=4)})
    *progress, (ticket, medium) = all_results(pool)
    assert progress == [("a", Progress(step, 4)) for step in (1, 2, 3, 4)]
    assert ticket == "a"
    assert isinstance(medium, Image)


def test_media_are_those_of_the_decoder_alone(pool, decoder, task):
    tasks = {seed: task(seed) for seed in range(3)}
    pool.submit("image", tasks)
    made = media_of(all_results(pool))
    assert all(made[t].pixels.equal(alone(decoder, tasks[t]).pixels) for t in tasks)


def test_one_thread_does_jobs_in_the_order_of_their_submission(pool, task, threads):
    threads(1)
    pool.submit("audio", {1: task(1, "audio")})
    pool.submit("image", {2: task(2), 3: task(3)})
    pool.submit("audio", {4: task(4, "audio")})
    made = media_of(all_results(pool))
    assert list(made) == [1, 2, 3, 4]
    assert [type(medium) for medium in made.values()] == [Audio, Image, Image, Audio]


def test_on_a_cpu_many_media_are_made_one_by_one(pool, task, sampled):
    pool.submit("image", {("ticket", seed): task(seed) for seed in range(5)})
    assert media_of(all_results(pool)).keys() == {("ticket", seed) for seed in range(5)}
    assert sampled == [[0], [1], [2], [3], [4]]


class FarAway:
    """A decoder on an accelerator, for which the meta device stands."""

    def __init__(self):
        self.batches = []

    def hold(self, *_):
        return nullcontext()

    def __getitem__(self, _):
        return self

    def batch_key(self, request):
        return request.options.steps

    def sample(self, requests, on_step, cancelled):
        self.batches.append([request.seed for request in requests])
        return [request.seed for request in requests]

    def made(self, steps):
        """By a pool, with so many steps for each seed."""
        condition = torch.zeros(1, 1, device="meta")
        with RenderingPool(self) as pool:
            pool.submit(
                "image",
                {s: RenderRequest(condition, s, SampleOptions(steps=n)) for s, n in steps.items()},
            )
            return media_of(all_results(pool))


def test_on_an_accelerator_many_media_are_made_in_batches():
    decoder, count = FarAway(), 2 * MAX_ROWS + 3
    assert list(decoder.made(dict.fromkeys(range(count), 1))) == list(range(count))
    assert [len(batch) for batch in decoder.batches] == [MAX_ROWS, MAX_ROWS, 3]
    assert [seed for batch in decoder.batches for seed in batch] == list(range(count))


def test_what_cannot_be_made_together_is_made_apart():
    decoder = FarAway()
    decoder.made({seed: 2 + seed % 2 for seed in range(5)})
    assert decoder.batches == [[0, 2, 4], [1, 3]]


def test_nothing_to_make_is_nothing_to_wait_for(pool):
    pool.submit("image", {})
    assert pool.results(wait=True) == []


def test_who_does_not_wait_gets_what_is_there(pool, decoder, task):
    gate = threading.Event()
    with before_each_step(decoder, gate.wait):
        pool.submit("image", {"a": task()})
        assert pool.results(wait=False) == []
        gate.set()
        assert media_of(all_results(pool)).keys() == {"a"}


def test_only_the_row_at_fault_fails_and_the_pool_goes_on(pool, decoder, task, spoiled):
    good = {1: task(1), 3: task(3)}
    pool.submit("image", {1: good[1], 2: spoiled, 3: good[3]})
    pool.submit("image", {4: task(4)})
    made = media_of(all_results(pool))
    assert isinstance(made[2], Failed)
    assert isinstance(made[2].error, RuntimeError)
    assert all(made[t].pixels.equal(alone(decoder, good[t]).pixels) for t in good)
    assert isinstance(made[4], Image)


def test_a_task_that_has_no_key_fails_alone(pool, decoder, task, monkeypatch):
    key = decoder.batch_key
    monkeypatch.setattr(decoder, "batch_key", lambda t: key(t) if t.seed != 2 else {}[t.seed])
    pool.submit("image", {seed: task(seed) for seed in (1, 2, 3)})
    kinds = {ticket: type(result) for ticket, result in media_of(all_results(pool)).items()}
    assert kinds == {1: Image, 2: Failed, 3: Image}


def test_a_decoder_that_cannot_be_loaded_fails_all_that_want_it(pool, task):
    pool.submit("smell", {1: task(), 2: task()})
    pool.submit("image", {3: task()})
    kinds = {ticket: type(result) for ticket, result in media_of(all_results(pool)).items()}
    assert kinds == {1: Failed, 2: Failed, 3: Image}


@pytest.mark.parametrize("last", range(5))
def test_cancelling_takes_effect_within_one_step(pool, decoder, task, last):
    begun, permits = [], threading.Semaphore(0)

    def wait_for_permit():
        begun.append(1)
        permits.acquire()

    with before_each_step(decoder, wait_for_permit):
        pool.submit("image", {"a": task(steps=5)})
        for step in range(1, last + 1):
            permits.release()
            assert pool.results(wait=True) == [("a", Progress(step, 5))]
        pool.cancel("a")
        permits.release(5)
        assert pool.results(wait=True) == []
        pool.submit("image", {"b": task(steps=1)})
        assert [ticket for ticket, _ in all_results(pool)] == ["b", "b"]
    assert len(begun) <= last + 1 + 1  # the step that was begun, and the one of "b"


def test_the_rest_of_a_batch_goes_on(pool, decoder, task):
    tasks = {seed: task(seed, steps=6) for seed in range(3)}
    pool.submit("image", tasks)
    first = pool.results(wait=True)
    pool.cancel(1)
    later = all_results(pool)
    assert first
    assert 1 not in {ticket for ticket, _ in later}
    made = media_of([*first, *later])
    assert all(made[t].pixels.equal(alone(decoder, tasks[t]).pixels) for t in (0, 2))


def test_a_cancelled_ticket_can_be_given_out_anew_at_once(pool, decoder, task):
    pool.submit("image", {"a": task(1, steps=6)})
    pool.results(wait=True)
    pool.cancel("a")
    pool.submit("image", {"a": task(2, steps=3)})
    results = all_results(pool)
    assert [p for _, p in results[:-1]] == [Progress(step, 3) for step in (1, 2, 3)]
    assert results[-1][1].pixels.equal(alone(decoder, task(2, steps=3)).pixels)


def test_cancelling_in_the_queue_and_cancelling_nothing(pool, task, sampled):
    pool.submit("image", {1: task(1), 2: task(2, steps=3)})
    pool.cancel(2)
    pool.cancel("nobody")
    assert media_of(all_results(pool)).keys() == {1}
    pool.cancel(1)
    assert pool.results(wait=True) == []


def test_who_waits_is_woken_when_another_thread_cancels_the_last_ticket(pool, decoder, task):
    gate = threading.Event()
    with before_each_step(decoder, gate.wait):
        pool.submit("image", {"a": task()})
        other = threading.Thread(target=pool.cancel, args=("a",))
        other.start()
        assert pool.results(wait=True) == []
        gate.set()
        other.join()


def test_closing_stops_the_decoder_and_the_worker(tiny_model, decoder, task, monkeypatch):
    begun, threads, sample = [], threading.active_count(), decoder.sample
    pool = RenderingPool(tiny_model.decoders)

    def sample_until_closing(tasks, on_step, cancelled):
        def wait_for_closing():
            begun.append(1)
            while len(begun) > 1 and not cancelled():
                time.sleep(0.001)

        with before_each_step(decoder, wait_for_closing):
            return sample(tasks, on_step, cancelled)

    monkeypatch.setattr(decoder, "sample", sample_until_closing)
    pool.submit("image", {1: task(steps=500), 2: task(steps=400)})
    pool.submit("audio", {3: task(3, "audio")})
    pool.results(wait=True)
    pool.close()
    pool.close()
    assert len(begun) <= 2
    assert threading.active_count() == threads
    assert pool.results(wait=True) == []


@pytest.mark.parametrize("step", range(1, 5))
@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_leaves_everything_usable(pool, decoder, task, step):
    begun = []

    def interrupt():
        begun.append(1)
        if len(begun) == step:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    def wait_for_ever():
        pool.submit("image", {seed: task(seed, steps=500) for seed in (1, 2)})
        all_results(pool)

    with before_each_step(decoder, interrupt), pytest.raises(KeyboardInterrupt):
        wait_for_ever()
    for ticket in (1, 2):
        pool.cancel(ticket)
    pool.submit("image", {1: task()})
    assert media_of(all_results(pool))[1].pixels.equal(alone(decoder, task()).pixels)


@pytest.mark.parametrize("seed", range(5))
def test_every_ticket_ends_once_whatever_is_cancelled(pool, task, spoiled, seed):
    rng = random.Random(seed)
    cancelled, ended, wanted = set(), [], set(range(30))
    for ticket in wanted:
        steps = rng.choice([1, 2, 3])
        pool.submit("image", {ticket: spoiled if ticket % 7 == 0 else task(ticket, steps=steps)})
    while left := sorted(wanted - cancelled - {*ended}):
        for ticket, result in pool.results(wait=rng.random() < 0.5):
            assert ticket not in cancelled
            if not isinstance(result, Progress):
                ended.append(ticket)
                assert isinstance(result, Failed) == (ticket % 7 == 0)
        if rng.random() < 0.3 and (chosen := rng.choice(left)) not in ended:
            cancelled.add(chosen)
            pool.cancel(chosen)
    assert pool.results(wait=True) == []
    assert sorted([*ended, *cancelled]) == sorted(wanted)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_video_is_rendered_with_as_many_threads_as_the_caller_computes_with(
    tiny_model, pool, task, threads
):
    used = []
    with before_each_step(
        tiny_model.decoders["video"], lambda: used.append(torch.get_num_threads())
    ):
        for count in (1, 2, 1):
            threads(count)
            pool.submit("video", {count: task(1, "video", steps=1)})
            all_results(pool)
            assert torch.get_num_threads() == count
    assert used == [1, 2, 1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pictures_of_a_small_decoder_are_rendered_side_by_side(pool, decoder, task, threads, count):
    """Each by one thread: as many are begun at once as the caller has threads."""
    threads(count)
    tasks = {seed: task(seed, steps=2) for seed in range(count)}
    together, used = threading.Barrier(count), []

    def meet():
        used.append(torch.get_num_threads())
        together.wait()

    with before_each_step(decoder, meet):
        pool.submit("image", tasks)
        made = media_of(all_results(pool))
    assert used == [1] * 2 * count
    threads(1)
    assert all(made[t].pixels.equal(alone(decoder, tasks[t]).pixels) for t in tasks)


def test_pictures_of_a_large_decoder_are_rendered_one_after_the_other(
    pool, decoder, task, threads, monkeypatch
):
    monkeypatch.setattr(render_pool, "SMALL", 1000)
    threads(2)
    used = []
    with before_each_step(decoder, lambda: used.append(torch.get_num_threads())):
        pool.submit("image", {seed: task(seed, steps=2) for seed in range(3)})
        all_results(pool)
    assert used == [2] * 6


def test_decoders_load_when_they_are_wanted_and_go_when_they_are_not(saved_model, task):
    folder = saved_model
    shelf = LazyDecoders(
        read_system(folder).decoders, folder, [folder / "model.safetensors"], budget=0
    )
    with RenderingPool(shelf) as pool:
        assert shelf.loaded == ()
        for modality in ("image", "video", "image"):
            pool.submit(modality, {modality: task(1, modality)})
            [last] = media_of(all_results(pool)).values()
            assert not isinstance(last, Failed)
    assert shelf.loaded == ()
