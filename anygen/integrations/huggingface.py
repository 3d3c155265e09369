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

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

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
from anygen.core.media import Message
from anygen.core.modality import MODALITIES, Modality
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.integrations.chats import plain_value, rate_of, read_chat, read_content, to_block
from anygen.model.building import find_base

MODES = ("auto", *MODALITIES)  # of an answer: the model's choice, or one modality
# Arguments that decide how media are read: rates, which arrays lack, and where they may come from
READING = ("sampling_rate", "fps", "media_hosts")
PLACEMENT = ("dtype", "quant", "offload", "device_map")  # arguments that both libraries know


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
        """A model by its folder, name or Hugging Face id, on the CPU.

        `decoder_memory`, `dtype`, `quant`, `offload` and `device_map` are as in AnyGen's. Arguments
        that transformers adds (revision, token, attention, dtype "auto") are ignored.
        """
        named = {k: v for k, v in settings.items() if k in ("decoder_memory", *PLACEMENT)}
        if named.get("dtype") == "auto":
            del named["dtype"]
        folder = model_folder(name)
        return cls(
            config or AnyGenConfig.from_pretrained(folder),
            AnyGen.from_pretrained(folder, device="cpu", **named),
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
        self,
        text: str | None = None,
        images: Any = None,
        videos: Any = None,
        audio: Any = None,
        media_hosts: Collection[str] = (),
        **rates: float,
    ) -> list[Message]:
        """A user message: the media, then the text. Arrays need `fps` or `sampling_rate`.

        `media_hosts` are those from which media may be downloaded.
        """
        media = (("image", images), ("video", videos), ("audio", audio))
        parts = [
            read_content({"type": kind, kind: medium, **rates}, media_hosts)
            for kind, items in media
            for medium in as_list(items)
        ]
        return [Message("user", (*parts, *([text] if text else [])))]

    def messages(
        self, chat: Sequence[Mapping[str, Any]], media_hosts: Collection[str] = ()
    ) -> list[Message]:
        """Converts turns of `role` and `content`, see `read_chat`."""
        return read_chat(chat, media_hosts)

    def post_process_multimodal_output(
        self, answer: Answer, generation_mode: str
    ) -> dict[str, Any]:
        """The result by its keys: `generated_<mode>` with the text or the first medium, which has
        its `sampling_rate` or `fps` beside it, or in mode auto `generated` with all parts in order
        as typed blocks.

        Raises ValueError if no medium could be generated.
        """
        parts = answer.message.parts
        if generation_mode == "auto":
            return {"generated": [to_block(part) for part in parts]}
        name = f"generated_{generation_mode}"
        if generation_mode == "text":
            return {name: "".join(part for part in parts if isinstance(part, str))}
        media = [part for part in parts if not isinstance(part, str)]
        if not media:
            raise ValueError("; ".join(answer.failed) or f"no {generation_mode} was generated")
        return {name: plain_value(media[0]), **rate_of(media[0])}


class AnyGenPipeline(AnyToAnyPipeline):
    """The task `any-to-any`: generation_mode is text, image, audio, video or auto (the default).

    Other keyword arguments are fields of `AnswerOptions`, `sampling_rate` and `fps` of arrays in
    `audio` and `videos`, and `media_hosts`, from which media may be downloaded. Results have the
    keys `input_text` and `generated_<mode>`, as those of transformers, and `sampling_rate` of a
    sound or `fps` of a video. In mode auto, `generated` is a list of blocks in the order of the
    answer: {"type": "text", "text": ...}, {"type": "audio", "audio": array (C, N), "sampling_rate":
    ...} and so on.

    A list of texts gives a list of results; media beside it are lists of the same length.
    """

    _load_processor = True
    _pipeline_calls_generate = False

    def __init__(self, *args: Any, **settings: Any) -> None:
        Pipeline.__init__(self, *args, **settings)  # skips AnyToAnyPipeline: see the top

    def __call__(  # type: ignore[override]
        self,
        text: Any = None,
        images: Any = None,
        videos: Any = None,
        audio: Any = None,
        **options: Any,
    ) -> Any:
        """Raises ValueError if lists differ in length."""
        if isinstance(text, list | tuple) and all(isinstance(item, str) for item in text):
            media = {"images": images, "videos": videos, "audio": audio}
            rows = [{"text": item} for item in text]
            for name, items in media.items():
                if items is not None:
                    add_column(rows, name, items)
            return super().__call__(rows, **options) if rows else []
        return super().__call__(text, images, videos, audio, **options)

    def _sanitize_parameters(  # type: ignore[override]
        self, generation_mode: str | None = None, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        mode = {} if generation_mode is None else {"generation_mode": generation_mode}
        reading = {name: options.pop(name) for name in READING if name in options}
        return reading, mode | options, mode

    def preprocess(  # type: ignore[override]
        self, inputs: Any, media_hosts: Collection[str] = (), **rates: Any
    ) -> dict[str, Any]:
        if isinstance(inputs, Chat):
            messages = self.processor.messages(inputs.messages, media_hosts)
            return {"input_text": inputs.messages, "messages": messages}
        arguments = {"text": inputs} if isinstance(inputs, str) else dict(inputs)
        for one, several in (("image", "images"), ("video", "videos")):  # either is common
            if one in arguments:
                arguments[several] = arguments.pop(one)
        messages = self.processor(media_hosts=media_hosts, **rates | arguments)
        return {"input_text": arguments.get("text"), "messages": messages}

    def _forward(self, model_inputs: dict[str, Any], **options: Any) -> dict[str, Any]:  # type: ignore[override]
        [answer] = self.model.generate([model_inputs["messages"]], **options)
        return {"input_text": model_inputs["input_text"], "answer": answer}

    def postprocess(  # type: ignore[override]
        self, model_outputs: dict[str, Any], generation_mode: str = "auto"
    ) -> list[dict[str, Any]]:
        answer = model_outputs["answer"]
        output = self.processor.post_process_multimodal_output(answer, generation_mode)
        return [{"input_text": model_outputs["input_text"], **output}]


def add_column(rows: list[dict[str, Any]], name: str, items: Any) -> None:
    """Raises ValueError if there is not one item for each row."""
    column = as_list(items)
    if len(column) != len(rows):
        raise ValueError(f"{name}: {len(column)} for {len(rows)} texts; give one for each")
    for row, item in zip(rows, column, strict=True):
        row[name] = item


def as_list(media: Any) -> list[Any]:
    """A list of media, given None, one medium or several."""
    if media is None:
        return []
    return list(media) if isinstance(media, list | tuple) else [media]


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


AutoConfig.register("anygen", AnyGenConfig)
AutoModel.register(AnyGenConfig, AnyGenModel)
AutoModelForMultimodalLM.register(AnyGenConfig, AnyGenModel)
AutoProcessor.register(AnyGenConfig, AnyGenProcessor)
