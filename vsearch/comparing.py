"""A library compared with itself: its duplicates and its recurring material, with the records of the videos.

`vsearch.library.Library.duplicates` and `recurring` are the way in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch.db.records import VideoRecord
from vsearch.db.store import Store
from vsearch.errors import InputError
from vsearch.models.shelf import ModelShelf
from vsearch.text import clock, said, size

if TYPE_CHECKING:
    from vsearch.render.frames import Footage
    from vsearch.render.reports import Copy, CopyGroup, Shared
    from vsearch.search.duplicates import Bar, SharedPair
    from vsearch.search.gallery import Gallery
    from vsearch.search.recurring import Material

    FootageOf = Callable[[int], Footage | None]  # of a video's number; None without stored pictures


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Videos that are connected by what they share, best copy first, and why that is the best one."""

    videos: tuple[VideoRecord, ...]
    reason: str
    pairs: tuple[SharedPair, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a library shares with itself. compared: videos; not_same: pairs left out because a person said so."""

    compared: int
    threshold: float
    score_kind: str
    groups: tuple[DuplicateGroup, ...]
    materials: tuple[Material, ...]
    not_same: int


def compare(store: Store, shelf: ModelShelf, *, threshold: str | float | None, least_videos: int) -> Comparison:
    """Duplicates, the largest group first, and what recurs.

    threshold: the score from which on a range counts, a number or one of `vsearch.request.THRESHOLDS` (None:
    "duplicate", or what stands for it with a head that was not calibrated). least_videos: what so many videos show is
    recurring, and makes no duplicates (0: nothing is). Raises InputError for values that mean nothing and for an empty
    library.
    """
    from vsearch.latents import StoredPictures
    from vsearch.search.duplicates import find_duplicates, groups_of
    from vsearch.search.recurring import materials

    gallery, bar = _asked(store, shelf, threshold, least_videos)
    apart = store.not_same()
    found = find_duplicates(
        gallery, bar, recurring=least_videos or None, apart=apart, pictures=StoredPictures(store, shelf).of
    )
    return Comparison(
        compared=found.videos,
        threshold=bar.threshold,
        score_kind="uncalibrated" if bar.calibration is None else "probability",
        groups=tuple(_group(store, members, pairs) for members, pairs in groups_of(found.pairs)),
        materials=tuple(materials(found.recurring, gallery.tracks(found.recurring.videos), videos=least_videos)),
        not_same=len(apart),
    )


def recur(store: Store, shelf: ModelShelf, *, least_videos: int) -> Comparison:
    """What recurs alone; no pair is aligned. Raises InputError as `compare` does."""
    from vsearch.search.duplicates import find_recurring
    from vsearch.search.recurring import materials

    gallery, bar = _asked(store, shelf, None, least_videos)
    found, videos = find_recurring(gallery, bar, videos=least_videos)
    listed = materials(found, gallery.tracks(found.videos), videos=least_videos)
    return Comparison(videos, bar.threshold, "uncalibrated", (), tuple(listed), 0)


def _asked(store: Store, shelf: ModelShelf, threshold: str | float | None, least_videos: int) -> tuple[Gallery, Bar]:
    """The gallery that is compared, and what counts in it."""
    from vsearch.search.calibration import Calibration
    from vsearch.search.duplicates import DUPLICATE, Bar
    from vsearch.search.engine import DEFAULT_MIN_SIMILARITY
    from vsearch.search.gallery import Gallery

    if isinstance(threshold, float | int) and not 0 <= threshold <= 1:
        raise InputError(f"the threshold must be between 0 and 1, not {threshold:g}")
    if least_videos < 0 or least_videos == 1:
        raise InputError(f"material recurs in 2 videos or more, not in {least_videos}")
    head_id = store.meta().active_head
    if head_id is None:
        raise InputError("the library holds no video yet: index some first")
    figures = shelf.files(head_id).search
    floor = float(figures.get("floor", DEFAULT_MIN_SIMILARITY))
    calibration = Calibration.read(figures)
    background = shelf.head(head_id).background if calibration is not None else None
    gallery = Gallery(store, head_id)
    if calibration is None or background is None:
        if isinstance(threshold, str):
            raise InputError(f"the library's head is not calibrated, so nothing is known to be {threshold!r}")
        least = DUPLICATE if threshold is None else threshold
        return gallery, Bar(floor, least, least)
    asked = "duplicate" if threshold is None else threshold
    least, looked = calibration.least(asked), calibration.least_looked(asked)
    return gallery, Bar(floor, least, looked, calibration, background)


def _group(store: Store, members: Sequence[int], pairs: tuple[SharedPair, ...]) -> DuplicateGroup:
    from vsearch.search.best import ranked

    videos, reason = ranked([store.video(video_id) for video_id in members], pairs)
    return DuplicateGroup(tuple(videos), reason, pairs)


# Pages


def write_duplicates_page(path: Path, found: Comparison, footage: FootageOf, *, library: str) -> None:
    """Every group with frames of its pairs, those with the best copy first."""
    from vsearch.render.reports import write_duplicates_report

    drawn = [_drawn(number, group, footage) for number, group in enumerate(found.groups, 1)]
    write_duplicates_report(path, drawn, library=library)


def write_recurring_page(path: Path, found: Comparison, footage: FootageOf, *, library: str) -> None:
    """Every material with pictures of a few places where it is."""
    from vsearch.render.frames import Excerpt
    from vsearch.render.reports import CLIPS_DRAWN, Group, write_cluster_report

    drawn = []
    for number, material in enumerate(found.materials, 1):
        there = [(one, footage(one.video_id)) for one in material.occurrences[:CLIPS_DRAWN]]
        excerpts = [Excerpt(seen, one.start_s, one.end_s, f"v{one.video_id}") for one, seen in there if seen]
        drawn.append(Group(number, len(material.occurrences), excerpts))
    write_cluster_report(path, drawn, title="Recurring material", library=library)


def _drawn(number: int, group: DuplicateGroup, footage: FootageOf) -> CopyGroup:
    from vsearch.render.reports import PAIRS_DRAWN, CopyGroup

    best = group.videos[0].id
    pairs = sorted(group.pairs, key=lambda pair: (best not in (pair.a, pair.b), -pair.score))
    copies = [_copy(video, group.reason if video.id == best else None) for video in group.videos]
    shared = [_shared(pair, footage) for pair in pairs[:PAIRS_DRAWN]]
    return CopyGroup(number, copies, shared, len(pairs) - len(shared))


def _copy(video: VideoRecord, reason: str | None) -> Copy:
    from vsearch.render.reports import Copy

    info = video.info
    facts = f"{clock(video.duration_s)}, {info.width}x{info.height}, {size(video.identity.size_bytes)}"
    name = video.paths[0].display if video.paths else f"v{video.id}"
    return Copy(f"v{video.id}", name, facts, video.online, reason)


def _shared(pair: SharedPair, footage: FootageOf) -> Shared:
    from vsearch.render.reports import Shared

    return Shared(
        a=f"v{pair.a}",
        b=f"v{pair.b}",
        says=said(pair.a, pair.b, pair.inner, pair.relation),
        score=pair.score,
        ranges=[(one.a_start_s, one.a_end_s, one.b_start_s, one.b_end_s) for one in pair.ranges],
        footage_a=footage(pair.a),
        footage_b=footage(pair.b),
    )
