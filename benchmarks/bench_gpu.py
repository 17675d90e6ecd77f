"""How fast and how exact are search and codec on a GPU, beside bare PyTorch there and the processor?

    python -m benchmarks gpu [--n 1_000_000 10_000_000] [--frames FOLDER] [--device cpu]

search  exact search through `FlatIndex` on the device, one query and 40 at a time, k = 10: milliseconds, memory there,
        recall beside float32; the same float16 matrix by `torch.matmul` and `topk`; up to a million, FAISS on the CPU
codec   encoder, decoder and head of the shipped models, frames a second on the device and on the processor; chunks
        written on either and read on either

Vectors are invented, and so are the frames unless a folder of pictures is named. Needs PyTorch, numpy, safetensors,
constriction and Pillow, and nothing that reads video; FAISS where it is to be compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import environment, gpu_codec, report
from benchmarks.gpu_search import BATCH, Invented, K, measure_search
from benchmarks.report import Goal, Report, Table
from vsearch.config import DEVICES
from vsearch.models.weights import torch_device
from vsearch.text import size as shown

NAME = "gpu"
QUESTION = "how fast and how exact are search and codec on a GPU, beside bare PyTorch there and the processor?"
SEARCHED, SEARCHED_QUICK = [1_000_000, 10_000_000], [20_000]
FRAMES, FRAMES_ON_CPU, CHUNKS = 512, 128, 2


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    parser.add_argument("--n", type=int, nargs="+", metavar="FRAMES", help=f"how many are searched {SEARCHED}")
    parser.add_argument("--d", type=int, default=128, help="dimensions of the vectors [%(default)s]")
    parser.add_argument("--device", choices=DEVICES, default="cuda", help="what is measured [%(default)s]")
    parser.add_argument("--frames", type=Path, metavar="DIR", help="PNG and JPEG files to code [invented frames]")
    args = parser.parse_args(argv)
    args.n = args.n or (SEARCHED_QUICK if args.quick else SEARCHED)
    if min(args.n) < K:
        parser.error(f"--n must be at least {K}")

    device = torch_device(args.device)
    few = 8 if args.quick else FRAMES
    frames = gpu_codec.pictures_of(args.frames, few) if args.frames else gpu_codec.invented_frames(few, seed=args.seed)
    codec = gpu_codec.measure_codec(frames, device.type, on_cpu=FRAMES_ON_CPU, chunks=CHUNKS)
    search = {f"{n}": measure_search(Invented(n, args.d, args.seed, device)) for n in args.n}
    figures = {"gpu": described(device), "search": search, "codec": codec}
    options = report.told(args, "n", "d", "device", "frames", "quick")
    report.publish(summary(figures, args.seed, options), report.output_path(NAME, args))
    return 0


def described(device: torch.device) -> dict[str, Any] | None:
    """The GPU, its driver, and what PyTorch was built for; None for a processor."""
    if device.type != "cuda":
        return None
    about = torch.cuda.get_device_properties(device)
    return {
        "name": torch.cuda.get_device_name(device),
        "memory_bytes": about.total_memory,
        "compute_capability": f"{about.major}.{about.minor}",
        "driver": environment.nvidia_driver(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
    }


def summary(figures: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> Report:
    """The finished report."""
    gpu, searched, codec = figures["gpu"], figures["search"].values(), figures["codec"]
    there = gpu["name"] if gpu else "the processor"
    exact = codec["exactness"]
    return Report(
        name=NAME,
        question=QUESTION,
        data={"vectors": "invented", "pictures": "of a folder" if options["frames"] else "invented"},
        seed=seed,
        options=options,
        figures=figures,
        goals=(
            *(goal for found in searched for goal in goals(found)),
            Goal.at_most("readings of chunks that were not exact", exact["not_exact"], 0),
        ),
        tables=(
            Table(
                f"exact search on {there}, milliseconds a call",
                ("frames, queries a call", "p50", "p99", "bare p50", "p99", "x bare", "FAISS p50", "p99", "x FAISS"),
                tuple(row for found in searched for row in call_rows(found)),
            ),
            Table(
                "the index",
                ("frames", "recall@10", "bare", "fill s", "memory", "and to search"),
                tuple(map(index_row, searched)),
            ),
            Table(
                f"frames a second, {gpu_codec.WIDTH}x{gpu_codec.HEIGHT}",
                ("", there, f"{environment.available_cores()} cores", "x"),
                tuple(gpu_codec.rows(codec)),
            ),
        ),
        notes=(
            f"{exact['readings']} readings of {exact['chunks']} chunks, written and read on either: "
            f"{exact['not_exact']} not exact.",
            f"Encoders differ in {exact['integers_that_differ']:.3%} of the integers, pictures of the same integers by "
            f"at most {exact['pixels_differ_by_at_most']} of 255.",
        ),
    )


def goals(found: Mapping[str, Any]) -> Sequence[Goal]:
    name, batch = f"{found['frames']:,}", found["calls"][f"{BATCH}"]
    return (
        Goal.at_least(f"{name}: recall@10", found["recall_at_10"]["ours"], 0.99),
        Goal.at_most(f"{name}: milliseconds of one query", found["calls"]["1"]["ours"]["p50"], 20.0),
        Goal.at_most(f"{name}: {BATCH} queries, x bare", batch["ours"]["p50"] / batch["bare"]["p50"], 1.5),
    )


def call_rows(found: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
    """Lines of one number of frames: one query a call, and a batch."""
    rows = []
    for size, calls in found["calls"].items():
        ours, bare = calls["ours"], calls["bare"]
        faiss = (found.get("faiss_on_cpu") or {}).get(size, {}).get("faiss")
        beside = (f"{faiss['p50']:.2f}", f"{faiss['p99']:.2f}", f"{ours['p50'] / faiss['p50']:.3f}") if faiss else ()
        rows.append(
            (
                f"{found['frames']:,}, {size}",
                *(f"{values[p]:.2f}" for values in (ours, bare) for p in ("p50", "p99")),
                f"{ours['p50'] / bare['p50']:.2f}",
                *(beside or ("", "", "")),
            )
        )
    return rows


def index_row(found: Mapping[str, Any]) -> tuple[str, ...]:
    memory, recall = found["memory"], found["recall_at_10"]
    return (
        f"{found['frames']:,}",
        f"{recall['ours']:.4f}",
        f"{recall['bare']:.4f}",
        f"{found['fill_seconds']:.1f}",
        *((shown(memory["index_bytes"]), shown(memory["search_bytes"])) if memory else ("", "")),
    )
