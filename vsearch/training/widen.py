"""A codec that grows: more channels, a deeper decoder, a wider prediction network, other rates for its anchors."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsearch.errors import InputError
from vsearch.models.dyadic_layers import DyadicNetworks, DyadicShape, anchor_weights, branch_places
from vsearch.models.layers import BLOCK, N_SCALES, scale_of_index

LATENTS_A_UNIT = 2.55  # of a Karhunen-Loeve coefficient of pixels in [-0.5, 0.5]
BRANCH = "decoder.branch."
AT_ANCHORS = ("gains.", "decoder.scale.", "decoder.shift.", "prediction.rate.", "prediction.finer.")


def relocated(at: Tensor, old: Sequence[float], new: Sequence[float]) -> Tensor:
    """Values at anchors of the lambdas `old` -> at those of `new`, on straight lines over the logarithm of lambda, also
    beyond the ends. (anchors, ...) each.
    """
    rows = []
    for value in new:
        left = min(max(bisect_right(old, value) - 1, 0), len(old) - 2)
        share = math.log(value / old[left]) / math.log(old[left + 1] / old[left])
        rows.append(at[left] + (at[left + 1] - at[left]) * share)
    return torch.stack(rows)


@torch.no_grad()
def wider(state: Mapping[str, Tensor], shape: DyadicShape, more: int) -> DyadicNetworks:
    """The codec of a state dict with a group of `more` channels added, which do nothing yet (0: the codec as it is)."""
    networks = DyadicNetworks(replace(shape, groups=(*shape.groups, more)) if more else shape)
    for name, target in networks.state_dict().items():
        if name not in state:
            continue  # the coding step of the new group, and what gathers the last one for it
        source = state[name]
        if target.shape != source.shape:
            # Gains as the other channels have them on average, weights of zero.
            target.copy_(source.mean(1, keepdim=True).expand_as(target)) if "gains." in name else target.zero_()
        target[tuple(slice(0, size) for size in source.shape)] = source
    return networks


@torch.no_grad()
def deeper(networks: DyadicNetworks, depths: tuple[int, int, int]) -> DyadicNetworks:
    """The same codec with more residual blocks in its decoder, which do nothing yet. depths: see `DyadicShape`. Raises
    InputError for fewer than it has.
    """
    before, after = (branch_places(each) for each in (networks.shape.decoder_depths, depths))
    if not before.keys() <= after.keys():
        raise InputError(f"the decoder has {networks.shape.decoder_depths} residual blocks; it cannot get {depths}")
    grown = DyadicNetworks(replace(networks.shape, decoder_depths=depths))
    new_place = {place: after[what] for what, place in before.items()}
    state = {}
    for name, value in networks.state_dict().items():
        if name.startswith(BRANCH):
            place, rest = name.removeprefix(BRANCH).split(".", 1)
            name = f"{BRANCH}{new_place[int(place)]}.{rest}"
        state[name] = value
    grown.load_state_dict({**grown.state_dict(), **state})
    return grown


@torch.no_grad()
def wider_prediction(networks: DyadicNetworks, width: int) -> DyadicNetworks:
    """The same codec with a prediction network in whole numbers of more features, which nothing is made of yet. Raises
    InputError for another kind of network, or for fewer.
    """
    shape = networks.shape
    if not shape.whole or width < shape.context_width:
        raise InputError(f"a prediction network of {shape.context_width} features cannot be widened to {width}")
    grown = DyadicNetworks(replace(shape, context_width=width))
    state = grown.state_dict()
    for name, value in networks.state_dict().items():
        target = state[name]
        if target.shape[1:] != value.shape[1:]:
            target[: len(value), value.shape[1] :] = 0  # what was there sees nothing of what is new
        target[tuple(slice(0, size) for size in value.shape)] = value
    grown.load_state_dict(state)
    return grown


@torch.no_grad()
def add_channels(networks: DyadicNetworks, known: int, pixels: Tensor, quality: float) -> None:
    """Let the channels from `known` on take what the others leave of `pixels` (N, 3, H, W) at one of the rates.

    They begin as the Karhunen-Loeve basis of what is left, analysed by the linear filter of the pixels that comes
    nearest to it (least squares).
    """
    c = networks.shape.channels
    left = []
    for part in torch.split(pixels, 48):
        weights = anchor_weights(torch.full((len(part),), quality), networks.shape.anchors)
        up, down = networks.gains(weights)
        latents = (networks.encoder(part) * up).round() * down
        latents[:, known:] = 0
        left.append(_blocks(part - networks.decoder(latents, weights)))
    residual, blocks = torch.cat(left), _blocks(pixels)
    _, vectors = torch.linalg.eigh(residual.T @ residual)
    basis = vectors.flip(1)[:, : c - known]
    ridge = 1e-3 * len(blocks) * blocks.square().mean() * torch.eye(blocks.shape[1])
    analysis = torch.linalg.solve(blocks.T @ blocks + ridge, blocks.T @ (residual @ basis)) * LATENTS_A_UNIT
    coefficients = blocks @ analysis
    gram = coefficients.T @ coefficients + 1e-3 * torch.eye(c - known)
    synthesis = torch.linalg.solve(gram, coefficients.T @ residual)
    networks.encoder.linear.weight[known:] = analysis.T.float().reshape(-1, 3, BLOCK, BLOCK)
    networks.decoder.linear.weight[known:] = synthesis.float().reshape(-1, 3, BLOCK, BLOCK)


@torch.no_grad()
def expect_channels(networks: DyadicNetworks, known: int, pixels: Tensor) -> None:
    """Let the prediction network expect of the channels from `known` on, which are its last group, what they are on
    average at each anchor.
    """
    anchors = networks.shape.anchors
    last = f"steps.{len(networks.prediction.plans) - 1}.choose."
    for name, value in networks.prediction.named_parameters():
        if name.startswith(last):
            value.zero_()
    logarithms = scale_of_index(torch.arange(N_SCALES).float()).log().numpy()
    latents = networks.encoder(pixels)[:, known:]
    for anchor in range(anchors):
        up, _ = networks.gains(anchor_weights(torch.tensor([float(anchor)]), anchors))
        sizes = (latents * up[:, known:]).abs().mean((0, 2, 3)).clamp_min(0.05).log().numpy()
        index = np.interp(sizes, logarithms, np.arange(N_SCALES))
        networks.prediction.finer.at[anchor, known:] = torch.from_numpy(index).float()


def _blocks(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) -> (m, 768) float64."""
    return F.unfold(pixels, BLOCK, stride=BLOCK).transpose(1, 2).reshape(-1, 3 * BLOCK * BLOCK).double()
