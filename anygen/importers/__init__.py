"""Imports the weights of other systems: one module per layout."""

from anygen.importers import blip2, dreamllm, llava, nextgpt_7b_tiva_v0, nextgpt_rewrite, pandagpt
from anygen.importers.layout import Importer

IMPORTERS: dict[str, Importer] = {
    "nextgpt_7b_tiva_v0": nextgpt_7b_tiva_v0.IMPORTER,
    "nextgpt_rewrite": nextgpt_rewrite.IMPORTER,
    "dreamllm": dreamllm.IMPORTER,
    "pandagpt": pandagpt.IMPORTER,
    "llava": llava.IMPORTER,
    "blip2": blip2.IMPORTER,
}
