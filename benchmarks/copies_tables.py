"""The figures of `copies` and `long` as tables for people, and as Markdown for the README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import BenchmarkError, Table

Systems = Mapping[str, Mapping[str, Any]]

MEASURES = {
    "recall_at_1": "recall@1",
    "recall_at_5": "recall@5",
    "uap": "uAP",
    "temporal_iou": "temporal IoU of right hits",
    "segment_f1": "segment F1",
    "starts_within_1_s": "starts within 1 s",
}


def systems_table(systems: Systems) -> Table:
    """Over all edits, a column a system."""
    rows = [
        (label, *(number(figures["all"][measure]) for figures in systems.values()))
        for measure, label in MEASURES.items()
    ]
    few = [figures["with_few_false_hits"] for figures in systems.values()]
    rows.append((f"recall at {few[0]['per_1000']:g} false hits a thousand", *(number(one["recall"]) for one in few)))
    queries = next(iter(systems.values()))["all"]["queries"]
    return Table(f"{queries} edited excerpts", ("", *systems), tuple(rows))


def edits_table(systems: Systems) -> Table:
    """recall@1 of every edit, and the other measures of the first system."""
    first = next(iter(systems.values()))
    rows = [
        (
            edit,
            *(number(figures["edits"][edit]["recall_at_1"]) for figures in systems.values()),
            *(number(found[measure]) for measure in ("uap", "temporal_iou", "segment_f1", "starts_within_1_s")),
        )
        for edit, found in first["edits"].items()
    ]
    head = ("", *systems, "uAP", "IoU", "F1", "start in 1 s")
    return Table(f"recall@1 by edit; right of the systems: more of {next(iter(systems))}", head, tuple(rows))


def thresholds_table(systems: Systems) -> Table:
    rows = [
        (
            f"{name}, {row['threshold']} ({row['field']} {row['least']:.3g})",
            number(row["precision"]),
            number(row["recall"]),
            f"{row['strangers_with_a_hit']} of {row['strangers']}",
            number(row["false_hits_per_1000"], 1),
            number(row["upper_bound_per_1000"], 1),
            str(row["strangers_with_a_hit_outside_their_series"]),
            f"{row['lookalikes_with_a_hit_in_their_scene']} of {row['lookalikes']}",
            f"{row['lookalikes_with_a_false_hit']} of {row['lookalikes']}",
        )
        for name, figures in systems.items()
        for row in figures["thresholds"]
    ]
    head = (
        "",
        "precision",
        "recall",
        "strangers with a hit",
        "a thousand",
        "95% bound",
        "outside their series",
        "lookalikes found in their scene",
        "falsely",
    )
    return Table("at thresholds", head, tuple(rows))


def number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def read_figures(path: Path) -> dict[str, Any]:
    """The result of a finished run. Raises BenchmarkError for another file."""
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        result["figures"]["systems"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no result of `copies` or `long`: {error!r}") from error
    return result


def markdown(result: Mapping[str, Any]) -> str:
    """vsearch beside its peers: all measures, then recall@1 by edit."""
    systems: Systems = result["figures"]["systems"]
    lines = [f"| | {' | '.join(systems)} |", "|---" + "|---:" * len(systems) + "|"]
    rows = [*systems_table(systems).rows]
    first = next(iter(systems.values()))
    for edit in first["edits"]:
        found = (number(figures["edits"][edit]["recall_at_1"], 2) for figures in systems.values())
        rows.append((f"recall@1, {edit}", *found))
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
