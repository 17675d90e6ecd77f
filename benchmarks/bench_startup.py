"""How much CPU time do `vsearch --help`, `info` and `list` take?

    python -m benchmarks startup [--library DIR] [--runs 7]

Each is a process of its own; user and system time are counted, children included. An empty Python process stands beside
them. `info` and `list` read the library named, else one of a few generated files.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import generated, libraries, processes, report
from benchmarks.environment import ROOT
from benchmarks.processes import VSEARCH
from benchmarks.report import Goal, Report, Table, say, spread
from vsearch.library import Library

NAME = "startup"
QUESTION = "how much CPU time do vsearch --help, info and list take?"
HEAVY = ("torch", "faiss", "av", "decord", "sqlalchemy", "alembic", "numpy", "PIL", "sklearn", "rich")
VIDEOS = 20
LIMIT_S = 0.5


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_model_options(parser)
    parser.add_argument("--library", type=Path, metavar="DIR", help="an existing library for info and list")
    parser.add_argument("--runs", type=int, help="repetitions, of which the median counts [7; quick: 1]")
    args = parser.parse_args(argv)
    args.runs = max(1, args.runs or (1 if args.quick else 7))

    with libraries.work_folder(None) as work:
        folder = args.library or small_library(work, codec=args.codec, head=args.head)
        with Library.open(folder) as library:
            videos = library.info()["videos"]
        commands = {
            "python -c pass": (sys.executable, "-c", "pass"),
            "vsearch --help": (*VSEARCH, "--help"),
            "vsearch info": (*VSEARCH, "info", "--library", folder.absolute()),
            "vsearch list": (*VSEARCH, "list", "--library", folder.absolute()),
        }
        figures = {name: measure(command, runs=args.runs) for name, command in commands.items()}
    finished = summary(
        figures, data={"videos_in_library": videos}, options=report.told(args, "library", "runs", "codec", "head")
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def small_library(work: Path, *, codec: Path | None, head: Path | None) -> Path:
    """A library of a few one-frame videos."""
    say(f"making a library of {VIDEOS} videos")
    (work / "videos").mkdir()
    for number in range(VIDEOS):
        generated.one_frame_file(work / "videos" / f"{number:02d}.mp4", seed=number)
    with libraries.open_new(work / "library", codec=codec, head=head) as library:
        library.index([work / "videos"])
    return work / "library"


def measure(command: Sequence[str | Path], *, runs: int) -> dict[str, Any]:
    """CPU and wall seconds of a command, after a run that warms the page cache, and the heavy packages it imports."""
    processes.run(command)
    spent = [processes.run(command) for _ in range(runs)]
    return {
        "cpu_seconds": spread([one.cpu_s for one in spent]),
        "wall_seconds": spread([one.wall_s for one in spent]),
        "imports": heavy_imports(command),
    }


def heavy_imports(command: Sequence[str | Path]) -> list[str]:
    """Which of `HEAVY` a Python command imports, by the interpreter's own account."""
    program, *rest = map(str, command)
    told = subprocess.run(
        [program, "-X", "importtime", *rest],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    )
    imported = set(re.findall(r"^import time:.*\|\s+(\S+)$", told.stderr, re.MULTILINE))
    return [name for name in HEAVY if name in imported]


def summary(figures: Mapping[str, Mapping[str, Any]], *, data: Mapping[str, Any], options: Mapping[str, Any]) -> Report:
    """The finished report."""
    rows = tuple(
        (
            name,
            f"{found['cpu_seconds']['median']:.3f}",
            f"{found['cpu_seconds']['min']:.3f} - {found['cpu_seconds']['max']:.3f}",
            f"{found['wall_seconds']['median']:.3f}",
            " ".join(found["imports"]) or "-",
        )
        for name, found in figures.items()
    )
    help_s = figures["vsearch --help"]["cpu_seconds"]["median"]
    unwanted = {"torch", "faiss"} & set(figures["vsearch --help"]["imports"])
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=None,
        options=options,
        figures=figures,
        goals=(
            Goal.at_most("CPU seconds of vsearch --help", help_s, LIMIT_S),
            Goal.at_most("of torch and faiss, imported by --help", len(unwanted), 0),
        ),
        tables=(Table("processes of their own", ("", "CPU s", "range", "wall s", "heavy imports"), rows),),
    )
