"""Adapters for Hugging Face: `AutoModel`, `AutoProcessor`, `pipeline` and `push_to_hub`.

Importing this module registers the classes:

    import anygen.integrations.huggingface as adapters
    from transformers import pipeline

    model = adapters.model_folder("mini")
    pipe = pipeline("any-to-any", model=model, pipeline_class=adapters.AnyGenPipeline)
    pipe("draw a cat", generation_mode="image")[0]["generated_image"].save("cat.png")

The pipeline is a subclass of its own, since the class of transformers 5.23 requires torchvision for
models that read pictures, and supports neither video nor answers of several modalities.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import urlopen

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from transformers import (
    AnyToAnyPipeline,
    AutoConfig,
    AutoModel,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoTokenizer,
    Pipeline,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.pipelines.any_to_any import Chat

from anygen.anygen import AnyGen
from anygen.checkpoints.checkpoint import find_model, read_system
from anygen.core.media import Audio, Image, Media, Message, Part, Video, modality_of
from anygen.core.modality import MODALITIES, Modality
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.media_files import read_bytes, read_media
from anygen.model.building import find_base

MODES = ("auto", *MODALITIES)  # of an answer: the model's choice, or one modality
DATA_URL = re.compile(r"data:[\w/.+-]*;base64,")


class AnyGenConfig(PreTrainedConfig):
    """The config.json of a model; `anygen.config.system.System` validates `system`."""

    model_type = "anygen"

    def __init__(self, system: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self.system = dict(system or {})
        super().__init__(**settings)


class AnyGenModel(PreTrainedModel):
    """Wraps an `AnyGen`, the attribute `anygen`, as a model of transformers."""

    config_class = AnyGenConfig
    base_model_prefix = "anygen"
    input_modalities: ClassVar[tuple[Modality, ...]] = MODALITIES
    anygen: AnyGen

    def __init__(self, config: AnyGenConfig, anygen: AnyGen) -> None:
        super().__init__(config)
        self.anygen = anygen
        self.network = anygen.model  # transformers asks its modules for device and precision

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, name: str | Path, *_: Any, config: AnyGenConfig | None = None, **settings: Any
    ) -> AnyGenModel:
        """A model by its folder, name or Hugging Face id. `decoder_memory` is as in AnyGen's.

        Arguments that transformers adds (revision, token, attention) are ignored.
        """
        kwargs = {k: settings[k] for k in ("decoder_memory",) if k in settings}
        folder = model_folder(name)
        return cls(
            config or AnyGenConfig.from_pretrained(folder),
            AnyGen.from_pretrained(folder, **{"device": "cpu", **kwargs}),
        )

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:  # type: ignore[override]
        self.anygen.save_pretrained(save_directory)

    @property
    def output_modalities(self) -> tuple[Modality, ...]:
        return ("text", *self.anygen.model.decoders)

    @classmethod
    def can_generate(cls) -> bool:
        """False: transformers' own generation loop does not apply."""
        return False

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        generation_mode: str = "auto",
        seed: int = 0,
        **options: Any,
    ) -> list[Answer]:
        """One answer for each conversation; `options` are the fields of `AnswerOptions`.

        Raises ValueError for an unknown mode and for invalid options.
        """
        if generation_mode not in ("auto", *self.output_modalities):
            raise ValueError(
                f"generation_mode: this model has no {generation_mode!r}; "
                f"there are {', '.join(('auto', *self.output_modalities))}"
            )
        if generation_mode != "auto":
            options["modalities"] = (generation_mode,)
        answer_options = AnswerOptions(**options)
        return self.anygen.reply_many(
            [Request(list(c), seed, answer_options) for c in conversations]
        )


class AnyGenProcessor(ProcessorMixin):
    """Converts chats of transformers to messages, and answers to results of its pipelines."""

    def __init__(self, tokenizer: Any = None, **_: Any) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, name: str | Path, **_: Any) -> AnyGenProcessor:  # type: ignore[override]
        folder = model_folder(name)
        base = find_base(read_system(folder).llm.base, folder)
        return cls(AutoTokenizer.from_pretrained(base))

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:  # type: ignore[override]
        """Writes nothing: the model's files are all that a processor needs."""

    def __call__(  # type: ignore[override]
        self, text: str | None = None, images: Any = None, videos: Any = None, audio: Any = None
    ) -> list[Message]:
        """A user message: the media, then the text."""
        media = (("image", images), ("video", videos), ("audio", audio))
        parts = [read_content({"type": k, k: m}) for k, items in media for m in as_list(items)]
        return [Message("user", (*parts, *([text] if text else [])))]

    def messages(self, chat: Sequence[Mapping[str, Any]]) -> list[Message]:
        """Converts turns of `role` and `content`, which is text or a list of typed blocks.

        Raises ValueError for an invalid block, and MediaError for a file that cannot be read.
        """
        return [Message(turn["role"], tuple(read_contents(turn["content"]))) for turn in chat]

    def post_process_multimodal_output(self, answer: Answer, generation_mode: str) -> Any:
        """The text, the first medium, or in mode auto all parts in order as typed blocks."""
        parts = answer.message.parts
        if generation_mode == "auto":
            return [to_block(part) for part in parts]
        if generation_mode == "text":
            return "".join(part for part in parts if isinstance(part, str))
        media = [part for part in parts if not isinstance(part, str)]
        if not media:
            raise ValueError("; ".join(answer.failed) or f"no {generation_mode} was generated")
        return plain_value(media[0])


class AnyGenPipeline(AnyToAnyPipeline):
    """The task `any-to-any`: generation_mode is text, image, audio, video or auto (the default).

    Other keyword arguments are fields of `AnswerOptions`. Results have the keys `input_text` and
    `generated_<mode>`, as those of transformers. In mode auto, `generated` is a list of blocks in
    the order of the answer: {"type": "text", "text": ...}, {"type": "audio", "audio": array (C, N),
    "sampling_rate": ...} and so on.
    """

    _load_processor = True
    _pipeline_calls_generate = False

    def __init__(self, *args: Any, **settings: Any) -> None:
        Pipeline.__init__(self, *args, **settings)  # skips AnyToAnyPipeline: see the top

    def _sanitize_parameters(  # type: ignore[override]
        self, generation_mode: str | None = None, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        mode = {} if generation_mode is None else {"generation_mode": generation_mode}
        return {}, mode | options, mode

    def preprocess(self, inputs: Any, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        if isinstance(inputs, Chat):
            messages = self.processor.messages(inputs.messages)
            return {"input_text": inputs.messages, "messages": messages}
        arguments = {"text": inputs} if isinstance(inputs, str) else inputs
        return {"input_text": arguments.get("text"), "messages": self.processor(**arguments)}

    def _forward(self, model_inputs: dict[str, Any], **options: Any) -> dict[str, Any]:  # type: ignore[override]
        [answer] = self.model.generate([model_inputs["messages"]], **options)
        return {"input_text": model_inputs["input_text"], "answer": answer}

    def postprocess(  # type: ignore[override]
        self, model_outputs: dict[str, Any], generation_mode: str = "auto"
    ) -> list[dict[str, Any]]:
        output = self.processor.post_process_multimodal_output(
            model_outputs["answer"], generation_mode
        )
        name = "generated" if generation_mode == "auto" else f"generated_{generation_mode}"
        return [{"input_text": model_outputs["input_text"], name: output}]


def model_folder(name: str | Path) -> Path:
    """The folder of a shipped model, of a path, or of a model on the hub, downloaded once."""
    if Path(name).exists() or "/" not in str(name):
        return find_model(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(str(name)))


def push_to_hub(model: str | Path, repository: str, private: bool = False) -> str:
    """Uploads a model's folder with its card; returns the address."""
    from huggingface_hub import HfApi

    folder = find_model(model)
    api = HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    return str(api.upload_folder(repo_id=repository, folder_path=folder))


# --- chats of transformers ---


def as_list(media: Any) -> list[Any]:
    """A list of media, given None, one medium or several."""
    if media is None:
        return []
    return list(media) if isinstance(media, list | tuple) else [media]


def read_contents(content: str | Sequence[Mapping[str, Any]]) -> list[Part]:
    if isinstance(content, str):
        return [content]
    return [read_content(block) for block in content]


def read_content(block: Mapping[str, Any]) -> Part:
    """A part from a block of text, or of a medium with the key image (its type), url, path, base64
    or image_url.

    Raises ValueError for an invalid block, and MediaError for a file that cannot be read.
    """
    kind = str(block.get("type")).removesuffix("_url")
    if kind == "text":
        return str(block["text"])
    if kind not in MODALITIES:
        raise ValueError(f"content: a block of type {kind!r}; there are {', '.join(MODALITIES)}")
    if isinstance(block.get("base64"), str):
        return read_bytes(base64.b64decode(block["base64"]), f"this {kind}")
    keys = (kind, "url", "path", f"{kind}_url")
    source = next((block[key] for key in keys if key in block), None)
    if isinstance(source, Mapping):
        source = source.get("url")
    if source is None:
        raise ValueError(f"content: a block of type {kind!r} without {kind}, url, path or base64")
    return read_source(source, block)


def read_source(source: Any, block: Mapping[str, Any]) -> Media:
    """A medium from a medium of ours, a picture of Pillow, an array, a path or an address."""
    if isinstance(source, Image | Audio | Video):
        return source
    if isinstance(source, PIL.Image.Image):
        pixels = torch.from_numpy(np.array(source.convert("RGB")))
        return Image(pixels.permute(2, 0, 1).contiguous())
    if isinstance(source, np.ndarray | Tensor):
        return read_array(torch.as_tensor(source), block)
    address = str(source)
    if DATA_URL.match(address):
        return read_bytes(base64.b64decode(address.partition(",")[2]), f"this {block['type']}")
    if address.startswith(("http://", "https://")):
        with urlopen(address) as response:
            return read_bytes(response.read(), address)
    return read_media(address)


def read_array(array: Tensor, block: Mapping[str, Any]) -> Media:
    """A sound of samples (N,) or (C, N) with `sampling_rate`, or a video (T, H, W, 3) with `fps`.

    Raises ValueError if the rate is missing.
    """
    if array.ndim == 4 and "fps" in block:
        return Video(array.permute(0, 3, 1, 2).to(torch.uint8).contiguous(), float(block["fps"]))
    if array.ndim <= 2 and "sampling_rate" in block:
        return Audio(torch.atleast_2d(array.float()), int(block["sampling_rate"]))
    raise ValueError(
        f"content: an array of shape {tuple(array.shape)} is not enough: a sound also needs "
        "sampling_rate, a video (T, H, W, 3) needs fps"
    )


def plain_value(medium: Media) -> PIL.Image.Image | np.ndarray:
    """A picture of Pillow, samples (C, N) float32, or frames (T, H, W, 3) uint8."""
    if isinstance(medium, Image):
        return PIL.Image.fromarray(medium.pixels.permute(1, 2, 0).numpy())
    if isinstance(medium, Audio):
        return medium.samples.numpy()
    return medium.frames.permute(0, 2, 3, 1).numpy()


def to_block(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    block = {"type": modality_of(part), modality_of(part): plain_value(part)}
    if isinstance(part, Audio):
        return block | {"sampling_rate": part.rate}
    return block | {"fps": part.fps} if isinstance(part, Video) else block


AutoConfig.register("anygen", AnyGenConfig)
AutoModel.register(AnyGenConfig, AnyGenModel)
AutoModelForMultimodalLM.register(AnyGenConfig, AnyGenModel)
AutoProcessor.register(AnyGenConfig, AnyGenProcessor)
