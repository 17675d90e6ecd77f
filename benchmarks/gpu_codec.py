"""The shipped codec and head on a device and on the processor: frames a second, and whether chunks mean the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks import environment
from benchmarks.report import BenchmarkError, say, spread
from vsearch.models import head, shipped_codec, shipped_head
from vsearch.models.dyadic import DyadicCodec
from vsearch.models.head import GemHead
from vsearch.models.layers import BLOCK
from vsearch.records import CHUNK_FRAMES, Latents

WIDTH, HEIGHT = 256, 144
NOISE = 4.0  # standard deviation, of 255
RUNS = 3
STILLS = (".png", ".jpg", ".jpeg")

Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """Both models on one device."""

    codec: DyadicCodec
    head: GemHead

    @classmethod
    def on(cls, device: str) -> Models:
        threads = environment.available_cores()
        return cls(
            DyadicCodec.load(shipped_codec(), device=device, threads=threads),
            GemHead.load(shipped_head(), device=device, threads=threads),
        )


def invented_frames(n: int, *, seed: int) -> Frames:
    """(n, 3, HEIGHT, WIDTH) uint8 RGB: each chunk a blurred picture of its own that moves under some noise."""
    rng = np.random.default_rng(seed)
    frames = np.empty((n, HEIGHT, WIDTH, 3), np.uint8)
    for start in range(0, n, CHUNK_FRAMES):
        coarse = Image.fromarray(rng.integers(0, 256, (27, 48, 3), dtype=np.uint8))
        picture = np.asarray(coarse.resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC), np.float32)
        for place in range(start, min(start + CHUNK_FRAMES, n)):
            x, y = 6 * (place - start), 3 * (place - start)
            noisy = picture[y : y + HEIGHT, x : x + WIDTH] + rng.normal(0, NOISE, (HEIGHT, WIDTH, 3))
            frames[place] = np.clip(noisy, 0, 255)
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2))


def pictures_of(folder: Path, n: int) -> Frames:
    """(<= n, 3, HEIGHT, WIDTH) uint8 RGB: the folder's PNG and JPEG files in the order of their names, cut to shape.

    Raises BenchmarkError when there are none, or one cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in STILLS)[:n]
        frames = []
        for path in paths:
            with Image.open(path) as picture:
                frames.append(np.asarray(ImageOps.fit(picture.convert("RGB"), (WIDTH, HEIGHT))))
    except OSError as error:
        raise BenchmarkError(f"{folder}: {error}") from error
    if not frames:
        raise BenchmarkError(f"{folder}: no PNG or JPEG files")
    return np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2))


def measure_codec(frames: Frames, device: str, *, on_cpu: int, chunks: int) -> dict[str, Any]:
    """Rates of both devices, and exactness. on_cpu: frames that time the processor; chunks: how many are written."""
    say("coding frames")
    there, here = Models.on(device), Models.on("cpu")
    return {
        "frames": {"device": len(frames), "cpu": min(on_cpu, len(frames)), "width": WIDTH, "height": HEIGHT},
        "frames_a_network_call": {"codec": there.codec.frames_a_call(HEIGHT * WIDTH // BLOCK**2), "head": head.BATCH},
        "frames_a_second": {"device": rates(there, frames), "cpu": rates(here, frames[:on_cpu])},
        "exactness": exactness(there.codec, here.codec, frames[: chunks * CHUNK_FRAMES]),
    }


def rates(models: Models, frames: Frames) -> dict[str, dict[str, float]]:
    """Frames a second of each step after one that warms up, from host to host."""
    latents = models.codec.nearest(frames)
    steps: dict[str, Callable[[], object]] = {
        "encoder": lambda: models.codec.analyse(frames),
        "decoder": lambda: models.codec.decode(latents),
        "head": lambda: models.head.embed(latents),
    }
    found = {}
    for name, step in steps.items():
        step()
        found[name] = spread([len(frames) / seconds(step) for _ in range(RUNS)])
    return found


def seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def exactness(there: DyadicCodec, here: DyadicCodec, frames: Frames) -> dict[str, Any]:
    """Chunks of latents that either device computed, read with either: how many did not give exactly their integers.

    Also how far the devices' own integers for the same frames are apart, and what they show of the same integers.
    """
    groups = [frames[start : start + CHUNK_FRAMES] for start in range(0, len(frames), CHUNK_FRAMES)]
    written = {name: [codec.encode(group) for group in groups] for name, codec in (("device", there), ("cpu", here))}
    chunks = [(latents, there.pack(latents)) for some in written.values() for latents in some]
    wrong = sum(not same(reader.unpack(data), latents) for latents, data in chunks for reader in (there, here))
    nearest = there.nearest(frames).values != here.nearest(frames).values
    shown = [[reader.decode(latents).astype(np.int16) for latents, _ in chunks] for reader in (there, here)]
    return {
        "chunks": len(chunks),
        "readings": 2 * len(chunks),
        "not_exact": wrong,
        "integers_that_differ": float(nearest.mean()),
        "pixels_differ_by_at_most": max(int(np.abs(a - b).max()) for a, b in zip(*shown, strict=True)),
    }


def same(one: Latents, other: Latents) -> bool:
    return (one.level, one.retouching) == (other.level, other.retouching) and np.array_equal(one.values, other.values)


def rows(figures: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
    """Lines of a table: the step, frames a second on the device and on the processor, and how many times more."""
    there, here = figures["frames_a_second"]["device"], figures["frames_a_second"]["cpu"]
    medians = [(name, there[name]["median"], here[name]["median"]) for name in there]
    return [(name, f"{fast:,.0f}", f"{slow:,.0f}", f"{fast / slow:.1f}") for name, fast, slow in medians]
