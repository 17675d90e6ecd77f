"""What every program shares: its common options, and how figures are printed and written."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import environment

RESULTS = Path(__file__).resolve().parent / "results"
FORMAT = 1


class BenchmarkError(Exception):
    """A figure that cannot be taken here. The message names what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people. Cells are text; every column but the first is aligned to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def lines(self) -> list[str]:
        rows = [self.head, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.head))]
        aligned = (
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            for row in rows
        )
        return [self.title, *("  " + "  ".join(row).rstrip() for row in aligned)]


@dataclass(frozen=True, slots=True)
class Goal:
    """What was wanted and what was measured. A goal that was missed is reported like any other figure."""

    what: str
    wanted: str
    measured: float
    met: bool

    @classmethod
    def at_least(cls, what: str, measured: float, bound: float) -> Goal:
        return cls(what, f">= {bound:g}", measured, measured >= bound)

    @classmethod
    def at_most(cls, what: str, measured: float, bound: float) -> Goal:
        return cls(what, f"<= {bound:g}", measured, measured <= bound)

    def row(self) -> tuple[str, ...]:
        return self.what, self.wanted, f"{self.measured:.4g}", "met" if self.met else "MISSED"

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "wanted": self.wanted, "measured": self.measured, "met": self.met}


@dataclass(frozen=True, slots=True)
class Report:
    """One finished run of a program. `figures`, `data` and `options` must be JSON-ready once floats are rounded."""

    name: str
    question: str
    data: Mapping[str, Any]
    seed: int | None
    options: Mapping[str, Any]
    figures: Mapping[str, Any]
    goals: tuple[Goal, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The report for people."""
        found = [f"{self.name}: {self.question}"]
        for table in self.tables:
            found += ["", *table.lines()]
        if self.goals:
            found += ["", *Table("goals", ("", "wanted", "measured", ""), tuple(map(Goal.row, self.goals))).lines()]
        return [*found, *([""] if self.notes else []), *self.notes]

    def as_json(self) -> dict[str, Any]:
        """Everything, with commit, machine and versions."""
        whole = {
            "format": FORMAT,
            "benchmark": self.name,
            "question": self.question,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            **environment.commit(),
            "machine": environment.machine(),
            "versions": environment.versions(),
            "data": dict(self.data),
            "seed": self.seed,
            "options": dict(self.options),
            "figures": dict(self.figures),
            "goals": [goal.as_json() for goal in self.goals],
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = rounded(whole)
        return plain


def publish(report: Report, output: Path) -> None:
    """Print the report and write its JSON. Raises BenchmarkError when the file can't be written."""
    print("\n".join(report.lines()))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"{output}: {error.strerror}") from error
    print(f"\nwritten to {output}")


def options(name: str, question: str) -> argparse.ArgumentParser:
    """A parser with the options that all programs share."""
    environment.commit()  # a long run measures what is checked out now
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=question)
    parser.add_argument(
        "--output", type=Path, metavar="FILE.json", help=f"where the figures go [benchmarks/results/{name}.json]"
    )
    parser.add_argument("--quick", action="store_true", help=f"few videos, to try it [writes {name}-quick.json]")
    parser.add_argument("--seed", type=int, default=7, help="of everything that is chosen at random [%(default)s]")
    return parser


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """For programs that read the corpus."""
    parser.add_argument(
        "--corpus", type=Path, metavar="DIR", help="the videos [$VSEARCH_CORPUS, else ../shared/corpus]"
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """For programs that index."""
    parser.add_argument("--codec", type=Path, metavar="DIR", help="a codec other than the one that comes with vsearch")
    parser.add_argument("--head", type=Path, metavar="DIR", help="a head other than the one that comes with vsearch")


def output_path(name: str, args: argparse.Namespace) -> Path:
    """Where a program writes; a quick run never overwrites a full one's figures unless told to."""
    named: Path | None = args.output
    return named or RESULTS / (f"{name}-quick.json" if args.quick else f"{name}.json")


def told(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """These options as they were given, JSON-ready; files by name alone, since other machines keep them elsewhere."""
    values = {name: getattr(args, name) for name in names}
    return {name: value.name if isinstance(value, Path) else value for name, value in values.items()}


def say(text: str) -> None:
    """A line on what is being done now, on stderr."""
    print(text, file=sys.stderr, flush=True)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and range of repeated measurements."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def rounded(value: Any) -> Any:
    """`value` with every float cut to six significant digits. Raises ValueError for one that is not finite."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a figure is not finite")
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value
