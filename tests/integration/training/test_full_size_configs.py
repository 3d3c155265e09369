"""Every full-size config has a tiny twin of its structure, which is trained, saved and used."""

import pytest
import torch
import yaml
from safetensors.torch import load_file

from anygen import AnyGen
from anygen.checkpoints.checkpoint import load_weights
from anygen.config.loader import CONFIGS, load_system, to_yaml
from anygen.core.media import Audio, Image, Message, Video, modality_of
from anygen.core.modality import MEDIA
from anygen.generation.answer import collect
from anygen.model.multimodal import MultimodalModel
from anygen.training.trainer import train

NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
STAGES = ("encode", "decode", "instruct")


@pytest.fixture(params=NAMES)
def twin(request, tiny_llm, tmp_path):
    """The twin around the tiny LLM, as a file."""
    system = load_system(f"tiny/{request.param}_tiny", [f"llm.base={tiny_llm}"])
    path = tmp_path / "system.yaml"
    path.write_text(to_yaml(system))
    captions = (CONFIGS / "tiny" / "captions.json").read_text()
    path.with_name("captions.json").write_text(captions)
    return path


def some_media():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (6, 3, 40, 48), dtype=torch.uint8, generator=generator)
    sound = Audio(torch.rand((1, 16000), generator=generator) - 0.5, 16000)
    return {"image": Image(pixels[0]), "audio": sound, "video": Video(pixels, 8.0)}


def structure(system):
    """What a config and its twin have in common."""
    output, signals = system.output_projector, system.llm.signals
    return {
        "template": system.llm.template,
        "stop": system.llm.stop,
        "signals": (signals.kind, signals.marks, signals.closing),
        "encoder": names_in(system.encoder.model_dump()),
        "features": {
            name: value
            for name, value in system.encoder.options.items()
            if name in ("features", "video", "class_token") and not isinstance(value, dict)
        },
        "media_layers": system.llm.media_layers,
        "input": (
            system.input_projector.kind,
            system.input_projector.video_pooling,
            getattr(system.input_projector, "question", 0) > 0,
        ),
        "output": (output.kind, output.residual, getattr(output, "encoder_layers", 0) > 0),
        "decoders": {modality: plugin.name for modality, plugin in system.decoders.items()},
    }


def names_in(settings):
    """The names of an encoder and of those that it joins."""
    parts = {key: part for key, part in settings.items() if isinstance(part, dict)}
    joined = {key: names_in(part) for key, part in parts.items() if key in MEDIA}
    return {"name": settings["name"], **joined}


@pytest.mark.parametrize("name", NAMES)
def test_a_config_and_its_twin_have_one_structure(name):
    assert structure(load_system(name)) == structure(load_system(f"tiny/{name}_tiny"))


@pytest.mark.parametrize("name", NAMES)
def test_a_config_begins_with_its_command_memory_and_time(name):
    head = (CONFIGS / f"{name}.yaml").read_text().split("llm:")[0]
    assert "anygen " in head
    assert "Memory (" in head
    assert "Time:" in head


@pytest.mark.slow
def test_a_twin_learns_in_every_stage_is_saved_and_answers(twin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [train_one_step(twin, stage, STAGES[:number]) for number, stage in enumerate(STAGES)]
    model = MultimodalModel(load_system(str(twin)), tmp_path)
    load_weights(model, [run / "weights.safetensors" for run in runs])
    model.save_pretrained(tmp_path / "model")
    model = AnyGen.from_pretrained(tmp_path / "model")
    seen = [
        medium for kind, medium in some_media().items() if kind in model.model.encoder.modalities
    ]
    question = Message("user", (*seen, "What are these?"))
    for modality in model.model.decoders:
        options = {"begin": modality, "max_media": 1, "max_new_tokens": 3}
        answer = collect(model.reply([question], **options))
        assert not answer.failed
        assert modality_of(answer.message.parts[0]) == modality
    model.save_pretrained(tmp_path / "again")
    folders = (tmp_path / "model", tmp_path / "again")
    mine, other = (load_file(folder / "model.safetensors") for folder in folders)
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[key], other[key]) for key in mine)


def train_one_step(twin, stage, earlier):
    """The folder of a run, which changed what its stage is for."""
    path = twin.with_name(f"{stage}.yaml")
    run = {"system": str(twin), "stage": stage, "init": [*earlier], "out": stage}
    sizes = {"steps": 1, "batch_size": 3, "negatives": 16, "warmup": 0, "learning_rate": 1e-2}
    path.write_text(yaml.safe_dump(run | sizes))
    return train(str(path), [])
