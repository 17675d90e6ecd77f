"""Points, curves and BD-rates of known figures; bytes without containers."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from benchmarks.moving import IVF_FRAME_HEADER, ivf_payload_bytes
from benchmarks.score_rates import (
    Point,
    VideoCurves,
    bytes_an_hour,
    compare,
    front,
    kinds,
    mean_curve,
    overlap,
    score_point,
    spread_levels,
    without_headers,
)
from benchmarks.stills import AVIF, JPEG, media_data_bytes
from tests import videos
from vsearch.metrics import luma_psnr, ms_ssim, psnr, ssim


def point(quality: int, n_bytes: int, psnr_db: float, *, bare: int | None = None) -> Point:
    """Two frames, one 1 dB better and one 1 dB worse."""
    values = (psnr_db - 1, psnr_db + 1)
    return Point(quality, n_bytes, n_bytes if bare is None else bare, values, values, values, values)


def curve(scale: float, *, start_db: float = 28.0) -> tuple[Point, ...]:
    return tuple(point(i, round(scale * 1000 * 2**i), start_db + 2 * i) for i in range(5))


def one_video(name: str, kind: str = "k", **coders: tuple[Point, ...]) -> VideoCurves:
    return VideoCurves(name, kind, coders)


def test_bd_rates_of_known_curves_are_taken_by_video_and_averaged() -> None:
    many = [
        one_video("half", ours=curve(0.5), theirs=curve(1.0)),
        one_video("same", ours=curve(1.0), theirs=curve(1.0)),
        one_video("quarter", ours=curve(0.25), theirs=curve(1.0)),
    ]
    found = compare(many, "ours", "theirs", "psnr_db")
    assert found is not None
    assert found.rates == {name: pytest.approx(rate) for name, rate in (("half", -50), ("same", 0), ("quarter", -75))}
    assert (found.mean, found.median) == (pytest.approx(-125 / 3), pytest.approx(-50))
    assert (found.low, found.high, found.covered, found.apart) == (28.0, 36.0, 1.0, 0)


def test_the_overlap_is_told_and_videos_without_one_are_counted() -> None:
    many = [
        one_video("shifted", ours=curve(1.0, start_db=32.0), theirs=curve(1.0)),
        one_video("apart", ours=curve(1.0, start_db=40.0), theirs=curve(1.0)),
    ]
    found = compare(many, "ours", "theirs", "ssim")
    assert found is not None
    assert list(found.rates) == ["shifted"]
    assert (found.low, found.high, found.covered, found.apart) == (32.0, 36.0, 0.5, 1)
    assert found.as_json()["videos_without_overlap"] == 1


def test_a_single_point_or_no_overlap_at_all_gives_no_bd_rate() -> None:
    assert compare([one_video("v", ours=(point(0, 500, 30.0),), theirs=curve(1.0))], "ours", "theirs", "ssim") is None
    assert overlap([(1, 20.0), (2, 25.0)], [(1, 30.0), (2, 35.0)]) is None


def test_points_that_another_one_beats_are_no_part_of_a_curve() -> None:
    points = [point(0, 200, 30.0), point(1, 300, 29.0), point(2, 400, 30.0), point(3, 500, 33.0), point(4, 500, 34.0)]
    assert front(points, "psnr_db") == [(100.0, 30.0), (250.0, 34.0)]


def test_a_mean_curve_weighs_videos_alike_and_takes_percentiles_over_frames() -> None:
    rows = mean_curve([one_video("a", x=curve(1.0)), one_video("b", x=curve(3.0))], "x")
    assert [row["quality"] for row in rows] == [0, 1, 2, 3, 4]
    assert (rows[0]["bytes_a_frame"], rows[0]["psnr_db"]) == (1000.0, 28.0)
    assert rows[0]["psnr_db_p5"] == 27.0


def test_videos_are_taken_apart_by_kind() -> None:
    found = kinds([one_video("1", "b"), one_video("2", "a"), one_video("3", "b")])
    assert {kind: [video.name for video in of_kind] for kind, of_kind in found.items()} == {"a": ["2"], "b": ["1", "3"]}


@pytest.mark.parametrize(
    ("tiers", "levels"),
    [
        ({"low": 8, "default": 24, "high": 40}, (8, 14, 21, 24, 27, 34, 40)),
        ({"low": 0, "default": 1, "high": 2}, (0, 1, 2)),
        ({"default": 5}, (5,)),
    ],
)
def test_levels_are_spread_over_the_tiers_and_hold_them(tiers: dict[str, int], levels: tuple[int, ...]) -> None:
    assert spread_levels(tiers, 6) == levels


def test_bytes_an_hour_are_sums_within_classes_of_duration() -> None:
    found = bytes_an_hour([(5.0, 100), (9.0, 40), (10.0, 50), (3600.0, 1000)])
    assert list(found) == ["all", "under 10 s", "10 to 60 s", "longer"]
    assert found["under 10 s"] == {"videos": 2, "seconds": 14.0, "bytes_an_hour": 36_000.0}
    assert found["longer"]["bytes_an_hour"] == 1000.0
    assert found["all"]["bytes_an_hour"] == pytest.approx(1190 / 3624 * 3600)
    assert "longer" not in bytes_an_hour([(5.0, 100)])
    assert bytes_an_hour([]) == {}


def test_a_point_is_what_the_metrics_say_of_each_frame() -> None:
    original = np.stack([videos.texture(n, (96, 128)) for n in (1, 2)])
    shown = np.clip(original.astype(np.int16) + np.array([3, -9]).reshape(2, 1, 1, 1), 0, 255).astype(np.uint8)
    found = score_point(original, shown, quality=7, n_bytes=300, bare_bytes=200)
    pairs = list(zip(original, shown, strict=True))
    assert found.psnr_db == tuple(psnr(a, b) for a, b in pairs)
    assert found.psnr_y_db == tuple(luma_psnr(a, b) for a, b in pairs)
    assert found.ssim == tuple(ssim(a, b) for a, b in pairs)
    assert found.ms_ssim == tuple(ms_ssim(a, b, scales=4) for a, b in pairs)
    assert (found.quality, found.bytes_a_frame) == (7, 150.0)
    assert without_headers([found])[0].bytes_a_frame == 100.0
    assert Point.from_json(asdict(found)) == found


def test_frames_too_small_for_four_scales_are_compared_at_fewer() -> None:
    frame = videos.texture(1, (64, 256))
    found = score_point(frame[None], 255 - frame[None], quality=0, n_bytes=1)
    assert found.ms_ssim[0] == ms_ssim(frame, 255 - frame, scales=3)


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def test_only_what_mdat_boxes_hold_is_media_data() -> None:
    long_box = (1).to_bytes(4, "big") + b"mdat" + (16 + 5).to_bytes(8, "big") + bytes(5)
    to_the_end = (0).to_bytes(4, "big") + b"mdat" + bytes(7)
    assert media_data_bytes(box(b"ftyp", bytes(16)) + box(b"mdat", bytes(100)) + box(b"meta", b"mdat")) == 100
    assert media_data_bytes(box(b"free", b"") + long_box + to_the_end) == 12
    with pytest.raises(ValueError, match="a box of 300 bytes"):
        media_data_bytes((300).to_bytes(4, "big") + b"mdat" + bytes(7))


def test_the_header_of_an_avif_still_is_the_same_at_every_quality() -> None:
    frame = next(videos.scene_frames(3, 1, (80, 128), noise=4.0))
    files = [AVIF.save(frame, quality) for quality in (5, 50, 95)]
    assert len({len(data) - media_data_bytes(data) for data in files}) == 1
    assert media_data_bytes(files[0]) < media_data_bytes(files[2])
    with pytest.raises(ValueError, match="a box of"):
        media_data_bytes(JPEG.save(frame, 50))


def ivf(*frames: bytes) -> bytes:
    head = b"DKIF" + (0).to_bytes(2, "little") + (32).to_bytes(2, "little") + bytes(24)
    return head + b"".join(len(data).to_bytes(4, "little") + bytes(8) + data for data in frames)


def test_ivf_headers_do_not_count() -> None:
    data = ivf(bytes(10), b"", bytes(300))
    assert ivf_payload_bytes(data) == 310 == len(data) - 32 - 3 * IVF_FRAME_HEADER
    assert ivf_payload_bytes(ivf()) == 0
    for damaged in (data[:-1], data[1:], b"DKIF"):
        with pytest.raises(ValueError, match="IVF"):
            ivf_payload_bytes(damaged)
