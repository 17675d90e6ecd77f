"""Do clips of one scene come together?

    python -m benchmarks clusters [--excerpts 4] [--seconds 4]

Excerpts of every scene of dev are indexed and divided by `Library.cluster`, which chooses how many groups there are.
The same clips, described by peers, are divided by the same function. Adjusted mutual information with the scenes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets, frame_peers, libraries, report
from benchmarks.datasets import Video
from benchmarks.excerpts import Cut, Excerpt, write_excerpt
from benchmarks.frame_peers import Described
from benchmarks.report import BenchmarkError, Goal, Report, Table, say
from vsearch.library import Library
from vsearch.search.clusters import clip_vector, group

NAME = "clusters"
QUESTION = "do clips of one scene come together?"
OURS = "vsearch"
PEERS = ("layout", "phash")
AHEAD = 0.15  # of the colour layout
NO_GROUP = "none"  # of a clip that was left out: alone in the count, not with others that were left out


@dataclass(frozen=True, slots=True)
class Part:
    """A clip as it was indexed: where it is in its excerpt, and the scene that it shows."""

    path: Path
    scene: str
    start_s: float
    end_s: float


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--excerpts", type=int, default=4, help="of each scene [%(default)s]")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each excerpt, at most [%(default)s]")
    parser.add_argument("--peers", default=",".join(PEERS), help="[%(default)s]")
    parser.add_argument(
        "--page", type=Path, metavar="FILE.html", help="write the groups with pictures, to be looked at"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the library and the excerpts here")
    parser.add_argument("--workers", type=int, default=2, help="processes that cut and describe files [%(default)s]")
    args = parser.parse_args(argv)
    corpus = datasets.corpus_folder(args.corpus)
    videos = datasets.dev_videos(corpus)
    if args.quick:
        videos = datasets.one_per_kind(videos, 6)
    peers = [name for name in args.peers.split(",") if name]
    frame_peers.check_peers(peers)

    with (
        libraries.work_folder(args.work) as work,
        libraries.open_new(work / "library", codec=args.codec, head=args.head) as library,
    ):
        work = work.absolute()  # as hits name files
        cuts = choose_cuts(videos, args.excerpts, args.seconds, seed=args.seed)
        excerpts = write_excerpts(cuts, work / "excerpts", args.seconds, workers=args.workers)
        index_all(library, excerpts)
        models = libraries.models_of(library)
        say("dividing the clips")
        parts, labels = divided(library, excerpts, args.page)
        described = frame_peers.describe_files(
            [one.path for one in excerpts], peers, work / "peers", workers=args.workers
        )
        seen = {excerpt.path: one for excerpt, one in zip(excerpts, described, strict=True)}
        systems = {
            OURS: agreement(parts, labels),
            **{
                frame_peers.PEERS[name].title: agreement(
                    parts, labels_of([vector_of(part, seen[part.path][name]) for part in parts])
                )
                for name in peers
            },
        }
    told = report.told(args, "excerpts", "seconds", "peers", "quick")
    finished = summary(
        systems, data=datasets.described(corpus, videos), seed=args.seed, options={**told, **models}, excerpts=excerpts
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def choose_cuts(videos: Sequence[Video], n: int, length_s: float, *, seed: int) -> list[Cut]:
    """`n` places in the videos of each scene: its videos take turns, longest first, and their places lie apart."""
    scenes: dict[str, list[Video]] = defaultdict(list)
    for video in sorted(videos, key=lambda video: -video.duration_s):
        scenes[video.scene].append(video)
    random, cuts = Random(seed), list[Cut]()
    for scene in sorted(scenes):
        shares = Counter(scenes[scene][i % len(scenes[scene])] for i in range(n))
        for video, count in shares.items():
            room = max(0.0, video.duration_s - length_s)
            cuts += [Cut(video, room * (i + random.random()) / count) for i in range(count)]
    return cuts


def write_excerpts(cuts: Sequence[Cut], folder: Path, length_s: float, *, workers: int) -> list[Excerpt]:
    """The files of all cuts, as the excerpts benchmark encodes them; without those of footage that is damaged there.

    Raises BenchmarkError when more than a twentieth cannot be made.
    """
    say(f"cutting {len(cuts)} excerpts")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.mp4" for number in range(len(cuts))]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        made = list(pool.map(_write, cuts, paths, [length_s] * len(cuts)))
    excerpts = [excerpt for excerpt in made if excerpt is not None]
    if len(excerpts) < 0.95 * len(cuts):
        raise BenchmarkError(f"only {len(excerpts)} of {len(cuts)} excerpts could be made")
    return excerpts


def _write(cut: Cut, path: Path, length_s: float) -> Excerpt | None:
    try:
        return write_excerpt(cut, path, length_s=length_s)
    except BenchmarkError as error:
        say(f"left out: {error}")
        return None


def index_all(library: Library, excerpts: Sequence[Excerpt]) -> None:
    """Raises BenchmarkError when one of them fails."""
    say(f"indexing {len(excerpts)} excerpts")
    found = library.index([excerpt.path for excerpt in excerpts])
    if found.failed:
        first = found.failed[0].as_json()
        raise BenchmarkError(f"{first['path']}: {first['reason']}")


def divided(library: Library, excerpts: Sequence[Excerpt], page: Path | None) -> tuple[list[Part], list[str]]:
    """The clips that `cluster` divided, and the group of each."""
    scenes = {str(excerpt.path): excerpt.video.scene for excerpt in excerpts}
    parts, labels = [], []
    for one in library.cluster(report=page)["groups"]:
        for clip in one["clips"]:
            path = clip["video"]
            parts.append(Part(Path(path), scenes[path], clip["start_seconds"], clip["end_seconds"]))
            labels.append(str(one["group"]))
    return parts, labels


def vector_of(part: Part, seen: Described) -> NDArray[np.float32] | None:
    """A peer's description of a clip, as `cluster` makes one of frames; None without a good frame."""
    there = (seen.times_s >= part.start_s - 1e-3) & (seen.times_s < part.end_s)
    return clip_vector(seen.vectors[there], np.zeros(int(there.sum()), bool))


def labels_of(vectors: Sequence[NDArray[np.float32] | None]) -> list[str]:
    """The groups into which the same function divides a peer's vectors."""
    known = [(number, vector) for number, vector in enumerate(vectors) if vector is not None]
    labels = [NO_GROUP] * len(vectors)
    if not known:
        return labels
    numbers = [number for number, _ in known]
    found = group(np.stack([vector for _, vector in known]))
    for number, one in enumerate(found.groups):
        for member in one.members:
            labels[numbers[member]] = str(number)
    return labels


def agreement(parts: Sequence[Part], labels: Sequence[str]) -> dict[str, Any]:
    """Adjusted mutual information of groups and scenes; and how many groups there are, and clips without one."""
    from sklearn.metrics import adjusted_mutual_info_score

    own = [f"{label} {number}" if label == NO_GROUP else label for number, label in enumerate(labels)]
    return {
        "adjusted_mutual_information": float(adjusted_mutual_info_score([part.scene for part in parts], own)),
        "groups": len(set(labels) - {NO_GROUP}),
        "without_group": sum(label == NO_GROUP for label in labels),
    }


def summary(
    systems: Mapping[str, Mapping[str, Any]],
    *,
    data: dict[str, Any],
    seed: int,
    options: dict[str, Any],
    excerpts: Sequence[Excerpt],
) -> Report:
    """The finished report."""
    measure = "adjusted_mutual_information"
    scenes = len({excerpt.video.scene for excerpt in excerpts})
    goals = []
    layout = frame_peers.PEERS["layout"].title
    if layout in systems:
        ahead = systems[OURS][measure] - systems[layout][measure]
        goals = [Goal.at_least("adjusted mutual information above the colour layout's", ahead, AHEAD)]
    rows = tuple(
        (name, f"{one[measure]:.3f}", str(one["groups"]), str(one["without_group"])) for name, one in systems.items()
    )
    title = f"{len(excerpts)} excerpts of {scenes} scenes, divided by the same function"
    return Report(
        name=NAME,
        question=QUESTION,
        data={**data, "scenes": scenes, "excerpts": len(excerpts)},
        seed=seed,
        options=options,
        figures={"systems": dict(systems)},
        goals=tuple(goals),
        tables=(Table(title, ("", "AMI", "groups", "clips without one"), rows),),
    )
