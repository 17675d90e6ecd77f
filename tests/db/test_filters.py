"""Filters in SQL choose exactly the videos that a plain reading of them chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.db.samples import FACTS, INFO, identity, indexed, sighting
from vsearch.db.naming import matches
from vsearch.db.store import Store
from vsearch.errors import InputError
from vsearch.records import PathSighting
from vsearch.request import VideoFilter


@dataclass(frozen=True, slots=True)
class Known:
    """What a filter can ask of a stored video."""

    video_id: int
    paths: tuple[PathSighting, ...]
    online: bool
    duration: Fraction
    recorded: str | None
    size_bytes: int
    lines: int


SHAPES = [(1920, 1080), (1080, 1920), (640, 480), (720, 576)]
RECORDED = [None, "2019", "2019-05-01", "2019-12-31T23:59:59+02:00", None, "2020-02-29T10:00:00Z", "2018", None]
BASES = [Fraction(1, 90000), Fraction(1, 25), Fraction(1001, 30000)]
DAYS = [
    date(2018, 12, 31),
    date(2019, 1, 1),
    date(2019, 5, 1),
    date(2019, 12, 31),
    date(2020, 2, 29),
    date(2023, 11, 14),
]
DURATIONS = [1.0, 1001 / 30000 * 40, 2.0, 5.0, 30.0]
SIZES = [1.0, 1000.0, 1001.5, 5000.0]
PATTERNS = ["*.mkv", "/mnt/archive/a", "/mnt/*/b/*", "4.mp4", "nothing"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[Known]]]:
    """A store of twelve videos of all kinds, and what they are."""
    with Store.open(tmp_path_factory.mktemp("filters") / "library", writable=True, create=True) as store:
        yield store, [add(store, number) for number in range(12)]


def add(store: Store, number: int) -> Known:
    base = BASES[number % 3]
    ticks = 40 if number % 4 else 45
    (width, height), recorded = SHAPES[number % 4], RECORDED[number % 8]
    changed = int(datetime(2019, 12, 31, 23, 59, 59 - number, tzinfo=UTC).timestamp()) * 10**9 + number * 10**12
    info = replace(INFO, time_base=base, width=width, height=height, facts=replace(FACTS, recorded_at=recorded))
    video = indexed(str(number), n=5, info=info)
    video = replace(
        video,
        identity=identity(str(number), size=1000 * (number % 6) + 1),
        start_pts=7,
        frame_pts=video.frame_pts * 0 + range(7, 12),
        end_pts=7 + ticks,
        shots=(), clips=(),
    )  # fmt: skip
    where = sighting(f"{'ab'[number % 2]}/{number}.{'mp4' if number % 3 else 'mkv'}".encode(), mtime_ns=changed)
    paths = [where]
    video_id = store.add_video(video, where)
    if number == 4:
        paths.append(sighting(b"b/copy.mkv", mount=b"/mnt/other", volume="uuid-2", mtime_ns=changed))
        store.add_path(video_id, paths[1])
    if number in (3, 7):
        store.mark_offline("uuid-1", paths=[where.path])
    return Known(
        video_id,
        tuple(paths),
        number not in (3, 7),
        ticks * base,
        recorded,
        1000 * (number % 6) + 1,
        min(width, height),
    )


def fits(video: Known, wanted: VideoFilter) -> bool:
    """The plain reading."""
    for value, (low, high) in (
        (video.duration, wanted.duration_s), (video.size_bytes, wanted.size_bytes), (video.lines, wanted.lines)
    ):  # fmt: skip
        if (low is not None and value < Fraction(low)) or (high is not None and value > Fraction(high)):
            return False
    if wanted.paths and not any(matches(pattern, path.display) for pattern in wanted.paths for path in video.paths):
        return False
    if wanted.online not in (None, video.online) or f"v{video.video_id}" in wanted.not_in:
        return False
    first, last = wanted.recorded[0] or date.min, wanted.recorded[1] or date.max
    return any(begin <= last and end >= first for begin, end in days_of(video))


def days_of(video: Known) -> list[tuple[date, date]]:
    if video.recorded is None:
        days = [datetime.fromtimestamp(path.stamp.mtime_ns / 1e9, UTC).date() for path in video.paths]
        return [(day, day) for day in days]
    if len(video.recorded) == 4:
        return [(date(int(video.recorded), 1, 1), date(int(video.recorded), 12, 31))]
    day = date.fromisoformat(video.recorded[:10])
    return [(day, day)]


def limits(values: list[float]) -> st.SearchStrategy[tuple[float | None, float | None]]:
    end = st.none() | st.sampled_from(values)
    return st.tuples(end, end).filter(lambda pair: pair[0] is None or pair[1] is None or pair[0] <= pair[1])


@settings(max_examples=200, deadline=None)
@given(
    paths=st.lists(st.sampled_from(PATTERNS), max_size=2),
    duration=limits(DURATIONS),
    size=limits(SIZES),
    lines=limits([480.0, 576.0, 577.0, 1080.0]),
    days=st.tuples(st.none() | st.sampled_from(DAYS), st.none() | st.sampled_from(DAYS)).filter(
        lambda pair: pair[0] is None or pair[1] is None or pair[0] <= pair[1]
    ),
    online=st.none() | st.booleans(),
    not_in=st.lists(st.sampled_from(["v1", "v5", "v12"]), max_size=2),
)
def test_filters_choose_what_a_plain_reading_of_them_chooses(
    shelf: tuple[Store, list[Known]],
    paths: list[str],
    duration: tuple[float | None, float | None],
    size: tuple[float | None, float | None],
    lines: tuple[float | None, float | None],
    days: tuple[date | None, date | None],
    online: bool | None,
    not_in: list[str],
) -> None:
    store, known = shelf
    wanted = VideoFilter(tuple(paths), duration, days, size, lines, online, tuple(not_in))
    assert store.filtered_ids(wanted) == [video.video_id for video in known if fits(video, wanted)]


def test_no_filter_chooses_everything(shelf: tuple[Store, list[Known]]) -> None:
    store, known = shelf
    assert store.filtered_ids(VideoFilter()) == [video.video_id for video in known] == store.video_ids()


def test_the_first_and_the_last_day_of_the_calendar_are_days(shelf: tuple[Store, list[Known]]) -> None:
    store, _ = shelf
    assert store.filtered_ids(VideoFilter(recorded=(date.min, date.max))) == store.video_ids()
    assert store.filtered_ids(VideoFilter(recorded=(date.max, None))) == []


def test_a_video_to_leave_out_must_be_there(shelf: tuple[Store, list[Known]]) -> None:
    with pytest.raises(InputError, match="nothing"):
        shelf[0].filtered_ids(VideoFilter(not_in=("nothing",)))


def test_a_library_without_videos_has_none_to_choose(tmp_path: Path) -> None:
    with Store.open(tmp_path / "library", writable=True, create=True) as store:
        assert store.filtered_ids(VideoFilter(duration_s=(1, 2))) == []
