"""The rate-distortion figures as tables for people, and as Markdown for the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.codec_rates import HELD_FRAMES
from benchmarks.rate_speed import NAMES
from benchmarks.report import Table
from benchmarks.score_rates import MEASURES, Comparison

Rates = Mapping[str, Mapping[str, Comparison | None]]


def curves_table(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Table:
    """Every measured point of every coder, means over videos."""
    rows = [
        (
            f"{name}, {row['quality']:.0f}",
            f"{row['bytes_a_frame']:,.0f}",
            f"{row['psnr_db']:.2f}",
            f"{row['psnr_db_p5']:.2f}",
            f"{row['psnr_y_db']:.2f}",
            f"{row['ssim']:.3f}",
            f"{row['ssim_p5']:.3f}",
            f"{row['ms_ssim']:.3f}",
        )
        for name, curve in curves.items()
        for row in curve
    ]
    head = ("coder, level or quality", "bytes a frame", "RGB PSNR", "5th pct", "Y PSNR", "SSIM", "5th pct", "MS-SSIM")
    return Table("means over videos", head, tuple(rows))


def comparison_table(rates: Rates) -> Table:
    """BD-rates against each peer: mean and median in each measure, and where the curves overlap in RGB PSNR."""
    rows = []
    for peer in rates["psnr_db"]:
        compared = {measure: rates[measure][peer] for measure in MEASURES}
        cells = [f"{_percent(one, 'mean')} / {_percent(one, 'median')}" for one in compared.values()]
        rows.append(
            (peer, *cells, *(_shared(one, digits) for one, digits in zip(compared.values(), (1, 1, 3, 3), strict=True)))
        )
    labels = tuple(MEASURES.values())
    head = ("mean / median", *labels, *(f"overlap in {label}" for label in labels))
    return Table("BD-rate of vsearch against, % (overlap: mean range, share of our range, videos)", head, tuple(rows))


def by_kind_table(by_kind: Mapping[str, Rates], videos: int) -> Table:
    """Mean BD-rates in RGB PSNR and SSIM, a row a kind of content."""
    peers = list(next(iter(by_kind.values()))["psnr_db"])
    rows = []
    for kind, rates in by_kind.items():
        cells = [
            f"{_percent(rates['psnr_db'][peer], 'mean')} / {_percent(rates['ssim'][peer], 'mean')}" for peer in peers
        ]
        rows.append((kind.partition(" (")[0], *cells))
    return Table(f"mean BD-rate by kind, RGB PSNR / SSIM, % ({videos} videos)", ("", *peers), tuple(rows))


def tiers_table(hours: Mapping[str, Mapping[str, Any]], quality: Mapping[str, Mapping[str, float]]) -> Table:
    """MB an hour and mean likeness of each tier."""
    rows = []
    for tier, classes in hours.items():
        shown = quality.get(tier)
        cells = (
            ("", "", "", "")
            if shown is None
            else (
                f"{shown['psnr_db']:.2f}",
                f"{shown['psnr_y_db']:.2f}",
                f"{shown['ssim']:.3f}",
                f"{shown['ms_ssim']:.3f}",
            )
        )
        rows.append((tier, f"{classes['all']['bytes_an_hour'] / 1e6:.2f}", *cells))
    head = ("tier", "MB an hour", *MEASURES.values())
    return Table("latents and frame times at the default sampling", head, tuple(rows))


def hours_table(hours: Mapping[str, Mapping[str, Any]]) -> Table:
    """MB an hour by how long videos are."""
    classes = list(next(iter(hours.values())))
    rows = [(tier, *(f"{found[name]['bytes_an_hour'] / 1e6:.2f}" for name in classes)) for tier, found in hours.items()]
    some = next(iter(hours.values()))
    head = ("tier", *(f"{name} ({some[name]['videos']})" for name in classes))
    return Table("MB an hour by duration (videos)", head, tuple(rows))


def static_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """What holding a picture costs."""
    cells = [(tier, *(f"{row[name]:.2f}" for name in ("mean", "median", "max"))) for tier, row in rows.items()]
    return Table(
        f"bytes of {HELD_FRAMES} frames of one picture over those of one",
        ("tier", "mean", "median", "max"),
        tuple(cells),
    )


def markdown(figures: Mapping[str, Any]) -> str:
    """The figures of a finished run as the README's table: tiers, then BD-rates. Parts that were not run are left
    out.
    """
    blocks = []
    if "bytes_an_hour" in figures:
        blocks.append(
            _markdown_tiers(
                figures["bytes_an_hour"], figures.get("quality_of_tiers", {}), figures.get("held_over_still", {})
            )
        )
    rates = figures.get("bd_rate", {})
    if any(row for rows in rates.values() for row in rows.values()):
        blocks.append(_markdown_rates(rates))
    if "speed" in figures:
        blocks.append(_markdown_speed(figures["speed"]))
    return "\n\n".join(blocks)


def _markdown_tiers(hours: Mapping[str, Any], quality: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    lines = ["| tier | MB an hour | RGB PSNR | SSIM | 30 s of one picture over one frame |", "|---|---|---|---|---|"]
    for tier, classes in hours.items():
        shown = quality.get(tier)
        likeness = "- | -" if shown is None else f"{shown['psnr_db']:.1f} dB | {shown['ssim']:.3f}"
        ratio = f"{held[tier]['mean']:.2f}" if tier in held else "-"
        lines.append(f"| {tier} | {classes['all']['bytes_an_hour'] / 1e6:.2f} | {likeness} | {ratio} |")
    return "\n".join(lines)


def _markdown_rates(rates: Mapping[str, Any]) -> str:
    measures = [name for name in MEASURES if name in rates]
    lines = [
        f"| bytes at equal quality, against | {' | '.join(MEASURES[name] for name in measures)} |",
        "|---|" + "---|" * len(measures),
    ]
    for peer in rates[measures[0]]:
        cells = ["-" if rates[name][peer] is None else f"{rates[name][peer]['mean']:+.0f}%" for name in measures]
        lines.append(f"| {peer} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _markdown_speed(speed: Mapping[str, Any]) -> str:
    lines = [f"| frames a second, {speed['threads']} threads | |", "|---|---|"]
    lines += [f"| {NAMES[name]} | {rate['median']:,.0f} |" for name, rate in speed["frames_a_second"].items()]
    return "\n".join(lines)


def _percent(compared: Comparison | None, which: str) -> str:
    return "-" if compared is None else f"{getattr(compared, which):+.1f}"


def _shared(compared: Comparison | None, digits: int) -> str:
    if compared is None:
        return "none"
    videos = f"{len(compared.rates)} of {len(compared.rates) + compared.apart}"
    return f"{compared.low:.{digits}f} to {compared.high:.{digits}f}, {compared.covered:.0%}, {videos}"
