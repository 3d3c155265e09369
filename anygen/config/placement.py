"""Where a model's weights are and in which precision, and what saves memory."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import field_validator, model_validator

from anygen.core.schema import Strict

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig

Precision = Literal["float32", "bfloat16", "float16"]
Quant = Literal["int8", "nf4"]
Offload = Literal["none", "model", "sequential"]

# LLM.int8() multiplies inputs beyond this in 16 bits (Dettmers et al. 2022, section 3.2).
OUTLIERS = 6.0

AUTO = "auto"


class Placement(Strict):
    """How a model is laid out in memory; every field is an option of the commands.

    `device` is a name that torch knows, or `auto`: CUDA, then MPS, then the CPU. `auto` has to be
    replaced by the device that it stands for (`validate_available` or `resolved`) before a model
    is built. `quant` applies to the LLM's linear layers only: `int8` (Dettmers et al. 2022,
    "LLM.int8()") or `nf4` (Dettmers et al. 2023, "QLoRA"). `offload` keeps idle weights in host
    memory: with `model` every part but the LLM, with `sequential` also the LLM's layers, which are
    copied to the device one at a time. `device_map` distributes the LLM as in transformers: auto,
    balanced, or JSON such as {"model.layers.0": 0}.
    """

    device: str = "cpu"
    dtype: Precision | None = None  # None: float32 on a CPU, bfloat16 elsewhere
    quant: Quant | None = None
    offload: Offload = "none"
    device_map: str | dict[str, int | str] | None = None

    @field_validator("device", "dtype", mode="before")
    @classmethod
    def _accept_torch_objects(cls, value: Any) -> Any:
        """`torch.bfloat16` is bfloat16, `torch.device("cuda:0")` is cuda:0."""
        is_torch_object = isinstance(value, torch.device | torch.dtype)
        return str(value).removeprefix("torch.") if is_torch_object else value

    @field_validator("device")
    @classmethod
    def _check_device_name(cls, device: str) -> str:
        try:
            torch.device("cpu" if device == AUTO else device)
        except RuntimeError as error:
            hint = "write cpu, cuda or cuda:1, or auto"
            raise ValueError(f"{device!r} is no device; {hint}") from error
        return device

    @field_validator("device_map", mode="before")
    @classmethod
    def _parse_json(cls, value: Any) -> Any:
        if not (isinstance(value, str) and value.startswith("{")):
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{value} is not JSON of the form {{layer: device}}") from error

    @model_validator(mode="after")
    def _check_offload(self) -> Placement:
        for name, value in (("quant", self.quant), ("device_map", self.device_map)):
            if value and self.offload == "sequential":
                raise ValueError(f"offload sequential moves plain layers: leave out {name}")
        return self

    def resolved(self) -> Placement:
        """The same placement with the device of this machine that `auto` stands for."""
        if self.device != AUTO:
            return self
        return self.model_copy(update={"device": preferred_device(find_accelerator())})

    def validate_available(self) -> Placement:
        """The resolved placement.

        Raises ValueError if this machine lacks the device, or the library that `quant` needs.
        """
        place = self.resolved()
        device = torch.device(place.device)
        if device.type != "cpu":
            check_accelerator(device)
        if place.quant and importlib.util.find_spec("bitsandbytes") is None:
            raise ValueError(f"{place.quant} needs the extra quant: pip install bitsandbytes")
        return place

    @property
    def non_defaults(self) -> dict[str, Any]:
        """The fields that differ from their defaults, and may change the last bits of answers."""
        return self.model_dump(exclude_defaults=True)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision of the weights: `dtype`, or the default of the device."""
        default = "float32" if torch.device(self.device).type == "cpu" else "bfloat16"
        dtype: torch.dtype = getattr(torch, self.dtype or default)
        return dtype

    @property
    def llm_home(self) -> str:
        """The device that holds the LLM's layers while they are idle."""
        return "cpu" if self.offload == "sequential" else self.device

    @property
    def encoder_home(self) -> str:
        """The device that holds the encoder while it is idle."""
        return self.device if self.offload == "none" else "cpu"

    @property
    def can_merge_lora(self) -> bool:
        """Whether LoRA can be folded into the LLM: its layers are plain and in one place."""
        return self.quant is None and self.device_map is None

    def load_kwargs(self) -> dict[str, Any]:
        """The arguments of transformers' `from_pretrained` for the LLM."""
        kwargs: dict[str, Any] = {"dtype": self.torch_dtype}
        if self.device != "cpu" or not self.can_merge_lora:
            kwargs["device_map"] = self.device_map or {"": self.llm_home}
        if self.quant:
            kwargs["quantization_config"] = quantization_config(self.quant, self.torch_dtype)
        return kwargs

    def __str__(self) -> str:
        """As people read it: `cuda (NVIDIA H100 80GB HBM3), bfloat16`."""
        dtype = str(self.torch_dtype).removeprefix("torch.")
        name = torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else None
        return f"{self.device} ({name}), {dtype}" if name else f"{self.device}, {dtype}"


def find_accelerator() -> torch.device | None:
    """The kind of accelerator that this torch build supports and this machine has."""
    return torch.accelerator.current_accelerator(check_available=True)


def preferred_device(accelerator: torch.device | None) -> str:
    """What `auto` stands for on a machine with this accelerator: cuda, mps or cpu.

    A torch build supports at most one kind of accelerator. Kinds that anygen is not tested on
    have to be named.
    """
    kind = accelerator.type if accelerator else "cpu"
    return kind if kind in ("cuda", "mps") else "cpu"


def check_accelerator(device: torch.device) -> None:
    """Raises ValueError if torch does not find this device."""
    accelerator = find_accelerator()
    if accelerator is None or accelerator.type != device.type:
        there = f"cpu and {accelerator.type}" if accelerator else "cpu alone"
        raise ValueError(
            f"{device}: this torch build ({torch.__version__}) finds no {device.type} device here; "
            f"there is {there}"
        )
    count = torch.accelerator.device_count()
    if (device.index or 0) >= count:
        raise ValueError(
            f"{device}: the last {device.type} device here is {device.type}:{count - 1}"
        )


def quantization_config(quant: Quant, dtype: torch.dtype) -> BitsAndBytesConfig:
    from transformers import BitsAndBytesConfig

    if quant == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=OUTLIERS)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )
