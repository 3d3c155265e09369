"""Where a model's weights are and in which numbers: device, precision, and what saves memory."""

from __future__ import annotations

import importlib.util
import json
from typing import Any, Literal

import torch
from pydantic import field_validator, model_validator

from anygen.core.schema import Strict

Precision = Literal["float32", "bfloat16", "float16"]
Quant = Literal["int8", "nf4"]
Offload = Literal["none", "model", "sequential"]

# LLM.int8() multiplies inputs beyond this in 16 bits (Dettmers et al. 2022, section 3.2).
OUTLIERS = 6.0


class Placement(Strict):
    """How a model is laid into memory; every field is a flag of the commands.

    `quant` is for the LLM's linear layers alone: `int8` (Dettmers et al. 2022, "LLM.int8()") or
    `nf4` (Dettmers et al. 2023, "QLoRA"). `offload` keeps in host memory what does not work just
    now: with `model` whole parts, of which the LLM alone stays on the device; with `sequential`
    the LLM's layers as well, which come one by one. `device_map` spreads the LLM, as transformers
    understands it: auto, balanced, or JSON such as {"model.layers.0": 0}.
    """

    device: str = "cpu"
    dtype: Precision | None = None  # None: float32 on a CPU, bfloat16 elsewhere
    quant: Quant | None = None
    offload: Offload = "none"
    device_map: str | dict[str, int | str] | None = None

    @field_validator("device", "dtype", mode="before")
    @classmethod
    def _torch_names_them_too(cls, given: Any) -> Any:
        """`torch.bfloat16` is bfloat16, `torch.device("cuda:0")` is cuda:0."""
        named = isinstance(given, torch.device | torch.dtype)
        return str(given).removeprefix("torch.") if named else given

    @field_validator("device")
    @classmethod
    def _device_has_a_name(cls, given: str) -> str:
        try:
            torch.device(given)
        except RuntimeError as error:
            raise ValueError(f"{given!r} is no device; write cpu, cuda or cuda:1") from error
        return given

    @field_validator("device_map", mode="before")
    @classmethod
    def _map_is_json(cls, given: Any) -> Any:
        if not (isinstance(given, str) and given.startswith("{")):
            return given
        try:
            return json.loads(given)
        except json.JSONDecodeError as error:
            raise ValueError(f"{given} is not JSON of the form {{layer: device}}") from error

    @model_validator(mode="after")
    def _layers_have_one_place(self) -> Placement:
        for name, chosen in (("quant", self.quant), ("device_map", self.device_map)):
            if chosen and self.offload == "sequential":
                raise ValueError(f"offload sequential moves plain layers: leave out {name}")
        return self

    def here(self) -> Placement:
        """Itself. Raises ValueError where the device or the library of `quant` is missing."""
        device = torch.device(self.device)
        if device.type != "cpu":
            check_accelerator(device)
        if self.quant and importlib.util.find_spec("bitsandbytes") is None:
            raise ValueError(f"{self.quant} needs the extra quant: pip install bitsandbytes")
        return self

    @property
    def told(self) -> dict[str, Any]:
        """What differs from the default, and with it the last bits of answers."""
        return self.model_dump(exclude_defaults=True)

    @property
    def torch_dtype(self) -> torch.dtype:
        usual = "float32" if torch.device(self.device).type == "cpu" else "bfloat16"
        found: torch.dtype = getattr(torch, self.dtype or usual)
        return found

    @property
    def encoder_home(self) -> str:
        """Where the encoder waits until it is wanted."""
        return self.device if self.offload == "none" else "cpu"

    @property
    def merges(self) -> bool:
        """Whether LoRA can be folded into the LLM: its layers are plain, and all at hand."""
        return self.quant is None and self.device_map is None

    def of_llm(self) -> dict[str, Any]:
        """What transformers' `from_pretrained` is told."""
        home = "cpu" if self.offload == "sequential" else self.device
        told: dict[str, Any] = {"dtype": self.torch_dtype}
        if self.device != "cpu" or not self.merges:
            told["device_map"] = self.device_map or {"": home}
        if self.quant:
            told["quantization_config"] = quantization(self.quant, self.torch_dtype)
        return told


def check_accelerator(device: torch.device) -> None:
    """Raises ValueError where this torch sees no such device."""
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type != device.type:
        there = f"cpu and {found.type}" if found else "cpu alone"
        raise ValueError(
            f"{device}: this torch build ({torch.__version__}) finds no {device.type} device here; "
            f"there is {there}"
        )
    count = torch.accelerator.device_count()
    if (device.index or 0) >= count:
        raise ValueError(
            f"{device}: the last {device.type} device here is {device.type}:{count - 1}"
        )


def quantization(quant: Quant, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quant == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=OUTLIERS)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )
