"""Frames for training: one packed cache of raw frames, and the batches drawn from it.

The cache is a folder with `frames.bin` (uint8, every entry (T, 3, H, W) in C order, one after the other) and
`index.json` (a list of entries). It is read through a memory map, so it may be larger than memory.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsearch.errors import InputError

VALIDATION_SHARE = 12  # one source group in so many is held out


@dataclass(frozen=True, slots=True)
class PackedEntry:
    """One source in the cache. shape: (T, 3, H, W); fps: frames a second, 0 for a photograph.

    Sources of one `group` show the same footage; those of one `scene` look alike.
    """

    file: str
    group: str
    scene: str
    shape: tuple[int, int, int, int]
    offset: int
    fps: float

    @property
    def held_out(self) -> bool:
        """Whether the source's group belongs to validation (by hash, so that it never moves)."""
        return hashlib.blake2b(self.group.encode(), digest_size=4).digest()[0] % VALIDATION_SHARE == 0


def _entry(row: dict[str, Any]) -> PackedEntry:
    t, c, h, w = row["shape"]
    return PackedEntry(row["file"], row["group"], row["scene"], (t, c, h, w), row["offset"], row["fps"])


class PackedFrames:
    """A packed cache, opened for reading."""

    def __init__(self, folder: Path) -> None:
        index = folder / "index.json"
        if not index.is_file():
            raise InputError(f"{folder}: no packed frames here; make them with `vsearch train pack`")
        self.entries = [_entry(row) for row in json.loads(index.read_text(encoding="utf-8"))]
        self._bytes = np.memmap(folder / "frames.bin", np.uint8, "r")

    def frames(self, entry: PackedEntry) -> NDArray[np.uint8]:
        """All frames of one source: (T, 3, H, W) uint8, a view of the file."""
        size = int(np.prod(entry.shape))
        return self._bytes[entry.offset : entry.offset + size].reshape(entry.shape)

    def select(self, *, held_out: bool, shorter_side: int) -> list[PackedEntry]:
        """The sources of one side of the split whose shorter side is at least so many pixels."""
        return [e for e in self.entries if e.held_out == held_out and min(e.shape[2:]) >= shorter_side]


class PackWriter:
    """Appends sources to a new packed cache."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = (folder / "frames.bin").open("wb")
        self._entries: list[PackedEntry] = []

    def add(self, *, file: str, group: str, scene: str, fps: float, frames: NDArray[np.uint8]) -> None:
        """frames: (T, 3, H, W) uint8."""
        t, c, h, w = frames.shape
        shape = (int(t), int(c), int(h), int(w))
        self._entries.append(
            PackedEntry(file=file, group=group, scene=scene, shape=shape, offset=self._file.tell(), fps=fps)
        )
        self._file.write(np.ascontiguousarray(frames).tobytes())

    def close(self) -> None:
        self._file.close()
        (self._folder / "index.json").write_text(json.dumps([asdict(entry) for entry in self._entries]))


def resize(crops: NDArray[np.uint8], side: int) -> Tensor:
    """(n, 3, s, s) uint8 -> (n, 3, side, side) float in [-0.5, 0.5], by antialiased area-like filtering."""
    pixels = torch.from_numpy(np.ascontiguousarray(crops)).float()
    if crops.shape[-1] != side:
        pixels = F.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return pixels / 255.0 - 0.5


class PairBatches:
    """Batches of frame pairs for the codec: a frame and the one that follows it, as the entropy model will see them.

    From videos: two frames `gap_s` apart (about one second, as the library samples), sometimes the very same frame.
    From photographs: two crops a few pixels apart (a cheap camera motion), sometimes the same.
    """

    def __init__(
        self,
        packed: PackedFrames,
        *,
        side: int,
        batch: int,
        photos: float,
        zoom: tuple[float, float] = (0.52, 1.0),
        held_out: bool = False,
    ) -> None:
        self.side, self.batch, self.photo_share, self.zoom = side, batch, photos, zoom
        entries = packed.select(held_out=held_out, shorter_side=side + 8)
        self._packed = packed
        self._videos = [e for e in entries if e.fps > 0 and e.shape[0] > 1]
        self._photos = [e for e in entries if e.fps == 0]
        if not self._videos and not self._photos:
            raise InputError(f"the packed frames hold no source with a shorter side of at least {side + 8} pixels")
        # Long recordings show little that is new: their weight grows with the square root of their length.
        weights = np.sqrt(np.array([e.shape[0] for e in self._videos], np.float64))
        self._weights = weights / weights.sum() if len(weights) else weights

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Two (batch, 3, side, side) float tensors in [-0.5, 0.5]: first frames and the frames after them."""
        zoom = rng.uniform(*self.zoom)
        source = round(self.side / zoom)
        firsts, seconds = [], []
        for _ in range(self.batch):
            first, second = self._pair(rng, source)
            if rng.random() < 0.5:
                first, second = first[:, :, ::-1], second[:, :, ::-1]
            firsts.append(resize(first[None], self.side))
            seconds.append(resize(second[None], self.side))
        return torch.cat(firsts), torch.cat(seconds)

    def _pair(self, rng: np.random.Generator, source: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        if not self._videos or (self._photos and rng.random() < self.photo_share):
            frames = self._packed.frames(self._photos[rng.integers(len(self._photos))])
            i, j = 0, 0
            shift = rng.integers(-6, 7, 2) if rng.random() < 0.8 else np.zeros(2, np.int64)
        else:
            entry = self._videos[rng.choice(len(self._videos), p=self._weights)]
            frames = self._packed.frames(entry)
            i = int(rng.integers(len(frames)))
            gap = max(1, round(entry.fps * rng.choice([0.0, 0.6, 1.0, 1.0, 1.0, 2.0])))
            j = i if rng.random() < 0.05 else min(i + gap, len(frames) - 1)
            shift = np.zeros(2, np.int64)
        height, width = frames.shape[2:]
        side = min(source, height - 8, width - 8)
        y = int(rng.integers(6, height - side - 1)) if height - side > 8 else 0
        x = int(rng.integers(6, width - side - 1)) if width - side > 8 else 0
        dy, dx = int(np.clip(y + shift[0], 0, height - side)), int(np.clip(x + shift[1], 0, width - side))
        return frames[i, :, y : y + side, x : x + side], frames[j, :, dy : dy + side, dx : dx + side]
