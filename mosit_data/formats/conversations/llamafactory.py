"""LLaMA-Factory: `dataset_info.json` says which files there are and how their columns are called.

{"mine": {"file_name": "m.json", "formatting": "sharegpt",
  "columns": {"messages": "conversations", "images": "images", "system": "system"},
  "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "human",
           "assistant_tag": "gpt"}}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from anygen.core.records import Record
from anygen.core.schema import explain
from anygen.io.media_files import printable
from mosit_data.formats.conversations.sharegpt import SharegptRow
from mosit_data.formats.conversations.turns import marked_turns
from mosit_data.formats.instructions.alpaca import AlpacaRow
from mosit_data.formats.json_stream import JsonStream
from mosit_data.formats.media_folder import MediaFolder, confined, is_file
from mosit_data.formats.rows import Kept, RawRow, Refusal, read_rows
from mosit_data.formats.schema import Row, convert_row

INFO = "dataset_info.json"
DEFAULTS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output"},
    "sharegpt": {"messages": "conversations"},
}
NAMES = {"prompt": "instruction", "query": "input", "response": "output"}  # to those of AlpacaRow


class Tags(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    role_tag: str = "from"
    content_tag: str = "value"
    user_tag: str = "human"
    assistant_tag: str = "gpt"
    system_tag: str = "system"


class DataSet(BaseModel):
    """An entry of dataset_info.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    file_name: str | None = None
    formatting: Literal["alpaca", "sharegpt"] = "alpaca"
    ranking: bool = False
    columns: dict[str, str | None] = {}
    tags: Tags = Tags()

    def parse(self, data: dict[str, Any]) -> Row:
        """A row of the file, under the names that the entry gives its columns."""
        columns = {**DEFAULTS[self.formatting], **self.columns}
        unread = {k: v for k, v in data.items() if k not in {*columns.values(), "id"}}
        row = {
            NAMES.get(role, role): data[column]
            for role, column in columns.items()
            if column is not None and column in data
        }
        row = {"id": data.get("id", ""), **row}
        if self.formatting == "alpaca":
            return AlpacaRow.model_validate(row).with_unread(unread)
        turns = row.get("messages")
        if isinstance(turns, list):
            row["messages"] = [self.turn(turn) for turn in turns]
        return SharegptRow.model_validate(row).with_unread(unread)

    def turn(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        tags = self.tags
        roles = {tags.user_tag: "user", tags.assistant_tag: "assistant", tags.system_tag: "system"}
        role, text = data.get(tags.role_tag), data.get(tags.content_tag)
        unread = {k: v for k, v in data.items() if k not in (tags.role_tag, tags.content_tag)}
        role = roles.get(role, role) if isinstance(role, str) else role
        return {**unread, "from": role, "value": text}


def read(path: Path, media: MediaFolder) -> Iterator[Kept | Refusal]:
    """The rows of all data sets in dataset_info.json, which may be named by its folder.

    Raises ValueError, OSError.
    """
    info = path / INFO if path.is_dir() else path
    with JsonStream(info) as stream:
        if stream.peek() != "{":
            raise stream.damaged(f"{INFO} holds an object with an entry for each data set")
        for name in stream.members():
            place = f"{printable(info.name)}:{stream.line}"
            yield from read_entry(RawRow(place, name), stream.value(), info.parent, media)


def read_entry(
    row: RawRow, entry: Any, folder: Path, media: MediaFolder
) -> Iterator[Kept | Refusal]:
    try:
        data_set = DataSet.model_validate(entry)
        path = folder / file_of(data_set)
        if not is_file(path):
            raise ValueError(f"{data_set.file_name}: no such file beside {INFO}")
    except ValueError as error:
        yield Refusal(row.place, row.name, explain(error).splitlines()[0])
        return
    for raw in read_rows(path):
        yield convert_row(raw, data_set.parse, media)


def file_of(data_set: DataSet) -> str:
    """Raises ValueError."""
    if data_set.file_name is None:
        raise ValueError("the entry has no 'file_name'; download the set and name its file")
    if data_set.ranking:
        raise ValueError("pairs of a better and a worse answer cannot be learned")
    return confined(data_set.file_name)


# --- writing


def write(record: Record) -> dict[str, Any]:
    turns, columns = marked_turns(record)
    system = {"system": turns.pop(0)[1]} if turns[0][0] == "system" else {}
    names = {"user": "human", "assistant": "gpt"}
    conversations = [{"from": names[role], "value": text} for role, text in turns]
    return {"id": record.id, **system, "conversations": conversations, **columns}


def entry(file_name: str) -> Mapping[str, Any]:
    """What dataset_info.json says of a file of such rows."""
    columns = {"messages": "conversations", "system": "system"}
    media = {name: name for name in ("images", "videos", "audios")}
    tags = Tags().model_dump()
    return {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": {**columns, **media},
        "tags": tags,
    }
