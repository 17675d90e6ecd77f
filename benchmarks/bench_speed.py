"""How fast is indexing beside decoding alone, with how much memory, and how fast is the codec?

python -m benchmarks speed [--files FILE...] [--runs 3] [--parts index,keyframes,codec]

index      indexing against `ffmpeg -nostdin -i FILE -f null -` over the same files, in turns, start-up (a one-frame
           file) subtracted on both sides; peak memory of the process tree in a run of its own that is not timed
keyframes  `--sampling keyframes` against `exact` on a generated 1080p file, a key frame every 10 s
codec      frames a second of encode, embed, pack, unpack, decode alone, on real frames
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets, environment, generated, libraries, processes, report
from benchmarks.datasets import Video
from benchmarks.processes import VSEARCH, MemorySampler, Spent
from benchmarks.report import BenchmarkError, Goal, Report, Table, say, spread
from benchmarks.score_speed import Round
from vsearch.config import ReadConfig
from vsearch.media.isolated import DecodeProcess
from vsearch.models import load_codec, load_head, shipped_codec, shipped_head
from vsearch.records import CHUNK_FRAMES
from vsearch.text import size as shown

NAME = "speed"
QUESTION = "how fast is indexing beside decoding alone, and with how much memory?"
PARTS = ("index", "keyframes", "codec")
CODEC_CHUNKS = 8
START_RUNS = 3


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the program found."""

    figures: Mapping[str, Any]
    table: Table
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True, slots=True)
class Indexing:
    """How the program is run here: `--work`, and the models to index with (None: those that come with vsearch)."""

    work: Path
    codec: Path | None
    head: Path | None

    def run(self, paths: Sequence[Path], *extra: str, memory: MemorySampler | None = None) -> Spent:
        """One run of `vsearch index` into a new library. Raises BenchmarkError when a file fails."""
        folder = self.work / "library"
        rmtree(folder, ignore_errors=True)
        self._prepare(folder)
        spent = processes.run([*VSEARCH, "index", *paths, "--library", folder, "--json", *extra], memory=memory)
        failed = json.loads(spent.stdout)["failed"]
        if failed:
            raise BenchmarkError(f"{failed[0]['path']} could not be indexed: {failed[0]['reason']}")
        return spent

    def _prepare(self, folder: Path) -> None:
        """The command line uses the models that a library has: one with others is given them by a one-frame file."""
        if self.codec is not None or self.head is not None:
            first = generated.one_frame_file(self.work / "first.mp4", seed=1)
            with libraries.open_new(folder, codec=self.codec, head=self.head) as library:
                library.index([first])


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--files", type=Path, nargs="+", metavar="FILE", help="these instead of the corpus's dev")
    parser.add_argument("--parts", default=",".join(PARTS), help="which to measure [%(default)s]")
    parser.add_argument("--runs", type=int, help="repetitions, of which the median counts [3; quick: 1]")
    parser.add_argument("--minutes", type=int, help="length of the generated 1080p file [10; quick: 1]")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep generated files and the last library here")
    args = parser.parse_args(argv)
    args.runs = max(1, args.runs or (1 if args.quick else 3))
    args.minutes = max(1, args.minutes or (1 if args.quick else 10))
    wanted = args.parts.split(",")
    if not wanted or set(wanted) - set(PARTS):
        parser.error(f"--parts: choose from {', '.join(PARTS)}")

    files, data = files_to_read(args.files, args.corpus, quick=args.quick) if set(wanted) != {"keyframes"} else ([], {})
    with libraries.work_folder(args.work) as work:
        indexing = Indexing(work.absolute(), args.codec, args.head)
        measures: dict[str, Callable[[], Part]] = {
            "index": lambda: measure_indexing(indexing, files, runs=args.runs),
            "keyframes": lambda: measure_keyframes(indexing, minutes=args.minutes, runs=args.runs),
            "codec": lambda: measure_codec(files, args.codec, args.head, runs=args.runs),
        }
        parts = {name: measures[name]() for name in PARTS if name in wanted}
    finished = Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=None,
        options=report.told(args, "parts", "runs", "minutes", "quick", "codec", "head"),
        figures={name: part.figures for name, part in parts.items()},
        goals=tuple(goal for part in parts.values() for goal in part.goals),
        tables=tuple(part.table for part in parts.values()),
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def files_to_read(
    named: Sequence[Path] | None, corpus: Path | None, *, quick: bool
) -> tuple[list[Path], dict[str, Any]]:
    """The files, and what the result says of them."""
    if named:
        missing = [path for path in named if not path.is_file()]
        if missing:
            raise BenchmarkError(f"{missing[0]}: no such file")
        files = [path.absolute() for path in named]
        return files, {"files": [path.name for path in files], "bytes": sum(path.stat().st_size for path in files)}
    folder = datasets.corpus_folder(corpus)
    videos: list[Video] = datasets.dev_videos(folder)
    if quick:
        videos = datasets.one_per_kind(videos, 4)
    return [video.path for video in videos], datasets.described(folder, videos)


# Indexing beside decoding


def measure_indexing(indexing: Indexing, files: Sequence[Path], *, runs: int) -> Part:
    """Both programs over the same files in turns, after a run each that warms the page cache."""
    one_frame = generated.one_frame_file(indexing.work / "one-frame.mp4")
    say("warming up; memory is taken in this run")
    sampler = MemorySampler()
    indexing.run(files, memory=sampler)
    decode(files)
    rounds, cpu = [], []
    for number in range(runs):
        say(f"run {number + 1} of {runs}")
        ffmpeg, vsearch = decode(files), indexing.run(files)
        ffmpeg_start_s = min(decode([one_frame]).wall_s for _ in range(START_RUNS))
        vsearch_start_s = min(indexing.run([one_frame]).wall_s for _ in range(START_RUNS))
        rounds.append(Round(len(files), ffmpeg.wall_s, ffmpeg_start_s, vsearch.wall_s, vsearch_start_s))
        cpu.append((ffmpeg.cpu_s, vsearch.cpu_s))
    return indexing_part(rounds, cpu, sampler)


def decode(files: Sequence[Path]) -> Spent:
    """ffmpeg over each file, one after the other, every frame decoded and thrown away."""
    spent = [processes.run(["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-f", "null", "-"]) for path in files]
    return Spent(sum(one.wall_s for one in spent), sum(one.cpu_s for one in spent), "")


def indexing_part(rounds: Sequence[Round], cpu: Sequence[tuple[float, float]], sampler: MemorySampler) -> Part:
    ratio = spread([one.ratio for one in rounds])
    measured = {
        "ffmpeg_seconds": spread([one.ffmpeg_s for one in rounds]),
        "ffmpeg_start_up_seconds": spread([one.ffmpeg_start_s for one in rounds]),
        "vsearch_seconds": spread([one.vsearch_s for one in rounds]),
        "vsearch_start_up_seconds": spread([one.vsearch_start_s for one in rounds]),
        "ffmpeg_cpu_seconds": spread([ffmpeg for ffmpeg, _ in cpu]),
        "vsearch_cpu_seconds": spread([vsearch for _, vsearch in cpu]),
        "speed_over_ffmpeg_with_start_up": spread([one.whole_ratio for one in rounds]),
        "speed_over_ffmpeg": ratio,
    }
    peak = sampler.peak
    rows = [(name.replace("_", " "), *spread_cells(values)) for name, values in measured.items()]
    rows.append((f"peak memory, RSS of {peak.processes} processes summed", shown(peak.rss), ""))
    rows.append(("peak memory, PSS summed", shown(peak.pss), ""))
    memory = {"rss_bytes": peak.rss, "pss_bytes": peak.pss, "processes": peak.processes}
    return Part(
        {"files": rounds[0].files, **measured, "peak_memory": memory},
        Table(f"indexing {rounds[0].files} files beside ffmpeg", ("", "median", "range"), tuple(rows)),
        (
            Goal.at_least("speed over ffmpeg's, without start-up", ratio["median"], 0.25),
            Goal.at_most("peak memory of the process tree, GiB (RSS summed)", peak.rss / 2**30, 2.0),
        ),
    )


# Key frames only


def measure_keyframes(indexing: Indexing, *, minutes: int, runs: int) -> Part:
    """The generated file, indexed with either sampling in turns; start-up is part of both times."""
    say(f"making a {minutes}-minute 1080p file")
    path = generated.long_file(indexing.work / f"long-{minutes}min.mp4", parts=60 * minutes // generated.ENCODED_S)
    exact, keyframes = [], []
    for number in range(runs):
        say(f"run {number + 1} of {runs}")
        exact.append(indexing.run([path], "--sampling", "exact").wall_s)
        keyframes.append(indexing.run([path], "--sampling", "keyframes").wall_s)
    ratio = spread([slow / fast for slow, fast in zip(exact, keyframes, strict=True)])
    measured = {
        "exact_seconds": spread(exact),
        "keyframes_seconds": spread(keyframes),
        "keyframes_over_exact": ratio,
    }
    rows = tuple((name.replace("_", " "), *spread_cells(values)) for name, values in measured.items())
    return Part(
        {"minutes": minutes, "key_frame_every_seconds": generated.KEY_FRAMES_S, **measured},
        Table(f"{minutes} minutes of 1080p, start-up included", ("", "median", "range"), rows),
        (Goal.at_least("speed of keyframes over exact", ratio["median"], 5.0),),
    )


# The codec alone


def measure_codec(files: Sequence[Path], codec: Path | None, head: Path | None, *, runs: int) -> Part:
    """Frames a second of each step, in chunks of 32 frames, on all cores of this machine."""
    say("measuring the codec alone")
    cores = environment.available_cores()
    coder = load_codec(codec or shipped_codec(), threads=cores)
    embedder = load_head(head or shipped_head(), threads=cores)
    chunks = real_chunks(files, CODEC_CHUNKS)
    latents = [coder.encode(chunk) for chunk in chunks]
    packed = [coder.pack(one) for one in latents]
    steps: dict[str, Callable[[], object]] = {
        "encode": lambda: [coder.encode(chunk) for chunk in chunks],
        "embed": lambda: [embedder.embed(one) for one in latents],
        "pack": lambda: [coder.pack(one) for one in latents],
        "unpack, one by one": lambda: [coder.unpack(data) for data in packed],
        "unpack, side by side": lambda: coder.unpack_many(packed),
        "decode": lambda: [coder.decode(one) for one in latents],
    }
    frames = sum(len(chunk) for chunk in chunks)
    rates = {name: spread([frames / elapsed(step) for _ in range(runs)]) for name, step in warmed(steps).items()}
    rows = tuple((name, *spread_cells(values)) for name, values in rates.items())
    n_bytes = sum(map(len, packed)) / frames
    title = (
        f"frames a second, {frames} real frames in {len(chunks)} chunks, {cores} threads, {n_bytes:,.0f} bytes a frame"
    )
    return Part(
        {"frames": frames, "threads": cores, "bytes_a_frame": n_bytes, "frames_a_second": rates},
        Table(title, ("", "median", "range"), rows),
    )


def real_chunks(files: Sequence[Path], at_most: int) -> list[NDArray[np.uint8]]:
    """Up to `at_most` chunks of real sampled frames of one size, from the longest files first.

    Frames of several files share a chunk where one has too few; cut to whole chunks when there is at least one.
    """
    by_size: dict[tuple[int, ...], list[NDArray[np.uint8]]] = {}
    with DecodeProcess(ReadConfig()) as decoder:
        for path in sorted(files, key=lambda path: path.stat().st_size, reverse=True)[: 4 * at_most]:
            with decoder.read(bytes(path), identify=False) as stream:
                for batch in stream:
                    by_size.setdefault(batch.frames.shape[1:], []).append(batch.frames)
    frames = np.concatenate(max(by_size.values(), key=lambda batches: sum(map(len, batches))))
    whole = min(at_most, len(frames) // CHUNK_FRAMES)
    return list(frames[: whole * CHUNK_FRAMES].reshape(whole, CHUNK_FRAMES, *frames.shape[1:])) if whole else [frames]


def warmed(steps: Mapping[str, Callable[[], object]]) -> Mapping[str, Callable[[], object]]:
    """The same steps, each done once."""
    for step in steps.values():
        step()
    return steps


def elapsed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def spread_cells(values: Mapping[str, float]) -> tuple[str, str]:
    """Median and range as cells of a table."""
    return f"{values['median']:.4g}", f"{values['min']:.4g} - {values['max']:.4g}"
