"""Codecs that get more channels: nothing is lost by it, and what the others left of pictures is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.small_dyadic import SMALL, WHOLE, small_dyadic, small_networks
from tests.training.packs import write_pack
from tests.videos import scene_frames
from vsearch.errors import InputError
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_layers import DyadicNetworks, anchor_weights
from vsearch.models.weights import ModelFiles
from vsearch.training import train_codec
from vsearch.training.chunks import as_pixels
from vsearch.training.dyadic import networks_state
from vsearch.training.transform import TransformRecipe, taken_over
from vsearch.training.widen import add_channels, deeper, expect_channels, relocated, wider, wider_prediction


def shown_mse(networks: DyadicNetworks, pixels: torch.Tensor, quality: float) -> float:
    weights = anchor_weights(torch.full((len(pixels),), quality), networks.shape.anchors)
    with torch.no_grad():
        up, down = networks.gains(weights)
        shown = networks.decoder((networks.encoder(pixels) * up).round() * down, weights)
    return float((shown - pixels).square().mean()) * 255**2


@pytest.fixture
def pixels() -> torch.Tensor:
    return as_pixels(np.stack([frame for seed in range(8) for frame in scene_frames(seed, 4, (64, 96))]))


def test_a_codec_with_more_channels_shows_the_same_until_they_are_given_something_to_do(pixels: torch.Tensor) -> None:
    old = small_networks()
    new = wider(old.state_dict(), SMALL, 6)
    assert new.shape.groups == (*SMALL.groups, 6)
    weights = anchor_weights(torch.full((len(pixels),), 1.3), 4)
    with torch.no_grad():
        latents = old.encoder(pixels)
        assert torch.allclose(new.encoder(pixels)[:, : SMALL.channels], latents, atol=1e-6)
        more = torch.cat([latents, torch.randn(len(latents), 6, *latents.shape[2:])], 1)
        assert torch.allclose(new.decoder(more, weights), old.decoder(latents, weights), atol=1e-6)
        flags = torch.zeros(len(latents), 4, *latents.shape[2:])
        means, scales = new.prediction(more, torch.zeros_like(more), flags, weights)
        before = old.prediction(latents, torch.zeros_like(latents), flags, weights)
    assert torch.allclose(means[:, : SMALL.channels], before[0], atol=1e-6)
    assert torch.allclose(scales[:, : SMALL.channels], before[1], atol=1e-6)


def test_a_deeper_decoder_shows_the_same_until_it_is_trained(pixels: torch.Tensor) -> None:
    old = small_networks()
    with torch.no_grad():
        for name, parameter in old.decoder.named_parameters():
            if "branch" in name:
                parameter.normal_(0, 0.2)  # so that every block does something
    new = deeper(deeper(old, (2, 2, 0)), (4, 2, 3))
    assert new.shape.decoder_depths == (4, 2, 3)
    weights = anchor_weights(torch.full((len(pixels),), 1.3), 4)
    with torch.no_grad():
        latents = old.encoder(pixels)
        before, after = old.decoder(latents, weights), new.decoder(latents, weights)
    assert torch.allclose(before, after, atol=1e-5)
    assert not torch.allclose(before, old.decoder.linear(latents), atol=1e-2)
    with pytest.raises(InputError, match="cannot get"):
        deeper(new, (4, 1, 3))


def test_a_wider_prediction_network_chooses_the_same_until_it_is_trained(pixels: torch.Tensor) -> None:
    old = small_networks(shape=WHOLE)
    with torch.no_grad():
        for name, parameter in old.prediction.named_parameters():
            if name.endswith(("trust", ".at", "bias", "from_neighbours.weight")):
                parameter.normal_()  # not what networks begin with
    new = wider_prediction(old, 12)
    assert new.shape.context_width == 12
    weights = anchor_weights(torch.full((len(pixels),), 1.3), 4)
    with torch.no_grad():
        latents = old.encoder(pixels).round()
        flags = torch.ones(len(latents), 4, *latents.shape[2:])
        inputs = (latents, latents.roll(1, 0), flags, weights, latents.abs())
        for before, after in zip(old.prediction.as_read(*inputs), new.prediction.as_read(*inputs), strict=True):
            assert torch.equal(before, after)
    new.prediction.as_read(*inputs)[1].sum().backward()
    learns = new.prediction.steps[0].choose.weight.grad
    assert bool(learns[:, 8:].any())  # what is new can be made use of
    for unfit in (old, small_networks()):
        with pytest.raises(InputError, match="cannot be widened to 4"):
            wider_prediction(unfit, 4)
    with pytest.raises(InputError, match="cannot be widened to 12"):
        wider_prediction(small_networks(), 12)


def test_new_channels_show_what_the_others_left(pixels: torch.Tensor) -> None:
    networks = wider(small_networks().state_dict(), SMALL, 24)
    before = shown_mse(networks, pixels, 3.0)
    add_channels(networks, SMALL.channels, pixels, 3.0)
    assert shown_mse(networks, pixels, 3.0) < 0.7 * before


def test_the_prediction_network_expects_larger_numbers_at_finer_rates(pixels: torch.Tensor) -> None:
    networks = wider(small_networks().state_dict(), SMALL, 6)
    add_channels(networks, SMALL.channels, pixels, 3.0)
    expect_channels(networks, SMALL.channels, pixels)
    finer = networks.prediction.finer.at[:, SMALL.channels :]
    assert (finer[1:] >= finer[:-1]).all()
    assert (finer[-1] > finer[0]).all()


def test_values_at_anchors_are_relocated_along_straight_lines_over_log_lambda() -> None:
    old, new = (1e-4, 1e-3, 1e-2, 1e-1), (1e-4, 10**-3.5, 1e-2, 1.0)
    at = torch.stack([torch.tensor([x, 2.0 * x]) for x in (0.0, 1.0, 2.0, 3.0)])
    assert torch.allclose(relocated(at, old, new), torch.tensor([[0.0, 0.0], [0.5, 1.0], [2.0, 4.0], [4.0, 8.0]]))
    assert torch.allclose(relocated(at, old, old), at)


def test_a_second_codec_is_trained_further_with_more_channels_and_other_rates(tmp_path: Path) -> None:
    small_dyadic(tmp_path / "start")
    card = json.loads((tmp_path / "start" / "model.json").read_text())
    card["training"] = {"pixel_networks": {"lambdas": [0.0005, 0.001, 0.003, 0.005]}}  # where older cards have it
    (tmp_path / "start" / "model.json").write_text(json.dumps(card))
    pack = write_pack(tmp_path / "pack", videos=4, photos=3)
    recipe = tmp_path / "recipe.toml"
    lambdas = [0.0005, 0.002, 0.006, 0.02]
    recipe.write_text(
        f"[dyadic]\nframes = {json.dumps(str(pack))}\nsteps = 2\nbatch = 1\nside = 64\nthreads = 1\nwiden = 6\n"
        f"lambdas = {lambdas}\n[prediction]\nsteps = [2]\nlearning_rates = [1e-3]\npolish_steps = 0\n"
    )
    folder = train_codec(recipe, tmp_path / "run", start=tmp_path / "start")
    codec = DyadicCodec.load(folder)
    assert codec.shape.groups == (*SMALL.groups, 6)
    frames = np.stack(list(scene_frames(3, 5, (64, 96))))
    for level in (0, 48):
        latents = codec.encode(frames, level=level)
        assert np.array_equal(codec.unpack(codec.pack(latents)).values, latents.values)
    files = ModelFiles.read(folder)
    assert files.training["lambdas"] == lambdas
    start = ModelFiles.read(tmp_path / "start")
    began = taken_over(start, TransformRecipe(frames="", steps=1, lambdas=tuple(lambdas))).codec.gains.up.at
    assert torch.allclose(began[0], networks_state(start)["gains.up.at"][0], atol=1e-6)
    assert (began[3] > networks_state(start)["gains.up.at"][3]).all()
    # Trained further by a recipe of other rates, its gains are taken along.
    recipe_again = TransformRecipe(frames="", steps=1, lambdas=tuple(lambdas))
    ours = taken_over(files, recipe_again).codec.gains.up.at
    moved = taken_over(files, TransformRecipe(frames="", steps=1, lambdas=(0.0005, 0.002, 0.006, 0.03))).codec
    assert torch.allclose(moved.gains.up.at[:3], ours[:3], atol=1e-6)
    assert not torch.equal(moved.gains.up.at[3], ours[3])
