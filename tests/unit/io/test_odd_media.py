import re

import pytest

from support.odd_media import ZOO, outcome


@pytest.mark.parametrize("name", ZOO)
def test_an_odd_file_gives_the_right_part_or_one_sentence(name):
    make, expected = ZOO[name]
    assert re.fullmatch(expected, outcome(make()))
