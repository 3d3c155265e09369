"""OBELICS: a list of texts and a list of pictures; at each position one of them is null.

    {"images": [null, "b.jpg"], "texts": ["Mix.", null],
     "metadata": "[null, {\\"alt_text\\": \\"dough\\"}]"}

The published rows hold addresses; fetch the pictures and put the names of the files in their place.
The caption of a picture is its alternative text.
"""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from anygen.core.records import Content, RecordMessage
from anygen.core.text import from_json
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.schema import Row, document, text


class ObelicsRow(Row):
    images: list[str | None]
    texts: list[str | None]
    metadata: list[dict[str, Any] | None] = []

    @field_validator("metadata", mode="before")
    @classmethod
    def _decode(cls, value: Any) -> Any:
        """The metadata are JSON inside a text."""
        return from_json(value) if isinstance(value, str) else value or []

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        if len(self.images) != len(self.texts):
            raise ValueError(f"{len(self.images)} images and {len(self.texts)} texts")
        content: list[Content] = []
        for index, (image, written) in enumerate(zip(self.images, self.texts)):
            if (image is None) == (written is None):
                raise ValueError(f"position {index} should hold either an image or a text")
            if image is None:
                content += text(written or "")
            else:
                content.append(media.medium("image", image, self.caption(index)))
        return document(content)

    def caption(self, index: int) -> str | None:
        known = self.metadata[index] if index < len(self.metadata) else None
        alternative = (known or {}).get("alt_text")
        return alternative if isinstance(alternative, str) and alternative.strip() else None
