"""NExT-GPT's output projector: a whole `nn.Transformer` between two linear layers."""

from anygen.importers.layout import KeyRule, squeeze_first

REQUIRED = {
    "output_projector.kind": "transformer",
    "output_projector.residual": True,
    "output_projector.heads": 4,
}


def output_projector(theirs: str, ours: str, first: str, last: str) -> list[KeyRule]:
    """`theirs` is a regular expression; `first` and `last` are their names of the linear layers."""
    names = {
        rf"{first}\.(weight|bias)": r"inward.\1",
        r"tfm\.encoder\.(layers\..+|norm\..+)": r"encoder.\1",
        r"tfm\.decoder\.layers\.(.+)": r"transformer.layers.\1",
        r"tfm\.decoder\.norm\.(.+)": r"norm.\1",
        rf"{last}\.(weight|bias)": r"outward.\1",
    }
    rules = [KeyRule(rf"{theirs}\.{name}", f"{ours}.{renamed}") for name, renamed in names.items()]
    return [*rules, KeyRule(rf"{theirs}\.query_embs", f"{ours}.queries", squeeze_first)]
