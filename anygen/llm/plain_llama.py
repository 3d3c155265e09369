"""The weights of a Llama for answering, read without the model classes of transformers.

`fast_llama` computes a Llama by itself and needs its weights alone. To import the classes that hold
them otherwise takes longer than all the rest of the start of a chat. The modules here have the same
names, so whatever works on a causal LM of transformers works on this one, except for `forward`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError
from torch import Tensor, nn
from typing_extensions import TypedDict  # which pydantic needs before Python 3.12

from anygen.checkpoints.checkpoint import CONFIG, INDEX, WEIGHTS, open_weights
from anygen.config.placement import Placement
from anygen.core.text import from_json
from anygen.io.pretrained import NAMED, reading, shapes_only
from anygen.llm.fast_llama import linear_of
from anygen.llm.lora import wider_type

GENERATION = "generation_config.json"
HEAD = "lm_head.weight"
ReadTensor = Callable[..., Tensor]  # a tensor by its name, after its shape has been checked


class Rope(TypedDict):
    """Rotary embeddings as published (Su et al. 2021); other kinds have more settings."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    rope_theta: PositiveFloat
    rope_type: Literal["default"]


class LlamaConfig(BaseModel):
    """The config.json of a Llama without any extension, as transformers 5 writes it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    model_type: Literal["llama"]
    hidden_act: Literal["silu"]
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt
    head_dim: PositiveInt
    rms_norm_eps: PositiveFloat
    max_position_embeddings: PositiveInt
    tie_word_embeddings: bool
    rope_parameters: Rope
    attention_bias: Literal[False]
    mlp_bias: Literal[False]
    quantization_config: None = None
    layer_types: None = None

    def get_text_config(self, decoder: bool) -> Self:
        """All of it: a Llama has no part but the decoder."""
        return self


def read_llama(base: Path | str, placement: Placement) -> Any:
    """The base LLM in the type of its files, mapped into memory, if it is a plain Llama.

    None if it is anything else, or if `placement` has it anywhere but as a whole in host memory.
    Raises ValueError if weights are damaged, missing or of another shape.
    """
    folder = Path(base)
    whole = placement.llm_home == "cpu" and placement.can_merge_lora
    config = read_config(folder) if whole and placement.offload == "none" else None
    if config is None or shapes_only():
        return None
    with reading("LLM for llm.base", str(base)), torch.inference_mode(False):
        return PlainLlama(config, folder, placement.torch_dtype)


def read_config(folder: Path) -> LlamaConfig | None:
    """None without the files of a plain Llama."""
    weights = (folder / WEIGHTS, folder / f"{WEIGHTS}{INDEX}")
    if not (folder / GENERATION).is_file() or not any(path.is_file() for path in weights):
        return None
    try:
        return LlamaConfig.model_validate(from_json((folder / CONFIG).read_bytes()))
    except (OSError, ValidationError, ValueError):  # transformers will say what is wrong
        return None


def read_generation(folder: Path) -> SimpleNamespace:
    """What the LLM's files say of generation. Raises OSError and ValueError."""
    stated = from_json((folder / GENERATION).read_bytes())
    if not isinstance(stated, dict):
        raise ValueError(f"{GENERATION} is no object")
    return SimpleNamespace(**{"do_sample": None, "eos_token_id": None} | stated)


class PlainLlama(nn.Module):
    """What `LlamaForCausalLM` holds, under the same names."""

    _supports_attention_backend = True

    def __init__(self, config: LlamaConfig, folder: Path, dtype: torch.dtype) -> None:
        """Weights are as stored if `dtype` holds them exactly, and otherwise of `dtype`."""
        super().__init__()
        self.config, self.generation_config = config, read_generation(folder)
        with stored_weights(folder, dtype) as read:
            self.model = Decoder(config, read)
            table = self.model.embed_tokens.weight
            self.lm_head = linear_of(table.detach())
            if config.tie_word_embeddings:
                self.lm_head.weight = table
            else:
                self.lm_head = linear_of(read(HEAD, config.vocab_size, config.hidden_size))

    def get_input_embeddings(self) -> nn.Module:
        return self.model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def get_decoder(self) -> nn.Module:
        return self.model


@contextmanager
def stored_weights(folder: Path, dtype: torch.dtype) -> Iterator[ReadTensor]:
    """Yields a function that reads a tensor by its name and shape.

    Raises ValueError in the end if tensors are missing or have another shape.
    """
    file = open_weights(folder / WEIGHTS)
    names, wrong = set(file.keys()), []

    def read(name: str, *shape: int) -> Tensor:
        if name not in names or tuple(file.get_slice(name).get_shape()) != shape:
            wrong.append(name)
            return torch.empty(shape, device="meta")
        tensor = file.get_tensor(name)
        return tensor.to(dtype if wider_type(tensor, dtype) != dtype else tensor.dtype)

    yield read
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise ValueError(
            f"weights are missing or have another shape: {', '.join(sorted(wrong)[:NAMED])}{more}"
        )


class Decoder(nn.Module):
    def __init__(self, config: LlamaConfig, read: ReadTensor) -> None:
        super().__init__()
        table = read("model.embed_tokens.weight", config.vocab_size, config.hidden_size)
        self.embed_tokens = nn.Embedding.from_pretrained(table)
        self.layers = nn.ModuleList(
            Layer(config, read, f"model.layers.{index}")
            for index in range(config.num_hidden_layers)
        )
        self.norm = Norm(config, read, "model.norm")
        self.rotary_emb = Rotary(config)


class Layer(nn.Module):
    def __init__(self, config: LlamaConfig, read: ReadTensor, name: str) -> None:
        super().__init__()
        self.input_layernorm = Norm(config, read, f"{name}.input_layernorm")
        self.post_attention_layernorm = Norm(config, read, f"{name}.post_attention_layernorm")
        self.self_attn = SelfAttention(config, read, f"{name}.self_attn")
        self.mlp = Mlp(config, read, f"{name}.mlp")


class SelfAttention(nn.Module):
    def __init__(self, config: LlamaConfig, read: ReadTensor, name: str) -> None:
        super().__init__()
        self.head_dim, self.scaling = config.head_dim, config.head_dim**-0.5
        width, inside = config.hidden_size, config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        self.q_proj = linear_of(read(f"{name}.q_proj.weight", inside, width))
        self.k_proj = linear_of(read(f"{name}.k_proj.weight", keys, width))
        self.v_proj = linear_of(read(f"{name}.v_proj.weight", keys, width))
        self.o_proj = linear_of(read(f"{name}.o_proj.weight", width, inside))


class Mlp(nn.Module):
    def __init__(self, config: LlamaConfig, read: ReadTensor, name: str) -> None:
        super().__init__()
        width, inside = config.hidden_size, config.intermediate_size
        self.gate_proj = linear_of(read(f"{name}.gate_proj.weight", inside, width))
        self.up_proj = linear_of(read(f"{name}.up_proj.weight", inside, width))
        self.down_proj = linear_of(read(f"{name}.down_proj.weight", width, inside))


class Norm(nn.Module):
    def __init__(self, config: LlamaConfig, read: ReadTensor, name: str) -> None:
        super().__init__()
        weight = read(f"{name}.weight", config.hidden_size)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.variance_epsilon = config.rms_norm_eps


class Rotary(nn.Module):
    """Angles of positions: the position times powers of theta, the same for both halves."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        width, theta = config.head_dim, config.rope_parameters["rope_theta"]
        self.frequencies = 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float) / width)

    def forward(self, like: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (B, T) -> cosines and sines (B, T, head_dim), in the type of `like`."""
        angles = positions[..., None].float() * self.frequencies.to(like.device)
        both = torch.cat([angles, angles], dim=-1)
        return both.cos().to(like.dtype), both.sin().to(like.dtype)
