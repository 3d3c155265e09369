"""A training step of LoRA on a frozen LLM: ours, the plain one, and what share of a GPU it uses.

B rows, T positions.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from anygen.config.placement import Placement
from anygen.config.system import System
from anygen.llm.language_model import LanguageModel
from anygen.model.placing import settle
from anygen.training.losses import text_loss

TRAINED = {"full": (4, 1024), "tiny": (2, 32)}  # (B, T) of a batch
LORA = ".lora_"
KEPT = {"use_reentrant": False}  # gradients reach LoRA though no input of a layer has any
# Dense bfloat16 products per second, without sparsity, by NVIDIA's data sheets of the cards.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}

Step = Callable[[], Tensor]  # the loss (), as it was before the update


def trainee(system: System, place: Placement, rows: int, length: int) -> tuple[Step, nn.Module]:
    """A step of `LanguageModel` with its base in the precision of `place`, and that base."""
    llm = LanguageModel(system.llm, system.llm.base, tuple(system.decoders), place)
    settle(llm, place.device, place.torch_dtype, but=llm.frozen)
    llm.prepare_training()
    llm.train()
    llm.base.gradient_checkpointing_enable(gradient_checkpointing_kwargs=KEPT)
    ids = batch(llm.signals.vocabulary, rows, length, place.device)

    def loss() -> Tensor:
        embeds = llm.embed(ids.flatten()).view(rows, length, -1)
        return text_loss(llm, llm.hidden(embeds), ids)

    return stepping(llm, loss, place), llm.base


def plain_trainee(
    system: System, place: Placement, rows: int, length: int
) -> tuple[Step, nn.Module]:
    """The same with peft's model and transformers' loss."""
    base = AutoModelForCausalLM.from_pretrained(
        system.llm.base, dtype=place.torch_dtype, device_map={"": place.device}
    )
    ids = batch(base.config.vocab_size, rows, length, place.device)
    lora = system.llm.lora
    model: Any = get_peft_model(
        base, LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=lora.targets)
    )
    model.train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=KEPT)
    return stepping(model, lambda: model(input_ids=ids, labels=ids).loss, place), base


def batch(vocabulary: int, rows: int, length: int, device: str) -> Tensor:
    """Random ids (B, T)."""
    ids = torch.randint(3, vocabulary, (rows, length), generator=torch.Generator().manual_seed(0))
    return ids.to(device)


def stepping(model: nn.Module, loss: Callable[[], Tensor], place: Placement) -> Step:
    """Forward, backward and update of LoRA, which is float32 while all else is as it was loaded."""
    model.requires_grad_(False)
    learned = []
    for name, parameter in model.named_parameters():
        if LORA in name:
            parameter.data = parameter.data.float()
            learned.append(parameter.requires_grad_())
    optimizer = torch.optim.AdamW(learned, 1e-4)
    device = torch.device(place.device).type

    def step() -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=place.torch_dtype == torch.bfloat16):
            value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return value.detach()

    return step


def rate_of(
    base: nn.Module, rows: int, length: int, seconds: float, device: str
) -> dict[str, float]:
    """Tokens per second, TFLOP per second that the model needs, and their share of the peak.

    Model FLOPs utilisation after Chowdhery et al. 2022 ("PaLM", appendix B): what a token takes
    of floating-point operations, recomputation not counted, times tokens per second over the
    peak. A product with N weights takes 2 N forward and 2 N backward for its input; frozen
    weights have no gradient of their own, so it is 4 N where PaLM has 6 N. Attention takes
    12 L D T: L layers, D = heads times their width, as PaLM without regard to causality.
    """
    config: Any = base.config
    weights = sum(m.weight.numel() for m in products(base))
    attention = 12 * config.num_hidden_layers * config.hidden_size * length
    per_second = rows * length / seconds
    flops = per_second * (4 * weights + attention)
    figures = {"tokens_per_s": per_second, "model_TFLOP_per_s": flops / 1e12}
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
    peaks = [peak for card, peak in PEAKS.items() if card in name]
    return figures | ({"mfu": flops / peaks[0]} if peaks else {})


def products(base: nn.Module) -> Iterable[Any]:
    """The linear layers of an LLM, without LoRA's."""
    return (m for n, m in base.named_modules() if isinstance(m, nn.Linear) and LORA not in n)
