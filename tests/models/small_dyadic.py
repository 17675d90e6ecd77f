"""A second codec that is real and tiny, with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_layers import LEVELS, DyadicNetworks, DyadicShape
from vsearch.models.dyadic_reader import Layout
from vsearch.models.motion import BLOCK_VALUES
from vsearch.training.dyadic import export_dyadic

SMALL = DyadicShape(
    groups=(4, 4, 4, 4), context_width=8, predicted=8, encoder_widths=(8, 8, 8), decoder_widths=(8, 8, 8)
)
WHOLE = replace(SMALL, whole=True, spread=True, layers=2)
CODED = replace(WHOLE, layout=Layout(coded_palettes=True))
TIERS = {"low": 8, "default": 20, "high": 40}


def small_networks(seed: int = 1, shape: DyadicShape = SMALL) -> DyadicNetworks:
    """Networks whose encoder sees block means and gradients, and whose tables are of every kind."""
    torch.manual_seed(seed)
    networks = DyadicNetworks(shape)
    with torch.no_grad():
        ramp = torch.linspace(-0.5, 0.5, 16)
        networks.encoder.linear.weight.mul_(0.2)
        networks.encoder.linear.weight[0] = 1 / 64
        networks.encoder.linear.weight[1] = ramp[:, None] / 16
        networks.encoder.linear.weight[2] = ramp[None, :] / 16
        networks.decoder.linear.weight.mul_(0.1)
        for step in networks.prediction.steps:
            step.choose.weight.mul_(30)
        networks.gains.up.at.copy_(torch.linspace(-0.5, 1.5, SMALL.anchors)[:, None].expand(-1, SMALL.channels))
        networks.gains.down.at.copy_(-networks.gains.up.at)
    return networks


def small_dyadic(folder: Path, seed: int = 1, shape: DyadicShape = SMALL) -> DyadicCodec:
    rng = np.random.default_rng(seed)
    maps = (
        rng.normal(0, 2, (SMALL.channels, BLOCK_VALUES)).astype(np.float32),
        rng.normal(0, 0.02, (BLOCK_VALUES, SMALL.channels)).astype(np.float32),
    )
    costs = np.full((LEVELS, SMALL.channels), 6.0, np.float32)
    networks = small_networks(seed, shape)
    return DyadicCodec(export_dyadic(networks, folder, maps=maps, costs=costs, tiers=TIERS, training={}))
