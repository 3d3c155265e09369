"""Decoders with the tiny settings in their files, what is asked of them, what they make."""

import importlib

import torch

from anygen.config import plugins
from anygen.config.loader import CONFIGS


def make(name):
    """A decoder with its TINY settings, beside an image decoder that it may extend."""
    torch.manual_seed(0)
    return plug(name, {"image": plug("stable_diffusion", {})}).eval()


def plug(name, decoders, **changes):
    tiny = importlib.import_module(f"decoders.{name}").TINY
    plugin = plugins.Plugin(name=name, **(tiny.model_dump() | changes))
    folder = CONFIGS / "tiny"
    return plugins.build("decoders", plugin, "decoders.x", folder=folder, decoders=decoders)


def with_settings(name, **settings):
    """With other settings, which a video decoder takes from the image decoder that it extends."""
    torch.manual_seed(0)
    if name == "diffusers_pipeline":
        parts = importlib.import_module(f"decoders.{name}").TINY.components
        return plug(name, {}, components=parts | {n: parts[n] | settings[n] for n in settings})
    image = plug("stable_diffusion", {}, **settings)
    return plug(name, {"image": image}, **({} if name == "animatediff" else settings))


def make_published(name, folder, **settings):
    """A decoder of the tiny replicas that the fixture `published` saved."""
    if name == "animatediff":
        motion = {"motion": str(folder / "motion"), "frames": 4, "shared_noise": 0.0}
        image = make_published("sd15", folder)
        return build(name, {"image": image}, steps=2, guidance=3.0, **motion, **settings)
    plugin = {"sd15": "stable_diffusion", "sd21": "stable_diffusion"}.get(name, name)
    if name == "zeroscope":
        settings = {"size": (16, 24), "frames": 3, **settings}
    source = str(folder / name)
    return build(plugin, {}, pretrained=source, steps=2, guidance=3.0, **settings)


def build(name, decoders, **settings):
    plugin = plugins.Plugin(name=name, **settings)
    folder = CONFIGS / "tiny"
    made = plugins.build("decoders", plugin, "decoders.x", folder=folder, decoders=decoders)
    return made.eval()
