"""How far an LLM's logits are from those of the same LLM elsewhere, or in full precision."""

import torch

from anygen.llm.kv_cache import KVCache

# What the tests allow, and docs/memory.md says: the mean distance of logits from those in
# float32, in units of their spread.
TOLERANCE = {"bfloat16": 0.03, "float16": 0.01, "int8": 0.05, "nf4": 0.25}


@torch.inference_mode()
def logits(llm):
    """(T, V) in float32 of fixed ids, read as one."""
    context = KVCache()
    ids = torch.arange(3, 60, device=llm.signal_rows.device)
    [hidden] = llm.read([(context, llm.embed(ids), ids.tolist())])
    return llm.logits(hidden)[:, : llm.signals.vocabulary].float()


def unpacked(linear):
    """A `pack` of `prepare_answering` that leaves the layers of the LLM as they are."""
    return linear


def distance(found, expected):
    return ((found - expected).abs().mean() / expected.std()).item()
