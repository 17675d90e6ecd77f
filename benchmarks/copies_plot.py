"""recall@1 by edit as a picture. matplotlib (the `train` extra) is loaded when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import BenchmarkError


def draw_recall(systems: Mapping[str, Mapping[str, Any]], *, output: Path) -> None:
    """A row an edit, a mark a system, the first one's black. Raises BenchmarkError when the file can't be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    edits = list(next(iter(systems.values()))["edits"])[::-1]
    figure = Figure(figsize=(8, 0.27 * len(edits) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, (name, figures) in enumerate(systems.items()):
        recalls = [figures["edits"][edit]["recall_at_1"] for edit in edits]
        axes.plot(
            recalls,
            range(len(edits)),
            marker="os^Dv"[place % 5],
            linestyle="none",
            markersize=8 if place == 0 else 5,
            color="black" if place == 0 else None,
            alpha=0.9,
            label=f"{name} ({figures['all']['recall_at_1']:.2f})",
            zorder=3 if place == 0 else 2,
        )
    axes.set_yticks(range(len(edits)), edits)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("recall@1 (over all edits in brackets)")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=min(3, len(systems)), fontsize="small")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=110)
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{output} can't be written: {error}") from error
