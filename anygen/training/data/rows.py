"""From a record to a dialogue that a model can learn from, or to the reason why it cannot."""

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from threading import Lock
from weakref import WeakKeyDictionary

from anygen.config.run import Run
from anygen.config.stages import StageName
from anygen.core.media import Media, media_of, modality_of
from anygen.core.modality import MEDIA
from anygen.core.record_faults import faults_of
from anygen.core.records import Record, media_of_record
from anygen.core.schema import explain_in_line
from anygen.llm.prompt import Features, Piece, Span, Tokens
from anygen.model.multimodal import MultimodalModel
from anygen.training.collate import prompt_of
from anygen.training.data.feature_cache import FeatureCache
from anygen.training.data.files import RowError
from anygen.training.data.sources import MediaFiles, Place, Source
from anygen.training.dialogues import PLACEHOLDERS, Dialogue, read_record
from mosit_data.world.language.captioned import bare_medium, describe, request


class KeptFeatures:
    """The encoder's features of media in the user's files: computed once, as no stage of dialogues
    changes the encoder. The files of media whose features are known are not read again.
    """

    def __init__(self, model: MultimodalModel, run: Run, process: int = 0) -> None:
        self.model, self.cache = model, FeatureCache(run.out, "features", model.encoder, process)
        self.needs_pixels = run.denoised > 0
        self.keys: WeakKeyDictionary[Media, str] = WeakKeyDictionary()  # of what was read
        self.lock = Lock()

    def read(self, files: MediaFiles, path: str) -> Media:
        """A medium, or something of its modality in its place. Raises MediaError."""
        digest = files.sha256(path)
        known = [m for m in MEDIA if f"{m}/{digest}" in self.cache]
        if known and not self.needs_pixels:
            medium = replace(PLACEHOLDERS[known[0]])
        else:
            medium = files.read(path)
        with self.lock:
            self.keys[medium] = f"{modality_of(medium)}/{digest}"
        return medium

    def fill(self, dialogues: Sequence[Dialogue]) -> None:
        """Gives the dialogues the features of their media; all that is missing is encoded at once.

        Media that no key was read of, such as rendered scenes, are left to the forward pass.
        """
        places = [
            (dialogue, index, self.keys[medium])
            for dialogue in dialogues
            for index, medium in enumerate(media_of(dialogue.messages))
            if medium in self.keys
        ]
        media = [media_of(dialogue.messages)[index] for dialogue, index, _ in places]
        self.cache.fill([key for _, _, key in places], media, self.model.encoder.encode)
        device = self.model.llm.signal_rows.device
        for dialogue, index, key in places:
            dialogue.features[index] = self.cache.get(key).to(device)


class RowReader:
    """Reads rows for one model, and refuses those that it cannot learn from.

    Several threads may read at once: the tokenizer is a copy, as one of Hugging Face's cannot be
    used twice at the same time, and no thread reads its length while another does.
    """

    def __init__(
        self,
        model: MultimodalModel,
        max_length: int | None,
        stage: StageName = "instruct",
        seed: int = 0,
        kept: KeptFeatures | None = None,
    ) -> None:
        """A medium with nothing but a caption becomes a question or a request, by the `stage`."""
        self.model, self.stage, self.seed, self.kept = model, stage, seed, kept
        self.max_length = min(max_length or model.llm.context, model.llm.context)  # positions
        self.tokenizer, self.lock = deepcopy(model.llm.tokenizer), Lock()

    def read(self, source: Source, row: int) -> Dialogue:
        """Raises RowError."""
        place = source.place(row)
        record = source.read(row)
        try:
            return self.dialogue(record, place)
        except (ValueError, OSError) as error:
            reason = explain_in_line(error)
            raise RowError(place.file, place.line, record.id, reason) from None

    def dialogue(self, record: Record, place: Place) -> Dialogue:
        """Raises ValueError."""
        record = self.phrased(record)
        for fault in (*faults_of(record), *self.misfits(record)):
            raise ValueError(fault)
        read = partial(self.kept.read, place.media) if self.kept else place.media.read
        dialogue = read_record(record, read)
        if fault := self.too_long(self.length(dialogue)):
            raise ValueError(fault)
        return dialogue

    def phrased(self, record: Record) -> Record:
        """A record with a medium and its caption alone as a dialogue; others as they are.

        The words depend on the seed and on the id of the record.
        """
        medium = bare_medium(record)
        if medium is None:
            return record
        rng = random.Random(f"{self.seed}/{record.id}")
        phrasings = []
        readable = not medium.is_caption_only and medium.type in self.model.encoder.modalities
        if self.stage != "decode" and readable:
            phrasings.append(describe)
        if self.stage != "encode" and medium.type in self.model.llm.signals.modalities:
            phrasings.append(request)
        if not phrasings:
            return record
        turns = rng.choice(phrasings)(rng, medium)
        return record.model_copy(update={"messages": turns})

    def too_long(self, length: int) -> str:
        """Why a row of this length cannot be learned from; empty if it can."""
        if length <= self.max_length:
            return ""
        return (
            f"takes {length:,} positions, and {self.max_length:,} can be learned at once; split it "
            "into shorter rows"
        )

    def misfits(self, record: Record) -> Iterator[str]:
        """Why this model does not read or make the media of a record."""
        encoded, rendered = self.model.encoder.modalities, self.model.llm.signals.modalities
        for number, (role, medium) in enumerate(media_of_record(record), start=1):
            modality = medium.type
            if modality not in encoded:
                known = " and ".join(encoded)
                yield f"medium {number} is {modality}, and the encoder takes {known}"
            elif role == "assistant" and modality not in rendered:
                yield f"medium {number} is {modality}, which this system has no decoder of"

    def length(self, dialogue: Dialogue) -> int:
        """The most positions that a dialogue takes."""
        with self.lock:
            pieces = prompt_of(self.model, dialogue, self.tokenizer)
        return sum(map(self.positions, pieces))

    def positions(self, piece: Piece) -> int:
        """The most positions that a piece of a prompt takes."""
        signals = self.model.llm.signals
        match piece:
            case Tokens(ids=ids):
                return len(ids)
            case Span(modality=modality):
                return signals.length(modality)
            case Features(modality=modality):
                return signals.around + self.model.input_projector.length(modality)
