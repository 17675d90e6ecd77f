"""Trained networks -> model folders that the program loads."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vsearch.models import load_codec
from vsearch.models.entropy import NARROW_REACH, WIDE_REACH, laplace_tables
from vsearch.models.head import GemHead, HeadShape
from vsearch.models.layers import N_SCALES, CodecShape, scale_of_index
from vsearch.models.temporal import CODEC_ID, TemporalCodec
from vsearch.models.weights import ModelFiles, write_model
from vsearch.training.background import background_vectors
from vsearch.training.data import PackedFrames
from vsearch.training.embedding import HeadRecipe
from vsearch.training.excerpts import library_frames, videos_of
from vsearch.training.floor import measure_floor

NARROW_SCALES = 20
REDUCED_VIDEOS = 16  # of the training's, on which bfloat16 is tried
REDUCED_ALIKE = 0.999  # the least cosine with vectors in float32 that heads have which compute in it


def export_codec(
    networks: torch.nn.Module, shape: CodecShape, folder: Path, *, training: Mapping[str, Any]
) -> ModelFiles:
    """Write a trained codec as a model folder, its probability tables included. Raises LatentError when it cannot be
    exact.
    """
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
        folder,
        kind="codec",
        family="temporal",
        decode=decode,
        training=training,
        tensors={**_float32(tensors), **tables},
    )
    TemporalCodec(files)  # refuses weights whose rounding error cannot be bounded
    return files


def _float32(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value, np.float32) for name, value in tensors.items()}


def export_head(
    network: torch.nn.Module, shape: HeadShape, folder: Path, *, recipe: HeadRecipe, training: Mapping[str, Any]
) -> ModelFiles:
    """Write a trained head as a model folder, with background frames, and the similarity floor measured on the recipe's
    own training videos.
    """
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    codec = ModelFiles.read(Path(recipe.codec))
    scale = codec.numpy().get("levels.down")
    if scale is not None:
        tensors["latents.scale"] = scale
    decode = {**asdict(shape), "latents_of": codec.model_id}
    weights = _float32(tensors)
    head = GemHead(write_model(folder, kind="head", family="gem", decode=decode, training=training, tensors=weights))
    return write_model(
        folder,
        kind="head",
        family="gem",
        decode=decode,
        search={
            "floor": measure_floor(head, recipe),
            "plain_queries": recipe.stored,
            "bfloat16": bears_bfloat16(head, recipe),
        },
        training=training,
        tensors={**weights, "background": background_vectors(head, recipe)},
    )


def bears_bfloat16(head: GemHead, recipe: HeadRecipe) -> bool:
    """Whether the vectors of some training videos keep a cosine of `REDUCED_ALIKE` or more with those in float32 when
    the head, which is left in float32, computes in bfloat16.
    """
    codec = load_codec(Path(recipe.codec))
    packed = PackedFrames(Path(recipe.frames))
    alike = 1.0
    for entry in videos_of(packed)[:REDUCED_VIDEOS]:
        latents = codec.nearest(library_frames(packed, entry)[0])
        head.reduced = True
        reduced = head.embed(latents)
        head.reduced = False
        alike = min(alike, float((reduced * head.embed(latents)).sum(axis=1).min()))
    return alike >= REDUCED_ALIKE


def training_notes(recipe: Any, run: Path, *, start: ModelFiles | None = None) -> dict[str, Any]:
    """What a model card says of a run: the recipe, the last validation row, and which model it began with."""
    notes: dict[str, Any] = {"recipe": asdict(recipe), "torch": torch.__version__}
    for name in ("frames", "codec", "start", "first"):
        notes["recipe"].pop(name, None)  # paths of the machine that trained it tell nobody anything
    if start:
        notes["began_with"] = start.model_id
    with (run / "log.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "validation"]
    if rows:
        notes["validation"] = {k: float(v) for k, v in rows[-1].items() if k not in ("split", "seconds")}
    return notes
