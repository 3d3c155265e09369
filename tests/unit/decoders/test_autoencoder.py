"""The VAE of pictures: what its encoder sees, and what its decoder draws."""

import pytest
import torch
import torch.nn.functional as F

from decoders.parts.autoencoder import new_autoencoder

ENCODER = {
    "block_out_channels": [16],
    "down_block_types": ["DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D"],
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "mid_block_add_attention": False,
}
DECODER = {
    "block_out_channels": [8, 16],
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 0,
    "norm_num_groups": 4,
    "mid_block_add_attention": False,
}


def generator():
    return torch.Generator().manual_seed(0)


def pictures(side):
    return torch.rand(2, 3, side, side, generator=generator()) * 2 - 1


@pytest.mark.parametrize("decoder", [None, DECODER])
def test_pictures_of_twice_the_side_have_the_latents_of_their_halves(decoder):
    old = new_autoencoder(3, 4, 2, ENCODER)
    new = new_autoencoder(3, 4, 2, ENCODER, pool=2, decoder=decoder)
    for part in ("encoder", "quant_conv"):
        getattr(new.kl, part).load_state_dict(getattr(old.kl, part).state_dict())
    large = pictures(32)
    with torch.no_grad():
        latents = new.encode(large)
        assert torch.equal(latents, old.encode(F.avg_pool2d(large, 2)))
        assert latents.shape == (2, 16, 2, 2)
        assert new.decode(latents).shape == large.shape
        assert old.decode(latents).shape == (2, 3, 16, 16)
    assert (new.factor, old.factor) == (16, 8)


def test_a_decoder_of_its_own_has_as_many_weights_as_its_settings_say():
    new = new_autoencoder(3, 4, 2, ENCODER, pool=2, decoder=DECODER)
    assert new.kl.decoder.conv_out.weight.shape == (48, 8, 3, 3)  # a cell has 4 x 4 pixels
    assert new.kl.encoder.conv_in.weight.shape == (16, 48, 3, 3)


def test_a_decoder_that_cannot_reach_the_size_is_refused():
    deep = DECODER | {"block_out_channels": [4] * 5, "up_block_types": ["UpDecoderBlock2D"] * 5}
    with pytest.raises(ValueError, match=r"vae_decoder.*divides patch times pool, 8"):
        new_autoencoder(3, 4, 2, ENCODER, pool=2, decoder=deep)


def test_encoder_and_decoder_learn_together():
    vae = new_autoencoder(3, 4, 2, ENCODER, pool=2, decoder=DECODER)
    vae.loss(pictures(32), generator()).mean().backward()
    silent = [name for name, p in vae.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
