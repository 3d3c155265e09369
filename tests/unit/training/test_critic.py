"""The critic prefers crisp pictures, and its two opponents learn from each other."""

import pytest
import torch
import torch.nn.functional as F

from anygen.training.critic import ADVERSE_SHARE, Critic, FeatureDistance
from encoders.parts.vision import Vision


@pytest.fixture(scope="module")
def trunk():
    return Vision("tiny", 1, None).trunk


def noise(count=2):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_picture_is_at_no_distance_from_itself_and_far_from_its_blurred_copy(trunk):
    true = noise()
    blurred = F.avg_pool2d(true, 3, 1, 1)
    distance = FeatureDistance(trunk)
    assert distance(true, true).tolist() == [0, 0]
    assert (distance(blurred, true) > distance(0.9 * true + 0.1 * blurred, true)).all()


def test_features_are_those_before_the_resolution_halves(trunk):
    shapes = [features.shape[-1] for features in FeatureDistance(trunk).features(noise())]
    assert shapes == [8]  # of 32 pixels: the stem and the first block halve it, the next would
    assert not any(p.requires_grad for p in FeatureDistance(trunk).parameters())


def test_the_discriminator_pulls_with_a_fixed_share_of_the_pixels_gradient(trunk):
    true, drawn = noise(), torch.zeros(2, 3, 32, 32, requires_grad=True)
    [pixels] = torch.autograd.grad((drawn - true).abs().mean(), drawn)
    terms = Critic(trunk).losses(drawn, true, adverse=True)
    [adverse] = torch.autograd.grad(terms["adverse"].mean(), drawn)
    assert adverse.norm().item() == pytest.approx(ADVERSE_SHARE * pixels.norm().item(), rel=1e-3)


def test_the_discriminator_learns_to_tell_true_from_drawn_and_the_drawn_does_not_help_it(trunk):
    torch.manual_seed(0)
    critic, true = Critic(trunk), noise(4)
    drawn = F.avg_pool2d(true, 3, 1, 1).requires_grad_()
    optimizer = torch.optim.Adam(critic.discriminator.parameters(), 0.01)
    losses = []
    for _ in range(10):
        loss = critic.losses(drawn, true, adverse=True)["discriminator"].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert drawn.grad is None


def test_without_the_discriminator_there_are_features_alone(trunk):
    assert Critic(trunk).losses(noise(), noise(), adverse=False).keys() == {"features"}
