"""Small untrained models: real networks of the shipped families, a few kilobytes of seeded weights."""

from __future__ import annotations

from pathlib import Path

import torch

from vsearch.models.head import GemHead, HeadNetwork, HeadShape
from vsearch.models.layers import CodecShape
from vsearch.models.temporal import TemporalCodec
from vsearch.models.weights import write_model
from vsearch.training.codec import CodecNetworks
from vsearch.training.export import export_codec

SMALL = CodecShape(groups=(2, 3, 5), context_width=8, encoder_widths=(8, 8, 8), decoder_widths=(8, 8, 8))


def small_networks(seed: int = 0) -> CodecNetworks:
    """Untrained networks whose every weight is random, the table choices spread over all scales."""
    torch.manual_seed(seed)
    networks = CodecNetworks(SMALL)
    with torch.no_grad():
        networks.encoder.linear.weight.normal_(std=0.2)
        for step in networks.context.steps:
            for name, parameter in step.named_parameters():
                if name == "choose.weight":
                    parameter.normal_(std=0.5)
                elif "previous" in name or "same" in name:
                    parameter.normal_(std=0.2)
    return networks


def small_codec(folder: Path, seed: int = 0) -> TemporalCodec:
    """A codec in `folder`, ready to load."""
    return TemporalCodec(export_codec(small_networks(seed), SMALL, folder, training={}))


def small_head(folder: Path) -> GemHead:
    """A head for the small codec's latents."""
    torch.manual_seed(1)
    shape = HeadShape(channels=SMALL.channels, width=8, deep_width=8, d=16)
    tensors = {name: value.numpy() for name, value in HeadNetwork(shape).state_dict().items()}
    decode = {"channels": shape.channels, "width": shape.width, "deep_width": shape.deep_width, "d": shape.d}
    return GemHead(write_model(folder, kind="head", family="gem", decode=decode, training={}, tensors=tensors))
