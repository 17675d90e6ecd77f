"""How fast the codec codes and decodes, beside AVIF stills of the same frames on as many threads.

What Python does between small operations holds its interpreter lock, so `index` and `reembed` work with processes; the
codec is measured like that. Pillow needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_speed import elapsed, real_chunks, spread_cells, warmed
from benchmarks.codec_rates import Frames, Setting
from benchmarks.report import Goal, Table, say, spread
from benchmarks.score_pictures import bracket
from benchmarks.stills import AVIF, StillCoder
from vsearch.metrics import compare_frames
from vsearch.models import load_codec
from vsearch.threads import numpy_in_one_thread
from vsearch.workers.models import families, learn

CHUNKS, ENCODED_CHUNKS = 32, 8  # unpacking goes side by side: many of them; encoding one after the other: fewer
WANTED = {"encode and pack": 150.0, "with quality check": 75.0, "decode to pixels": 200.0, "unpack": 600.0}
ONE_CHUNK_S = 1.0
NAMES = {
    "encode and pack": "encode and pack",
    "with quality check": "encode, pack, decode, PSNR and SSIM of each frame",
    "decode to pixels": "unpack side by side and decode to pixels",
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
            f"frames a second, {self.threads} at a time, {self.frames} frames of {self.bytes_a_frame:,.0f} bytes "
            f"(AVIF: {self.avif_bytes_a_frame:,.0f})"
        )
        return Table(title, ("", "median", "range"), tuple(rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """What speed is measured on: chunks, (n, 3, H, W) uint8 RGB each, the first `ENCODED_CHUNKS` of which are coded,
    all packed at the codec's default tier, and AVIF at nearest bytes.
    """

    setting: Setting
    chunks: Sequence[Frames]
    packed: Sequence[bytes]
    threads: int
    avif: StillCoder
    quality: int

    @classmethod
    def of(cls, setting: Setting, chunks: Sequence[Frames], threads: int) -> _Material:
        level = setting.codec.tiers["default"]
        packed = [data for chunk in chunks for _, data in setting.chunks(chunk, level)]
        quality, avif = nearest_avif(chunks[0], sum(map(len, packed)) / sum(map(len, chunks)))
        return cls(setting, chunks, packed, threads, avif, quality)

    @property
    def coded(self) -> Sequence[Frames]:
        return self.chunks[:ENCODED_CHUNKS]

    def stills(self, pool: ThreadPoolExecutor) -> list[bytes]:
        """An AVIF file of each frame that is coded, as many at a time as the pool has threads."""
        return list(pool.map(lambda frame: self.avif.save(frame, self.quality), np.concatenate(self.coded)))

    def steps(
        self, files: Sequence[bytes], pool: ThreadPoolExecutor, processes: ProcessPoolExecutor
    ) -> dict[str, tuple[int, Callable[[], object]]]:
        """By name: how many frames a step goes over, and the step. files: AVIF stills to decode."""
        level = self.setting.codec.tiers["default"]
        few, many = sum(map(len, self.coded)), sum(map(len, self.chunks))
        shares = [self.packed[number :: self.threads] for number in range(self.threads)]

        def by_processes(work: Callable[[Any], int], items: Sequence[Any]) -> Callable[[], object]:
            return lambda: list(processes.map(work, items))

        return {
            "encode and pack": (few, by_processes(partial(_encoded, level=level), self.coded)),
            "with quality check": (few, by_processes(partial(_checked, level=level), self.coded)),
            "decode to pixels": (many, by_processes(_shown, shares)),
            "unpack": (many, by_processes(_unpacked, shares)),
            "AVIF encode": (few, lambda: self.stills(pool)),
            "AVIF decode": (few, lambda: list(pool.map(self.avif.open, files))),
        }


_alone: list[Setting] = []  # of a process that codes: what it codes with


def _begin(codec: Path, effort: str, known: dict[str, dict[str, str]]) -> None:
    """Runs in a process before its first work. known: families of models that this one knows."""
    learn(known)
    numpy_in_one_thread()
    _alone.append(Setting(load_codec(codec, threads=1), effort))


def _encoded(frames: Frames, level: int) -> int:
    """Bytes of a chunk."""
    return sum(len(data) for _, data in _alone[0].chunks(frames, level))


def _checked(frames: Frames, level: int) -> int:
    """Chunks of frames (n, 3, H, W) uint8 RGB, each decoded again and compared with PSNR and SSIM."""
    setting = _alone[0]
    return len([compare_frames(frames, setting.codec.decode(latents)) for latents, _ in setting.chunks(frames, level)])


def _unpacked(packed: Sequence[bytes]) -> int:
    """Frames of chunks."""
    return sum(map(len, _alone[0].codec.unpack_many(packed)))


def _shown(packed: Sequence[bytes]) -> int:
    """Pictures of chunks."""
    codec = _alone[0].codec
    return sum(len(codec.decode(one)) for one in codec.unpack_many(packed))


def measure_speed(
    codec: Path, effort: str, files: Sequence[Path], *, threads: int, runs: int, n_chunks: int = CHUNKS
) -> Speed:
    """At the codec's default tier, by `threads` processes side by side with one thread each, as stills of AVIF are by
    threads; median of `runs`.

    codec: the folder of one. files: real videos; of the frames of one size that they have most of, `n_chunks` chunks
    are taken, the same ones again where there are fewer.
    """
    say("measuring speed")
    setting = Setting(load_codec(codec, threads=1), effort)
    begun = codec, effort, families()
    distinct = real_chunks(files, n_chunks)
    material = _Material.of(setting, list(islice(cycle(distinct), n_chunks)), threads)
    with (
        ThreadPoolExecutor(threads) as pool,
        ProcessPoolExecutor(threads, get_context("spawn"), initializer=_begin, initargs=begun) as processes,
    ):
        stills = material.stills(pool)
        steps = material.steps(stills, pool, processes)
        warmed({name: step for name, (_, step) in steps.items()})
        rates = {name: spread([frames / elapsed(step) for _ in range(runs)]) for name, (frames, step) in steps.items()}
    frames = sum(map(len, material.chunks))
    return Speed(
        frames=frames,
        distinct_frames=sum(map(len, distinct)),
        threads=threads,
        bytes_a_frame=sum(map(len, material.packed)) / frames,
        avif_quality=material.quality,
        avif_bytes_a_frame=sum(map(len, stills)) / len(stills),
        rates=rates,
        one_chunk_s=spread([elapsed(lambda: setting.codec.unpack(material.packed[0])) for _ in range(runs)]),
    )


def nearest_avif(frames: Frames, wanted_bytes: float) -> tuple[int, StillCoder]:
    """The quality whose stills of these frames, (n, 3, H, W) uint8 RGB, have nearest mean bytes; one thread a still."""
    coder = replace(AVIF, settings={**AVIF.settings, "max_threads": 1})
    few = frames[:: max(1, len(frames) // 4)]

    def mean_bytes(quality: int) -> float:
        return sum(len(coder.save(frame, quality)) for frame in few) / len(few)

    found = bracket(mean_bytes, coder.qualities, wanted_bytes)
    return min((found.low, found.high), key=lambda quality: abs(mean_bytes(quality) - wanted_bytes)), coder
