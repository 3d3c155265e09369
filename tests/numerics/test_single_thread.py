import threading

import pytest
import torch

from anygen.numerics.single_thread import has_single_threads, setters, use_single_thread

pytestmark = pytest.mark.skipif(
    not has_single_threads(), reason="torch is built without OpenMP, or with an MKL of its own"
)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def product():
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(shape, generator=generator) for shape in ((33, 4097), (4097, 65)))
    return left @ right


def in_a_thread(*steps):
    found = []
    thread = threading.Thread(target=lambda: found.extend(step() for step in steps))
    thread.start()
    thread.join()
    return found


@pytest.mark.usefixtures("two_threads")
def test_one_thread_computes_alone_and_the_others_as_before():
    before = torch.get_num_threads(), product()
    _, threads, alone = in_a_thread(use_single_thread, torch.get_num_threads, product)
    assert threads == 1
    assert torch.get_num_threads() == 2
    assert product().equal(before[1])
    torch.set_num_threads(1)
    assert alone.equal(product())


@pytest.mark.usefixtures("two_threads")
def test_it_stays_alone_whatever_others_set_meanwhile():
    settled, told = threading.Event(), threading.Event()

    def set_by_another():
        settled.set()
        told.wait()

    found = []

    def work():
        found.extend([use_single_thread(), set_by_another(), torch.get_num_threads(), product()])

    thread = threading.Thread(target=work)
    thread.start()
    settled.wait()
    torch.set_num_threads(3)
    told.set()
    thread.join()
    torch.set_num_threads(1)
    assert found[2] == 1
    assert found[3].equal(product())


def test_the_settings_are_those_of_every_library_that_torch_computes_with():
    assert len(setters()) == 1 + torch.backends.mkl.is_available()
