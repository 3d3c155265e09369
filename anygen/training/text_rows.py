"""Text-only training rows: the base model's own answers, so that tuning preserves its style.

`python -m anygen.training.text_rows OUT.jsonl` answers mosit_data/prompts/train.txt greedily.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from anygen.config.loader import load_system
from anygen.core.media import Message
from anygen.core.records import Record
from anygen.io.assets import base_llm
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import Tokens, build_prompt
from mosit_data.prompts import read_prompts

MAX_TOKENS = 72  # longer answers are cut after their last whole sentence
BATCH = 20
SENTENCES = re.compile(r".*[.!?。！？](?=\s|$)", re.DOTALL)


def answer_all(prompts: Sequence[str]) -> list[Record]:
    """A record per prompt whose answer has at least one whole sentence."""
    system = load_system("mini/system")
    llm = LanguageModel(system.llm, base_llm(), ())
    answers: list[str] = []
    for start in range(0, len(prompts), BATCH):
        answers += answer_batch(llm, system.llm.system_prompt, prompts[start : start + BATCH])
    return [
        Record.model_validate({"id": f"text-{index:04d}", "messages": turns(prompt, answer)})
        for index, (prompt, answer) in enumerate(zip(prompts, answers))
        if answer
    ]


def turns(prompt: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


@torch.inference_mode()
def answer_batch(llm: LanguageModel, system_prompt: str, prompts: Sequence[str]) -> list[str]:
    """Greedy answers; empty if one has no whole sentence within MAX_TOKENS."""
    rows = [prompt_ids(llm, system_prompt, prompt) for prompt in prompts]
    end, longest = llm.tokenizer.eos_token_id, max(map(len, rows))
    ids = torch.tensor([[end] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    output = llm.base.generate(
        ids, attention_mask=mask, max_new_tokens=MAX_TOKENS, do_sample=False, pad_token_id=end
    )
    texts = llm.tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
    finished = (output[:, longest:] == end).any(1)
    return [whole_sentences(text.strip(), bool(done)) for text, done in zip(texts, finished)]


def prompt_ids(llm: LanguageModel, system_prompt: str, prompt: str) -> list[int]:
    messages = [Message("system", (system_prompt,)), Message("user", (prompt,))]
    pieces = build_prompt(messages, llm.tokenizer, reply=True)
    return [i for piece in pieces if isinstance(piece, Tokens) for i in piece.ids]


def whole_sentences(text: str, finished: bool) -> str:
    """The text up to the end of its last whole sentence, or all of it if it is finished."""
    if finished:
        return text
    match = SENTENCES.match(text)
    return match.group() if match else ""


if __name__ == "__main__":
    records = answer_all(read_prompts("train"))
    lines = [record.model_dump_json(exclude_none=True) + "\n" for record in records]
    Path(sys.argv[1]).write_text("".join(lines), encoding="utf-8")
