import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "diffusers", "peft", "accelerate", "scipy")
# What takes long to import, and what answers with text do without.
UNUSED = (
    *("transformers", "peft", "accelerate", "bitsandbytes", "diffusers", "scipy", "rich"),
    *("huggingface_hub", "torch._dynamo", "torch.distributed.tensor", "anygen.training.trainer"),
)
COMMAND = "import sys; sys.argv[0] = 'anygen'; from anygen.cli.main import run; run()"
ANSWER = """
from anygen import AnyGen, Message
model = AnyGen.from_pretrained(sys.argv[1])
model.generate([Message("user", ("A cat",))], modalities=("text",), max_new_tokens=2)
"""
REPORT = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"


def imported(code, *arguments):
    """The modules that a process has imported when it ends."""
    command = [sys.executable, "-c", REPORT + code, *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(process.stderr.splitlines()[-1].split()), process.returncode


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], 0),
        (["-h"], 0),
        (["--version"], 0),
        (["chat", "--help"], 0),
        (["--wrong"], 2),
        (["chat", "--wrong"], 2),
        (["wrong"], 2),
    ],
)
def test_help_and_wrong_options_import_no_large_library(arguments, expected):
    modules, code = imported(COMMAND, *arguments)
    assert code == expected
    assert "typer" in modules
    assert not modules & {*HEAVY}


def test_a_text_is_answered_without_libraries_that_only_media_and_training_need(saved_model):
    modules, code = imported(ANSWER, str(saved_model))
    assert code == 0
    assert "anygen.llm.fast_llama" in modules
    assert not modules & {*UNUSED}
