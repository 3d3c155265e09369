"""Two kinds of YAML file: a system (what is built) and a run (one training of a system).

A file is whole: no includes, no interpolation. Command-line `key=value` comes after it.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from anygen.core.modality import MEDIA, TABLE, MediaModality
from anygen.core.schema import Strict
from anygen.plugins import Plugin
from anygen.projector_settings import (
    InputMlp,
    InputProjector,
    OutputProjector,
    OutputTransformer,
)

CONFIGS = Path(__file__).parent.parent / "configs"
MARKS = {"none": (0, 0), "before": (1, 0), "around": (1, 1)}


class Lora(Strict):
    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    targets: list[str] = [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ]


class Signals(Strict):
    """What the LLM says for a medium, and what of it conditions the decoder.

    `tokens`: learned token rows, the first of which triggers; all condition (NExT-GPT).
    `queries`: a trigger, then learned input vectors, which alone condition (DreamLLM).
    """

    kind: Literal["tokens", "queries"] = "tokens"
    # How many hidden states condition a decoder; a modality left out has the TABLE's count.
    tokens: dict[MediaModality, PositiveInt] = Field(default={}, validate_default=True)
    droppable: bool = False  # whether all that follows a span is blind to it
    # Learned rows before and after the features of a medium: two numbers, or a name in MARKS.
    marks: tuple[NonNegativeInt, NonNegativeInt] = MARKS["before"]
    closing: bool = False  # whether one more learned row ends a span (DreamLLM's <dream_end>)

    @field_validator("marks", mode="before")
    @classmethod
    def _marks_have_names(cls, given: Any) -> Any:
        return MARKS.get(given, given) if isinstance(given, str) else given

    @field_validator("tokens")
    @classmethod
    def _every_modality_has_a_count(
        cls, given: dict[MediaModality, int]
    ) -> dict[MediaModality, int]:
        return {modality: given.get(modality, TABLE[modality].signal_tokens) for modality in MEDIA}


MediaLayers = Literal["none", "adapter", "visual_expert"]


class LanguageModel(Strict):
    """`base` is a name in anygen/io/assets.py, a Hugging Face id or a folder."""

    base: str = "smollm2-135m"
    lora: Lora = Lora()
    signals: Signals = Signals()
    context: PositiveInt | None = None  # positions that are read at most; None: all that it can
    template: str | None = None  # a file in configs/templates; None: the tokenizer's own
    stop: list[str | NonNegativeInt] = []  # texts and tokens that end an answer, beside its own
    media_layers: MediaLayers = "none"  # inside the LLM, for media alone
    system_prompt: str = ""


class System(Strict):
    """Everything that `build_model` needs."""

    llm: LanguageModel = LanguageModel()
    encoder: Plugin
    input_projector: InputProjector = InputMlp()
    output_projector: OutputProjector = OutputTransformer()
    decoders: dict[MediaModality, Plugin]


Stage = Literal[
    "vae", "vocoder", "caption", "denoise", "joint", "encode", "decode", "instruct", "project"
]


class Run(Strict):
    """One training run: `anygen train FILE` reads this, writes `out`."""

    system: str  # name in configs/ or path of a system's YAML
    stage: Stage
    decoders: list[MediaModality] = []  # which decoders a component stage trains
    init: list[Path] = []  # folders of earlier runs, later ones win
    out: Path
    vocabulary: Literal["core", "full"] = "core"
    steps: PositiveInt
    batch_size: PositiveInt
    rows: dict[MediaModality, PositiveInt] = {}  # batch sizes of modalities that differ
    pool: dict[MediaModality, PositiveInt] = {}  # scenes to encode once and learn from
    learning_rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 100  # steps
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: PositiveFloat = 1.0
    ema: float = Field(default=0.0, ge=0, lt=1)  # decay of the saved averages; 0 is off
    # int8 and nf4 (QLoRA: Dettmers et al. 2023) are for the layers of the frozen base LLM
    precision: Literal["float32", "bf16", "int8", "nf4"] = "float32"
    denoised: NonNegativeInt = 0  # spans per modality and step that also get the denoising loss
    log_every: PositiveInt = 20
    save_every: PositiveInt = 200
    sample_every: PositiveInt = 1000
    seed: int = 0

    @model_validator(mode="after")
    def _components_are_named(self) -> "Run":
        of_decoders = ("vae", "vocoder", "caption", "denoise", "project")
        if self.stage in of_decoders and not self.decoders:
            raise ValueError(f"stage {self.stage} trains what decoders need; name them in decoders")
        pooled = MEDIA if self.stage == "joint" else self.decoders
        if self.stage in ("joint", "denoise", "project") and not set(pooled) <= self.pool.keys():
            raise ValueError(f"stage {self.stage} learns from a pool: say how many scenes of each")
        return self


Document = TypeVar("Document", bound=BaseModel)


def load_system(name: str, overrides: list[str] | None = None) -> System:
    """A system by name in configs/ or by path; `overrides` are `dotted.key=value`."""
    return load(System, name, overrides)


def load_run(name: str, overrides: list[str] | None = None) -> Run:
    """A training run by name in configs/ or by path."""
    return load(Run, name, overrides)


def load(kind: type[Document], name: str, overrides: list[str] | None = None) -> Document:
    data = read_settings(find_config(name))
    for override in overrides or []:
        apply_override(data, override)
    return kind.model_validate(data)


def read_settings(path: Path) -> dict[str, Any]:
    """What a YAML file says. Raises ValueError where that is not a mapping."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise ValueError(f"{path}: not YAML of the form key: value; {why}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: a config is lines of the form key: value")
    return data


def find_config(name: str) -> Path:
    """`mini` is configs/mini.yaml, `mini/vae_image` is configs/mini/vae_image.yaml; else a path."""
    shipped = CONFIGS / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    if Path(name).is_file():
        return Path(name)
    known = sorted(
        p.relative_to(CONFIGS).with_suffix("").as_posix() for p in CONFIGS.rglob("*.yaml")
    )
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"no config named {name!r} and no such file; {hint}")


def apply_override(data: dict[str, Any], override: str) -> None:
    """`decoders.image.steps=8` sets one value; the value is read as YAML."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ValueError(f"{override!r} is not an override; write key=value")
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ValueError(f"{override!r}: {parent!r} holds a value, not settings")
    try:
        data[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"{override!r}: the value is not YAML") from error


def to_yaml(document: BaseModel) -> str:
    return yaml.safe_dump(document.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
