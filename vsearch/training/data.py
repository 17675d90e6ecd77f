"""Frames for training: a packed folder of coded frames, unpacked once, and the batches drawn from it.

A packed folder holds parts (`training/parts.py`) and `index.json`. On first use its frames are decoded into
`frames.bin` beside them (uint8, every entry (T, 3, H, W) in C order, one after the other), which is read through a
memory map, so it may be larger than memory. `frames.bin` is a cache: delete it at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsearch.errors import InputError
from vsearch.osys import lock_file
from vsearch.progress import Progress, SilentProgress
from vsearch.training.parts import (
    DIGEST_BYTES,
    CodedSource,
    Shape,
    SourceFacts,
    code_source,
    decode_source,
    described,
    digest_of,
    read_part,
    write_part,
)

VALIDATION_SHARE = 12  # one source group in so many is held out
FORMAT = 1
CPU = torch.device("cpu")
_HEADER_ALLOWANCE = 1024  # bytes of a source's row in a header, and its share of what surrounds it


@dataclass(frozen=True, slots=True)
class PackedEntry:
    """One source of a packed folder. shape: (T, 3, H, W); offset: of its first byte in `frames.bin`; fps: frames a
    second, 0 for a photograph; held_out: whether it belongs to validation.

    Sources of one `group` show the same footage; those of one `scene` look alike.
    """

    file: str
    group: str
    scene: str
    shape: Shape
    offset: int
    fps: float
    held_out: bool


def held_out_groups(groups: Collection[str]) -> set[str]:
    """The groups that validate: one in twelve, by a hash of the name, so that none ever moves when others come.

    Where chance leaves none, it is the one with the lowest hash, if there are others to train on.
    """
    hashes = {group: hashlib.blake2b(group.encode(), digest_size=4).digest() for group in groups}
    chosen = {group for group, value in hashes.items() if value[0] % VALIDATION_SHARE == 0}
    if not chosen and len(hashes) > 1:
        chosen = {min(hashes, key=hashes.__getitem__)}
    return chosen


class PackedFrames:
    """A packed folder, opened for reading. The first opening unpacks it, which `progress` follows.

    Raises InputError when the folder holds no packed frames, when they are damaged, or cannot be unpacked.
    """

    def __init__(self, folder: Path, progress: Progress | None = None) -> None:
        index = _read_index(folder)
        self.entries = _entries(index["entries"])
        path = folder / "frames.bin"
        if not _is_unpacked(path, index):
            _unpack(folder, index, progress or SilentProgress())
        self._bytes = np.memmap(path, np.uint8, "r")
        self._on: dict[torch.device, Tensor] = {}

    def frames(self, entry: PackedEntry) -> NDArray[np.uint8]:
        """All frames of one source: (T, 3, H, W) uint8, a view of the file."""
        size = int(np.prod(entry.shape))
        return self._bytes[entry.offset : entry.offset + size].reshape(entry.shape)

    def on(self, device: torch.device) -> Tensor:
        """The frames of all sources one after the other, flat uint8: the file itself on a CPU, one copy elsewhere."""
        if device not in self._on:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nobody writes to it
                self._on[device] = torch.from_numpy(self._bytes[:-DIGEST_BYTES]).to(device)
        return self._on[device]

    def select(self, *, held_out: bool, shorter_side: int) -> list[PackedEntry]:
        """The sources of one side of the split whose shorter side is at least so many pixels."""
        return [e for e in self.entries if e.held_out == held_out and min(e.shape[2:]) >= shorter_side]


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    if not path.is_file():
        raise InputError(f"{folder}: no packed frames here; make them with `vsearch train pack`")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); run `vsearch train pack` again") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise InputError(f"{path}: packed by another version; run `vsearch train pack` again")
    return index


def _entries(rows: list[dict[str, Any]]) -> list[PackedEntry]:
    held_out = held_out_groups({row["group"] for row in rows})
    entries, offset = [], 0
    for row in rows:
        t, c, h, w = row["shape"]
        group = row["group"]
        entries.append(
            PackedEntry(row["file"], group, row["scene"], (t, c, h, w), offset, row["fps"], group in held_out)
        )
        offset += t * c * h * w
    return entries


def _digest_of_frames(index: Mapping[str, Any]) -> bytes:
    """What ends `frames.bin`: it tells which packed folder the file was unpacked from, and that it is whole."""
    return digest_of(*(bytes.fromhex(row["digest"]) for row in index["entries"]))


def _is_unpacked(path: Path, index: Mapping[str, Any]) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(index["frames_bytes"])
            return file.read(DIGEST_BYTES + 1) == _digest_of_frames(index)
    except FileNotFoundError:
        return False


def _unpack(folder: Path, index: Mapping[str, Any], progress: Progress) -> None:
    """Decode all parts into `frames.bin`, which appears when it is complete. One process does it, others wait."""
    path, temporary = folder / "frames.bin", folder / "frames.tmp"
    try:
        with (folder / "unpack.lock").open("ab") as lock:
            while not lock_file(lock.fileno()):
                time.sleep(0.2)
            if _is_unpacked(path, index):
                return
            progress.start("unpacking frames", total_files=len(index["entries"]))
            _decode_parts([folder / part["file"] for part in index["parts"]], temporary, progress)
            if not _is_unpacked(temporary, index):
                raise InputError(f"{folder}: its parts are not those of its index.json; pack or copy them again")
            temporary.replace(path)
            progress.finish()
    except OSError as error:
        space = f"{index['frames_bytes'] / 1e9:.1f} GB"
        raise InputError(f"{folder}: frames cannot be unpacked here, {space} of them ({error.strerror})") from error


def _decode_parts(parts: list[Path], output: Path, progress: Progress) -> None:
    digests = []
    with output.open("wb") as file:
        for part in parts:
            for source in read_part(part):
                file.writelines(frame.data for frame in decode_source(source))
                digests.append(bytes.fromhex(source.digest))
                progress.advance(files=1)
        file.write(digest_of(*digests))


@dataclass(frozen=True, slots=True)
class PackedKind:
    """The videos or the photographs of a packed folder. psnr_db: mean over the entries of what coding kept of them."""

    entries: int
    quality: int
    psnr_db: float


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a packed folder came to."""

    entries: int
    size_bytes: int
    videos: PackedKind | None
    photos: PackedKind | None


class PackWriter:
    """Appends sources to a new packed folder; the old one's files go first. `close` makes it complete.

    quality: see `media.coded`. No part is larger than `part_bytes`. Raises InputError for a source that alone would be.
    """

    def __init__(self, folder: Path, *, quality: int = 20, part_bytes: int = 25_000_000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_pack(folder)
        self._folder, self._quality, self._part_bytes = folder, quality, part_bytes
        self._parts: list[dict[str, Any]] = []
        self._waiting: list[CodedSource] = []
        self._waiting_bytes = 0
        self._rows: list[dict[str, Any]] = []

    def add(self, *, file: str, group: str, scene: str, fps: float, frames: NDArray[np.uint8]) -> None:
        """Code a source and append it. frames: (T, 3, H, W) uint8. Raises MediaError when they cannot be coded."""
        self.append(code_source(SourceFacts(file, group, scene, fps), frames, quality=self._quality))

    def append(self, source: CodedSource) -> None:
        """Append a source that is coded already."""
        size = source.size_bytes + _HEADER_ALLOWANCE + 8 * len(source.packets)
        if size > self._part_bytes:
            raise InputError(f"{source.facts.file}: {size:,} bytes when coded, more than a part's {self._part_bytes:,}")
        if self._waiting_bytes + size > self._part_bytes:
            self._flush()
        self._waiting.append(source)
        self._waiting_bytes += size
        self._rows.append(described(source))

    def _flush(self) -> None:
        path = self._folder / f"part-{len(self._parts):03}.frames"
        write_part(path, self._waiting)
        self._parts.append({"file": path.name, "bytes": path.stat().st_size})
        self._waiting, self._waiting_bytes = [], 0

    def close(self) -> PackReport:
        """Write the last part and, atomically, the index."""
        if self._waiting:
            self._flush()
        text = json.dumps(self._index(), separators=(",", ":"))
        temporary = self._folder / "index.tmp"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._folder / "index.json")
        return self._report(len(text))

    def _index(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "frames_bytes": sum(int(np.prod(row["shape"])) for row in self._rows),
            "parts": self._parts,
            "entries": self._rows,
        }

    def _report(self, index_bytes: int) -> PackReport:
        return PackReport(
            entries=len(self._rows),
            size_bytes=index_bytes + sum(part["bytes"] for part in self._parts),
            videos=_mean([row for row in self._rows if row["fps"] > 0]),
            photos=_mean([row for row in self._rows if row["fps"] == 0]),
        )


def _remove_pack(folder: Path) -> None:
    for old in (folder / "index.json", folder / "frames.bin", *folder.glob("part-*.frames")):
        old.unlink(missing_ok=True)


def _mean(rows: list[dict[str, Any]]) -> PackedKind | None:
    if not rows:
        return None
    return PackedKind(len(rows), rows[0]["quality"], round(float(np.mean([row["psnr_db"] for row in rows])), 2))


def resize(crops: Sequence[Tensor], side: int) -> Tensor:
    """Square crops (3, s, s) uint8 -> (n, 3, side, side) float in [-0.5, 0.5], by antialiased area-like filtering to
    whole grey levels.
    """
    if len({crop.shape for crop in crops}) > 1:
        return torch.cat([resize([crop], side) for crop in crops])
    pixels = torch.stack(list(crops)).contiguous(memory_format=torch.channels_last)
    if pixels.shape[-1] != side:
        if pixels.device.type != "cpu":  # only there are bytes scaled as bytes
            pixels = pixels.float()
        pixels = F.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True, align_corners=False).round()
    return pixels.float() / 255.0 - 0.5


class PairBatches:
    """Batches of frame pairs for the codec: a frame and the one that follows it, as the entropy model will see them.

    From videos: two frames `gap_s` apart (about one second, as the library samples), sometimes the very same frame.
    From photographs: two crops a few pixels apart (a cheap camera motion), sometimes the same. A share `contrast` of
    the pairs is shown at another contrast and brightness.

    On a GPU all frames are kept there, and the pairs are cut out there.
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
        contrast: float = 0.0,
        device: torch.device = CPU,
    ) -> None:
        self.side, self.batch, self.photo_share, self.zoom, self.contrast = side, batch, photos, zoom, contrast
        entries = packed.select(held_out=held_out, shorter_side=side + 8)
        self._flat = packed.on(device)
        self._videos = [e for e in entries if e.fps > 0 and e.shape[0] > 1]
        self._photos = [e for e in entries if e.fps == 0]
        if not self._videos and not self._photos:
            use = "validation" if held_out else "training"
            raise InputError(
                f"the packed frames hold no source for {use} with a shorter side of at least {side + 8} pixels; "
                f"sources of one group are used for one of the two only, and there are "
                f"{len({entry.group for entry in packed.entries})} groups"
            )
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
                first, second = first.flip(2), second.flip(2)
            firsts.append(first)
            seconds.append(second)
        pair = resize(firsts, self.side), resize(seconds, self.side)
        return self._at_another_contrast(*pair, rng) if self.contrast else pair

    def _at_another_contrast(self, first: Tensor, second: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Some of the pairs with other contrast and brightness, in whole grey levels, alike in both frames."""
        some = rng.random(self.batch) < self.contrast
        gain = np.where(some, rng.uniform(0.6, 1.15, self.batch), 1.0)
        shift = np.where(some, rng.uniform(-25, 25, self.batch), 0.0)
        both = torch.from_numpy(np.stack([gain, shift]).astype(np.float32)).to(first.device)[:, :, None, None, None]
        first, second = (
            (((frames + 0.5) * 255 - 128) * both[0] + 128 + both[1]).round().clamp(0, 255) / 255 - 0.5
            for frames in (first, second)
        )
        return first, second

    def _frames(self, entry: PackedEntry) -> Tensor:
        return self._flat[entry.offset : entry.offset + math.prod(entry.shape)].view(entry.shape)

    def _pair(self, rng: np.random.Generator, source: int) -> tuple[Tensor, Tensor]:
        if not self._videos or (self._photos and rng.random() < self.photo_share):
            frames = self._frames(self._photos[rng.integers(len(self._photos))])
            i, j = 0, 0
            shift = rng.integers(-6, 7, 2) if rng.random() < 0.8 else np.zeros(2, np.int64)
        else:
            entry = self._videos[rng.choice(len(self._videos), p=self._weights)]
            frames = self._frames(entry)
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
