"""Media and tiny models that tests share: real parts, random weights, no network."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from anygen.config.loader import CONFIGS, load_system, to_yaml
from anygen.core.media import Audio, Image, Video
from anygen.io.media_files import write_media
from anygen.model.multimodal import PARTS, MultimodalModel
from support import pretrained_decoders
from support.foreign.importing import write_base

pytest.register_assert_rewrite("anygen.testing")
torch.set_num_threads(1)  # tiny tensors are slower on many, and results depend on their number
os.environ["OMP_NUM_THREADS"] = "1"  # the same for the commands that tests start

# SmolLM2's template, without the system message that it adds of its own.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SENTENCES = [
    "<system>user assistant You are a helpful assistant.",
    "a flat cat on a blue background, a red ball, a piano playing a rising melody",
    "Please make a picture, a sound and a video. Here is the picture of a cat.",
]


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """As in a terminal; a shell lets what it runs in the background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def image() -> Image:
    """A ramp in each colour, 48 wide and 32 high."""
    across = torch.linspace(0, 255, 48).expand(32, 48)
    down = torch.linspace(0, 255, 32)[:, None].expand(32, 48)
    return Image(torch.stack([across, down, 255 - across]).to(torch.uint8))


@pytest.fixture
def cat(tmp_path, image, monkeypatch) -> Path:
    """cat.png in the present folder."""
    monkeypatch.chdir(tmp_path)
    return write_media(image, Path("cat.png"))


@pytest.fixture
def audio() -> Audio:
    """Half a second of 440 Hz on the left and 220 Hz on the right."""
    seconds = torch.arange(8000) / 16000
    tones = [torch.sin(2 * torch.pi * hertz * seconds) for hertz in (440, 220)]
    return Audio(0.5 * torch.stack(tones), rate=16000)


@pytest.fixture
def video(audio: Audio) -> Video:
    """Eight frames at 8 a second, each brighter than the last, with sound."""
    frames = torch.stack([torch.full((3, 32, 48), 25 * i) for i in range(8)]).to(torch.uint8)
    return Video(frames, fps=8.0, audio=audio)


@pytest.fixture(scope="session")
def tiny_llm(tmp_path_factory) -> Path:
    """The folder of a random causal LM of width 32 with ChatML, in Hugging Face's layout."""
    return write_llm(tmp_path_factory.mktemp("llm"), width=32)


@pytest.fixture(scope="session")
def wide_llm(tmp_path_factory) -> Path:
    """The same with layers that can be held in 4 bits on any CPU."""
    return write_llm(tmp_path_factory.mktemp("llm"), width=64)


def write_llm(folder: Path, width: int) -> Path:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(), bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2 * (32 / width) ** 0.5,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # long enough that the frozen, tied head can be sure of a token
        model.get_input_embeddings().weight.mul_(5)
    model.save_pretrained(folder)
    return folder


def train_tokenizer() -> Tokenizer:
    """Every byte, a few pieces of words and ChatML's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def tiny_system(tiny_llm, tmp_path_factory) -> Path:
    """configs/tiny/system.yaml with a tiny LLM in it, as a file that commands can be given."""
    return write_system(tmp_path_factory.mktemp("system"), tiny_llm)


@pytest.fixture(scope="session")
def wide_system(wide_llm, tmp_path_factory) -> Path:
    """The same with the wider LLM."""
    return write_system(tmp_path_factory.mktemp("system"), wide_llm)


@pytest.fixture(scope="session")
def picture_system(tiny_llm, tmp_path_factory) -> Path:
    """A system that reads pictures and videos, and makes pictures alone."""
    return write_system(tmp_path_factory.mktemp("system"), tiny_llm, "tiny/dreamllm_7b_tiny")


@pytest.fixture(scope="session")
def qformer_system(tiny_llm, tmp_path_factory) -> Path:
    """A system that reads pictures through a Q-Former."""
    return write_system(tmp_path_factory.mktemp("system"), tiny_llm, "tiny/blip2_tiny")


def write_system(folder: Path, llm: Path, name: str = "tiny/system") -> Path:
    path = folder / "system.yaml"
    path.write_text(to_yaml(load_system(name, [f"llm.base={llm}"])))
    captions = (CONFIGS / "tiny" / "captions.json").read_text()
    path.with_name("captions.json").write_text(captions)
    return path


@pytest.fixture(scope="session")
def foreign_base(tmp_path_factory) -> Path:
    """The folder of a random Llama like the one that NExT-GPT and others were trained upon."""
    return write_base(tmp_path_factory.mktemp("vicuna"))


@pytest.fixture(scope="session")
def make_model(tiny_system) -> Callable[..., MultimodalModel]:
    """Builds the tiny network anew, the same every time: for tests that change it."""

    def make(*parts: str, settings: Sequence[str] = ()) -> MultimodalModel:
        torch.manual_seed(0)
        system = load_system(str(tiny_system), list(settings))
        return MultimodalModel(system, tiny_system.parent, parts or PARTS)

    return make


@pytest.fixture(scope="session")
def tiny_model(make_model) -> MultimodalModel:
    """A network of real tiny parts with random weights, to be read only."""
    return make_model().eval().requires_grad_(False)


@pytest.fixture(scope="session")
def saved_model(make_model, tmp_path_factory) -> Path:
    """The folder of a model that answers with pictures, whatever it is asked.

    A bold trigger stands for training; LoRA is not zero, so that merging it matters.
    """
    model = make_model()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.02)
        model.llm.trigger_bias.copy_(torch.tensor([40.0, -100.0, -100.0]))
    folder = tmp_path_factory.mktemp("saved")
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def write_run(tiny_system, tmp_path) -> Callable[..., str]:
    """Writes a run's YAML for the tiny system; the name that `anygen train` takes."""

    def write(stage: str, **settings) -> str:
        path = tmp_path / f"{stage}.yaml"
        sizes = {"steps": 2, "batch_size": 2, "negatives": 16, "warmup": 1}
        defaults = {"out": str(tmp_path / "run"), **sizes}
        run = {"system": str(tiny_system), "stage": stage, **defaults, **settings}
        path.write_text(json.dumps(run))  # JSON is YAML
        return str(path)

    return write


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    """A folder of tiny replicas of published pipelines, in their own layout."""
    folder = tmp_path_factory.mktemp("published")
    pretrained_decoders.stable_diffusion(folder / "sd15")
    pretrained_decoders.stable_diffusion(folder / "sd21", "v_prediction")
    pretrained_decoders.motion(folder / "motion")
    pretrained_decoders.zeroscope(folder / "zeroscope")
    pretrained_decoders.audioldm(folder / "audioldm")
    return folder
