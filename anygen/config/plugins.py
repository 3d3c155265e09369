"""Plugins are found by their file names: `stable_diffusion` is decoders/stable_diffusion.py."""

import importlib
import importlib.util
import pkgutil
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

Package = Literal["encoders", "decoders"]


class Plugin(BaseModel):
    """`name` selects the file; its `Config` validates all other keys."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def names(package: Package) -> list[str]:
    """The names of a package's plugins: its modules except `base`."""
    folder = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(folder) if not m.ispkg and m.name != "base")


def build(package: Package, plugin: Plugin, where: str, **runtime: Any) -> Any:
    """Builds the encoder or decoder that `plugin` describes.

    A dotted name is that of any importable module. `where` is the key in the system's YAML, with
    which messages begin. Raises ValueError for unknown names and for invalid options.
    """
    module_name = plugin.name if "." in plugin.name else f"{package}.{plugin.name}"
    if importlib.util.find_spec(module_name) is None:
        available = ", ".join(names(package))
        raise ValueError(f"no {package} named {plugin.name!r}; there are {available}")
    module = importlib.import_module(module_name)
    # As a mapping, so that every problem is reported under its full key.
    configs = TypeAdapter(dict[str, module.Config]).validate_python(  # type: ignore[name-defined]
        {where: plugin.options}
    )
    return module.build(configs[where], **runtime)
