"""Hits in frames, and as files that programs of others read: OpenTimelineIO and its CMX 3600 reader."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.db import samples
from vsearch.config import EXPORT_SUFFIXES
from vsearch.db.records import PathRecord, VideoRecord
from vsearch.errors import InputError
from vsearch.records import FileStamp, Hit, PathSighting
from vsearch.render.edl import edit_lists, edl_text
from vsearch.render.exports import check_export, write_export
from vsearch.render.otio import otio_text
from vsearch.render.spreadsheet import csv_text
from vsearch.render.timelines import EDITING_RATES, Finds, Source, cut, editing_rate, source_of
from vsearch.timecode import Counting

FILM, PAL, NTSC, NTSC_TWICE = Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001)
COUNTINGS = [
    *(Counting(rate) for rate in (FILM, PAL, NTSC, NTSC_TWICE)),
    *(Counting(rate, drop=True) for rate in (NTSC, NTSC_TWICE)),
]
HOUR = "01:00:00:00"


def a_source(counting: Counting = COUNTINGS[1], start: str = "10:00:00:00", *, number: int = 1, **more: Any) -> Source:
    """A minute of video."""
    given: dict[str, Any] = {"path": b"/videos/%d.mov" % number, "timecode": start, "claimed_rate": counting.rate}
    return Source(number, counting=counting, start=counting.frame(start), frames=counting.frames(60), **given | more)


def a_hit(start_s: float = 2.0, end_s: float = 6.0, *, speed: float | None = 1.0, **more: Any) -> Hit:
    """A hit of which a query shows all, backwards where the speed is negative; speed None: a picture's."""
    asked_s = None if speed is None else (end_s - start_s) / abs(speed)
    query_start_s = None if speed is None else 0.0
    given: dict[str, Any] = {"rank": 1, "video_id": 1, "video": "/videos/1.mov", "volume": "", "online": True}
    given |= {"clip_id": 7, "similarity": 0.9, "score": 0.8, "start_s": start_s, "end_s": end_s}
    given |= {"rate": speed or 1.0, "query_coverage": 1.0, "video_coverage": 0.1}
    return Hit(**given | {"query_start_s": query_start_s, "query_end_s": asked_s} | more)


def found(*pairs: tuple[Hit, Source], query: str = "q.mp4") -> Finds:
    return Finds(query, pairs)


def read_edl(text: str, rate: Fraction) -> list[otio.schema.Clip]:
    """The clips that another program reads in an edit list."""
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=float(rate))
    return list(timeline.find_clips()) if timeline.tracks else []


def read_otio(text: str) -> otio.schema.Timeline:
    return otio.adapters.read_from_string(text, "otio_json")


def frames_of(time: otio.opentime.RationalTime) -> tuple[float, float]:
    return time.value, time.rate


def range_of(place: otio.opentime.TimeRange) -> tuple[float, float, float]:
    """(start, duration, rate), all frames at one rate."""
    assert place.start_time.rate == place.duration.rate
    return place.start_time.value, place.duration.value, place.duration.rate


# ------------------------------------------------------------------------------------------------------------- frames


@given(st.sampled_from(COUNTINGS), st.integers(0, 1000), st.integers(1, 400))
def test_a_hit_between_frames_is_those_frames(counting: Counting, first: int, length: int) -> None:
    source = a_source(counting)
    one = cut("q", a_hit(float(first / counting.rate), float((first + length) / counting.rate)), source)
    assert (one.first, one.stop, one.length) == (first, first + length, length)


@given(
    st.sampled_from(COUNTINGS),
    st.floats(0, 61, allow_nan=False),
    st.floats(0, 61, allow_nan=False),
    st.one_of(st.none(), st.floats(0.4, 2.1)),
)
def test_a_cut_has_a_frame_and_stays_in_its_source(
    counting: Counting, start_s: float, length_s: float, speed: float | None
) -> None:
    source = a_source(counting)
    one = cut("q", a_hit(start_s, start_s + length_s, speed=speed), source)
    assert 0 <= one.first < one.stop <= source.frames
    assert one.length >= 1


def test_a_query_at_another_speed_gives_the_length_that_it_has_itself() -> None:
    assert cut("q", a_hit(2, 6, speed=2.0), a_source()).length == 50
    assert cut("q", a_hit(2, 6, speed=2.0), a_source()).speed == 2
    assert cut("q", a_hit(2, 6, speed=0.5), a_source()).length == 200


def test_a_query_that_plays_backwards_has_a_negative_speed() -> None:
    backwards = cut("q", a_hit(2, 6, speed=-1.0), a_source())
    assert (backwards.speed, backwards.length) == (-1, 100)
    assert cut("q", a_hit(2, 6, speed=-1.003), a_source()).speed == -1
    assert cut("q", a_hit(2, 6, speed=-2.0), a_source()).length == 50


@pytest.mark.parametrize("speed", [1.0, 1.004, 0.996, None])
def test_what_cannot_be_told_from_the_same_speed_keeps_it(speed: float | None) -> None:
    assert cut("q", a_hit(2, 32, speed=speed), a_source()).speed == 1


@pytest.mark.parametrize("rate", EDITING_RATES, ids=str)
def test_rates_that_editing_programs_have_are_kept(rate: Fraction) -> None:
    assert editing_rate(rate) == rate
    assert editing_rate(rate.limit_denominator(100)) == rate


@pytest.mark.parametrize(
    ("claimed", "counted"),
    [
        *(("1", 24), ("5", 25), ("10", 30), ("12", 24), ("12.5", 25), ("15", 30), ("15000/1001", NTSC), ("20", 60)),
        *(("100", 50), ("120", 60), ("120000/1001", NTSC_TWICE), ("144", 48), ("240", 60), ("1000", 50)),
        *(("29.83", NTSC), ("23.5", FILM), ("90000.5", 60)),
    ],
)
def test_other_rates_are_counted_at_a_multiple_a_part_or_the_nearest(claimed: str, counted: Fraction) -> None:
    assert editing_rate(Fraction(claimed)) == counted


def stored(rate: str | None, timecode: str | None, seconds: int = 10) -> Source:
    """A video of the library with this rate and timecode, as an editor counts it."""
    facts = replace(samples.FACTS, timecode=timecode, drop_frame=";" in timecode if timecode else None)
    info = replace(samples.INFO, frame_rate=Fraction(rate) if rate else None, time_base=Fraction(1, 1000), facts=facts)
    sighting = PathSighting("v", "", b"/", b"a.mov", "/a.mov", FileStamp(1, 1, 1))
    paths = (PathRecord(1, sighting, 0, online=True),)
    counts = dict.fromkeys(("n_frames", "n_shots", "n_clips", "bytes_latents", "bytes_embeddings", "indexed_at"), 1)
    return source_of(
        VideoRecord(
            id=1,
            revision=1,
            identity=samples.identity("a"),
            info=info,
            settings=samples.SETTINGS,
            start_pts=500,
            end_pts=500 + 1000 * seconds,
            preview_size=(144, 256),
            state="ok",
            reason=None,
            paths=paths,
            **counts,
        )
    )


@pytest.mark.parametrize(
    ("rate", "timecode", "first", "last"),
    [
        ("25", "10:00:00:12", "10:00:00:12", "10:00:10:11"),
        ("30000/1001", "00:00:58;00", "00:00:58;00", "00:01:08;01"),
        ("120000/1001", "01:00:00;100", "01:00:00;50", "01:00:10;48"),
        ("5", "01:00:00:03", "01:00:00:15", "01:00:10:14"),
        ("24000/1001", "01:00:00;00", "01:00:00:00", "01:00:09:23"),  # there is no drop-frame at that rate
        ("25", "00:00:00:30", "00:00:00:00", "00:00:09:24"),  # nor a frame 30 at that one
        ("29.83", "00:00:01:00", "00:00:01:00", "00:00:10:29"),
        (None, None, "00:00:00:00", "00:00:09:24"),
    ],
)
def test_a_stored_video_is_counted_from_its_timecode(
    rate: str | None, timecode: str | None, first: str, last: str
) -> None:
    source = stored(rate, timecode)
    assert (source.at(0), source.at(source.frames - 1)) == (first, last)
    assert source.timecode == (None if timecode == "00:00:00:30" else timecode)
    assert source.exact is (rate in ("25", "30000/1001", "24000/1001"))
    assert source.reel == "A001"


# --------------------------------------------------------------------------------------------------------- edit lists


@pytest.mark.parametrize("counting", COUNTINGS, ids=str)
def test_another_program_reads_the_frames_of_an_edit_list(counting: Counting) -> None:
    source, rate = a_source(counting, "00:00:58:00"), counting.rate
    hits = [(a_hit(1.0, 4.0), source), (a_hit(30.5, 30.9), source)]  # the first one crosses a minute
    text = edl_text("t", edit_lists([found(*hits)])[0].cuts)
    clips = read_edl(text, rate)
    expected = [cut("q.mp4", hit, source) for hit, _ in hits]
    assert [range_of(clip.source_range) for clip in clips] == [
        (source.start + one.first, one.length, float(rate)) for one in expected
    ]
    lines = [line.split() for line in text.splitlines() if line[:3].isdigit()]
    places = [otio.opentime.from_timecode(place, float(rate)).value for line in lines for place in line[-2:]]
    first = otio.opentime.from_timecode(Counting(rate, counting.drop).timecode(counting.frame(HOUR)), float(rate)).value
    assert places == [
        first,
        first + expected[0].length,
        *[first + sum(one.length for one in expected[:n]) for n in (1, 2)],
    ]
    assert ("FCM: DROP FRAME" in text) is counting.drop
    assert ("FCM: NON-DROP FRAME" in text) is not counting.drop
    assert (";" in text) is counting.drop


def test_an_event_says_what_it_is_and_why() -> None:
    source = a_source(reel="A001", path="/videos/é/Straße.mov".encode())
    (clip,) = read_edl(edl_text("t", [cut("q.mp4", a_hit(speed=None), source)]), PAL)
    assert clip.name == "Straße.mov"
    assert clip.metadata["cmx_3600"]["reel"] == "A001"
    assert list(clip.metadata["cmx_3600"]["comments"]) == [
        "SOURCE FILE: /videos/é/Straße.mov",
        "VSEARCH QUERY: q.mp4",
        "VSEARCH HIT: RANK 1, v1, c7, SIMILARITY 0.900, SCORE 0.800 (UNCALIBRATED)",
    ]


def test_an_edit_list_is_written_as_the_format_has_it() -> None:
    source = a_source(Counting(NTSC, drop=True), "01:00:00;00", reel="TAPE7")
    assert edl_text("found", [cut("q.mp4", a_hit(2, 6, speed=2.0), source)]).split("\r\n") == [
        "TITLE: found (29.97 fps)",
        "FCM: DROP FRAME",
        "001  TAPE7    V     C        01:00:02;00 01:00:06;00 01:00:00;00 01:00:02;00",
        "M2   TAPE7          059.9                01:00:02:00",
        "* FROM CLIP NAME: 1.mov",
        "* SOURCE FILE: /videos/1.mov",
        "* VSEARCH QUERY: q.mp4 0:00:00.0 - 0:00:02.0",
        "* VSEARCH HIT: RANK 1, v1, c7, SIMILARITY 0.900, SCORE 0.800 (UNCALIBRATED)",
        "",
    ]


@pytest.mark.parametrize("counting", COUNTINGS, ids=str)
@pytest.mark.parametrize(
    "speed", [0.5, 0.8, 1.25, 2.0, -0.5, -2.0]
)  # at -1 this reader passes over the M2 line: both ranges are as long
def test_another_program_reads_speeds_in_an_edit_list(counting: Counting, speed: float) -> None:
    source = a_source(counting)
    made = cut("q.mp4", a_hit(2, 22, speed=speed), source)
    (clip,) = read_edl(edl_text("t", [made]), counting.rate)
    assert range_of(clip.source_range) == (source.start + made.first, made.length, float(counting.rate))
    (warp,) = clip.effects
    assert warp.time_scalar == pytest.approx(speed, abs=0.0501 / float(counting.rate))


def test_an_edit_list_says_that_a_hit_plays_backwards() -> None:
    text = edl_text("found", [cut("q.mp4", a_hit(2, 6, speed=-1.0), a_source(reel="TAPE7"))])
    assert "M2   TAPE7          -025.0                10:00:02:00" in text.split("\r\n")


def test_drop_frame_and_plain_tapes_of_one_rate_share_a_list() -> None:
    drop, plain = a_source(Counting(NTSC, drop=True)), a_source(Counting(NTSC), number=2)
    (only,) = edit_lists([found((a_hit(), drop), (a_hit(), plain), (a_hit(), plain), (a_hit(), drop))])
    text = edl_text("t", only.cuts)
    assert [line for line in text.splitlines() if line.startswith(("FCM", "00"))] == [
        "FCM: DROP FRAME",
        "001  1        V     C        10:00:02;00 10:00:06;00 01:00:00;00 01:00:04;00",
        "FCM: NON-DROP FRAME",
        "002  2        V     C        10:00:02:00 10:00:06:00 01:00:04;00 01:00:08;00",
        "003  2        V     C        10:00:02:00 10:00:06:00 01:00:08;00 01:00:12;00",
        "FCM: DROP FRAME",
        "004  1        V     C        10:00:02;00 10:00:06;00 01:00:12;00 01:00:16;00",
    ]
    assert [range_of(clip.source_range)[1] for clip in read_edl(text, NTSC)] == [120] * 4


def test_reels_are_short_and_no_two_are_alike() -> None:
    sources = [
        a_source(number=1, reel="A001C003_140902_R1GH"),
        a_source(number=2, reel="A001C003_140902_R2GH"),
        a_source(number=3, reel="A001C003_140902_R1GH"),  # another file of the first tape
        a_source(number=4, path=b"/a/interview.mov"),
        a_source(number=5, path=b"/b/interview.mov"),
        a_source(number=6, path="/c/映画.mov".encode()),
        a_source(number=7, path=b"/c/bars.mov"),
        a_source(number=8, path=b"/c/.mov"),
    ]
    text = edl_text("t", [cut("q", a_hit(), source) for source in sources])
    reels = [line.split()[1] for line in text.splitlines() if line[:3].isdigit()]
    assert reels == ["A001C003", "A001C0_2", "A001C003", "INTERVIE", "INTERV_2", "REEL", "BARS_2", "MOV"]
    assert "* REEL A001C0_2 IS: A001C003_140902_R2GH" in text
    assert all(isinstance(c.media_reference, otio.schema.MissingReference) for c in read_edl(text, PAL))  # no bars


@given(st.lists(st.tuples(st.integers(1, 30), st.one_of(st.none(), st.text(max_size=12))), max_size=30))
def test_every_reel_name_fits_and_tells_tapes_apart(named: list[tuple[int, str | None]]) -> None:
    reels = dict(named)
    sources = [a_source(number=number, reel=reels[number]) for number, _ in named]
    text = edl_text("t", [cut("q", a_hit(), source) for source in sources])
    short = [line[5:13].rstrip() for line in text.split("\r\n") if line[:3].isdigit()]
    keys = [source.reel if source.reel is not None else source.video_id for source in sources]
    assert len(short) == len(sources)
    assert len(set(zip(keys, short, strict=True))) == len(set(keys)) == len(set(short))
    assert all(name.replace("_", "A").isalnum() and name.isascii() for name in short)


def test_names_cannot_add_lines_to_an_edit_list() -> None:
    source = a_source(path=b"/videos/a\r\n002  X.mov", reel="R\n\u2028\x85003  AX")
    finds = Finds("q\n004  AX", [(a_hit(), source)])
    text = edl_text("t\n005  AX", edit_lists([finds])[0].cuts)
    assert len(read_edl(text, PAL)) == 1
    assert len([line for line in text.splitlines() if line[:3].isdigit()]) == 1


def test_a_rate_that_nobody_counts_is_said() -> None:
    odd = replace(a_source(Counting(Fraction(30))), claimed_rate=Fraction(2983, 100), timecode=None)
    unknown = replace(a_source(), claimed_rate=None)
    text = edl_text("t", [cut("q", a_hit(), one) for one in (odd, unknown)])
    assert "* VSEARCH RATE: 29.83 FPS, COUNTED AS 30 FPS" in text
    assert "* VSEARCH RATE: UNKNOWN, COUNTED AS 25 FPS" in text
    assert text.count("* VSEARCH TIMECODE: NONE THAT FITS IN THE FILE") == 1
    assert "VSEARCH RATE" not in edl_text(
        "t", [cut("q", a_hit(), a_source(Counting(NTSC), claimed_rate=Fraction("29.97")))]
    )


def test_each_rate_has_a_list_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film, pal, fast = a_source(Counting(FILM)), a_source(number=2), a_source(Counting(Fraction(60)), number=3)
    finds = [found((a_hit(), pal), (a_hit(), film)), found((a_hit(), fast), (a_hit(), pal), query="r")]
    with caplog.at_level(logging.WARNING):
        write_export(tmp_path / "found.edl", finds)
    names = {"found.edl": (PAL, 2), "found.23.976fps.edl": (FILM, 1), "found.60fps.edl": (Fraction(60), 1)}
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    for name, (rate, events) in names.items():
        clips = read_edl((tmp_path / name).read_text("utf-8"), rate)
        assert [clip.source_range.duration.value for clip in clips] == [round(rate * 4)] * events
    assert f"further hits (1 at 23.976 frames a second) are in {tmp_path / 'found.23.976fps.edl'}" in caplog.text


def test_a_list_ends_at_999_events_and_before_its_timecode_begins_again() -> None:
    many = edit_lists([found(*[(a_hit(), a_source())] * 2000)])
    assert [len(one.cuts) for one in many] == [999, 999, 2]
    assert [one.label for one in many] == ["25fps", "25fps-2", "25fps-3"]
    ten_hours = replace(a_source(), frames=Counting(PAL).frames(36000))
    long = edit_lists([found(*[(a_hit(0, 36000), ten_hours)] * 5)])
    assert [len(one.cuts) for one in long] == [2, 2, 1]
    assert len(read_edl(edl_text("t", long[0].cuts), PAL)) == 2


def test_a_search_without_hits_gives_an_empty_list() -> None:
    assert edit_lists([found()]) == []
    assert read_edl(edl_text("t", []), PAL) == []


# ---------------------------------------------------------------------------------------------------------- timelines


def test_another_program_reads_a_timeline() -> None:
    drop, film = a_source(Counting(NTSC, drop=True), reel="A001"), a_source(Counting(FILM), number=2)
    finds = [
        found((a_hit(), drop), (a_hit(10, 14, speed=2.0), drop)),
        found(query="nothing"),
        found((a_hit(0, 60.0), film), query="é.jpg"),
    ]
    (back,) = read_otio(otio_text("found", [found((a_hit(2, 6, speed=-1.0), film))])).find_clips()
    assert [effect.time_scalar for effect in back.effects] == [-1.0]
    timeline = read_otio(otio_text("found", finds))
    start = timeline.global_start_time
    assert otio.opentime.to_timecode(start, start.rate, drop_frame=True) == "01:00:00;00"
    assert [track.name for track in timeline.tracks] == ["q.mp4", "é.jpg"]
    assert all(track.kind == otio.schema.TrackKind.Video for track in timeline.tracks)
    plain, fast, whole = timeline.find_clips()
    first = otio.opentime.from_timecode("10:00:00;00", float(NTSC))
    assert range_of(plain.source_range) == (first.value + 60, 120, float(NTSC))
    assert range_of(fast.source_range) == (first.value + 300, 60, float(NTSC))
    assert [effect.time_scalar for effect in fast.effects] == [2.0]
    assert list(plain.effects) == []
    assert plain.available_range() == otio.opentime.TimeRange(first, otio.opentime.RationalTime(1798, float(NTSC)))
    assert plain.media_reference.target_url == "file:///videos/1.mov"
    assert plain.metadata["cmx_3600"]["reel"] == "A001"
    assert plain.metadata["vsearch"]["similarity"] == 0.9
    assert plain.metadata["vsearch"]["query"] == "q.mp4"
    assert dict(plain.media_reference.metadata["vsearch"]) == {
        "frame_rate": "30000/1001",
        "timecode": "10:00:00:00",
        "timecode_rate": "30000/1001",
        "drop_frame": True,
        "reel": "A001",
    }
    assert whole.source_range == whole.available_range()


def test_tracks_follow_each_other() -> None:
    film = a_source(Counting(FILM))
    timeline = read_otio(otio_text("t", [found((a_hit(), a_source())), found((a_hit(), film)), found((a_hit(), film))]))
    begins = [
        clip.transformed_time_range(clip.trimmed_range(), timeline.tracks).start_time for clip in timeline.find_clips()
    ]
    assert [time.to_seconds() for time in begins] == pytest.approx(
        [0, 4, 8.04], abs=1e-9
    )  # 96 frames of film last 4.004 s
    gaps = [child.duration() for track in timeline.tracks for child in track if isinstance(child, otio.schema.Gap)]
    assert [frames_of(gap) for gap in gaps] == [(100, 25), (201, 25)]


def test_the_edit_list_that_another_program_makes_of_a_timeline_is_ours() -> None:
    counting = Counting(NTSC, drop=True)
    sources = [a_source(counting, "00:00:58;00", reel="A001"), a_source(counting, number=2, reel="B002")]
    hits = [(a_hit(1, 5), sources[0]), (a_hit(20, 23), sources[1])]
    timeline = read_otio(otio_text("t", [found(*hits)]))
    theirs = otio.adapters.write_to_string(timeline, "cmx_3600", rate=float(NTSC))
    ours = edl_text("t", [cut("q.mp4", *pair) for pair in hits])
    numbers = [[line.split() for line in text.splitlines() if line[:3].isdigit()] for text in (theirs, ours)]
    assert [line[:6] for line in numbers[0]] == [line[:6] for line in numbers[1]]  # they begin at zero, we at an hour
    assert numbers[0]


def test_paths_become_addresses_whatever_their_bytes_are() -> None:
    source = a_source(path=b"/v/a b%\xff?#.mov")
    (clip,) = read_otio(otio_text("t", [found((a_hit(), source))])).find_clips()
    assert clip.media_reference.target_url == "file:///v/a%20b%25%FF%3F%23.mov"


def test_a_search_without_hits_gives_an_empty_timeline() -> None:
    timeline = read_otio(otio_text("t", [found()]))
    assert list(timeline.tracks) == []
    assert frames_of(timeline.global_start_time) == (90000, 25)


# ------------------------------------------------------------------------------------------------------------- tables


def rows_of(finds: Iterable[Finds]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(finds), newline="")))


def test_a_table_has_a_row_for_each_hit_with_its_timecodes() -> None:
    source = a_source(Counting(NTSC, drop=True), "00:00:58;00", reel="A001")
    first, second = rows_of([found((a_hit(1.5, 5.5), source)), found(query="none"), found((a_hit(speed=None), source))])
    assert first["start_timecode"] == "00:00:59;15"
    assert first["end_timecode"] == "00:01:03;17"
    assert first["start_seconds"] == "1.5"
    assert first["similarity"] == "0.9"
    assert (first["source_timecode"], first["frame_rate"], first["drop_frame"]) == ("00:00:58;00", "30000/1001", "true")
    assert (first["reel"], first["speed"], first["online"]) == ("A001", "1", "true")
    assert second["query_start_seconds"] == ""


def test_no_cell_begins_like_a_formula() -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
    rows = rows_of([found((a_hit(volume=name), a_source(reel=name)), query=name) for name in names])
    for row, name in zip(rows, names, strict=True):
        assert row["query"] == row["volume"] == row["reel"] == f"'{name}"
    (usual,) = rows_of([found((a_hit(volume='a=b, "c"\nd'), a_source()))])
    assert usual["volume"] == 'a=b, "c"\nd'


def test_a_table_is_as_rfc_4180_has_it() -> None:
    text = csv_text([found((a_hit(volume='a "b", c'), a_source()))])
    header, row, rest = text.split("\r\n")
    assert header.startswith("query,rank,video_id,video,volume,online,clip_id,start_seconds,end_seconds,")
    assert '"a ""b"", c"' in row
    assert rest == ""


# -------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["x.xml", "x", "csv", "x.edl.gz"])
def test_a_name_that_says_nothing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.csv, \.edl, \.otio"):
        check_export(tmp_path / name)


@pytest.mark.parametrize("suffix", [*EXPORT_SUFFIXES, ".EDL"])
def test_every_form_is_written_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"found{suffix}"
    path.write_text("before")
    write_export(path, [found((a_hit(), a_source()))])
    assert "1.mov" in path.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot write"):
        write_export(tmp_path / "nowhere" / path.name, [])


def test_a_timeline_is_plain_json_for_those_without_the_package() -> None:
    assert json.loads(otio_text("t", [found((a_hit(), a_source()))]))["OTIO_SCHEMA"] == "Timeline.1"
