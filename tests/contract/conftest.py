from functools import partial

import pytest
import torch

from anygen.config import plugins
from support.tiny_decoders import make


@pytest.fixture(params=plugins.names("decoders"))
def name(request):
    return request.param


@pytest.fixture
def make_decoder(name):
    return partial(make, name)


@pytest.fixture
def decoder(make_decoder):
    return make_decoder()


@pytest.fixture
def threads():
    """Sets how many threads torch computes with, until the test is over."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
