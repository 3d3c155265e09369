import pytest

from anygen.io.pretrained import reading


@pytest.mark.parametrize("source", ["gpt2", "openai-community/gpt2", "lmsys/vicuna-7b-v1.5"])
def test_an_id_of_the_hub_may_have_no_owner(source):
    with reading("model", source):
        pass


@pytest.mark.parametrize("source", ["/nowhere", "./nowhere", "a/b/c", "two words", ""])
def test_what_is_neither_a_folder_nor_an_id_is_refused(source):
    message = "give a folder or a Hugging Face id"
    with pytest.raises(ValueError, match=message), reading("model", source):
        pass
