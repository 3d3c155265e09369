import torch

from decoders.parts.latent_diffusion import clean_latents
from support.tiny_decoders import plug


@torch.no_grad()
def clean_frames(*, still_background):
    """What an untrained decoder predicts of noise, without the noise: (2, C, frames, h, w)."""
    torch.manual_seed(0)
    image = plug("stable_diffusion", {})
    decoder = plug("animatediff", {"image": image}, still_background=still_background).eval()
    noisy = torch.randn(2, *decoder.latent_shape, generator=torch.Generator().manual_seed(1))
    timesteps = torch.tensor([100, 900])
    condition = decoder.encode_prompt(["a cat moving left", "a spinning star"])
    predicted = decoder.predict(noisy, timesteps, condition)
    return clean_latents(decoder.scheduler, noisy, predicted, timesteps)


def backgrounds(frames):
    """(2, C, frames)."""
    sides = (frames[..., 0, :], frames[..., -1, :], frames[..., 0], frames[..., -1])
    return torch.cat(sides, -1).median(-1).values


def test_frames_agree_on_a_still_background_and_on_nothing_else():
    own, still = (clean_frames(still_background=value) for value in (False, True))
    shared = backgrounds(own).mean(2, keepdim=True)
    assert (backgrounds(own) - shared).abs().max() > 0.1
    torch.testing.assert_close(backgrounds(still), shared.expand(-1, -1, 4), atol=1e-4, rtol=0)
    moved = still - own  # the same everywhere in a frame: no shape changes
    torch.testing.assert_close(moved, moved[..., :1, :1].expand_as(moved), atol=1e-4, rtol=0)


def test_rows_of_a_batch_do_not_share_their_backgrounds():
    first, second = backgrounds(clean_frames(still_background=True))
    assert (first.mean(1) - second.mean(1)).abs().max() > 0.1
