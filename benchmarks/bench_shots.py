"""How well are shot boundaries found?

    python -m benchmarks shots [--footage dev|photos|drawn] [--sequences 60]

Excerpts of footage are joined by hard cuts, dissolves (0.4 to 2 s) and fades through black or white at known frames,
with light flashes inside shots that must not count. `dev`: excerpts of the corpus's dev videos of 20 frames a second
and more, without those that hold an evident cut already; never tuned on. `photos`: a moving window over the corpus's
photographs, on which the detector's limits were chosen. `drawn`: generated pictures, for machines without the corpus.

The peer is the plain detector that most programs begin with: a boundary wherever the mean absolute difference of luma
exceeds a threshold, which is given the best threshold for this very data.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import datasets, report
from benchmarks.report import Report, Table, say
from benchmarks.score_shots import ShotScore, Transition, score
from vsearch.config import ReadConfig
from vsearch.media import open_video
from vsearch.media.base import LUMA_SIZE
from vsearch.media.shots import SHOT_DETECTOR, ShotDetector
from vsearch.media.source import SourceFile

NAME = "shots"
QUESTION = "how well are shot boundaries found?"
FPS = 25
SLACK, LATE = 1, 8  # frames: around a cut, after a gradual transition
THRESHOLDS = tuple(range(4, 60, 2))  # of the peer, in grey levels

Luma = NDArray[np.uint8]  # (frames, 36, 64)


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    parser.add_argument("--footage", choices=("dev", "photos", "drawn"), default="dev", help="[%(default)s]")
    parser.add_argument("--sequences", type=int, help="how many to join, of about ten shots each [60; quick: 6]")
    args = parser.parse_args(argv)
    args.sequences = args.sequences or (6 if args.quick else 60)
    rng = np.random.default_rng(args.seed)
    footage = list(_footage(args, rng))
    say(f"joining {len(footage)} excerpts into {args.sequences} sequences")
    sequences = [joined(footage, rng) for _ in range(args.sequences)]
    report.publish(_summary(args, sequences), report.output_path(NAME, args))
    return 0


def joined(footage: Sequence[Luma], rng: np.random.Generator, shots: int = 10) -> tuple[Luma, list[Transition]]:
    """About ten shots with transitions of every kind between them, and the transitions."""
    chosen = rng.choice(len(footage), shots, replace=False)
    pictures = footage[chosen[0]].astype(np.float32)
    transitions = []
    for number in chosen[1:]:
        coming = footage[number].astype(np.float32)
        if rng.random() < 0.3:
            _flash(coming, rng)
        kind = str(rng.choice(["cut", "dissolve", "fade"], p=[0.5, 0.3, 0.2]))
        pictures, start, end = _JOINS[kind](pictures, coming, rng)
        transitions.append(Transition(kind, start, end))
    return np.clip(pictures + 0.5, 0, 255).astype(np.uint8), transitions


Pictures = NDArray[np.float32]
Join = Callable[[Pictures, Pictures, np.random.Generator], tuple[Pictures, int, int]]


def _cut(old: Pictures, new: Pictures, rng: np.random.Generator) -> tuple[Pictures, int, int]:
    return np.concatenate([old, new]), len(old), len(old)


def _dissolve(old: Pictures, new: Pictures, rng: np.random.Generator) -> tuple[Pictures, int, int]:
    """Both shots go on moving while they mix."""
    length = min(int(rng.integers(10, 51)), len(old) // 2, len(new) // 2)
    share = (np.arange(1, length + 1, dtype=np.float32) / (length + 1))[:, None, None]
    mixed = old[-length:] * (1 - share) + new[:length] * share
    return np.concatenate([old[:-length], mixed, new[length:]]), len(old) - length, len(old)


def _fade(old: Pictures, new: Pictures, rng: np.random.Generator) -> tuple[Pictures, int, int]:
    """Out to black or white, a while of nothing, and in."""
    length, hold = int(rng.integers(5, 26)), int(rng.integers(2, 26))
    length = min(length, len(old) // 2, len(new) // 2)
    color = np.float32(rng.choice([16, 235], p=[0.8, 0.2]))
    down = (np.arange(length, dtype=np.float32)[::-1] / length)[:, None, None]
    out, back = (old[-length:] - color) * down + color, (new[:length] - color) * down[::-1] + color
    nothing = np.full((hold, *LUMA_SIZE), color, np.float32)
    pictures = np.concatenate([old[:-length], out, nothing, back, new[length:]])
    return pictures, len(old) - length, len(old) + hold + length


_JOINS: dict[str, Join] = {"cut": _cut, "dissolve": _dissolve, "fade": _fade}


def _flash(pictures: Pictures, rng: np.random.Generator) -> None:
    """A photographer's flash: one to three frames nearly white, in the middle of the shot."""
    first = int(rng.integers(len(pictures) // 3, 2 * len(pictures) // 3))
    strength = np.float32(rng.uniform(0.4, 1.0))
    for number in range(first, min(len(pictures), first + int(rng.integers(1, 4)))):
        pictures[number] += (245 - pictures[number]) * strength


def found(luma: Luma, fps: float = FPS) -> list[int]:
    """The frames that begin a shot, by our detector."""
    detector = ShotDetector(fps)
    decisions = [decision for picture in luma for decision in detector.push(picture)] + detector.finish()
    return [number for number, decision in enumerate(decisions) if decision]


def found_by_threshold(luma: Luma, threshold: float) -> list[int]:
    """The peer: every frame that differs from the one before by more than `threshold` grey levels on average."""
    change = np.abs(np.diff(luma.astype(np.int16), axis=0)).mean(axis=(1, 2))
    return [int(number) + 1 for number in np.flatnonzero(change > threshold)]


def _footage(args: argparse.Namespace, rng: np.random.Generator) -> Iterator[Luma]:
    if args.footage == "drawn":
        pictures: Iterator[NDArray[np.float32]] = (_drawn(rng) for _ in range(120))
        yield from (_wandering(picture, rng) for picture in pictures)
        return
    corpus = datasets.corpus_folder(args.corpus)
    if args.footage == "photos":
        names = [json.loads(line)["file"] for line in (corpus / "photos.jsonl").read_text().splitlines()]
        for number in rng.choice(len(names), 150, replace=False):
            with Image.open(corpus / "photos" / names[number]) as photo:
                yield _wandering(np.asarray(photo.convert("L"), np.float32), rng)
    else:
        for line in (corpus / "dev.jsonl").read_text().splitlines()[:: 8 if args.quick else 1]:
            yield from _excerpts(corpus / json.loads(line)["file"], rng)


def _drawn(rng: np.random.Generator) -> NDArray[np.float32]:
    """A picture of blobs and edges at several scales, 240x400."""
    total = np.zeros((240, 400), np.float32)
    for cells in (2, 4, 9, 20, 40):
        coarse = Image.fromarray(rng.uniform(-1, 1, (cells, 2 * cells)).astype(np.float32))
        total += np.asarray(coarse.resize((400, 240), Image.Resampling.BILINEAR)) / np.sqrt(cells)
    return np.asarray((total - total.min()) * (215 / np.ptp(total)) + 20, np.float32)


def _wandering(picture: NDArray[np.float32], rng: np.random.Generator, frames: int | None = None) -> Luma:
    """A hand-held window that pans over the picture and zooms, with noise: 2 to 6 seconds of it."""
    count = frames or int(rng.integers(2 * FPS, 6 * FPS))
    height, width = picture.shape
    source = Image.fromarray(picture)
    speed = rng.normal(0, 1, 2) * rng.choice([0, 0.001, 0.004, 0.012]) * width
    zoom = 1 + rng.normal(0, 0.002) * rng.integers(0, 2)
    box = np.array([width, height]) * 0.6
    centre = np.array([width, height]) / 2 + rng.uniform(-0.1, 0.1, 2) * (width, height)
    noise = rng.uniform(0, 2)
    out = np.empty((count, *LUMA_SIZE), np.uint8)
    for number in range(count):
        centre = centre + speed + rng.normal(0, 0.0006, 2) * width
        speed = np.where((centre < box / 2) | (centre > (width, height) - box / 2), -speed, speed)
        box = np.clip(box * zoom, np.array([width, height]) * 0.3, np.array([width, height]) * 0.9)
        low = np.clip(centre - box / 2, 0, (width, height) - box)
        small = source.resize(LUMA_SIZE[::-1], Image.Resampling.BOX, box=(*low, *(low + box)))
        out[number] = np.clip(np.asarray(small) + rng.normal(0, noise, LUMA_SIZE), 0, 255)
    return out


def _excerpts(path: Path, rng: np.random.Generator) -> Iterator[Luma]:
    """Excerpts of 2 to 6 seconds, without evident cuts."""
    with SourceFile(str(path).encode()) as source, open_video(source, ReadConfig()) as video:
        rate = float(video.info.frame_rate or 0)
        if not 20 <= rate <= 61:
            return
        luma = np.array([frame.luma for frame in video.frames()])
    luma = luma[:: 2 if rate > 40 else 1]
    first = 0
    while len(luma) - first >= 2 * FPS:
        last = min(len(luma), first + int(rng.integers(2 * FPS, 6 * FPS)))
        excerpt, first = luma[first:last], last
        if len(excerpt) >= 2 * FPS and not _evident_cut(excerpt):
            yield excerpt


def _evident_cut(luma: Luma) -> bool:
    """Two neighbouring pictures that differ a lot and have nothing in common."""
    flat = luma.reshape(len(luma), -1).astype(np.float32)
    change = np.abs(np.diff(flat, axis=0)).mean(axis=1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1)) + 1e-3
    alike = (centred[1:] * centred[:-1]).sum(axis=1) / (norms[1:] * norms[:-1])
    return bool(((change > 20) & (alike < 0.5)).any())


def _summary(args: argparse.Namespace, sequences: Sequence[tuple[Luma, list[Transition]]]) -> Report:
    began = time.process_time()
    ours = score([(found(luma), truth) for luma, truth in sequences], SLACK, LATE)
    spent = time.process_time() - began
    frames = sum(len(luma) for luma, _ in sequences)
    peers = {
        threshold: score([(found_by_threshold(luma, threshold), truth) for luma, truth in sequences], SLACK, LATE)
        for threshold in THRESHOLDS
    }
    best = max(peers, key=lambda threshold: peers[threshold].f1)
    named = {f"vsearch ({SHOT_DETECTOR})": ours, f"fixed threshold {best} (the best here)": peers[best]}
    return Report(
        name=NAME,
        question=QUESTION,
        data={"footage": args.footage, "frames": frames, "transitions": ours.truth, "sequences": len(sequences)},
        seed=args.seed,
        options=report.told(args, "footage", "sequences", "quick"),
        figures={
            **{name: _figures(result) for name, result in named.items()},
            "microseconds_a_frame": spent / frames * 1e6,
        },
        tables=(
            Table(
                f"{ours.truth} transitions in {frames} frames of {args.footage}",
                ("detector", "F1", "precision", "recall", "cuts", "dissolves", "fades"),
                tuple(_row(name, result) for name, result in named.items()),
            ),
        ),
        notes=(f"our detector takes {spent / frames * 1e6:.0f} us of CPU time a frame",),
    )


def _figures(result: ShotScore) -> dict[str, Any]:
    recalls = {f"recall_{kind}": hit / there for kind, (hit, there) in sorted(result.found.items())}
    return {"f1": result.f1, "precision": result.precision, "recall": result.recall, **recalls}


def _row(name: str, result: ShotScore) -> tuple[str, ...]:
    parts = [result.found.get(kind, (0, 0)) for kind in ("cut", "dissolve", "fade")]
    shares = [f"{hit / there:.3f}" if there else "-" for hit, there in parts]
    return name, f"{result.f1:.3f}", f"{result.precision:.3f}", f"{result.recall:.3f}", *shares
