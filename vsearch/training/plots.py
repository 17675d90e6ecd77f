"""The curve of a training run."""

from __future__ import annotations

import csv
from pathlib import Path

from vsearch.errors import UnavailableError


def plot_log(log: Path, output: Path) -> None:
    """Draw every column of a run's `log.csv` over steps, training and validation. Raises UnavailableError without
    matplotlib.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise UnavailableError("plots need matplotlib: pip install 'vsearch[train]'") from error
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in (rows[0] if rows else {}) if name not in ("split", "step", "seconds")]
    figure, axes = pyplot.subplots(1, max(1, len(columns)), figsize=(4 * max(1, len(columns)), 3.2), squeeze=False)
    for axis, column in zip(axes[0], columns, strict=False):
        for split in ("train", "validation"):
            points = [(int(row["step"]), float(row[column])) for row in rows if row["split"] == split]
            if points:
                axis.plot(*zip(*points, strict=True), label=split)
        axis.set_title(column)
        axis.set_xlabel("step")
        axis.legend()
    figure.tight_layout()
    temporary = output.with_suffix(".tmp")
    figure.savefig(temporary, dpi=90, format="png")
    temporary.replace(output)
    pyplot.close(figure)
