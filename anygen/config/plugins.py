"""Plugins are found by their file names: `stable_diffusion` is decoders/stable_diffusion.py."""

import importlib
import pkgutil
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, RootModel

from anygen.core.schema import validate

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
    which messages begin. Raises ValueError for unknown names, for modules that are not plugins and
    for invalid options.
    """
    module = load_module(package, plugin, where)
    return module.build(read_options(module, plugin, where), **runtime)


def check(package: Package, plugin: Plugin, where: str) -> None:
    """Raises ValueError as `build` does, without building anything.

    Options that hold plugins in turn, as those of the encoder `several`, are checked with them.
    """
    options = read_options(load_module(package, plugin, where), plugin, where)
    if isinstance(options, RootModel):
        for key, part in options.model_dump().items():
            check(package, Plugin.model_validate(part), f"{where}.{key}")


def load_module(package: Package, plugin: Plugin, where: str) -> Any:
    """Raises ValueError if there is no such module, or if it is not that of a plugin."""
    name = plugin.name if "." in plugin.name else f"{package}.{plugin.name}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not is_part_of(error.name, name):
            raise broken(where, name, error) from error
        available = ", ".join(names(package))
        raise ValueError(
            f"{where}: no {package} named {plugin.name!r}; there are {available}, and modules of "
            "your own by their full names"
        ) from error
    except Exception as error:  # whatever a module of others does
        raise broken(where, name, error) from error
    for attribute in ("Config", "build"):
        if not hasattr(module, attribute):
            raise ValueError(f"{where}: the module {name} is no plugin: it has no {attribute}")
    return module


def is_part_of(missing: str | None, name: str) -> bool:
    """Whether the module that is missing is that of the name, or a package that it lies in."""
    return missing is not None and f"{name}.".startswith(f"{missing}.")


def broken(where: str, name: str, error: Exception) -> ValueError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return ValueError(f"{where}: the module {name} cannot be imported: {reason}")


def read_options(module: Any, plugin: Plugin, where: str) -> Any:
    """The options of a plugin as its module's `Config`. Raises ValueError if they are invalid."""
    # As a mapping, so that every problem is reported under its full key.
    return validate(dict[str, module.Config], {where: plugin.options})[where]
