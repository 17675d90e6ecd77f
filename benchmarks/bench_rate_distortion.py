"""How many bytes does the latent codec need for a picture, beside stills and proxies of the same frames?

    python -m benchmarks rate_distortion [--list rd26.txt] [--frames 20] [--work DIR] [--plot FILE.png]
    python -m benchmarks rate_distortion --parts speed
    python -m benchmarks rate_distortion --table FILE.json

curves   the codec at its tiers and at levels between, JPEG, WebP, AVIF, x264, x265, SVT-AV1: bytes and likeness of the
         same sampled frames; BD-rates, also by kind of content
tiers    bytes an hour of whole videos at the default sampling, by tier and by how long the videos are
static   what holding one picture for 30 s costs
speed    (only when asked for) frames a second, beside AVIF stills

`--table` prints the figures of a finished run as a Markdown table and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import datasets, environment, libraries, report
from benchmarks.codec_rates import Setting, held_over_still, measure_points, still_frames, whole_video_bytes
from benchmarks.datasets import Video
from benchmarks.footage import Footage, read_footage
from benchmarks.moving import SVT_AV1
from benchmarks.peers import PEERS, PointShelf, measure_peers
from benchmarks.rate_plot import check_plotting, draw_curves
from benchmarks.rate_speed import Speed, measure_speed
from benchmarks.rate_tables import (
    by_kind_table,
    comparison_table,
    curves_table,
    hours_table,
    markdown,
    static_table,
    tiers_table,
)
from benchmarks.report import BenchmarkError, Goal, Report, Table, say
from benchmarks.score_rates import (
    MEASURES,
    Comparison,
    VideoCurves,
    bytes_an_hour,
    compare,
    kinds,
    mean_curve,
    spread_levels,
    without_headers,
)
from benchmarks.stills import AVIF, JPEG, WEBP
from vsearch.models import load_codec, shipped_codec

NAME = "rate_distortion"
QUESTION = "how many bytes does the latent codec need, beside stills and proxies of the same frames?"
PARTS = ("curves", "tiers", "static", "speed")
OURS = "vsearch"
AVIF_BARE = f"{AVIF.name}, no header"
LEVELS = 6
STILLS = 24

BD_GOALS = {AVIF.name: -50.0, AVIF_BARE: -35.0, WEBP.name: -55.0, JPEG.name: -70.0, SVT_AV1.name: 35.0}
BD_GOAL_MEASURES = ("psnr_db", "ssim")
TIER_GOALS_MB = {"low": 0.8, "default": 1.6, "high": 4.0}
DEFAULT_PSNR_DB = 29.0
HELD_GOAL = 1.3


@dataclass(slots=True)
class Findings:
    """What the parts that were run found."""

    figures: dict[str, Any] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    args = parsed(argv)
    if args.table is not None:
        print(markdown(read_figures(args.table)))
        return 0
    if args.plot is not None:
        check_plotting()
    corpus = datasets.corpus_folder(args.corpus)
    videos = chosen_videos(corpus, args)
    cores = environment.available_cores()
    setting = Setting(load_codec(args.codec or shipped_codec(), threads=cores), args.effort)
    if args.effort not in setting.codec.efforts:
        raise BenchmarkError(f"--effort: this codec offers {', '.join(setting.codec.efforts)}")
    found = Findings()
    with libraries.work_folder(args.work) as work, workers(cores) as pool:
        footage = read_footage(videos) if set(args.parts) - {"speed"} else []
        if "curves" in args.parts:
            curves = measure_curves(setting, footage, args, pool=pool, shelf=PointShelf(work / "points"))
            add_curves(found, curves, setting.codec.tiers)
    if "tiers" in args.parts:
        add_tiers(found, setting, footage)
    if "static" in args.parts:
        add_static(found, setting, footage)
    if "speed" in args.parts:
        effort = {"runs": 1, "n_chunks": 2} if args.quick else {"runs": 3}
        paths = [video.path for video in videos]
        add_speed(found, measure_speed(args.codec or shipped_codec(), args.effort, paths, threads=cores, **effort))
    finish(found, setting, args, data=datasets.described(corpus, videos))
    return 0


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The options; `parts` and `peers` as lists of known names."""
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    parser.add_argument("--codec", type=Path, metavar="DIR", help="a codec other than the one that comes with vsearch")
    parser.add_argument("--effort", default="default", help="how hard its encoder tries [%(default)s]")
    parser.add_argument("--list", type=Path, metavar="FILE", help="only the videos that it names, like rd26.txt")
    parser.add_argument(
        "--frames", type=int, metavar="N", help="curves: at most N consecutive frames a video [20; quick: 4]"
    )
    parser.add_argument("--parts", default="curves,tiers,static", help=f"some of {','.join(PARTS)} [%(default)s]")
    parser.add_argument("--peers", default=",".join(PEERS), help="which to code with [%(default)s]")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the peers' points here, and use those kept")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the mean curves (needs matplotlib)")
    parser.add_argument(
        "--table", type=Path, metavar="FILE.json", help="print a finished run as Markdown, nothing else"
    )
    args = parser.parse_args(argv)
    args.frames = max(1, args.frames or (4 if args.quick else 20))
    for option, known in (("parts", PARTS), ("peers", tuple(PEERS))):
        named = [name for name in getattr(args, option).split(",") if name]
        if set(named) - set(known):
            parser.error(f"--{option}: choose from {', '.join(known)}")
        setattr(args, option, [name for name in known if name in named])
    if not args.parts or (args.plot is not None and "curves" not in args.parts):
        parser.error("--parts: name at least one, and curves for --plot")
    return args


def chosen_videos(corpus: Path, args: argparse.Namespace) -> list[Video]:
    videos = datasets.dev_videos(corpus)
    if args.list is not None:
        videos = datasets.listed(videos, args.list if args.list.exists() else corpus / args.list)
    return datasets.one_per_kind(videos, 4) if args.quick else videos


def workers(cores: int) -> ProcessPoolExecutor:
    """A process for each core, none of which inherits the codec's threads."""
    return ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn"))


def read_figures(path: Path) -> dict[str, Any]:
    """The figures of a finished run. Raises BenchmarkError for another file."""
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no result of a benchmark: {error!r}") from error
    return dict(figures)


def finish(found: Findings, setting: Setting, args: argparse.Namespace, *, data: Mapping[str, Any]) -> None:
    """Publish, and draw the curves where that was asked for."""
    options = report.told(args, "list", "frames", "effort", "parts", "peers", "quick")
    coders = {PEERS[name].name: PEERS[name].versions() for name in args.peers} if "curves" in args.parts else {}
    finished = Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=None,
        options=options | {"codec": setting.codec.model_id, "tiers": dict(setting.codec.tiers), "coders": coders},
        figures=found.figures,
        goals=tuple(found.goals),
        tables=tuple(found.tables),
        notes=tuple(found.notes),
    )
    report.publish(finished, report.output_path(result_name(args), args))
    if args.plot is not None:
        title = f"{data['videos']} videos, at most {args.frames} frames each, one a second"
        draw_curves(found.figures["curves"], setting.codec.tiers, title=title, output=args.plot)
        say(f"drawn to {args.plot}")


def result_name(args: argparse.Namespace) -> str:
    """Results over a list of videos, and those of speed alone, are files of their own."""
    name = NAME if args.list is None else f"{NAME}-{args.list.stem}"
    return f"{name}-speed" if args.parts == ["speed"] else name


# Curves


@dataclass(frozen=True, slots=True)
class Curves:
    """Every video by every coder; how many of our chunks there were, and how many did not unpack exactly."""

    videos: list[VideoCurves]
    peers: list[str]
    levels: tuple[int, ...]
    chunks: int
    failures: int


def measure_curves(
    setting: Setting, footage: Sequence[Footage], args: argparse.Namespace, *, pool: Executor, shelf: PointShelf
) -> Curves:
    frames = [one.middle(args.frames) for one in footage]
    levels = spread_levels(setting.codec.tiers, LEVELS)
    ours = measure_points(setting, frames, levels, pool)
    theirs = measure_peers(args.peers, frames, pool=pool, shelf=shelf)
    for points in theirs:
        if AVIF.name in points:
            points[AVIF_BARE] = without_headers(points[AVIF.name])
    names = [PEERS[name].name for name in args.peers]
    if AVIF.name in names:
        names.insert(names.index(AVIF.name) + 1, AVIF_BARE)
    videos = [
        VideoCurves(one.video.name, one.video.kind, {OURS: points, **{name: peer[name] for name in names}})
        for one, points, peer in zip(footage, ours.points, theirs, strict=True)
    ]
    return Curves(videos, names, levels, ours.chunks, ours.failures)


def add_curves(found: Findings, curves: Curves, tiers: Mapping[str, int]) -> None:
    """Figures, tables and goals of the curves."""
    means = {name: mean_curve(curves.videos, name) for name in (OURS, *curves.peers)}
    rates = {
        measure: {peer: compare(curves.videos, OURS, peer, measure) for peer in curves.peers} for measure in MEASURES
    }
    by_kind = {
        kind: {measure: {peer: compare(videos, OURS, peer, measure) for peer in curves.peers} for measure in MEASURES}
        for kind, videos in kinds(curves.videos).items()
    }
    found.figures |= {
        "levels": list(curves.levels),
        "frames": sum(len(video.coders[OURS][0].psnr_db) for video in curves.videos),
        "chunks": curves.chunks,
        "chunks_that_did_not_unpack_exactly": curves.failures,
        "curves": means,
        "quality_of_tiers": {
            tier: next(row for row in means[OURS] if row["quality"] == level) for tier, level in tiers.items()
        },
        "bd_rate": {measure: told(rows) for measure, rows in rates.items()},
        "bd_rate_by_kind": {
            kind: {measure: told(rows) for measure, rows in of_kind.items()} for kind, of_kind in by_kind.items()
        },
        "videos": {video.name: of_video(video, rates, tiers) for video in curves.videos},
    }
    found.tables.append(curves_table(means))
    found.goals.append(Goal.at_most("chunks that did not unpack to what was packed", curves.failures, 0))
    if len(curves.levels) < 2:
        found.notes.append("The codec has one level: no BD-rate is possible against a single point.")
    else:
        found.tables += [comparison_table(rates), by_kind_table(by_kind, len(curves.videos))]
        found.goals += bd_goals(rates)
        found.notes.append("BD-rate: bytes more (+) or fewer (-) than the peer at equal quality, means over videos.")


def told(rows: Mapping[str, Comparison | None]) -> dict[str, Any]:
    """Comparisons for JSON; None where no video has curves that share a range."""
    return {peer: None if row is None else row.as_json() for peer, row in rows.items()}


def of_video(
    video: VideoCurves, rates: Mapping[str, Mapping[str, Comparison | None]], tiers: Mapping[str, int]
) -> dict[str, Any]:
    """One video in the result: what the tiers gave, and its BD-rates in RGB PSNR and SSIM."""
    by_level = {point.quality: point for point in video.coders[OURS]}
    return {
        "tiers": {
            tier: {
                "bytes_a_frame": by_level[level].bytes_a_frame,
                **{measure: by_level[level].mean(measure) for measure in MEASURES},
            }
            for tier, level in tiers.items()
        },
        "bd_rate": {
            measure: {peer: row.rates.get(video.name) for peer, row in rates[measure].items() if row is not None}
            for measure in BD_GOAL_MEASURES
        },
    }


def bd_goals(rates: Mapping[str, Mapping[str, Comparison | None]]) -> list[Goal]:
    """The goals for the mean over videos, against the peers that were measured."""
    goals = []
    for peer, bound in BD_GOALS.items():
        for measure in BD_GOAL_MEASURES:
            compared = rates[measure].get(peer)
            if compared is not None:
                goals.append(Goal.at_most(f"BD-rate against {peer}, {MEASURES[measure]}, %", compared.mean, bound))
    return goals


# Tiers, held pictures, speed


def add_tiers(found: Findings, setting: Setting, footage: Sequence[Footage]) -> None:
    """Bytes an hour by tier, and the default tier's likeness where the curves were measured."""
    hours = {tier: bytes_an_hour(videos) for tier, videos in whole_video_bytes(setting, footage).items()}
    quality = found.figures.get("quality_of_tiers", {})
    found.figures["bytes_an_hour"] = hours
    found.tables += [tiers_table(hours, quality), hours_table(hours)]
    for tier, bound in TIER_GOALS_MB.items():
        if tier in hours:
            measured = hours[tier]["all"]["bytes_an_hour"] / 1e6
            found.goals.append(Goal.at_most(f"MB of latents an hour, tier {tier}", measured, bound))
    if "default" in quality:
        goal = Goal.at_least("mean RGB PSNR of tier default, dB", quality["default"]["psnr_db"], DEFAULT_PSNR_DB)
        found.goals.append(goal)


def add_static(found: Findings, setting: Setting, footage: Sequence[Footage]) -> None:
    """What holding a picture costs, by tier: the mean of the ratios counts."""
    ratios = held_over_still(setting, still_frames(footage, STILLS), setting.codec.tiers)
    if not all(ratios.values()):
        raise BenchmarkError("no video shows anything but a plain colour: no picture to hold")
    rows = {
        tier: {"mean": statistics.fmean(values), "median": statistics.median(values), "max": max(values)}
        for tier, values in ratios.items()
    }
    found.figures["held_over_still"] = {"pictures": len(next(iter(ratios.values()))), **rows}
    found.tables.append(static_table(rows))
    for tier, row in rows.items():
        found.goals.append(
            Goal.at_most(f"30 s of one picture over its first frame, tier {tier}", row["mean"], HELD_GOAL)
        )


def add_speed(found: Findings, speed: Speed) -> None:
    found.figures["speed"] = speed.figures()
    found.goals += speed.goals()
    found.tables.append(speed.table())
