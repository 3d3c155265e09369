import pytest

from decoders.parts.caption_encoder import CaptionEncoder


def test_a_tokenizer_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "captions.json"
    with pytest.raises(ValueError, match=f"tokenizer: there is no file {path}; copy it beside"):
        CaptionEncoder(path, 8, {})
