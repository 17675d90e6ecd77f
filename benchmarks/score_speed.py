"""From measured seconds to ratios: pure functions. Start-up is what a program takes for a one-frame file."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.report import BenchmarkError


@dataclass(frozen=True, slots=True)
class Round:
    """One repetition over the same files: seconds of ffmpeg (`files` calls of it) and of vsearch (one call)."""

    files: int
    ffmpeg_s: float
    ffmpeg_start_s: float
    vsearch_s: float
    vsearch_start_s: float

    @property
    def ffmpeg_net_s(self) -> float:
        """Without start-up, which every call has."""
        return _positive(self.ffmpeg_s - self.files * self.ffmpeg_start_s)

    @property
    def vsearch_net_s(self) -> float:
        return _positive(self.vsearch_s - self.vsearch_start_s)

    @property
    def ratio(self) -> float:
        """The speed of vsearch as a share of ffmpeg's, start-up subtracted on both sides."""
        return self.ffmpeg_net_s / self.vsearch_net_s

    @property
    def whole_ratio(self) -> float:
        """The same with start-up."""
        return self.ffmpeg_s / self.vsearch_s


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise BenchmarkError("start-up took as long as the whole run: take more or longer files, on a quieter machine")
    return seconds
