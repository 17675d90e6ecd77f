"""`vsearch info`: figures of the library, or everything about one video."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vsearch.cli.context import (
    DatabaseOption,
    JsonOption,
    LibraryOption,
    VerboseOption,
    configure_logging,
    open_library,
)
from vsearch.cli.text import print_json, table
from vsearch.text import clock, counted, size, span

CLIPS_SHOWN = 10
MEASURES = {"psnr_db": "PSNR", "ssim": "SSIM"}  # of pictures against frames

VideoArgument = Annotated[
    str | None, typer.Argument(metavar="VIDEO", help="A path, v12, or a name. None: the library.")
]


def info(
    video: VideoArgument = None,
    json: JsonOption = False,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show sums of the library, or all about one video.

    \b
      vsearch info                     sums, size per hour, by quality, models
      vsearch info v12                 what the container said, what is stored and how true, the clips
      vsearch info film.mkv --json
    """
    configure_logging(verbose)
    with open_library(library, database) as opened:
        figures = opened.info(video)
    if json:
        print_json(figures)
        return
    typer.echo("\n".join(describe(figures)))


def describe(figures: dict[str, Any]) -> list[str]:
    """A line a fact, names to the left; lists below; clips last."""
    plain = {key: value for key, value in figures.items() if key != "format" and not isinstance(value, (list, dict))}
    rows = [[name_of(key), shown] for key, value in plain.items() if (shown := value_of(key, value))]
    lines = table(rows) + tier_lines(figures.get("tiers")) + fidelity_lines(figures.get("fidelity"))
    lines += index_lines(figures.get("index"))
    for key, value in figures.items():
        if key in ("clips", "tiers", "fidelity", "index"):
            continue
        if isinstance(value, list) and value:
            lines.append(f"{name_of(key)}:")
            lines += [f"  {line}" for line in table([[line_of(entry)] for entry in value])]
        elif isinstance(value, dict) and value:
            lines.append(f"{name_of(key)}:")
            lines += [f"  {line}" for line in table([[inner, str(text)] for inner, text in value.items()])]
    return lines + clip_lines(figures.get("clips"))


def clip_lines(clips: Any) -> list[str]:
    """The first clips of a video with their times; nothing for a mere count, which stands among the facts."""
    if not isinstance(clips, list):
        return []
    rows = [
        [f"c{clip['clip_id']}", f"{clock(clip['start_seconds'])} - {clock(clip['end_seconds'])}", *fidelity_of(clip)]
        for clip in clips[:CLIPS_SHOWN]
    ]
    more = len(clips) - CLIPS_SHOWN
    lines = [f"{counted(len(clips), 'clip')}:", *(f"  {line}" for line in table(rows))]
    return [*lines, f"  and {more:,} more (--json lists all)"] if more > 0 else lines


def tier_lines(tiers: Any) -> list[str]:
    """What is stored in each quality and with each effort."""
    if not tiers:
        return []
    head = ("quality", "effort", "videos", "video", "latents", "an hour", "PSNR", "SSIM")
    rows = [
        [
            tier["quality"],
            tier["effort"],
            f"{tier['videos']:,}",
            span(tier["seconds_of_video"]),
            size(tier["bytes_latents"]),
            value_of("bytes_latents_per_hour", tier["bytes_latents_per_hour"]),
            *fidelity_of(tier),
        ]
        for tier in tiers
    ]
    return ["stored:", *(f"  {line}" for line in table(rows, head=head, right=range(2, 8)))]


def index_lines(index: Any) -> list[str]:
    """What searches look into, and how much of what is there they find."""
    if not index:
        return []
    facts = [index["kind"], counted(index["frames"], "frame"), size(index["bytes"])]
    if "ann_recall_at_10" in index:
        asked = counted(index["queries"], "query", "queries")
        facts += [
            f"{index['nprobe']:,} of {counted(index['cells'], 'cell')} looked into",
            f"{index['ann_recall_at_10']:.1%} of the true ten neighbours found ({asked})",
        ]
    return [f"index: {', '.join(facts)}"]


def fidelity_lines(fidelity: Any) -> list[str]:
    """How near the pictures of a video are to its frames."""
    if not fidelity:
        return []
    worst = fidelity["worst_clip"]
    when = f"c{worst['clip_id']} ({clock(worst['start_seconds'])} - {clock(worst['end_seconds'])})"
    low = {"psnr_db": fidelity["psnr_db_p5"], "ssim": fidelity["ssim_p5"]}
    rows = [
        ["mean", *fidelity_of(fidelity), ""],
        ["5th percentile", *fidelity_of(low), ""],
        ["worst clip", *fidelity_of(worst), when],
    ]
    told = f"pictures against frames, PSNR and SSIM of {counted(fidelity['clips'], 'clip')}:"
    return [told, *(f"  {line}" for line in table(rows))]


def fidelity_of(figures: Any) -> list[str]:
    """PSNR and SSIM as cells; empty where nothing was compared."""
    return [value_of(key, figures[key]) for key in ("psnr_db", "ssim")]


def name_of(key: str) -> str:
    """A key as people read it; the unit is in the value."""
    if key in MEASURES:
        return MEASURES[key]
    for ending in ("_seconds", "_bytes"):
        key = key.removesuffix(ending)
    words = key.split("_")
    if words[0] in ("bytes", "seconds") and len(words) > 1:
        words = [word for word in words[1:] if word != "of"]
        return "size per hour" if words == ["per", "hour"] else " ".join(words)
    return " ".join(words)


def value_of(key: str, value: Any) -> str:
    """A value with its unit; empty for what is not known."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in MEASURES:
        return f"{value:.1f} dB" if key == "psnr_db" else f"{value:.3f}"
    if key.startswith("bytes_") or key.endswith("_bytes"):
        return size(value)
    if key.startswith("seconds_"):
        return span(value)
    if key.endswith("_seconds"):
        return clock(value)
    return f"{value:,}" if isinstance(value, int) and not key.endswith("id") else str(value)


def line_of(entry: Any) -> str:
    """An entry of a list on one line."""
    if isinstance(entry, dict):
        return "  ".join(shown for key, value in entry.items() if (shown := value_of(key, value)))
    return str(entry)
