"""OUT/refused.jsonl: the rows that a run has passed over, each with the reason."""

from pathlib import Path
from threading import Lock

from anygen.io.json_lines import append_json_line, read_json_lines
from anygen.training.data.files import RowError

NAME = "refused.jsonl"


class RefusedRows:
    """Each row is listed once, also if the run is resumed or comes across it again."""

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.writes = writes
        self.path, self.lock = folder / NAME, Lock()
        self.known = {
            (row["file"], row.get("line", row.get("member"))) for row in read_json_lines(self.path)
        }

    def __len__(self) -> int:
        return len(self.known)

    def refuse(self, error: RowError, policy: str) -> None:
        """Lists a row, or raises ValueError, by the policy `bad_rows` of the run."""
        if policy == "stop":
            raise ValueError(f"{error}; bad_rows: skip passes over such rows") from None
        self.add(error)

    def add(self, error: RowError) -> None:
        file, line = str(error.file), error.line
        place = "line" if isinstance(line, int) else "member"
        row = {"id": error.row_id, "file": file, place: line, "reason": error.reason}
        with self.lock:
            if (file, line) in self.known:
                return
            self.known.add((file, line))
            if not self.writes:
                return
            append_json_line(self.path, row)
