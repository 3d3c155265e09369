"""How many plain answers loop, with some settings of sampling: one line of JSON.

    python benchmarks/loops.py [--model mini] [--prompts 300] [--set NAME=VALUE]... [--texts FILE]

The prompts are those of open_prompts.py. Without --set the answers have the model's defaults.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from anygen import AnyGen
from anygen.cli.options import read_options
from anygen.core.media import Message
from anygen.evaluation.metrics import is_looping, wilson
from anygen.evaluation.suites.base import text_of
from anygen.generation.request import Request
from open_prompts import open_prompts

LIMIT = 256  # tokens: the default of answers


def main() -> None:
    parser = argparse.ArgumentParser(description="How many plain answers loop.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="named")
    parser.add_argument("--texts", type=Path, help="where the answers are written, one a line")
    arguments = parser.parse_args()
    model = AnyGen.from_pretrained(arguments.model, device="cpu")
    options = read_options("text", LIMIT, arguments.named)
    prompts = open_prompts()
    prompts = prompts[:: max(1, len(prompts) // arguments.prompts)][: arguments.prompts]
    requests = [Request([Message("user", (text,))], n, options) for n, text in enumerate(prompts)]
    began = time.perf_counter()
    answers = model.reply_many(requests)
    texts = [text_of(answer) for answer in answers]
    loops = [is_looping(t, a.finish == "length") for t, a in zip(texts, answers, strict=True)]
    if arguments.texts:
        rows = zip(prompts, texts, loops, strict=True)
        lines = [json.dumps({"prompt": p, "text": t, "loops": loop}) for p, t, loop in rows]
        arguments.texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    low, high = wilson(sum(loops), len(loops))
    figures = {
        "sampling": options.over(model.model.llm.sampling).model_dump(),
        "prompts": len(prompts),
        "loops_percent": round(100 * sum(loops) / len(loops), 1),
        "interval": [round(100 * low, 1), round(100 * high, 1)],
        "cut_percent": round(100 * sum(a.finish == "length" for a in answers) / len(answers), 1),
        "seconds": round(time.perf_counter() - began),
        "torch": torch.__version__,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
