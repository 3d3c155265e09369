"""A model answers alike wherever it is laid: in half precision, in few bits, in pieces."""

import copy
import sys

import pytest
import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from torch import nn
from torch.utils._pytree import tree_iter

from anygen import AnyGen
from anygen.config.loader import load_system
from anygen.config.placement import Placement
from anygen.core.media import Image, Message
from anygen.generation.events import MediaDone
from anygen.llm.language_model import LanguageModel
from anygen.memory import workloads
from anygen.memory.meta_tracker import MetaTracker, aten
from anygen.memory.planner import build_on_meta, planner
from anygen.memory.weight_sizes import WEIGHT_BYTES
from anygen.model.multimodal import MultimodalModel
from anygen.model.placing import settle
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from support.precision import TOLERANCE, distance, logits


@pytest.fixture(scope="module")
def question(request):
    torch.manual_seed(0)
    pixels = torch.randint(0, 255, (3, 40, 40), dtype=torch.uint8)
    return [Message("user", (Image(pixels), "a flat cat on a blue background"))]


@pytest.fixture(scope="module")
def plain(saved_model):
    return logits(AnyGen.from_pretrained(saved_model).model.llm)


@pytest.fixture(scope="module")
def wide_model(wide_system, tmp_path_factory):
    """The folder of a model whose LLM can be held in 4 bits on any CPU."""
    torch.manual_seed(0)
    model = MultimodalModel(load_system(str(wide_system)), wide_system.parent)
    folder = tmp_path_factory.mktemp("wide")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def plain_and_wide(wide_model):
    return logits(AnyGen.from_pretrained(wide_model).model.llm)


@pytest.mark.parametrize("named", TOLERANCE)
def test_fewer_bits_move_logits_by_no_more_than_is_documented(wide_model, plain_and_wide, named):
    field = "dtype" if "float" in named else "quant"
    found = logits(AnyGen.from_pretrained(wide_model, **{field: named}).model.llm)
    assert 0 < distance(found, plain_and_wide) < TOLERANCE[named]


def test_a_layer_that_is_wrong_is_seen(wide_model, plain_and_wide):
    llm = AnyGen.from_pretrained(wide_model, quant="nf4").model.llm
    with torch.no_grad():
        llm.base.model.norm.weight[::2] *= -1
    assert distance(logits(llm), plain_and_wide) > 2 * TOLERANCE["nf4"]


def test_layers_that_4_bits_cannot_hold_on_every_cpu_are_refused_on_each(saved_model):
    complaint = "64 inputs and of 32 outputs, and layers.0.self_attn.q_proj of .* has 32 and 32"
    with pytest.raises(ValueError, match=complaint):
        AnyGen.from_pretrained(saved_model, quant="nf4")


@pytest.mark.parametrize(("quant", "kind"), [("int8", Linear8bitLt), ("nf4", Linear4bit)])
def test_the_layers_of_the_llm_take_as_many_bytes_as_the_plan_says(wide_model, quant, kind):
    base = AnyGen.from_pretrained(wide_model, quant=quant).model.llm.base
    layers = [m for m in base.modules() if isinstance(m, kind)]
    assert len(layers) == 14  # seven in each of two; the head is tied to the table
    for layer in layers:
        state = layer.weight.quant_state.absmax if quant == "nf4" else layer.weight.SCB
        held = layer.weight.nbytes + state.nbytes
        assert held == WEIGHT_BYTES[quant](layer.out_features, layer.in_features)


@pytest.mark.parametrize("quant", ["int8", "nf4"])
def test_lora_learns_upon_few_bits_and_nothing_else_does(wide_llm, quant):
    torch.manual_seed(0)
    settings = load_system("tiny/system", [f"llm.base={wide_llm}"]).llm
    llm = LanguageModel(settings, wide_llm, ("image",), Placement(quant=quant))
    llm.prepare_training()
    before = copy.deepcopy({n: p for n, p in llm.named_parameters() if ".lora_" not in n})
    learned = [p.requires_grad_() for n, p in llm.named_parameters() if ".lora_" in n]
    optimizer = torch.optim.AdamW(learned, 0.05)
    ids = torch.arange(3, 60)
    losses = []
    for _ in range(8):
        hidden = llm.hidden(llm.embed(ids)[None])
        loss = nn.functional.cross_entropy(llm.logits(hidden)[0, :-1], ids[1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.2
    after = dict(llm.named_parameters())
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


PLACES = [
    {"offload": "model"},
    {"offload": "sequential"},
    {"device_map": "auto"},
    {
        "device_map": {
            "model.embed_tokens": "cpu",
            "model.layers.0": "cpu",
            "model.layers.1": "disk",
            "model.norm": "cpu",
            "model.rotary_emb": "cpu",
            "lm_head": "cpu",
        }
    },
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place)[:32])
def test_what_is_moved_answers_alike(saved_model, plain, question, place):
    model = AnyGen.from_pretrained(saved_model, **place)
    assert distance(logits(model.model.llm), plain) < 2e-3  # FBGEMM's weights are in half precision
    media = {"image": SampleOptions(steps=2)}
    answer = model.generate(question, max_new_tokens=2, exactly={"image": 1}, media=media)
    assert sum(isinstance(part, Image) for part in answer.parts) == 1


def test_with_model_offload_idle_decoders_are_gone_and_the_encoder_waits_at_home(saved_model):
    model = AnyGen.from_pretrained(saved_model, offload="model").model
    with model.decoders.hold("image"):
        assert model.decoders.loaded == ("image",)
    assert model.decoders.loaded == ()
    assert model.decoders.budget == 0


def test_with_sequential_offload_no_layer_of_the_llm_stays(saved_model):
    base = AnyGen.from_pretrained(saved_model, offload="sequential").model.llm.base
    layers = [p for n, p in base.named_parameters() if ".layers." in n and ".lora_" not in n]
    assert {parameter.device.type for parameter in layers} == {"meta"}  # values wait in hooks


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_an_answer_in_half_precision_has_every_medium(saved_model, question, dtype):
    model = AnyGen.from_pretrained(saved_model, dtype=dtype)
    wanted = ("image", "audio", "video")
    media = {modality: SampleOptions(steps=2) for modality in wanted}
    events = list(
        model.reply(question, max_new_tokens=2, exactly=dict.fromkeys(wanted, 1), media=media)
    )
    assert sum(isinstance(event, MediaDone) for event in events) == 3
    kinds = {n: p.dtype for n, p in model.model.named_parameters()}
    kept = {t for n, t in kinds.items() if ".vae." in n or ".vocoder." in n}
    assert kept == {torch.float32}
    others = {t for n, t in kinds.items() if ".vae." not in n and ".vocoder." not in n}
    assert others == {getattr(torch, dtype)}


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_half_precision_makes_nearly_the_same_medium(saved_model, modality):
    made = []
    for dtype in ("float32", "bfloat16"):
        decoder = AnyGen.from_pretrained(saved_model, dtype=dtype).model.decoders[modality]
        spec = decoder.condition_spec
        torch.manual_seed(0)
        condition = torch.randn(spec.tokens, spec.width).to(getattr(torch, dtype))
        [medium] = decoder.sample(
            [RenderRequest(condition, 3, SampleOptions(steps=4))], no_progress, never
        )
        name = {"image": "pixels", "audio": "samples", "video": "frames"}[modality]
        made.append(getattr(medium, name).float().flatten())
    assert torch.corrcoef(torch.stack(made))[0, 1] > 0.99


class TwoDevices(MetaTracker):
    """The meta device stands for a GPU: as there, what computes with it must be on it as well.

    On a GPU torch takes numbers and indices from the CPU, and copies; all else it refuses.
    """

    may = (aten.copy_, aten._to_copy, aten.index, aten.index_put, aten.index_put_)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [t for t in tree_iter((args, kwargs)) if isinstance(t, torch.Tensor)]
        devices = {t.device.type for t in given if t.ndim}
        if devices == {"cpu", "meta"} and func.overloadpacket not in self.may:
            raise AssertionError(f"{func} is given tensors on two devices")
        return super().__torch_dispatch__(func, types, args, kwargs)


@pytest.fixture(scope="module")
def elsewhere(tiny_system):
    """The tiny model on the meta device, ready to answer."""
    with planner(str(tiny_system), []) as found:
        model = build_on_meta(found.system, found.folder, torch.float32, Placement())
    model.eval().requires_grad_(False).llm.prepare_answering()
    return model


def test_nothing_is_made_on_another_device_while_the_llm_reads(elsewhere):
    with TwoDevices():
        assert workloads.fill_context(elsewhere.llm).last.device.type == "meta"
        elsewhere.embed_ids([3, 4, 5])


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_nothing_is_made_on_another_device_while_media_are_seen_and_made(elsewhere, modality):
    medium = workloads.MEDIA[modality]()
    decoder = elsewhere.decoders[modality]
    spec = decoder.condition_spec
    condition = torch.zeros(spec.tokens, spec.width, device="meta")
    options = SampleOptions(steps=3, negative="a dog")
    with TwoDevices(), torch.inference_mode():
        workloads.encode(elsewhere, modality)
        workloads.render(elsewhere, modality)
        decoder.sample([RenderRequest(condition, 0, options, medium, 0.6)], no_progress, never)
        decoder.encode_prompt(["a cat"])


@pytest.mark.parametrize("stage", ["encode", "decode", "instruct"])
def test_nothing_is_made_on_another_device_while_a_stage_learns(tiny_system, stage):
    with planner(str(tiny_system), []) as found:
        model = build_on_meta(found.system, found.folder, torch.float32, Placement())
    model.llm.prepare_training()
    with TwoDevices():
        workloads.TrainingStep(model, stage, rows=2, length=64).run()


def test_what_is_made_on_another_device_is_seen():
    with TwoDevices(), pytest.raises(AssertionError, match="two devices"):
        torch.zeros(3, device="meta") + torch.zeros(3)


def test_what_is_settled_keeps_its_safe_parts_wherever_they_stand(make_model):
    decoder = make_model("decoders").decoders["video"]
    settle(decoder, "cpu", torch.float16)
    assert decoder.image.vae.mean.dtype == torch.float32
    assert decoder.unet.dtype == torch.float16


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"device": "gpu"}, "'gpu' is no device; write cpu, cuda or cuda:1"),
        ({"device": "cuda:0"}, "cuda:0: this torch build .* finds no cuda device here"),
        ({"dtype": "half"}, "Input should be 'float32', 'bfloat16' or 'float16'"),
        ({"quant": "int2"}, "Input should be 'int8' or 'nf4'"),
        ({"offload": "sequential", "quant": "nf4"}, "moves plain layers: leave out quant"),
        ({"device_map": "{a"}, "is not JSON of the form"),
    ],
)
def test_what_cannot_be_is_one_sentence(saved_model, said, complaint):
    with pytest.raises(ValueError, match=complaint):
        AnyGen.from_pretrained(saved_model, **said)


def test_few_bits_without_their_library_are_refused(saved_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ValueError, match="nf4 needs the extra quant: pip install bitsandbytes"):
        Placement(quant="nf4").validate_available()


def test_torchs_own_words_are_understood():
    place = Placement(device=torch.device("cpu"), dtype=torch.bfloat16)
    assert (place.device, place.torch_dtype) == ("cpu", torch.bfloat16)
