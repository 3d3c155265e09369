"""The VAE of pictures: what its encoder sees, and what its decoder draws."""

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


def generator():
    return torch.Generator().manual_seed(0)


def pictures(side):
    return torch.rand(2, 3, side, side, generator=generator()) * 2 - 1


def test_an_untrained_enlarger_adds_nothing_to_the_pictures_of_the_small_autoencoder():
    old, new = new_autoencoder(3, 4, 2, ENCODER), new_autoencoder(3, 4, 2, ENCODER, enlarge=2)
    new.load_state_dict(old.state_dict(), strict=False)
    large = pictures(32)
    with torch.no_grad():
        latents = new.encode(large)
        assert latents.shape == (2, 16, 2, 2)
        assert torch.equal(latents, old.encode(F.avg_pool2d(large, 2)))
        bicubic = F.interpolate(old.decode(latents), scale_factor=2, mode="bicubic")
        assert torch.equal(new.decode(latents), bicubic)
    assert (new.factor, old.factor) == (16, 8)


def test_a_small_autoencoder_has_no_weights_for_an_enlarger():
    names = new_autoencoder(3, 4, 2, ENCODER).state_dict()
    assert not [name for name in names if name.startswith("enlarger")]


def test_encoder_decoder_and_enlarger_learn_together():
    vae = new_autoencoder(3, 4, 2, ENCODER, enlarge=2)
    torch.nn.init.normal_(vae.enlarger.layers[-1].weight, std=0.1)
    vae.loss(pictures(32), generator()).mean().backward()
    silent = [name for name, p in vae.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
