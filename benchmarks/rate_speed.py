"""How fast the codec codes and decodes, beside AVIF stills of the same frames on as many threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_speed import elapsed, real_chunks, spread_cells, warmed
from benchmarks.codec_rates import Frames, Setting
from benchmarks.report import Goal, Table, say, spread
from benchmarks.score_pictures import bracket
from benchmarks.stills import AVIF, StillCoder
from vsearch.metrics import psnr, ssim
from vsearch.records import Latents

CHUNKS, ENCODED_CHUNKS = 32, 8  # unpacking goes side by side: many of them; encoding one after the other: fewer
WANTED = {"encode and pack": 150.0, "with quality check": 75.0, "decode to pixels": 200.0, "unpack": 600.0}
ONE_CHUNK_S = 1.0
NAMES = {
    "encode and pack": "encode and pack",
    "with quality check": "encode, pack, decode, PSNR and SSIM of each frame",
    "decode to pixels": "unpack side by side and decode to pixels",
    "pixels alone": "latents to pixels, without unpacking",
    "unpack": "unpack side by side, without pixels",
    "AVIF encode": "AVIF (speed 4) encode",
    "AVIF decode": "AVIF decode to pixels",
}


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second of each step (median and range), seconds of one chunk alone, and what was measured on."""

    frames: int
    distinct_frames: int
    threads: int
    bytes_a_frame: float
    avif_quality: int
    avif_bytes_a_frame: float
    rates: Mapping[str, Mapping[str, float]]
    one_chunk_s: Mapping[str, float]

    def over_avif(self) -> dict[str, float]:
        """Medians as ratios."""
        median = {name: rate["median"] for name, rate in self.rates.items()}
        return {
            "encode and pack over AVIF encode": median["encode and pack"] / median["AVIF encode"],
            "decode to pixels over AVIF decode": median["decode to pixels"] / median["AVIF decode"],
        }

    def figures(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "distinct_frames": self.distinct_frames,
            "threads": self.threads,
            "bytes_a_frame": self.bytes_a_frame,
            "avif_quality": self.avif_quality,
            "avif_bytes_a_frame": self.avif_bytes_a_frame,
            "frames_a_second": dict(self.rates),
            "one_chunk_seconds": dict(self.one_chunk_s),
            **self.over_avif(),
        }

    def goals(self) -> tuple[Goal, ...]:
        fast = [Goal.at_least(f"{NAMES[key]}, frames/s", self.rates[key]["median"], WANTED[key]) for key in WANTED]
        return (
            *fast,
            Goal.at_most("one chunk of 32 frames unpacked alone, s", self.one_chunk_s["median"], ONE_CHUNK_S),
        )

    def table(self) -> Table:
        rows = [(NAMES[name], *spread_cells(rate)) for name, rate in self.rates.items()]
        rows.append(("one chunk of 32 frames unpacked alone, seconds", *spread_cells(self.one_chunk_s)))
        rows += [(name, f"{ratio:.4g}", "") for name, ratio in self.over_avif().items()]
        title = (
            f"frames a second on {self.threads} threads, {self.frames} frames of {self.bytes_a_frame:,.0f} bytes "
            f"(AVIF: {self.avif_bytes_a_frame:,.0f})"
        )
        return Table(title, ("", "median", "range"), tuple(rows))


def measure_speed(setting: Setting, files: Sequence[Path], *, threads: int, runs: int, n_chunks: int = CHUNKS) -> Speed:
    """At the codec's default tier, on `threads` threads (which the codec was loaded with); median of `runs`.

    files: real videos; of the frames of one size that they have most of, `n_chunks` chunks are taken, the same ones
    again where there are fewer.
    """
    say("measuring speed")
    distinct = real_chunks(files, n_chunks)
    chunks = list(islice(cycle(distinct), n_chunks))
    encoded = chunks[:ENCODED_CHUNKS]
    level, codec = setting.codec.tiers["default"], setting.codec
    packed = [data for chunk in chunks for _, data in setting.chunks(chunk, level)]
    latents = codec.unpack_many(packed)
    n_frames = {"few": sum(map(len, encoded)), "all": sum(map(len, chunks))}
    mean_bytes = sum(map(len, packed)) / n_frames["all"]
    quality, avif = nearest_avif(encoded[0], mean_bytes)
    with ThreadPoolExecutor(threads) as pool:
        files_of = list(pool.map(lambda frame: avif.save(frame, quality), np.concatenate(encoded)))
        steps: dict[str, tuple[str, Callable[[], object]]] = {
            "encode and pack": ("few", lambda: [setting.chunks(chunk, level) for chunk in encoded]),
            "with quality check": ("few", lambda: [checked(setting, chunk, level, pool) for chunk in encoded]),
            "decode to pixels": ("all", lambda: decode_all(setting, codec.unpack_many(packed))),
            "pixels alone": ("all", lambda: decode_all(setting, latents)),
            "unpack": ("all", lambda: codec.unpack_many(packed)),
            "AVIF encode": (
                "few",
                lambda: list(pool.map(lambda frame: avif.save(frame, quality), np.concatenate(encoded))),
            ),
            "AVIF decode": ("few", lambda: list(pool.map(avif.open, files_of))),
        }
        warmed({name: step for name, (_, step) in steps.items()})
        rates = {
            name: spread([n_frames[many] / elapsed(step) for _ in range(runs)]) for name, (many, step) in steps.items()
        }
    return Speed(
        frames=n_frames["all"],
        distinct_frames=sum(map(len, distinct)),
        threads=threads,
        bytes_a_frame=mean_bytes,
        avif_quality=quality,
        avif_bytes_a_frame=sum(map(len, files_of)) / len(files_of),
        rates=rates,
        one_chunk_s=spread([elapsed(lambda: codec.unpack(packed[0])) for _ in range(runs)]),
    )


def checked(setting: Setting, chunk: Frames, level: int, pool: ThreadPoolExecutor) -> list[tuple[float, float]]:
    """A chunk, (n, 3, H, W) uint8 RGB, packed, and (PSNR, SSIM) of each frame that it decodes to."""
    found: list[tuple[float, float]] = []
    for latents, _ in setting.chunks(chunk, level):
        shown = setting.codec.decode(latents)
        found += pool.map(lambda pair: (psnr(*pair), ssim(*pair)), zip(chunk, shown, strict=True))
    return found


def decode_all(setting: Setting, latents: Sequence[Latents]) -> list[Frames]:
    return [setting.codec.decode(one) for one in latents]


def nearest_avif(frames: Frames, wanted_bytes: float) -> tuple[int, StillCoder]:
    """The quality whose stills of these frames, (n, 3, H, W) uint8 RGB, have nearest mean bytes; one thread a still."""
    coder = replace(AVIF, settings={**AVIF.settings, "max_threads": 1})
    few = frames[:: max(1, len(frames) // 4)]

    def mean_bytes(quality: int) -> float:
        return sum(len(coder.save(frame, quality)) for frame in few) / len(few)

    found = bracket(mean_bytes, coder.qualities, wanted_bytes)
    return min((found.low, found.high), key=lambda quality: abs(mean_bytes(quality) - wanted_bytes)), coder
