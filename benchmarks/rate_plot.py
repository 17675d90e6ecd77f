"""The mean rate-distortion curves as a picture. matplotlib (the `train` extra) is loaded when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.report import BenchmarkError

OURS = "vsearch"
PANELS = {"psnr_db": "RGB PSNR, dB", "ssim": "SSIM"}
Curve = Sequence[Mapping[str, float]]


def check_plotting() -> None:
    """Raises BenchmarkError when matplotlib is absent: before hours are spent on what is to be drawn."""
    if find_spec("matplotlib") is None:
        raise BenchmarkError("--plot needs matplotlib: pip install 'vsearch[train]', or leave --plot out")


def draw_curves(curves: Mapping[str, Curve], tiers: Mapping[str, int], *, title: str, output: Path) -> None:
    """Quality over bytes a frame (logarithmic), a line a coder, the codec's tiers named. Raises BenchmarkError when
    the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (measure, label) in enumerate(PANELS.items(), 1):
        axes = figure.add_subplot(1, len(PANELS), number)
        for name, curve in curves.items():
            ours = name.startswith(OURS)
            axes.plot(
                [row["bytes_a_frame"] for row in curve],
                [row[measure] for row in curve],
                marker="o",
                markersize=5 if ours else 3,
                linewidth=2.6 if ours else 1.2,
                linestyle="--" if "header" in name else "-",
                color="black" if ours else None,
                label=name,
                zorder=3 if ours else 2,
            )
            if ours:
                _name_tiers(axes, curve, tiers, measure)
        axes.set_xscale("log")
        axes.set_xticks([100, 200, 500, 1000, 2000, 4000])
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("bytes a frame")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    figure.axes[-1].legend(fontsize="small", loc="lower right")
    figure.suptitle(title, fontsize="medium")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=110)
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{output} can't be written: {error}") from error


def _name_tiers(axes: object, curve: Curve, tiers: Mapping[str, int], measure: str) -> None:
    for tier, level in tiers.items():
        for row in curve:
            if row["quality"] == level:
                axes.annotate(  # type: ignore[attr-defined]
                    tier,
                    (row["bytes_a_frame"], row[measure]),
                    textcoords="offset points",
                    xytext=(-6, 7),
                    ha="right",
                    fontsize="small",
                )
