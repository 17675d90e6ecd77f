"""Videos and photographs -> the packed cache that trainings read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.config import ReadConfig
from vsearch.errors import InputError, MediaError
from vsearch.media import open_video
from vsearch.media.sampling import SamplingGrid
from vsearch.media.source import SourceFile
from vsearch.training.data import PackWriter


@dataclass(frozen=True, slots=True)
class PackRecipe:
    """What to pack. `parts` are folders of `corpus`; `<part>.jsonl` beside one says which sources belong together.

    Frames keep their stored size up to `max_side` pixels on the longer side.
    """

    corpus: str
    parts: tuple[str, ...] = (".",)
    fps: float = 5.0
    max_side: int = 720


def pack_sources(recipe: PackRecipe, output: Path) -> int:
    """Decode every readable source into the cache at `output`; how many it holds. Raises InputError when none is
    readable.
    """
    writer = PackWriter(output)
    packed = 0
    try:
        for path, facts in sources(recipe):
            try:
                frames, still = read_frames(path, recipe)
            except MediaError:
                continue
            name = str(facts.get("group") or facts.get("repo") or path.parent)
            scene = str(facts.get("scene") or name)
            writer.add(file=path.name, group=name, scene=scene, fps=0.0 if still else recipe.fps, frames=frames)
            packed += 1
    finally:
        writer.close()
    if not packed:
        raise InputError(f"{recipe.corpus}: no readable video or photograph in {', '.join(recipe.parts)}")
    return packed


def sources(recipe: PackRecipe) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every file of the parts, in order, with what its manifest line says."""
    corpus = Path(recipe.corpus)
    for part in recipe.parts:
        manifest = corpus / f"{part}.jsonl"
        facts: dict[str, dict[str, Any]] = {}
        if manifest.is_file():
            for line in manifest.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                facts[Path(row["file"]).name] = row
        folder = corpus / part
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        for path in sorted(folder.iterdir()):
            if path.is_file():
                yield path, facts.get(path.name, {})


def read_frames(path: Path, recipe: PackRecipe) -> tuple[NDArray[np.uint8], bool]:
    """(T, 3, H, W) uint8 at the recipe's rate, and whether the file is a still. Raises MediaError."""
    config = ReadConfig(fps=Fraction(recipe.fps))
    with SourceFile(os.fsencode(path)) as source, open_video(source, config) as reader:
        info = reader.info
        height, width = info.height, info.width
        if info.rotation in (90, 270):
            height, width = width, height
        shrink = min(1.0, recipe.max_side / max(height, width))
        size = (max(16, round(height * shrink)), max(16, round(width * shrink)))
        grid = SamplingGrid(reader.first_pts, Fraction(recipe.fps), info.time_base)
        pictures = [frame.picture(size) for frame in reader.frames() if info.still or grid.takes(frame.pts)]
    if not pictures:
        raise MediaError(f"{path}: no decodable picture")
    return np.stack(pictures), info.still
