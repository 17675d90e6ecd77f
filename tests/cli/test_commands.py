"""Every command on a real small library: what it prints, its JSON as documented, its exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import videos
from tests.archives import SMALL, make_video, open_tiny
from tests.cli.runner import Outcome, vsearch
from tests.cli.schemas import check, documented_schemas
from tests.tiny_models import write_tiny_models
from vsearch._version import __version__
from vsearch.cli.commands.info import index_lines
from vsearch.models import read_model_id


def on(shelf: Path, *args: str | Path) -> Outcome:
    return vsearch(*args, "--library", shelf / "library")


@pytest.fixture
def own_shelf(shelf: Path, tmp_path: Path) -> Path:
    """A copy of the library that a test may change; the videos stay where they are."""
    shutil.copytree(shelf / "library", tmp_path / "library")
    return tmp_path


def test_index_prints_one_object(shelf: Path, own_shelf: Path) -> None:
    make_video(own_shelf / "new" / "d.mp4", 300)
    outcome = on(own_shelf, "index", shelf / "videos", own_shelf / "new", "--json", "--device", "cpu")
    assert outcome.status == 0
    figures = outcome.json()
    check(figures, "index")
    assert (figures["indexed"], figures["unchanged"], len(figures["failed"])) == (1, 3, 1)
    assert figures["failed"][0]["path"] == str(shelf / "videos" / "broken.mp4")


def test_index_tells_people_what_it_did(shelf: Path, own_shelf: Path) -> None:
    make_video(own_shelf / "new" / "d.mp4", 300)
    outcome = on(own_shelf, "index", own_shelf / "new", shelf / "videos")
    assert outcome.status == 0
    first, second, third, last = outcome.out.splitlines()
    assert first == "1 indexed, 3 unchanged, 1 failed"
    assert "4.0 s of video" in second
    assert "per hour of video" in third
    assert last.startswith(f"failed: {shelf}/videos/broken.mp4: ")


def test_index_names_what_failed_in_a_log(shelf: Path, own_shelf: Path) -> None:
    on(own_shelf, "index", shelf / "videos", "--log", own_shelf / "log.txt")
    assert "broken.mp4" in (own_shelf / "log.txt").read_text()


def test_index_upgrades_what_is_stored_with_less_and_says_so(shelf: Path, own_shelf: Path) -> None:
    better = ["--quality", "high", "--preview-size", "320x240"]
    make_video(own_shelf / "new" / "d.mp4", 300)
    on(own_shelf, "index", own_shelf / "new", "--effort", "fast", "--quality", "low", "--no-quality-check")
    stored = on(own_shelf, "info", "v4", "--json").json()
    assert (stored["quality"], stored["effort"], stored["level"], stored["fidelity"]) == ("low", "fast", 0, None)
    assert on(own_shelf, "index", own_shelf / "new", *better).out == "1 unchanged\n"
    (own_shelf / "new").rename(own_shelf / "away")
    told = on(own_shelf, "index", "--upgrade", *better)
    assert told.status == 0, told.err
    lines = told.out.splitlines()
    assert lines[0] == "3 indexed, 3 of them upgraded, 1 offline"
    assert lines[-1] == "1 video was not upgraded: offline (--log FILE names them)"
    (own_shelf / "away").rename(own_shelf / "new")
    outcome = on(own_shelf, "index", own_shelf / "new", "--upgrade", *better, "--json")
    check(outcome.json(), "index")
    assert outcome.json()["upgraded"] == 1
    stored = on(own_shelf, "info", "v4", "--json").json()
    check(stored, "info-video")
    assert (stored["quality"], stored["effort"], stored["preview_pixels"]) == ("high", "default", 76800)
    assert (stored["preview_height"] % 16, stored["preview_width"] % 16) == (0, 0)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--quality", "best"), ("--effort", "most"), ("--preview-size", "10"), ("--preview-size", "9999x9999"),
     ("--preview-size", "large"), ("--preview-size", "256x")],
)  # fmt: skip
def test_index_refuses_settings_that_do_not_exist(own_shelf: Path, option: str, value: str) -> None:
    outcome = on(own_shelf, "index", own_shelf, option, value)
    assert outcome.status == 2
    assert option in outcome.err


def test_index_of_a_missing_path_is_1(own_shelf: Path) -> None:
    outcome = on(own_shelf, "index", own_shelf / "nowhere")
    assert outcome.status == 1
    assert "nowhere" in outcome.err


def test_a_dry_run_writes_nothing(shelf: Path, own_shelf: Path) -> None:
    make_video(own_shelf / "new" / "d.mp4", 300)
    before = {path: path.stat().st_mtime_ns for path in own_shelf.rglob("*")}
    outcome = on(own_shelf, "index", own_shelf / "new", "--dry-run", "--json")
    assert outcome.status == 0
    figures = outcome.json()
    check(figures, "dry-run")
    assert figures["files"] == 1
    assert {path: path.stat().st_mtime_ns for path in own_shelf.rglob("*")} == before
    assert "nothing was written" in on(own_shelf, "index", own_shelf / "new", "--dry-run").out


def test_reembed_prints_one_object_and_changes_the_head(own_shelf: Path, tmp_path: Path) -> None:
    _, head = write_tiny_models(tmp_path / "other", seed=1)
    outcome = on(own_shelf, "reembed", "a.mp4", "--head", head, "--json")
    check(outcome.json(), "reembed")
    assert (outcome.status, outcome.json()["videos"], outcome.json()["waiting"]) == (0, 1, 2)
    assert "2 videos to go" in on(own_shelf, "reembed", "a.mp4", "--head", head).out
    told = on(own_shelf, "reembed", "--head", head)
    assert told.status == 0
    assert told.out.splitlines()[-1].endswith("now")
    assert on(own_shelf, "info", "--json").json()["active_head"] == read_model_id(head)
    assert on(own_shelf, "search", "v1", "-k", "1", "--json").json()["hits"][0]["video_id"] == 1


def test_export_makes_a_library_that_is_searched(shelf: Path, tmp_path: Path) -> None:
    outcome = on(shelf, "export", tmp_path / "copy", "--embeddings-only", "--no-paths", "--json")
    assert outcome.status == 0
    check(outcome.json(), "export")
    found = vsearch("search", shelf / "videos" / "a.mp4", "--library", tmp_path / "copy", "-k", "1", "--json").json()
    assert re.fullmatch(r"/exported/v[123]/a.mp4", found["hits"][0]["video"])
    again = on(shelf, "export", tmp_path / "copy")
    assert (again.status, "is there already" in again.err) == (1, True)
    assert on(shelf, "export", tmp_path / "whole").out.startswith(f"{tmp_path}/whole: 3 videos, ")


def test_search_prints_a_line_a_query(shelf: Path) -> None:
    a, b = shelf / "videos" / "a.mp4", shelf / "videos" / "b é.mp4"
    outcome = on(shelf, "search", a, b, "-k", "2", "--json")
    assert outcome.status == 0
    lines = outcome.lines()
    for line, query in zip(lines, (a, b), strict=True):
        check(line, "search")
        assert line["query"] == str(query)
        assert line["version"] == __version__
        assert line["head"] == on(shelf, "info", "--json").json()["active_head"]
        assert line["generation"] == 3
        assert line["hits"][0]["video"] == str(query)
        assert len(line["hits"]) <= 2


def test_search_tells_people_both_ranges(shelf: Path) -> None:
    outcome = on(shelf, "search", shelf / "videos" / "a.mp4", "-k", "1")
    query, hit = outcome.out.splitlines()
    assert query == str(shelf / "videos" / "a.mp4")
    assert hit.split()[0] == "1"
    assert re.search(r"  0:00:0\d\.\d - 0:00:0\d\.\d  query 0:00:0\d\.\d - 0:00:0\d\.\d  v\d  c\d  /", hit)
    assert hit.endswith("/a.mp4")


def test_a_query_that_cannot_be_read_does_not_stop_the_others(shelf: Path) -> None:
    args = ["search", shelf / "videos" / "broken.mp4", shelf / "nowhere.mp4", shelf / "videos" / "a.mp4"]
    outcome = on(shelf, *args, "--json")
    assert outcome.status == 1
    broken, missing, good = outcome.lines()
    check(broken, "search-error")
    check(missing, "search-error")
    check(good, "search")
    told = on(shelf, *args)
    assert told.status == 1
    assert told.err.count("vsearch: error: ") == 2


def test_queries_from_standard_input_are_answered_a_line_each(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = shelf / "videos" / "a.mp4", shelf / "videos" / "b é.mp4"
    odd = os.fsencode(shelf) + b"/no\xffwhere.mp4"
    asked = io.TextIOWrapper(io.BytesIO(b"\n".join([os.fsencode(b), odd, b"", os.fsencode(a)])))
    monkeypatch.setattr("sys.stdin", asked)
    outcome = on(shelf, "search", a, "-", "--json")
    first, second, failed, last = outcome.lines()
    assert [line["query"] for line in (first, second, last)] == [str(a), str(b), str(a)]
    assert failed["code"] == "input"
    assert outcome.status == 1


def test_a_match_fails_the_command_where_that_is_asked_for(shelf: Path) -> None:
    query = ["search", shelf / "videos" / "a.mp4", "--fail-on-match"]
    assert on(shelf, *query).status == 3
    assert on(shelf, *query, "--min-similarity", "1").status == 0
    assert on(shelf, "search", shelf / "nowhere.mp4", "--fail-on-match").status == 1


def test_what_is_not_there_yet_is_named_for_other_programs(shelf: Path, tmp_path: Path) -> None:
    stranger = make_video(tmp_path / "asked" / "new\nline\udcff.mp4", 500)
    shutil.copy(shelf / "videos" / "a.mp4", tmp_path / "asked" / "known.mp4")
    (tmp_path / "asked" / "notes.txt").write_text("no query")
    floor = ["--min-similarity", "0.95"]
    outcome = on(shelf, "search", tmp_path / "asked", "--new", *floor)
    assert (outcome.status, outcome.out) == (0, f"{stranger}\n")
    assert on(shelf, "search", tmp_path / "asked", "--new", "-0", *floor).out == f"{stranger}\0"
    (tmp_path / "asked" / "broken.mp4").write_bytes(bytes(range(256)) * 40)
    outcome = on(shelf, "search", tmp_path / "asked", "--new", *floor)
    assert (outcome.status, outcome.out) == (1, f"{stranger}\n")
    assert "broken.mp4" in outcome.err


def test_filters_and_groups_of_hits(shelf: Path) -> None:
    every = {"a.mp4", "b é.mp4", "c.mp4"}

    def found(*options: str | Path) -> set[str]:
        (line,) = on(shelf, "search", "v1", "--min-similarity", "0", "--json", *options).lines()
        check(line, "search")
        return {Path(hit["video"]).name for hit in line["hits"]}

    assert found() == every
    assert found("--path", "*.mp4", "--not-in", "a.mp4") == {"b é.mp4", "c.mp4"}
    assert found("--path", shelf / "videos" / "a.mp4", "--path", "c.*") == {"a.mp4", "c.mp4"}
    assert found("--duration", "3.9..0:04.1", "--resolution", "80p..", "--size", "..100MB", "--online") == every
    assert found("--date", "2001..") == every
    for nothing in (["--duration", "5.."], ["--date", "..2000"], ["--size", "1GB.."], ["--offline"]):
        assert found(*nothing) == set()
    told = on(shelf, "search", "v1", "--offline")
    assert "nothing in the library fits the filters" in told.err


def test_search_looks_into_the_groups_that_cluster_made(own_shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["search", "v1@0.5", "--min-similarity", "0", "--per-video", "9"]
    failed = on(own_shelf, *asked, "--cluster", "1")
    assert failed.status == 1
    assert failed.err == "vsearch: error: the clips of the library are not grouped yet: run `vsearch cluster`\n"
    groups = on(own_shelf, "cluster", "-n", "3", "--json").json()["groups"]
    clips = [{clip["clip_id"] for clip in group["clips"]} for group in groups]

    def found(line: dict[str, Any]) -> set[int]:
        check(line, "search")
        return {hit["clip_id"] for hit in line["hits"]}

    own = on(own_shelf, "search", "v1@0.5", "--json").json()["hits"][0]["clip_id"]
    for number in (1, 2, 3):
        within = found(on(own_shelf, *asked, "--cluster", str(number), "--json").json())
        assert within <= clips[number - 1]
        assert (own in within) == (own in clips[number - 1])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"v2\nv3@1\n")))
    lines = on(own_shelf, "search", "-", *asked[2:], "--cluster", "2", "--cluster", "3", "--json").lines()
    assert len(lines) == 2
    for line in lines:
        assert found(line)
        assert found(line) <= clips[1] | clips[2]
    (line,) = on(own_shelf, *asked, "--cluster", "4", "--json").lines()
    check(line, "search-error")
    assert line["error"] == "there is no group 4: the last `vsearch cluster` made 3"
    assert on(own_shelf, *asked, "--cluster", "0").status == 2
    on(own_shelf, "remove", "v3")
    assert "run `vsearch cluster` again" in on(own_shelf, *asked, "--cluster", "1").err


def test_a_library_without_clips_to_compare_has_no_groups(own_shelf: Path) -> None:
    on(own_shelf, "remove", "v1", "v2", "v3")
    told = on(own_shelf, "cluster")
    assert (told.status, told.out) == (0, "no clips to group\n")
    (own_shelf / "black").mkdir()
    videos.write_stream(own_shelf / "black" / "black.mp4", [np.zeros((3, *SMALL), np.uint8)] * 20, fps=10)
    on(own_shelf, "index", own_shelf / "black", "--device", "cpu")
    found = on(own_shelf, "cluster", "-n", "2", "--json").json()
    check(found, "cluster")
    assert (found["groups"], found["ungrouped"]) == ([], 1)
    (line,) = on(own_shelf, "search", "black.mp4", "--cluster", "1", "--json").lines()
    assert line["error"] == "there is no group 1: the last `vsearch cluster` made 0"


def test_hits_are_shown_by_video_with_their_other_places(own_shelf: Path) -> None:
    videos.cuts_video(own_shelf / "twice.mp4", [(900, 20), (901, 20), (900, 20)], fps=10, size=SMALL)
    on(own_shelf, "index", own_shelf / "twice.mp4")
    asked = ["search", "twice.mp4@0.5", "--group", "video", "--min-similarity", "0.9"]
    (line,) = on(own_shelf, *asked, "--all-above", "0.9", "--json").lines()
    check(line, "search")
    (hit,) = line["hits"]
    assert {hit["start_seconds"], *(other["start_seconds"] for other in hit["others"])} >= {0.0, 4.0}
    assert "\n     also at 0:00:0" in on(own_shelf, *asked).out


def test_several_examples_and_stored_names_are_asked_with(shelf: Path) -> None:
    a, b = shelf / "videos" / "a.mp4", shelf / "videos" / "b é.mp4"
    lines = on(shelf, "search", "v1@0.5", "--clip", "c1", "--clip", "2", "--like", a, "--like", b, "--json").lines()
    for line in lines:
        check(line, "search")
    assert [line["query"] for line in lines] == ["v1@0.5", "id:c1", "id:c2", f"like {a}, {b}"]
    assert lines[0]["hits"][0]["video_id"] == 1
    assert [line["hits"][0]["clip_id"] for line in lines[1:3]] == [1, 2]
    assert {(hit["video"], hit["example"]) for hit in lines[3]["hits"][:2]} == {(str(a), str(a)), (str(b), str(b))}
    told = on(shelf, "search", "--like", a, "--like", b).out.splitlines()
    assert told[0] == f"like {a}, {b}"
    assert f"{a} 0:00:0" in "\n".join(told[1:])


def test_no_match_is_an_answer(shelf: Path) -> None:
    outcome = on(shelf, "search", shelf / "videos" / "a.mp4", "--min-similarity", "1")
    assert outcome.status == 0
    assert outcome.out.splitlines()[1:] == ["  no match"]


def test_a_query_in_which_nothing_can_be_compared_says_so(shelf: Path, tmp_path: Path) -> None:
    Image.new("RGB", (320, 180)).save(tmp_path / "black.png")
    told = on(shelf, "search", tmp_path / "black.png")
    assert told.status == 0
    assert told.out.splitlines()[1:] == ["  no match: nothing in it can be compared (black, flat or test pictures)"]
    black, plain = on(shelf, "search", tmp_path / "black.png", shelf / "videos" / "a.mp4", "--json").lines()
    for line in (black, plain):
        check(line, "search")
    assert (black["blank"], black["hits"]) == (True, [])
    assert "blank" not in plain


@pytest.mark.parametrize("suffix", [".csv", ".edl", ".otio"])
def test_search_leaves_its_hits_for_other_programs(shelf: Path, tmp_path: Path, suffix: str) -> None:
    outcome = on(shelf, "search", shelf / "videos" / "a.mp4", "--json", "--export", tmp_path / f"found{suffix}")
    assert outcome.status == 0
    check(outcome.json(), "search")
    assert outcome.json()["hits"][0]["video"] in (tmp_path / f"found{suffix}").read_text("utf-8")


def test_a_table_has_every_field_of_a_hit(shelf: Path, tmp_path: Path) -> None:
    outcome = on(shelf, "search", shelf / "videos" / "b é.mp4", "--json", "--export", tmp_path / "found.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "found.csv").read_text("utf-8"), newline="")))
    hits = outcome.json()["hits"]
    assert len(rows) == len(hits) > 0
    for row, hit in zip(rows, hits, strict=True):
        for name, value in hit.items():
            assert row[name] == (str(value).lower() if isinstance(value, bool) else "" if value is None else str(value))


def test_a_file_to_export_to_says_what_it_is_to_be(shelf: Path, tmp_path: Path) -> None:
    outcome = on(shelf, "search", shelf / "videos" / "a.mp4", "--export", tmp_path / "found.xml")
    assert outcome.status == 2
    assert "'found.xml' does not say what to write: end it in .csv, .edl, .otio" in outcome.err
    assert outcome.out == ""


def test_explain_says_and_draws_why_two_match(shelf: Path, tmp_path: Path) -> None:
    query = ["explain", shelf / "videos" / "a.mp4", "a.mp4"]
    told = on(shelf, *query)
    assert told.status == 0, told.err
    ranges = r"0:00:00\.\d - 0:00:0[34]\.\d of the query are 0:00:00\.\d - 0:00:0[34]\.\d of the video at 1\.00x"
    assert re.match(f"matches: {ranges}, mean cosine 0.9", told.out)
    outcome = on(shelf, *query, "--json", "-o", tmp_path / "why.png")
    found = outcome.json()
    check(found, "explain")
    assert (outcome.status, found["reason"], found["picture"]) == (0, "match", str(tmp_path / "why.png"))
    with Image.open(tmp_path / "why.png") as image:
        assert image.width == 1200
        assert re.fullmatch(r"a\.mp4 in v[1-3]  a\.mp4", image.info["Title"])
        assert "Not the original pictures" in image.info["Description"]


def test_explain_says_why_two_do_not_match(shelf: Path, tmp_path: Path) -> None:
    (clip, *_) = on(shelf, "info", "v3", "--json").json()["clips"]
    query = ["explain", f"c{clip['clip_id']}", "v1", "--min-similarity", "1", "-o", tmp_path / "why.webp"]
    outcome = on(shelf, *query, "--json")
    check(outcome.json(), "explain")
    assert (outcome.status, outcome.json()["reason"]) == (4, "below-floor")
    assert (tmp_path / "why.webp").stat().st_size > 5000
    assert on(shelf, *query).out.startswith("does not match: below the floor: at best ")


def test_explain_refuses_what_it_cannot_draw_or_name(shelf: Path, tmp_path: Path) -> None:
    drawn = on(shelf, "explain", shelf / "videos" / "a.mp4", "v1", "-o", tmp_path / "why.jpg")
    assert drawn.status == 1
    assert "drawn as .png or .webp" in drawn.err
    assert on(shelf, "explain", shelf / "videos" / "a.mp4", "v99").status == 1
    assert on(shelf, "explain", shelf / "nowhere.mp4", "v1").status == 1


def test_search_looks_for_reversed_play_where_it_is_asked_for(shelf: Path) -> None:
    outcome = on(shelf, "search", shelf / "videos" / "a.mp4", "--reversed", "--json")
    (line,) = outcome.lines()
    check(line, "search")
    best = line["hits"][0]
    assert best["rate"] == pytest.approx(1.0, abs=0.2)
    assert best["query_coverage"] == pytest.approx(1.0)
    assert best["video_coverage"] == pytest.approx(1.0, abs=0.1)


def test_search_leaves_a_report(shelf: Path, tmp_path: Path) -> None:
    outcome = on(shelf, "search", shelf / "videos" / "a.mp4", "--report", tmp_path / "r.html")
    assert outcome.status == 0
    page = (tmp_path / "r.html").read_text("utf-8")
    assert page.count("data:image/webp;base64,") >= 2
    assert "hits for 1 of 1 query" in page


def test_a_hit_can_be_pasted_into_preview(shelf: Path, tmp_path: Path) -> None:
    (line,) = on(shelf, "search", shelf / "videos" / "a.mp4", "-k", "1", "--json").lines()
    (hit,) = line["hits"]
    start, end = str(hit["start_seconds"]), str(hit["end_seconds"])
    outcome = on(shelf, "preview", f"v{hit['video_id']}", "--start", start, "--end", end, "--frames", tmp_path / "f")
    assert outcome.status == 0
    names = sorted(path.name for path in (tmp_path / "f").iterdir())
    assert names[0] == "000000000.png"
    assert f"{len(names)} pictures" in outcome.err


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.mp4"])
def test_preview_writes_what_the_name_asks_for(shelf: Path, tmp_path: Path, name: str) -> None:
    outcome = on(shelf, "preview", shelf / "videos" / "a.mp4", "-o", tmp_path / name)
    assert outcome.status == 0, outcome.err
    assert (tmp_path / name).stat().st_size > 500
    assert outcome.out == ""


def test_preview_of_a_clip_and_an_animated_webp(shelf: Path, tmp_path: Path) -> None:
    clip = on(shelf, "info", shelf / "videos" / "a.mp4", "--json").json()["clips"][1]
    out = tmp_path / "a.webp"
    assert on(shelf, "preview", f"c{clip['clip_id']}", "--animate", "-o", out).status == 0
    with Image.open(out) as image:
        assert getattr(image, "n_frames", 1) == 2


def test_preview_of_all_makes_a_folder(shelf: Path, tmp_path: Path) -> None:
    outcome = on(shelf, "preview", "--all", "-o", f"{tmp_path}/sheets.d/")
    assert outcome.status == 0, outcome.err
    names = sorted(path.name for path in (tmp_path / "sheets.d").iterdir())
    assert {name.split("-")[-1] for name in names} == {"index.html", "a.webp", "b.webp", "c.webp"}


def test_preview_of_a_range_outside_the_video_is_1(shelf: Path, tmp_path: Path) -> None:
    outcome = on(shelf, "preview", "v1", "--start", "1:00:00", "-o", tmp_path / "a.png")
    assert outcome.status == 1
    assert "nothing starts at 3600.0 s" in outcome.err
    assert not list(tmp_path.glob("*.png"))


def test_cluster_groups_every_clip(shelf: Path, tmp_path: Path) -> None:
    outcome = on(shelf, "cluster", "-n", "2", "--json", "--report", tmp_path / "c.html")
    assert outcome.status == 0, outcome.err
    found = outcome.json()
    check(found, "cluster")
    assert len(found["groups"]) == 2
    assert "data:image/webp;base64," in (tmp_path / "c.html").read_text("utf-8")
    assert on(shelf, "cluster").out.startswith("group 1: ")


def test_list_has_a_line_a_video_or_failed_file(shelf: Path) -> None:
    outcome = on(shelf, "list", "--json")
    for line in outcome.lines():
        check(line, "list")
    states = {Path(line["path"]).name: line["state"] for line in outcome.lines()}
    assert states == {"a.mp4": "ok", "b é.mp4": "ok", "c.mp4": "ok", "broken.mp4": "failed"}
    assert [line["state"] for line in on(shelf, "list", "--state", "failed", "--json").lines()] == ["failed"]


def test_list_is_a_table_for_people_and_csv_for_spreadsheets(shelf: Path) -> None:
    head, *rows = on(shelf, "list").out.splitlines()
    assert head.split() == ["id", "volume", "duration", "size", "recorded", "state", "path"]
    assert len(rows) == 4
    assert rows[0].startswith("v1 ")
    assert "0:00:04.0" in rows[0]
    assert rows[3].startswith("- ")
    (first, *_) = csv.DictReader(io.StringIO(on(shelf, "list", "--csv").out))
    assert first["video_id"] == "1"
    assert first["duration_seconds"] == "4.0"
    assert first["online"] == "true"
    assert first["reason"] == ""


def test_list_finds_the_clips_with_the_worst_pictures(shelf: Path) -> None:
    lines = on(shelf, "list", "--worst-clips", "4", "--json").lines()
    for line in lines:
        check(line, "list-worst-clips")
    assert len(lines) == 4
    assert [line["psnr_db"] for line in lines] == sorted(line["psnr_db"] for line in lines)
    only = on(shelf, "list", "*a.mp4", "--worst-clips", "9", "--json").lines()
    assert {Path(line["video"]).name for line in only} == {"a.mp4"}
    assert len(only) == 2
    head, *rows = on(shelf, "list", "--worst-clips", "2").out.splitlines()
    assert head.split() == ["clip", "PSNR", "SSIM", "quality", "at", "id", "path"]
    assert rows[0].startswith(f"c{lines[0]['clip_id']} ")
    (first, *_) = csv.DictReader(io.StringIO(on(shelf, "list", "--worst-clips", "1", "--csv").out))
    assert first["psnr_db"] == str(lines[0]["psnr_db"])
    assert on(shelf, "list", "--worst-clips", "1", "--state", "failed").status == 2


def test_info_says_how_true_pictures_are(shelf: Path) -> None:
    figures = on(shelf, "info", "--json").json()
    (tier,) = figures["tiers"]
    assert (tier["quality"], tier["effort"], tier["videos"]) == ("default", "default", 3)
    assert tier["bytes_latents"] == figures["bytes_latents"]
    assert tier["psnr_db"] == figures["psnr_db"]
    assert "PSNR" in on(shelf, "info").out
    video = on(shelf, "info", "v1", "--json").json()
    psnr_db = [clip["psnr_db"] for clip in video["clips"]]
    assert video["fidelity"]["psnr_db"] == pytest.approx(sum(psnr_db) / 2, abs=1e-3)
    assert video["fidelity"]["worst_clip"]["psnr_db"] == min(psnr_db) <= video["fidelity"]["psnr_db_p5"]
    told = on(shelf, "info", "v1").out
    assert "5th percentile" in told
    assert f"worst clip      {min(psnr_db):.1f} dB" in told


def test_info_has_the_sums_of_the_library(shelf: Path) -> None:
    outcome = on(shelf, "info", "--json")
    figures = outcome.json()
    check(figures, "info")
    assert (figures["videos"], figures["failed"]) == (3, 1)
    told = on(shelf, "info").out
    assert "size per hour" in told
    assert "12.0 s" in told


def test_info_tells_of_the_index_that_searches_look_into(shelf: Path, own_shelf: Path) -> None:
    shutil.rmtree(own_shelf / "library" / "cache", ignore_errors=True)
    assert on(own_shelf, "info", "--json").json()["index"] is None
    query = shelf / "videos" / "a.mp4"
    assert on(own_shelf, "search", query, "--index-memory", "1M").status == 1
    assert on(own_shelf, "search", query, "--index-memory", "64M").status == 0
    figures = on(own_shelf, "info", "--json").json()
    check(figures, "info")
    assert figures["index"]["kind"] == "flat"
    assert 0 < figures["index"]["frames"] <= figures["frames"]
    assert "index: flat, " in on(own_shelf, "info").out


def test_an_approximate_index_says_how_much_it_finds() -> None:
    told = index_lines(
        {"kind": "ivf", "frames": 1_000_000, "bytes": 4e8, "cells": 2048, "nprobe": 64, "queries": 256}
        | {"ann_recall_at_10": 0.9812}
    )
    (line,) = told
    assert "64 of 2,048 cells looked into" in line
    assert "98.1% of the true ten neighbours found (256 queries)" in line


def test_info_of_a_video_has_its_clips(shelf: Path) -> None:
    figures = on(shelf, "info", shelf / "videos" / "b é.mp4", "--json").json()
    check(figures, "info-video")
    assert figures["video"].endswith("b é.mp4")
    assert [clip["start_seconds"] for clip in figures["clips"]] == [0.0, 2.0]
    told = on(shelf, "info", shelf / "videos" / "b é.mp4").out
    assert "2 clips:" in told
    assert "0:00:02.0 - 0:00:04.0" in told


def test_a_name_that_fits_nothing_is_1(shelf: Path) -> None:
    for name in ("v99", "nothing.mp4", "c99"):
        assert on(shelf, "info", name).status == 1


def test_remove_takes_a_video_out(own_shelf: Path) -> None:
    outcome = on(own_shelf, "remove", "v1", "v3")
    assert outcome.status == 0
    assert outcome.err == "removed 2 videos\n"
    assert [line["video_id"] for line in on(own_shelf, "list", "--json", "--state", "ok").lines()] == [2]


def test_looking_needs_no_original(shelf: Path, own_shelf: Path, tmp_path: Path) -> None:
    """The library was copied; its videos are elsewhere, and one of them is a query that moved."""
    query = tmp_path / "query.mp4"
    shutil.copy(shelf / "videos" / "a.mp4", query)
    (line,) = on(own_shelf, "search", query, "--json", "-k", "1").lines()
    assert line["hits"][0]["video"] == str(shelf / "videos" / "a.mp4")
    assert on(own_shelf, "preview", "v1", "-o", tmp_path / "a.png").status == 0


def test_duplicates_names_the_best_copy_and_its_parts(own_shelf: Path, shelf: Path) -> None:
    make_video(own_shelf / "new" / "excerpt.mp4", 1, shots=1)  # the second half of a.mp4
    on(own_shelf, "index", own_shelf / "new")
    outcome = on(own_shelf, "duplicates", "--json", "--report", own_shelf / "copies.html", "--threshold", "0.9")
    assert outcome.status == 0, outcome.err
    found = outcome.json()
    check(found, "duplicates")
    (group,) = found["groups"]
    assert [Path(video["video"]).name for video in group["videos"]] == ["a.mp4", "excerpt.mp4"]
    assert group["reason"] == "not a part of another one"
    (pair,) = group["pairs"]
    whole = group["best"]
    assert (pair["a"], pair["b"], pair["relation"], pair["contained"]) == (whole, 4, "contained", 4)
    assert (pair["ranges"][0]["a_start_seconds"], pair["ranges"][0]["a_end_seconds"]) == pytest.approx((2, 4), abs=0.5)
    page = (own_shelf / "copies.html").read_text("utf-8")
    assert page.count("data:image/") >= 2
    assert f"v4 is contained in v{whole}" in page
    told = on(own_shelf, "duplicates", "--threshold", "0.9").out
    assert f"best is v{whole}: not a part of another one" in told
    assert f"v4 is contained in v{whole}" in told


def test_duplicates_remembers_what_a_person_told_apart(own_shelf: Path) -> None:
    make_video(own_shelf / "new" / "excerpt.mp4", 1, shots=1)
    on(own_shelf, "index", own_shelf / "new")
    whole = f"v{on(own_shelf, 'info', 'a.mp4', '--json').json()['video_id']}"
    ask = ("duplicates", "--threshold", "0.9")
    marked = on(own_shelf, "duplicates", "--not-same", "excerpt.mp4", whole, "--json").json()
    check(marked, "not-same")
    assert (marked["not_same"], marked["changed"]) == (True, True)
    assert on(own_shelf, *ask).out == "no duplicates\n"
    assert on(own_shelf, "duplicates", "--not-same", whole, "v4").err == f"{whole} and v4 are not the same, as before\n"
    on(own_shelf, "remove", "v4")
    on(own_shelf, "index", own_shelf / "new")
    assert on(own_shelf, *ask, "--json").json()["not_same"] == 1
    assert on(own_shelf, "duplicates", "--same", whole, "v5").err == f"{whole} and v5 may be the same\n"
    assert f"v5 is contained in {whole}" in on(own_shelf, *ask).out
    assert on(own_shelf, "duplicates", "--not-same", whole, whole).status == 1
    assert on(own_shelf, "duplicates", "--not-same", whole, "v5", "--same", whole, "v5").status == 2


def test_recurring_lists_what_many_videos_show(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for number, (before, after) in enumerate([(200, 215), (220, 230), (235, 245), (265, 285)]):
        shots = [(before, 30), (90, 20), (after, 30)]
        videos.cuts_video(tmp_path / "videos" / f"{number}.mp4", shots, fps=10, size=SMALL)
    with open_tiny(tmp_path / "library") as library:
        library.index([tmp_path / "videos"])
    outcome = on(tmp_path, "recurring", "--recurring", "4", "--json", "--report", tmp_path / "page.html")
    assert outcome.status == 0, outcome.err
    check(outcome.json(), "recurring")
    (ident,) = outcome.json()["materials"]
    assert ident["videos"] == 4
    assert [one["start_seconds"] for one in ident["occurrences"]] == pytest.approx([3.0] * 4, abs=0.6)
    assert (tmp_path / "page.html").read_text("utf-8").count("data:image/") >= 4
    assert on(tmp_path, "recurring", "--recurring", "4").out.startswith("1: ")
    assert on(tmp_path, "recurring").out == "nothing recurs in 20 videos or more\n"
    assert on(tmp_path, "duplicates", "--recurring", "4").out.startswith("no duplicates\nleft out: 1 recurring range")


def test_every_documented_schema_is_tested() -> None:
    tested = Path(__file__).read_text("utf-8")
    untested = [name for name in documented_schemas() if f'"{name}")' not in tested]
    assert not untested
    assert json.dumps(documented_schemas())
