"""What a config of DeepSpeed sets in a run, and what a run cannot do of it."""

import json

import pytest
import yaml

from anygen.config.loader import load_run

RUN = {"system": "tiny/system", "stage": "instruct", "out": "runs/a", "steps": 9, "batch_size": 4}
AUTOS = {  # as trainers that fill in values themselves write it
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "zero_allow_untested_optimizer": True,
    "fp16": {"enabled": "auto", "loss_scale": 0, "hysteresis": 2},
    "bf16": {"enabled": "auto"},
    "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto", "eps": "auto"}},
    "zero_optimization": {"stage": 3, "overlap_comm": True, "sub_group_size": 1e9},
}
NUMBERS = {
    "train_batch_size": 64,
    "train_micro_batch_size_per_gpu": 4,
    "gradient_accumulation_steps": 2,
    "gradient_clipping": 0.5,
    "steps_per_print": 10,
    "bf16": {"enabled": True},
    "optimizer": {"type": "Adam", "params": {"lr": 4e-4, "betas": [0.9, 0.95], "eps": 1e-8}},
    "scheduler": {
        "type": "WarmupDecayLR",
        "params": {"warmup_max_lr": 5e-4, "warmup_num_steps": 30, "total_num_steps": 300},
    },
    "zero_optimization": {"stage": 2, "offload_optimizer": {"device": "none"}},
}


@pytest.fixture
def load(tmp_path):
    """The run of a config and of the settings beside it."""

    def load(config, **settings):
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "ds.json").write_text(text)
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(RUN | settings | {"deepspeed": "ds.json"}))
        return load_run(str(path))

    return load


def test_auto_leaves_everything_to_the_run_but_how_weights_are_divided(load, tmp_path):
    run = load(AUTOS)
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(RUN | {"parallel": "fsdp"}))
    assert run == load_run(str(tmp_path / "plain.yaml"))


def test_numbers_are_settings_of_the_run_and_the_schedule_has_the_last_word(load):
    run = load(NUMBERS, steps=300, batch_size=64)
    found = run.model_dump(mode="json")
    expected = {"batch_size": 64, "accumulation": 2, "max_grad_norm": 0.5, "precision": "bf16"}
    expected |= {"optimizer": "adamw", "learning_rate": 5e-4, "betas": [0.9, 0.95]}
    expected |= {"schedule": "linear", "warmup": 30, "steps": 300, "final_rate": 0.0}
    assert {**found, **expected, "parallel": "ddp"} == found


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zero_optimization": {"stage": 4}}, r"zero_optimization\.stage: 4: there are stages 0"),
        (
            {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}},
            r'offload_optimizer\.device: "cpu": a run does not offload',
        ),
        ({"fp16": {"enabled": True}}, r"fp16\.enabled: true: a run computes in float32 or bf16"),
        ({"optimizer": {"type": "OneBitAdam"}}, r'optimizer\.type: "OneBitAdam": a run has Adam'),
        ({"scheduler": {"type": ["OneCycle"]}}, r"scheduler\.type: .* a run has WarmupLR"),
        ({"optimizer": 3}, r"optimizer\.type: 3 holds no settings"),
        ({"gradient_cliping": 1.0}, "gradient_cliping: is not read here; did you mean gradient_cl"),
        ({"train_batch_size": 8}, r"batch_size: is 4 in the run and 8 in .*ds\.json; remove it"),
        ({"train_micro_batch_size_per_gpu": 2}, "the rows of a step depend on the processes"),
        ({"gradient_clipping": -1.0}, "max_grad_norm"),
    ],
)
def test_what_a_run_cannot_do_is_refused_with_the_key(load, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(AUTOS | changes)


@pytest.mark.parametrize("text", ["[]", "{", '"a"'])
def test_a_file_that_is_no_json_object_is_named(load, text):
    with pytest.raises(ValueError, match=r"deepspeed: .*ds\.json: is not "):
        load(text)


def test_a_file_that_is_not_there_and_a_stage_without_dialogues(load):
    with pytest.raises(ValueError, match=r"gone\.json: No such file"):
        load_run("mini/instruct", ["deepspeed=gone.json"])
    with pytest.raises(ValueError, match="deepspeed: is for the stages encode, decode, instruct"):
        load(AUTOS, stage="denoise")
