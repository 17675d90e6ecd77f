"""Numbers, times and names as people read them: the same in pictures, reports, messages and tables."""

from __future__ import annotations

SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")


def clock(time_s: float) -> str:
    """h:mm:ss.s, rounded to tenths."""
    tenths = round(time_s * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    return f"{hours}:{minutes:02d}:{rest // 10:02d}.{rest % 10}"


def seconds_of(text: str) -> float | None:
    """Seconds from `12.5`, `1:02.5` or `1:02:03.5`; None for anything else."""
    parts = text.strip().split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        return None
    if len(values) > 3 or not all(0 <= value < float("inf") for value in values):
        return None
    return sum(value * (1, 60, 3600)[i] for i, value in enumerate(reversed(values)))


def span(seconds: float) -> str:
    """A duration in its unit: 8.4 s, 12 min, 3.5 hours."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} hours"


def size(n_bytes: float) -> str:
    """Bytes in decimal units, as disks are sold: 980 B, 1.2 MB, 14 GB."""
    unit = 0
    while n_bytes >= 999.5 and unit < len(SIZE_UNITS) - 1:
        n_bytes, unit = n_bytes / 1000, unit + 1
    digits = 1 if unit and n_bytes < 9.95 else 0
    return f"{n_bytes:,.{digits}f} {SIZE_UNITS[unit]}"


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 clip, 1,203 clips."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def said(a: int, b: int, inner: int | None, relation: str) -> str:
    """How two videos are related: v1 and v2 are the same, v1 is contained in v2, v1 and v2 overlap."""
    if inner is not None:
        return f"v{inner} is contained in v{a if inner == b else b}"
    return f"v{a} and v{b} {'are the same' if relation == 'same' else 'overlap'}"


def printable(text: str) -> str:
    """One line that shows what it is and that no terminal obeys: control and direction characters become a mark."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
