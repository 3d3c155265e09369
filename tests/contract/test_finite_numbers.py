"""Options that are NaN or infinite are refused; media that are become errors."""

import importlib
import math
import re

import pytest
from pydantic import ValidationError

from anygen.config import plugins
from anygen.config.run import Run
from anygen.generation.options import AnswerOptions, Edit
from anygen.testing.decoders import sample
from decoders.base import SampleOptions

DOCUMENTS = [
    *(AnswerOptions, Edit, SampleOptions, Run),
    *(importlib.import_module(f"decoders.{name}").Config for name in plugins.names("decoders")),
]
FLOATS = [
    pytest.param(document, name, id=f"{document.__module__}.{document.__name__}.{name}")
    for document in DOCUMENTS
    for name, field in document.model_fields.items()
    if re.search(r"\bfloat\b", repr(field.annotation)) and "tuple" not in repr(field.annotation)
]


def test_the_options_with_a_fraction_are_known():
    names = {parameter.values[1] for parameter in FLOATS}
    assert names >= {"guidance", "seconds", "deadline", "strength", "fps", "learning_rate", "ema"}


@pytest.mark.parametrize(("document", "name"), FLOATS)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, "nan", "inf", "1e999"], ids=repr)
def test_an_option_that_is_not_finite_is_refused_by_its_name(document, name, number):
    with pytest.raises(ValidationError) as error:
        document.model_validate({name: number})
    [problem] = [problem for problem in error.value.errors() if problem["loc"] == (name,)]
    assert problem["type"] == "finite_number"


def test_a_medium_that_is_not_finite_is_an_error(decoder):
    with pytest.raises(ValueError, match="what was computed is not finite; a smaller guidance"):
        sample(decoder, ["a cat"], [7], guidance=1e38)
