"""NExT-GPT's output projector: a whole `nn.Transformer` between two linear layers."""

from anygen.importers.layout import Row, squeezed

NEEDED = {
    "output_projector.kind": "transformer",
    "output_projector.residual": True,
    "output_projector.heads": 4,
}


def output_projector(theirs: str, ours: str, first: str, last: str) -> list[Row]:
    """`theirs` is a regular expression; `first` and `last` are how the linear layers are called."""
    names = {
        rf"{first}\.(weight|bias)": r"inward.\1",
        r"tfm\.encoder\.(layers\..+|norm\..+)": r"encoder.\1",
        r"tfm\.decoder\.layers\.(.+)": r"transformer.layers.\1",
        r"tfm\.decoder\.norm\.(.+)": r"norm.\1",
        rf"{last}\.(weight|bias)": r"outward.\1",
    }
    rows = [Row(rf"{theirs}\.{name}", f"{ours}.{mine}") for name, mine in names.items()]
    return [*rows, Row(rf"{theirs}\.query_embs", f"{ours}.queries", squeezed)]
