"""In which order the frames of a chunk are coded: halves of halves, each frame between two that are known already.

The order of hierarchical B pictures (Schwarz, Marpe and Wiegand, ICME 2006): first frame, last frame, then the middle
of every gap, all gaps of one depth in one round. Nobody waits for an archive's frames, so both neighbours can help to
predict one; a frame needs at most six others; and all frames of a round are coded at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """One frame's turn. before, after: the nearest frames in time on either side that are known by then, if any."""

    frame: int
    before: int | None
    after: int | None

    @property
    def known(self) -> tuple[int, ...]:
        """The neighbours that there are."""
        return tuple(frame for frame in (self.before, self.after) if frame is not None)


def rounds(n: int) -> list[list[Turn]]:
    """The turns of `n` frames, round by round; within a round no frame needs another. Raises ValueError for n < 1."""
    if n < 1:
        raise ValueError(f"a chunk holds at least one frame, not {n}")
    result = [[Turn(0, None, None)]]
    if n > 1:
        result.append([Turn(n - 1, 0, None)])
    gaps = [(0, n - 1)]
    while gaps := [gap for gap in gaps if gap[1] - gap[0] > 1]:
        middles = [(left + right) // 2 for left, right in gaps]
        result.append([Turn(middle, *gap) for middle, gap in zip(middles, gaps, strict=True)])
        gaps = [half for m, (left, right) in zip(middles, gaps, strict=True) for half in ((left, m), (m, right))]
    return result
