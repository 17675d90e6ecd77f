"""Latents as a library stores them: what the head is to recognise, with all that a writer does to save bytes.

A writer does not round: it chooses integers that are cheap, keeps still what hardly moves, and codes some frames more
coarsely than others. Every packed frame is encoded once, as one of a sequence of about a frame a second.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.models.dyadic import DyadicCodec
from vsearch.models.weights import ModelFiles
from vsearch.progress import Progress, SilentProgress
from vsearch.records import CHUNK_FRAMES, Latents
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.excerpts import library_picture

DEFAULT_SHARE = 0.5  # of the sequences are coded at the default tier, the others at the lowest or highest


def stored_name(packed: PackedFrames, codec: Path) -> str:
    """What a folder of stored latents is called: others of another codec, or of other frames."""
    told = [[entry.file, list(entry.shape), entry.fps] for entry in packed.entries]
    digest = hashlib.blake2b(json.dumps([ModelFiles.read(codec).model_id, told]).encode(), digest_size=6)
    return f"stored-{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class StoredLatents:
    """A folder with the latents of every packed source: NUMBER.npy (T, C, h, w) int8 by its place among the packed
    entries, and NUMBER.levels.npy (T,) uint8. Values that int8 does not hold are cut off.
    """

    folder: Path

    def at(self, number: int, frame: int, codec: DyadicCodec) -> NDArray[np.float32]:
        """(C, h, w) of one frame, on the scale that the head sees."""
        values = np.load(self.folder / f"{number}.npy", mmap_mode="r")[frame]
        level = int(np.load(self.folder / f"{number}.levels.npy")[frame])
        latents = Latents(values[None].astype(np.int16), codec_id=codec.codec_id, model_id=codec.model_id, level=level)
        scaled: NDArray[np.float32] = codec.scaled(latents)[0]
        return scaled

    def write(
        self, packed: PackedFrames, pool: ProcessPoolExecutor, *, codec: Path, frames: Path, progress: Progress | None
    ) -> None:
        """Encode what is not there yet, in the processes of the pool."""
        progress = progress or SilentProgress()
        self.folder.mkdir(parents=True, exist_ok=True)
        missing = [n for n in range(len(packed.entries)) if not (self.folder / f"{n}.npy").exists()]
        missing.sort(key=lambda n: -packed.entries[n].shape[0])
        progress.start("encoding", total_files=len(missing))
        jobs = [(n, self.folder, codec, frames) for n in missing]
        for _ in pool.map(_write_one, jobs):
            progress.advance(files=1)
        progress.finish()


def _write_one(job: tuple[int, Path, Path, Path]) -> None:
    """In a process of the pool."""
    number, folder, codec_folder, frames = job
    codec = DyadicCodec.load(codec_folder, threads=1)
    packed = PackedFrames(frames)
    values, levels = encoded(packed, packed.entries[number], codec, np.random.default_rng((7, number)))
    np.save(folder / f"{number}.levels.npy", levels)
    unfinished = folder / f".{number}.npy"
    with unfinished.open("wb") as file:
        np.save(file, values)
    unfinished.replace(folder / f"{number}.npy")


def encoded(
    packed: PackedFrames, entry: PackedEntry, codec: DyadicCodec, rng: np.random.Generator
) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """The latents (T, C, h, w) of all frames of a source and their levels (T,): frames about a second apart as a
    sequence, those between them as others, each at a tier drawn at random.
    """
    frames = packed.frames(entry)
    stride = max(1, round(entry.fps))
    levels = np.zeros(len(frames), np.uint8)
    values: NDArray[np.int8] | None = None
    for phase in range(min(stride, len(frames))):
        numbers = np.arange(phase, len(frames), stride)
        level = _level(codec, rng)
        for start in range(0, len(numbers), CHUNK_FRAMES):
            some: Sequence[int] = numbers[start : start + CHUNK_FRAMES].tolist()
            pictures = np.stack([library_picture(frames[n], entry) for n in some])
            found = codec.encode(pictures, level=level).values
            if values is None:
                values = np.zeros((len(frames), *found.shape[1:]), np.int8)
            values[some] = np.clip(found, -128, 127)
        levels[numbers] = level
    assert values is not None  # a source has a frame
    return values, levels


def _level(codec: DyadicCodec, rng: np.random.Generator) -> int:
    tiers = codec.tiers
    if rng.random() < DEFAULT_SHARE:
        return tiers["default"]
    return tiers["low"] if rng.random() < 0.5 else tiers["high"]
