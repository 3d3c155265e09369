"""Published recipes train as they stand, with the twin of their system, on rows of its layouts."""

import re
import shlex
from pathlib import Path

import pytest
from safetensors.torch import load_file

from anygen.config.loader import CONFIGS, load_run, load_system, to_yaml
from anygen.config.run import DIALOGUE_STAGES
from anygen.core.text import from_json
from anygen.training.runs.trainable import AUXILIARY
from anygen.training.stages import learned_prefixes
from anygen.training.trainer import train
from mosit_data.formats.convert import Job, convert
from mosit_data.formats.layouts import LAYOUTS
from support.layouts import write_rows
from support.own_data import write_picture, write_sound

RECIPES = {  # in the order of their stages
    "nextgpt": ("encode", "decode", "instruct"),
    "dreamllm": ("comprehension", "creation", "pretrain", "instruct"),
    "blip2": ("represent", "pretrain"),
    "llava": ("pretrain", "instruct"),
    "minigpt_v2": ("pretrain", "multitask", "instruct"),
    "qwen_vl": ("pretrain", "multitask", "instruct"),
}
NAMES = [f"{name}/{stage}" for name, stages in RECIPES.items() for stage in stages]
CONVERT = re.compile(r"^#   anygen data convert (.*)$", re.MULTILINE)
SMALL = [
    *("steps=1", "batch_size=4", "negatives=8", "warmup=0"),
    *("precision=float32", "learning_rate=0.01"),
]


def ask(question, answer, image="k.png"):
    """LLaVA's layout."""
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
    return {"image": image, "conversations": turns}


def mosit(caption):
    turns = [
        {"from": "human", "value": "My week was grey."},
        {"from": "gpt", "value": "Take this. <Image>m_00.png</Image> Better?"},
        {"from": "human", "value": "A little."},
        {"from": "gpt", "value": "Good."},
    ]
    listed = [{"image_name": "m_00.png", "data_source": "mosit", "caption": caption}]
    lists = {"image_list": listed, "video_list": [], "audio_list": []}
    return {**lists, "conversation": turns}


def grounding(name):
    """ms-swift's layout of Qwen-VL's tasks."""
    turns = [
        {"role": "user", "content": "<image>Find <ref-object>"},
        {"role": "assistant", "content": "<bbox>"},
    ]
    objects = {"ref": [name], "bbox": [[1, 2, 12, 14]]}
    return {"messages": turns, "images": ["k.png"], "objects": objects}


def document(**more):
    """MMC4's layout: a picture after its sentence, and one after the last."""
    images = [("b.png", 2), ("k.png", 0)]
    info = [
        {"image_name": name, "matched_text_index": at, "matched_sim": 0.3} for name, at in images
    ]
    return {"text_list": ["Mix it.", "Wait.", "Bake it."], "image_info": info, **more}


def chat(*pictures):
    """Several pictures in one dialogue, as for Qwen-VL-Chat."""
    marks = "".join(f"Picture {n}: <image>\n" for n, _ in enumerate(pictures, start=1))
    turns = [
        {"role": "user", "content": f"{marks}What differs?"},
        {"role": "assistant", "content": "The colour."},
    ]
    return {"messages": turns, "images": [*pictures]}


CAPTIONS = "image,caption\nk.png,two red kites\nb.png,a bun\n"
TEXT = [{"instruction": "Translate.", "input": "Guten Tag", "output": "Good day"}]
COCO = [{"image": "k.png", "caption": "two red kites"}]
PAIR = {"image_name": "k.png", "caption": "two red kites", "id": "7"}
T2M_TURNS = [
    {"from": "human", "value": "Show me a kite.", "input_modality": "text"},
    {"from": "gpt", "value": "Here.", "caption": "a kite", "output_modality": "image"},
]
FILES = {
    "cc3m.json": [PAIR],
    "webvid.json": [{"image_name": "b.png", "caption": "a bun", "id": "8"}],
    "audiocaps.json": [{"audio_name": "s.wav", "caption": "a ramp", "audio_id": "s"}],
    "llava_instruct_150k.json": [ask("How many?", "Two.")],
    "alpaca_data.json": TEXT,
    "t2m.json": [{"image_name": "k.png", "output_modality": "image", "conversation": T2M_TURNS}],
    "mosit.json": [mosit("a yellow tulip")],
    "blip_laion.csv": CAPTIONS,
    "instruct_blip_laion.csv": CAPTIONS,
    "laion_cc_sbu.csv": CAPTIONS,
    "captions.csv": CAPTIONS,
    "blip_laion_cc_sbu_558k.json": [ask("Describe it briefly.", "two red kites")],
    "llava_v1_5_mix665k.json": [
        ask("Who flies them?", "A girl."),
        ask("Why?", "For fun.", "b.png"),
    ],
    "mmc4_core.jsonl": [document()],
    "mmc4_instruct.json": [document(instruction="How do I bake it?")],
    "coco_caption.json": COCO,
    "vg_caption.json": COCO,
    "grit.json": [ask("Describe it with boxes.", "<p>a kite</p> {<12><25><62><75>}")],
    "refcoco.json": [ask("Where is <p>the kite</p>?", "{<12><25><62><75>}")],
    "invrefcoco.json": [ask("{<12><25><62><75>}", "the kite")],
    "vqa.json": [ask("How many kites?", "2")],
    "groundedcaption.json": [ask("Describe it.", "<p>a kite</p> {<1><2><3><4>}")],
    "phrases.json": [ask("a kite", "<p>a kite</p> {<1><2><3><4>}")],
    "unnatural_instructions.json": TEXT,
    "grounding.jsonl": [grounding("a kite")],
    "reference.jsonl": [grounding("a girl")],
    "grounded_captions.jsonl": [grounding("a bun")],
    "ocr.json": [ask("What does it say?", "OPEN")],
    "text.json": TEXT,
    "chats.jsonl": [chat("k.png", "b.png")],
}
BY_TASK = {("minigpt_v2", "coco_caption.json"): [ask("Describe it.", "two red kites")]}


def convert_all(name):
    """The data of a recipe, from published layouts, by the commands at the head of its file."""
    for command in CONVERT.findall((CONFIGS / "recipes" / f"{name}.yaml").read_text()):
        source, *rest = shlex.split(command)
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        rows = BY_TASK.get((name.partition("/")[0], source), FILES[source])
        media = Path(options["--media"]) if "--media" in options else None
        for folder in [media] if media else []:
            write_picture(folder / "k.png")
            write_picture(folder / "b.png", 1)
            write_sound(folder / "s.wav")
        layout = LAYOUTS[options["--from"]]
        path, out = write_rows(Path(source), rows), Path(options["--out"])
        counts = convert(Job(layout, [path], out, media=media, task=options.get("--task")))
        assert not counts.refused, counts.first_refusal


def train_small(name, tiny_llm, *settings):
    """The recipe with the twin of its system; returns what its log has of every loss."""
    run = load_run(f"recipes/{name}")
    path = Path("twin.yaml")
    twin = load_system(f"tiny/{run.system}_tiny", [f"llm.base={tiny_llm}"])
    path.write_text(to_yaml(twin))
    path.with_name("captions.json").write_text((CONFIGS / "tiny" / "captions.json").read_text())
    lora = ["lora.targets=[q_proj, v_proj]"]
    passes = ["accumulation=2"] if run.stage in DIALOGUE_STAGES else []
    out = train(f"recipes/{name}", [f"system={path}", *SMALL, *passes, *lora, *settings])
    return from_json((out / "log.jsonl").read_text().splitlines()[0])


def test_every_recipe_is_in_the_table():
    files = (CONFIGS / "recipes").rglob("*.yaml")
    assert sorted(NAMES) == sorted(f"{path.parent.name}/{path.stem}" for path in files)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_stages_of_a_recipe_learn_from_rows_of_its_layouts(
    name, tiny_llm, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for stage in RECIPES[name]:
        recipe = f"{name}/{stage}"
        convert_all(recipe)
        terms = train_small(recipe, tiny_llm)
        assert "refused" not in terms
        run = load_run(f"recipes/{recipe}")
        saved = load_file(run.out / "weights.safetensors")
        learned = (*learned_prefixes(run), AUXILIARY)
        assert all(key.startswith(learned) for key in saved)
        assert not any(
            key.startswith("llm.signal_rows") for key in saved if "signals" in run.freeze
        )
        if run.stage in DIALOGUE_STAGES:
            assert ("text" in terms) == (run.loss_weights.text > 0)
    if name == "dreamllm":
        check_weights_of_documents(tiny_llm)


def check_weights_of_documents(tiny_llm):
    """Creation, comprehension and both, on interleaved documents alone."""
    losses = {
        kind: train_small(
            "dreamllm/pretrain",
            tiny_llm,
            "data=[{path: data/dreamllm/mmc4.jsonl}]",
            f"out=runs/{kind}",
            f"loss_weights={weights}",
        )
        for kind, weights in {
            "creation": "{text: 0, align: 0, contrast: 0, denoise: 1}",
            "comprehension": "{align: 0, contrast: 0, denoise: 0}",
            "both": "{align: 0, contrast: 0, denoise: 10}",
        }.items()
    }
    terms = {
        kind: {term for term in row if term == "text" or term.startswith("image_")}
        for kind, row in losses.items()
    }
    assert terms == {
        "creation": {"image_denoise"},
        "comprehension": {"text"},
        "both": {"text", "image_denoise"},
    }
    alone, joint = losses["creation"]["image_denoise"], losses["both"]["image_denoise"]
    assert joint == pytest.approx(10 * alone, rel=1e-3)
    assert losses["comprehension"]["text"] == pytest.approx(losses["both"]["text"], rel=1e-3)
