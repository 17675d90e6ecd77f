"""What was found, on the timelines of other programs: real videos with timecodes, read back by OpenTimelineIO."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from tests import archives, videos
from vsearch.config import IndexConfig
from vsearch.errors import InputError
from vsearch.library import Library, SearchResult

SIZE = (64, 96)
LENGTH_S = 4
QUICK = {"preset": "ultrafast"}


@dataclass(frozen=True)
class Tape:
    """A video as a camera would write it: four seconds of two scenes, cut in the middle."""

    name: str
    rate: Fraction
    timecode: str
    reel: str | None
    scene: int

    @property
    def frames(self) -> int:
        return round(self.rate * LENGTH_S)

    def time(self, frame: int) -> otio.opentime.RationalTime:
        """What OpenTimelineIO says that frame `frame` of it is called."""
        return otio.opentime.from_timecode(self.timecode, float(self.rate)) + otio.opentime.RationalTime(
            frame, float(self.rate)
        )


TAPES = [
    Tape("film.mov", Fraction(24000, 1001), "01:00:00:00", "A001", 200),
    Tape("pal.mov", Fraction(25), "10:00:00:12", "KARTE 7/a-long-name", 203),
    Tape("drop.mov", Fraction(30000, 1001), "00:00:57;10", "B002C001_091231", 206),  # two numbers are left out in it
    Tape("fast.mov", Fraction(60000, 1001), "10:08:58;00", None, 209),
    Tape("fast.mkv", Fraction(60000, 1001), "23:59:57:00", None, 212),  # the day ends in it
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the tapes, and a query from the middle of each."""
    folder = tmp_path_factory.mktemp("tapes")
    (folder / "videos").mkdir()
    for tape in TAPES:
        half = tape.frames // 2
        shots = [
            *videos.scene_frames(tape.scene, half, SIZE),
            *videos.scene_frames(tape.scene + 1, tape.frames - half, SIZE),
        ]
        videos.write_stream(
            folder / "videos" / tape.name,
            shots,
            fps=tape.rate,
            timecode=None if tape.name.endswith("mkv") else tape.timecode,
            metadata={"TIMECODE": tape.timecode},
            reel=tape.reel,
            options=QUICK,
        )
        asked = shots[round(tape.rate) : -round(tape.rate / 2)]
        videos.write_stream(folder / f"{tape.name}.query.mp4", asked, fps=tape.rate, options=QUICK | {"crf": "30"})
    with archives.open_tiny(folder / "library") as library:
        library.index([folder / "videos"], IndexConfig(workers=1, quality_check=False))
    return folder


def search(place: Path, queries: list[str], export: Path) -> dict[str, SearchResult]:
    """The results of a search for each query's best place, and the file that it wrote."""
    with Library.open(place / "library") as library:
        results = library.search([place / query for query in queries], k=1, export=export)
        return {Path(result.query).name: result for result in results}


@pytest.mark.parametrize("tape", TAPES, ids=lambda tape: tape.name)
def test_an_edit_list_names_the_frames_that_were_asked_for(place: Path, tmp_path: Path, tape: Tape) -> None:
    query = f"{tape.name}.query.mp4"
    (hit,) = search(place, [query], tmp_path / "found.edl")[query].hits
    text = (tmp_path / "found.edl").read_text("utf-8")
    (event,) = [line.split() for line in text.splitlines() if line[:3].isdigit()]
    rate, day = float(tape.rate), otio.opentime.from_timecode("23:59:59:00", float(tape.rate)).value + round(tape.rate)
    at = [(otio.opentime.from_timecode(code, rate) - tape.time(0)).value % day for code in event[4:6]]
    # exactly where the hit is, and that is where the query is from
    assert at == [round(hit.start_s * tape.rate), round(hit.end_s * tape.rate)]
    assert at == pytest.approx([rate, tape.frames - rate / 2], abs=rate / 2)
    assert all((";" in code) is (";" in tape.timecode) for code in event[4:])
    assert text.splitlines()[1] == ("FCM: DROP FRAME" if ";" in tape.timecode else "FCM: NON-DROP FRAME")
    assert f"* FROM CLIP NAME: {tape.name}" in text


def test_a_timeline_knows_all_frames_of_a_source_and_takes_all_of_a_whole_video(place: Path, tmp_path: Path) -> None:
    with Library.open(place / "library") as library:
        names = [f"v{library.info(tape.name)['video_id']}" for tape in TAPES[:4]]
        list(library.search(names, k=1, export=tmp_path / "all.otio"))
    timeline = otio.adapters.read_from_file(str(tmp_path / "all.otio"))
    for clip, track, tape in zip(timeline.find_clips(), timeline.tracks, TAPES[:4], strict=True):
        length = otio.opentime.RationalTime(tape.frames, float(tape.rate))
        assert clip.available_range() == otio.opentime.TimeRange(tape.time(0), length)
        ends = [clip.source_range.start_time, clip.source_range.end_time_exclusive()]
        frames = [(end - tape.time(0)).value for end in ends]
        assert frames == pytest.approx([0, tape.frames], abs=float(tape.rate) / 10)
        assert clip.media_reference.target_url == (place / "videos" / tape.name).as_uri()
        assert clip.metadata.get("cmx_3600", {}).get("reel") == tape.reel
        assert track.name == clip.metadata["vsearch"]["query"]


def test_an_edit_list_of_several_rates_is_several(place: Path, tmp_path: Path) -> None:
    queries = [f"{tape.name}.query.mp4" for tape in TAPES]
    search(place, queries, tmp_path / "found.edl")
    names = {"found.edl": 1, "found.25fps.edl": 1, "found.29.97fps.edl": 1, "found.59.94fps.edl": 2}
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    texts = {name: (tmp_path / name).read_text("utf-8") for name in names}
    for name, events in names.items():
        assert len([line for line in texts[name].splitlines() if line[:3].isdigit()]) == events
    assert "001  KARTE_7_ V " in texts["found.25fps.edl"]
    assert "* REEL KARTE_7_ IS: KARTE 7/a-long-name" in texts["found.25fps.edl"]
    assert [line for line in texts["found.59.94fps.edl"].splitlines() if "FCM" in line] == [
        "FCM: DROP FRAME",
        "FCM: NON-DROP FRAME",
    ]


def test_a_table_has_a_row_a_hit_with_the_facts_of_its_source(place: Path, tmp_path: Path) -> None:
    queries = [f"{tape.name}.query.mp4" for tape in TAPES]
    results = search(place, [*queries, "nowhere.mp4"], tmp_path / "found.csv")
    assert results["nowhere.mp4"].error
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["video"]).name for row in rows] == [tape.name for tape in TAPES]
    for row, tape in zip(rows, TAPES, strict=True):
        assert row["source_timecode"] == tape.timecode
        assert row["timecode_rate"] == str(tape.rate)
        assert row["drop_frame"] == ("true" if ";" in tape.timecode else "false")
        assert row["reel"] == (tape.reel or "")
        (hit,) = results[Path(row["query"]).name].hits
        assert float(row["start_seconds"]) == hit.start_s
        first = otio.opentime.from_timecode(row["start_timecode"], float(tape.rate)) - tape.time(0)
        assert first.value == round(hit.start_s * tape.rate)


def test_nothing_is_written_before_the_last_result_nor_by_a_search_that_stops(place: Path, tmp_path: Path) -> None:
    with Library.open(place / "library") as library:
        results = library.search([place / f"{TAPES[0].name}.query.mp4"] * 2, export=tmp_path / "found.edl")
        next(results)
        assert list(tmp_path.iterdir()) == []
        del results
        assert list(tmp_path.iterdir()) == []


def test_a_form_that_nobody_knows_is_refused_at_once(place: Path, tmp_path: Path) -> None:
    with Library.open(place / "library") as library, pytest.raises(InputError, match=r"found\.xml"):
        library.search([], export=tmp_path / "found.xml")
