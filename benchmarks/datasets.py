"""The real videos that figures are taken on: `dev` of the corpus, which nothing was trained on; `train` to be passed
over."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environment import ROOT
from benchmarks.report import BenchmarkError

MANIFEST, TRAINED_ON = "dev.jsonl", "train.jsonl"
SHOWS_AGAIN = ("dev/034.mkv", "dev/030.webm")  # half of the first one's picture is the second, which no manifest says


@dataclass(frozen=True, slots=True)
class Video:
    """A line of the manifest. `group`: the same footage; `scene`: lookalikes; `kind`: rough, by source. `series`: the
    folder that its original came from, "" where the manifest does not say: its files are often of one series.
    """

    name: str
    path: Path
    duration_s: float
    width: int
    height: int
    kind: str
    group: str
    scene: str
    series: str = ""

    def beside(self, other: Video) -> bool:
        """Whether both are of one series."""
        return self.series != "" and self.series == other.series


def corpus_folder(named: Path | None = None) -> Path:
    """The folder of real videos: the one named, else `$VSEARCH_CORPUS`, else `../shared/corpus` beside the checkout.

    Raises BenchmarkError when it is not there.
    """
    folder = named or Path(os.environ.get("VSEARCH_CORPUS") or ROOT.parent / "shared" / "corpus")
    if not (folder / MANIFEST).is_file():
        raise BenchmarkError(
            f"{folder / MANIFEST} is missing: this benchmark reads real videos; "
            "name their folder with --corpus or $VSEARCH_CORPUS"
        )
    return folder.absolute()


def dev_videos(corpus: Path) -> list[Video]:
    """Every video of `dev`, in the order of the manifest. Raises BenchmarkError for a manifest that does not fit."""
    return _videos(corpus, MANIFEST)


def train_videos(corpus: Path) -> list[Video]:
    """Every video of `train`, which models were trained on: distractors, never queries that are to be found.

    An empty list when the corpus has no such part. Raises BenchmarkError for a manifest that does not fit.
    """
    return _videos(corpus, TRAINED_ON) if (corpus / TRAINED_ON).is_file() else []


def _videos(corpus: Path, manifest: str) -> list[Video]:
    videos = []
    for number, line in enumerate((corpus / manifest).read_text(encoding="utf-8").splitlines(), 1):
        try:
            fields = json.loads(line)
            videos.append(
                Video(
                    name=fields["file"],
                    path=corpus / fields["file"],
                    duration_s=float(fields["duration"]),
                    width=int(fields["width"]),
                    height=int(fields["height"]),
                    kind=fields["kind"],
                    group=fields["group"],
                    scene=fields["scene"],
                    series=f"{fields['repo']}/{Path(fields['path']).parent}" if "repo" in fields else "",
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BenchmarkError(f"{corpus / manifest}, line {number}: {error!r}") from error
    missing = [video.name for video in videos if not video.path.is_file()]
    if missing or not videos:
        raise BenchmarkError(f"{corpus / manifest}: {len(missing)} of {len(videos)} files are missing {missing[:3]}")
    return videos


def listed(videos: Sequence[Video], names: Path) -> list[Video]:
    """The videos that a file names, one a line, like `rd26.txt`. Raises BenchmarkError for an unknown name."""
    try:
        wanted = names.read_text(encoding="utf-8").split()
    except OSError as error:
        raise BenchmarkError(f"{names}: {error.strerror}") from error
    known = {video.name: video for video in videos}
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise BenchmarkError(f"{names}: not in {MANIFEST}: {', '.join(unknown) or 'no name at all'}")
    return [known[name] for name in wanted]


def one_per_kind(videos: Sequence[Video], at_most: int) -> list[Video]:
    """A few short videos of different kinds, for a quick run: the shortest of each kind."""
    first: dict[str, Video] = {}
    for video in sorted(videos, key=lambda video: video.duration_s):
        first.setdefault(video.kind, video)
    return list(first.values())[:at_most]


def described(corpus: Path, videos: Sequence[Video]) -> dict[str, Any]:
    """What a result says of its data: the manifest's hash, and which part of it was used."""
    names = "\n".join(sorted(video.name for video in videos))
    return {
        "manifest": MANIFEST,
        "manifest_sha256": hashlib.sha256((corpus / MANIFEST).read_bytes()).hexdigest(),
        "videos": len(videos),
        "names_sha256": hashlib.sha256(names.encode()).hexdigest(),
        "seconds": sum(video.duration_s for video in videos),
    }
