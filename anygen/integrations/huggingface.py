"""The doors of Hugging Face: `AutoModel`, `AutoProcessor`, `pipeline("any-to-any")`, `push_to_hub`.

Importing this module registers the classes:

    import anygen.integrations.huggingface as doors
    from transformers import pipeline

    pipe = pipeline("any-to-any", model=doors.folder("mini"), pipeline_class=doors.AnyGenPipeline)
    pipe("draw a cat", generation_mode="image")[0]["generated_image"].save("cat.png")

The stock pipeline class asks for torchvision as soon as a model reads pictures, and has neither
video nor answers of several modalities (transformers 5.23), hence the subclass.
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

MODES = ("auto", *MODALITIES)  # of an answer: what the model chooses, or one modality alone
DATA_URL = re.compile(r"data:[\w/.+-]*;base64,")


class AnyGenConfig(PreTrainedConfig):
    """The config.json of a model: `system` as anygen/config/system.py checks it."""

    model_type = "anygen"

    def __init__(self, system: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self.system = dict(system or {})
        super().__init__(**settings)


class AnyGenModel(PreTrainedModel):
    """An `AnyGen` (as `.anygen`) as transformers carries models about."""

    config_class = AnyGenConfig
    base_model_prefix = "anygen"
    input_modalities: ClassVar[tuple[Modality, ...]] = MODALITIES
    anygen: AnyGen

    def __init__(self, config: AnyGenConfig, anygen: AnyGen) -> None:
        super().__init__(config)
        self.anygen = anygen

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, name: str | Path, *_: Any, config: AnyGenConfig | None = None, **settings: Any
    ) -> AnyGenModel:
        """A folder, a shipped model's name or a Hugging Face id; `settings` as of AnyGen's.

        What transformers itself adds to a call (revisions, tokens, attention) means nothing here.
        """
        own = {k: settings[k] for k in ("decoder_memory",) if k in settings}
        place = folder(name)
        return cls(
            config or AnyGenConfig.from_pretrained(place), AnyGen.from_pretrained(place, **own)
        )

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:  # type: ignore[override]
        self.anygen.save_pretrained(save_directory)

    @property
    def output_modalities(self) -> tuple[Modality, ...]:
        return ("text", *self.anygen.model.decoders)

    @classmethod
    def can_generate(cls) -> bool:
        """Not by the loop of transformers."""
        return False

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        generation_mode: str = "auto",
        seed: int = 0,
        **options: Any,
    ) -> list[Answer]:
        """An answer for each conversation; `options` are those of `AnswerOptions`.

        Raises ValueError for a mode or an option that cannot be met.
        """
        if generation_mode not in ("auto", *self.output_modalities):
            raise ValueError(
                f"generation_mode: {generation_mode!r} is none of this model's; "
                f"there are {', '.join(('auto', *self.output_modalities))}"
            )
        if generation_mode != "auto":
            options["modalities"] = (generation_mode,)
        asked = AnswerOptions(**options)
        return self.anygen.reply_many([Request(list(c), seed, asked) for c in conversations])


class AnyGenProcessor(ProcessorMixin):
    """Chats as transformers writes them -> messages, and media -> what its pipelines return."""

    def __init__(self, tokenizer: Any = None, **_: Any) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, name: str | Path, **_: Any) -> AnyGenProcessor:  # type: ignore[override]
        place = folder(name)
        base = find_base(read_system(place).llm.base, place)
        return cls(AutoTokenizer.from_pretrained(base))

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:  # type: ignore[override]
        """Nothing: all that it is stands in the model's own files."""

    def __call__(  # type: ignore[override]
        self, text: str | None = None, images: Any = None, videos: Any = None, audio: Any = None
    ) -> list[Message]:
        """One user's message: the media, then the text."""
        given = (("image", images), ("video", videos), ("audio", audio))
        parts = [read_content({"type": k, k: m}) for k, media in given for m in several(media)]
        return [Message("user", (*parts, *([text] if text else [])))]

    def messages(self, chat: Sequence[Mapping[str, Any]]) -> list[Message]:
        """Turns of `role` and `content`; content is text or a list of typed blocks.

        Raises ValueError for a block that is none, and MediaError for a file that cannot be read.
        """
        return [Message(turn["role"], tuple(read_contents(turn["content"]))) for turn in chat]

    def post_process_multimodal_output(self, answer: Answer, generation_mode: str) -> Any:
        """The text, the first medium of a mode, or (`auto`) all in order as typed blocks."""
        parts = answer.message.parts
        if generation_mode == "auto":
            return [to_block(part) for part in parts]
        if generation_mode == "text":
            return "".join(part for part in parts if isinstance(part, str))
        media = [part for part in parts if not isinstance(part, str)]
        if not media:
            raise ValueError("; ".join(answer.failed) or f"no {generation_mode} was made")
        return plain(media[0])


class AnyGenPipeline(AnyToAnyPipeline):
    """`any-to-any` with generation_mode text, image, audio, video or auto; settings of an answer.

    Results are of the stock pipeline's form: `input_text` and `generated_<mode>`; in mode auto,
    the default, `generated` is a list of blocks in the order of the answer: {"type": "text",
    "text": ...}, {"type": "audio", "audio": array (C, N), "sampling_rate": ...} and so on.
    """

    _load_processor = True
    _pipeline_calls_generate = False

    def __init__(self, *args: Any, **settings: Any) -> None:
        Pipeline.__init__(self, *args, **settings)  # not the stock class's, see the top

    def _sanitize_parameters(  # type: ignore[override]
        self, generation_mode: str | None = None, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        mode = {} if generation_mode is None else {"generation_mode": generation_mode}
        return {}, mode | options, mode

    def preprocess(self, inputs: Any, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        if isinstance(inputs, Chat):
            return {"asked": inputs.messages, "messages": self.processor.messages(inputs.messages)}
        given = {"text": inputs} if isinstance(inputs, str) else inputs
        return {"asked": given.get("text"), "messages": self.processor(**given)}

    def _forward(self, model_inputs: dict[str, Any], **options: Any) -> dict[str, Any]:  # type: ignore[override]
        [answer] = self.model.generate([model_inputs["messages"]], **options)
        return {"asked": model_inputs["asked"], "answer": answer}

    def postprocess(  # type: ignore[override]
        self, model_outputs: dict[str, Any], generation_mode: str = "auto"
    ) -> list[dict[str, Any]]:
        made = self.processor.post_process_multimodal_output(
            model_outputs["answer"], generation_mode
        )
        name = "generated" if generation_mode == "auto" else f"generated_{generation_mode}"
        return [{"input_text": model_outputs["asked"], name: made}]


def folder(name: str | Path) -> Path:
    """Of a shipped model, of a folder, or of a model on the hub, which is fetched once."""
    if Path(name).exists() or "/" not in str(name):
        return find_model(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(str(name)))


def push_to_hub(model: str | Path, repository: str, private: bool = False) -> str:
    """Upload a model's folder with its card; the address of what was uploaded."""
    from huggingface_hub import HfApi

    place = find_model(model)
    api = HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    return str(api.upload_folder(repo_id=repository, folder_path=place))


# --- chats of transformers ---


def several(media: Any) -> list[Any]:
    """None, one medium or a list."""
    if media is None:
        return []
    return list(media) if isinstance(media, list | tuple) else [media]


def read_contents(content: str | Sequence[Mapping[str, Any]]) -> list[Part]:
    if isinstance(content, str):
        return [content]
    return [read_content(block) for block in content]


def read_content(block: Mapping[str, Any]) -> Part:
    """A block of type image, say, with `image`, `url`, `path`, `base64` or `image_url`; or text."""
    kind = str(block.get("type")).removesuffix("_url")
    if kind == "text":
        return str(block["text"])
    if kind not in MODALITIES:
        raise ValueError(f"content: a block of type {kind!r}; there are {', '.join(MODALITIES)}")
    if isinstance(block.get("base64"), str):
        return read_bytes(base64.b64decode(block["base64"]), f"this {kind}")
    found = next((block[k] for k in (kind, "url", "path", f"{kind}_url") if k in block), None)
    if isinstance(found, Mapping):
        found = found.get("url")
    if found is None:
        raise ValueError(f"content: a block of type {kind!r} without {kind}, url, path or base64")
    return read_source(found, block)


def read_source(found: Any, block: Mapping[str, Any]) -> Media:
    """A medium of ours, a picture of Pillow, an array, a path or an address."""
    if isinstance(found, Image | Audio | Video):
        return found
    if isinstance(found, PIL.Image.Image):
        return Image(torch.from_numpy(np.array(found.convert("RGB"))).permute(2, 0, 1).contiguous())
    if isinstance(found, np.ndarray | Tensor):
        return read_array(torch.as_tensor(found), block)
    address = str(found)
    if DATA_URL.match(address):
        return read_bytes(base64.b64decode(address.partition(",")[2]), f"this {block['type']}")
    if address.startswith(("http://", "https://")):
        with urlopen(address) as response:
            return read_bytes(response.read(), address)
    return read_media(address)


def read_array(array: Tensor, block: Mapping[str, Any]) -> Media:
    """Samples (N,) or (C, N) with `sampling_rate`, or frames (T, H, W, 3) with `fps`.

    Raises ValueError where the rate is missing: a bare array means nothing.
    """
    if array.ndim == 4 and "fps" in block:
        return Video(array.permute(0, 3, 1, 2).to(torch.uint8).contiguous(), float(block["fps"]))
    if array.ndim <= 2 and "sampling_rate" in block:
        return Audio(torch.atleast_2d(array.float()), int(block["sampling_rate"]))
    raise ValueError(
        f"content: an array of shape {tuple(array.shape)} says too little; a sound needs "
        "sampling_rate beside it, a video (T, H, W, 3) needs fps"
    )


def plain(medium: Media) -> Any:
    """A picture of Pillow, samples (C, N), or frames (T, H, W, 3)."""
    if isinstance(medium, Image):
        return PIL.Image.fromarray(medium.pixels.permute(1, 2, 0).numpy())
    if isinstance(medium, Audio):
        return medium.samples.numpy()
    return medium.frames.permute(0, 2, 3, 1).numpy()


def to_block(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    block = {"type": modality_of(part), modality_of(part): plain(part)}
    if isinstance(part, Audio):
        return block | {"sampling_rate": part.rate}
    return block | {"fps": part.fps} if isinstance(part, Video) else block


AutoConfig.register("anygen", AnyGenConfig)
AutoModel.register(AnyGenConfig, AnyGenModel)
AutoModelForMultimodalLM.register(AnyGenConfig, AnyGenModel)
AutoProcessor.register(AnyGenConfig, AnyGenProcessor)
