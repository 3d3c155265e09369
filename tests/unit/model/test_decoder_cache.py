import gc
import weakref

import pytest
import torch
from safetensors.torch import load_file, save_file

from anygen import AnyGen
from anygen.checkpoints.checkpoint import find_model, read_system
from anygen.model.decoder_cache import LazyDecoders
from anygen.model.decoder_record import read_record
from decoders.base import ConditionSpec

MODALITIES = ("image", "audio", "video")


@pytest.fixture
def open_shelf(saved_model):
    """Opens the shelf of the saved model, as `from_pretrained` does."""
    recorded = read_record(saved_model)

    def open_it(budget=None, folder=saved_model, record=recorded):
        described, weights = read_system(saved_model).decoders, folder / "model.safetensors"
        return LazyDecoders(described, saved_model, [weights], budget, record=record).eval()

    return open_it


@pytest.fixture
def sizes(open_shelf):
    shelf = open_shelf()
    return {modality: shelf.size([modality]) for modality in shelf}


def state(decoder):
    """Every tensor, those that no file has as well."""
    named = {**dict(decoder.named_parameters()), **dict(decoder.named_buffers())}
    return {name: tensor.clone() for name, tensor in named.items()}


def same(left, right):
    return left.keys() == right.keys() and all(left[n].equal(right[n]) for n in left)


def change(saved_model, tmp_path, edit):
    """A copy of the weights after `edit`."""
    tensors = load_file(saved_model / "model.safetensors")
    edit(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


def test_nothing_is_loaded_before_it_is_wanted(open_shelf):
    shelf = open_shelf()
    assert shelf.modalities == tuple(shelf) == MODALITIES
    assert shelf.spec("audio") == shelf["audio"].condition_spec
    assert shelf.loaded == ("audio",)


def test_a_model_opens_without_its_decoders(saved_model):
    model = AnyGen.from_pretrained(saved_model).model
    assert model.decoders.loaded == ()
    assert set(model.output_projectors) == set(MODALITIES)
    decoder = model.decoders["image"]
    assert decoder is model.decoders.image  # a sub-module from now on
    assert not decoder.training
    assert not any(parameter.requires_grad for parameter in decoder.parameters())


def test_what_is_loaded_is_what_was_saved(open_shelf, make_model):
    saved, shelf = make_model(), open_shelf()
    for modality in MODALITIES:
        stored = saved.decoders[modality].state_dict()
        expected = {
            name: tensor.bfloat16().to(tensor.dtype) if name in stored else tensor
            for name, tensor in state(saved.decoders[modality]).items()
        }
        assert same(expected, state(shelf[modality]))


def test_a_decoder_that_extends_another_is_given_the_same_one(open_shelf):
    shelf = open_shelf()
    assert shelf["video"].image is shelf["image"]
    assert shelf.loaded == ("image", "video")


def test_the_least_recently_used_goes_first(open_shelf, sizes):
    shelf = open_shelf(budget=sizes["image"] + sizes["audio"])
    shelf["image"], shelf["audio"], shelf["image"]
    shelf["video"]
    assert shelf.loaded == ("image", "video")
    shelf["audio"]
    assert shelf.loaded == ("image", "audio")  # the video went; its picture could stay


@pytest.mark.slow
@pytest.mark.parametrize("share", [0, 0.6, 0.9])
def test_the_budget_holds_whatever_is_used(open_shelf, sizes, share):
    shelf = open_shelf(budget=int(share * sum(sizes.values())))
    for modality in (*MODALITIES, *MODALITIES):
        with shelf.hold(modality):
            assert modality in shelf.loaded
        assert shelf.size(shelf.loaded) <= shelf.budget


def test_what_is_dropped_is_freed(open_shelf, sizes):
    shelf = open_shelf(budget=sizes["image"] + sizes["video"])
    gone = weakref.ref(shelf["video"].unet)
    shelf["audio"]
    assert "video" not in shelf.loaded
    gc.collect()
    assert gone() is None


def test_a_decoder_in_use_is_not_dropped(open_shelf):
    shelf = open_shelf(budget=0)
    with shelf.hold("audio"):
        before = shelf["audio"]
        with shelf.hold("video"):
            assert shelf.loaded == MODALITIES
        assert shelf.loaded == ("audio",)
        assert shelf["audio"] is before
    assert shelf.loaded == ()


def test_dropping_what_another_shares_would_free_nothing(open_shelf, sizes):
    shelf = open_shelf(budget=sizes["image"] + sizes["audio"])
    shelf["image"], shelf["video"]
    shelf["audio"]  # the image was used first, and yet
    assert shelf.loaded == ("image", "audio")


def test_loading_again_gives_the_same_bytes(open_shelf):
    shelf = open_shelf(budget=0)
    for modality in MODALITIES:
        with shelf.hold(modality):
            first = state(shelf[modality])
        assert modality not in shelf.loaded
        assert same(first, state(shelf[modality]))


def test_loading_changes_no_random_numbers_and_works_in_inference_mode(open_shelf):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with torch.inference_mode():
        decoder = open_shelf()["image"]
    assert torch.rand(3).equal(expected)
    assert not any(parameter.is_inference() for parameter in decoder.parameters())


def test_a_decoder_loads_to_where_the_model_went(open_shelf):
    assert open_shelf().double()["image"].vae.mean.dtype == torch.float64


def test_keys_that_do_not_fit_are_named_when_the_model_is_opened(saved_model, tmp_path, open_shelf):
    def edit(tensors):
        del tensors["decoders.audio.vae.mean"]
        tensors["decoders.image.vae.std"] = torch.ones(9)
        tensors["decoders.smell.weight"] = torch.ones(1)

    with pytest.raises(ValueError, match="do not fit the model") as refused:
        open_shelf(folder=change(saved_model, tmp_path, edit))
    assert str(refused.value).splitlines()[1:] == [
        "  unexpected: decoders.smell.weight",
        "  shape: decoders.image.vae.std is (9,), the model has (4,)",
        "  missing: decoders.audio.vae.mean",
    ]


def test_a_saved_model_records_the_conditions_of_its_decoders(saved_model, make_model):
    built = make_model("decoders").decoders
    record = read_record(saved_model)
    assert record == built.record
    assert record.conditions == {m: built[m].condition_spec for m in MODALITIES}


def test_a_folder_without_a_record_opens_by_building_its_decoders(open_shelf):
    shelf, built = open_shelf(), open_shelf(record=None)
    assert [built.spec(m) for m in MODALITIES] == [shelf.spec(m) for m in MODALITIES]
    assert built.record == shelf.record


def test_mini_opens_by_its_record():
    folder = find_model("mini")
    weights, record = folder / "model.safetensors", read_record(folder)
    shelf = LazyDecoders(read_system(folder).decoders, folder, [weights], record=record)
    assert shelf.recorded(record) == record.conditions


def test_a_decoder_that_takes_another_condition_than_recorded_is_refused(open_shelf, saved_model):
    record = read_record(saved_model)
    conditions = {**record.conditions, "audio": ConditionSpec(tokens=9, width=9)}
    shelf = open_shelf(record=record.model_copy(update={"conditions": conditions}))
    assert shelf["image"].condition_spec == shelf.spec("image")
    with pytest.raises(ValueError, match=r"decoders.audio: its condition is .* saved when it was"):
        shelf["audio"]


def test_a_file_that_is_written_anew_changes_no_open_model(saved_model, tmp_path, open_shelf):
    folder = change(saved_model, tmp_path, lambda tensors: None)
    shelf = open_shelf(folder=folder)
    newer = tmp_path / "newer.safetensors"
    save_file({"a": torch.ones(1)}, newer)
    newer.replace(folder / "model.safetensors")
    assert same(state(shelf["image"]), state(open_shelf()["image"]))


def test_a_model_whose_decoders_are_not_loaded_is_saved_whole(saved_model, tmp_path):
    model = AnyGen.from_pretrained(saved_model, decoder_memory=0).model
    model.save_pretrained(tmp_path)
    saved, copy = (load_file(f / "model.safetensors") for f in (saved_model, tmp_path))
    assert same(saved, copy)
    assert model.decoders.loaded == ()


def test_new_decoders_are_there_at_once_and_stay(make_model):
    shelf = make_model("decoders").decoders
    assert shelf.loaded == MODALITIES
    first = shelf["audio"]
    with shelf.hold("audio", "video"):
        pass
    assert shelf["audio"] is first
    assert all(parameter.requires_grad for parameter in shelf.parameters())


def test_a_decoder_that_the_system_lacks_is_missing_as_in_any_mapping(open_shelf):
    shelf = open_shelf()
    assert "smell" not in shelf
    assert shelf.get("smell") is None
    with pytest.raises(KeyError):
        shelf["smell"]
