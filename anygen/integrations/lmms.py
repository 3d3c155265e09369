"""lmms-eval finds anygen here: the entry point `lmms_eval.models` of this package.

lmms-eval is not imported by anygen: its dependencies exclude ours, so both run in an environment of
their own (see docs/evaluate.md).
"""

from typing import Any

CHAT = "anygen.integrations.lmms_models.AnyGenChat"
SIMPLE = "anygen.integrations.lmms_models.AnyGenSimple"


def manifest() -> Any:
    """lmms-eval's entry for the model `anygen`: chat messages, or prompts with --force_simple."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="anygen", simple_class_path=SIMPLE, chat_class_path=CHAT)
