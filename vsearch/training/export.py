"""Trained networks -> model folders that the program loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vsearch.models.entropy import NARROW_REACH, WIDE_REACH, laplace_tables
from vsearch.models.layers import N_SCALES, CodecShape, scale_of_index
from vsearch.models.temporal import CODEC_ID, TemporalCodec
from vsearch.models.weights import ModelFiles, write_model

NARROW_SCALES = 20


def export_codec(networks: torch.nn.Module, shape: CodecShape, folder: Path, *, training: Mapping[str, Any]) -> ModelFiles:
    """Write a trained codec as a model folder, its probability tables included. Raises LatentError when it cannot be exact."""
    tensors = {name: value.detach().cpu().float().numpy() for name, value in networks.state_dict().items()}
    scales = scale_of_index(torch.arange(N_SCALES).double()).tolist()
    tables: dict[str, Any] = {
        "tables.narrow": laplace_tables(scales[:NARROW_SCALES], NARROW_REACH),
        "tables.wide": laplace_tables(scales[NARROW_SCALES:], WIDE_REACH),
    }
    decode = {
        "codec_id": CODEC_ID,
        "groups": list(shape.groups),
        "context_width": shape.context_width,
        "encoder_widths": list(shape.encoder_widths),
        "decoder_widths": list(shape.decoder_widths),
    }
    files = write_model(
        folder, kind="codec", family="temporal", decode=decode, training=training, tensors={**_float32(tensors), **tables}
    )
    TemporalCodec(files)  # refuses weights whose rounding error cannot be bounded
    return files


def _float32(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value, np.float32) for name, value in tensors.items()}
