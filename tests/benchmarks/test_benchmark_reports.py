"""What a result says, and how it is printed and written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.report import BenchmarkError, Goal, Report, Table, options, output_path, publish, rounded
from benchmarks.score_speed import Round

REPORT = Report(
    name="example",
    question="does it?",
    data={"videos": 2},
    seed=7,
    options={"k": 10},
    figures={"share": 2 / 3, "many": [1 / 3, 2]},
    goals=(Goal.at_least("share", 2 / 3, 0.95), Goal.at_most("bytes", 3, 4)),
    tables=(Table("a table", ("", "figure"), (("share", "0.667"), ("a longer name", "1"))),),
    notes=("A note.",),
)


def test_a_result_says_where_and_of_what_it_was_measured() -> None:
    found = REPORT.as_json()
    assert found["benchmark"] == "example"
    assert found["figures"] == {"share": 0.666667, "many": [0.333333, 2]}
    assert found["machine"]["cores"] >= 1
    assert set(found["versions"]) >= {"vsearch", "python", "torch", "faiss", "av", "decord", "numpy", "ffmpeg"}
    assert {"commit", "changed", "data", "seed", "options", "finished_at"} <= set(found)


def test_a_missed_goal_is_reported_like_any_other_figure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    publish(REPORT, tmp_path / "results" / "example.json")
    printed = capsys.readouterr().out
    assert "MISSED" in printed
    assert "met" in printed
    assert "a longer name       1" in printed
    written = json.loads((tmp_path / "results" / "example.json").read_text())
    assert [goal["met"] for goal in written["goals"]] == [False, True]


def test_a_figure_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        replace(REPORT, figures={"psnr": float("inf")}).as_json()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError, match="file"):
        publish(REPORT, tmp_path / "file" / "example.json")


def test_a_quick_run_does_not_overwrite_the_figures_of_a_full_one() -> None:
    parser = options("example", "?")
    paths = {output_path("example", parser.parse_args(argv)).name for argv in ([], ["--quick"])}
    assert paths == {"example.json", "example-quick.json"}
    assert output_path("example", parser.parse_args(["--quick", "--output", "x.json"])) == Path("x.json")


def test_floats_keep_six_digits_and_everything_else_stays() -> None:
    assert rounded({"a": (1.23456789, True, None, "x")}) == {"a": [1.23457, True, None, "x"]}


def test_start_up_is_subtracted_once_for_vsearch_and_for_each_file_of_ffmpeg() -> None:
    one = Round(files=10, ffmpeg_s=6.0, ffmpeg_start_s=0.1, vsearch_s=13.0, vsearch_start_s=3.0)
    assert (one.ffmpeg_net_s, one.vsearch_net_s) == (5.0, 10.0)
    assert one.ratio == 0.5
    assert one.whole_ratio == pytest.approx(6 / 13)


def test_a_run_no_longer_than_its_start_up_measures_nothing() -> None:
    with pytest.raises(BenchmarkError, match="start-up"):
        _ = Round(files=10, ffmpeg_s=1.0, ffmpeg_start_s=0.1, vsearch_s=13.0, vsearch_start_s=3.0).ratio
