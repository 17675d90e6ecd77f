"""The pure parts of the media layer: sniffing, tags, tone mapping, messages, identity, writing."""

from __future__ import annotations

import io
import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.videos import counted, counting_frames, texture
from vsearch.config import ReadConfig
from vsearch.errors import MediaError
from vsearch.media import wire
from vsearch.media.facts import TAGS_BYTES, container_facts
from vsearch.media.identity import QUICK_BYTES, check_unchanged, content_identity, file_stamp
from vsearch.media.sniff import refused_kind
from vsearch.media.source import display_name
from vsearch.media.tonemap import light_to_pq, pq_to_light, tone_mapped
from vsearch.media.writer import write_video
from vsearch.records import ContentIdentity, MediaInfo, Shot


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\n#EXT-X-VERSION:3\n",
        b"\xef\xbb\xbf#EXTM3U\r\n",
        b"\n\n  ffconcat version 1.0\n",
        b"# made by hand\nfile 'a.mp4'\n",
        b"[playlist]\nFile1=http://example.org/\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b'<?xml version="1.0" encoding="utf-8"?>\n<!-- x -->\n<MPD type="static">',
        b"<SmoothStreamingMedia MajorVersion='2'>",
        b"<ASX version='3.0'>",
        b"https://example.org/a.mp4\n",
        "\ufeff#EXTM3U\n".encode("utf-16-le"),
    ],
)
def test_lists_of_other_files_are_recognised(head: bytes) -> None:
    assert refused_kind(head)


@pytest.mark.parametrize(
    "head",
    [b"", b"\x00\x00\x00\x20ftypisom", b"RIFF\x00\x00\x00\x00AVI ", b"#", b"# only a comment\n", b"GIF89a", b"<html>"],
)
def test_other_files_are_not_lists(head: bytes) -> None:
    assert refused_kind(head) is None


@given(st.binary(max_size=300))
def test_sniffing_never_fails(head: bytes) -> None:
    refused_kind(head)
    refused_kind(b"#" + head)


def test_facts_of_a_phone_recording() -> None:
    facts = container_facts(
        {
            "com.apple.quicktime.creationdate": "2021-05-02T14:33:10+0200",
            "creation_time": "2021-05-02T12:33:10.000000Z",
            "com.apple.quicktime.make": "Apple",
            "com.apple.quicktime.model": "iPhone 12",
        },
        [(0, "video", {}), (1, "audio", {}), (2, "data", {})],
        Fraction(30),
    )
    assert facts.recorded_at == "2021-05-02T14:33:10+02:00"
    assert facts.camera == "Apple iPhone 12"
    assert (facts.audio_streams, facts.subtitle_streams, facts.timecode) == (1, 0, None)


@pytest.mark.parametrize(
    ("tag", "date"),
    [
        ("2019-03-04 05:06:07", "2019-03-04T05:06:07"),
        ("2019-03-04", "2019-03-04"),
        ("2019:03:04 05:06:07", "2019-03-04T05:06:07"),
        ("2019-03-04T05:06:07.250000Z", "2019-03-04T05:06:07.250000Z"),
        ("1904-01-01T00:00:00.000000Z", None),
        ("long ago", None),
    ],
)
def test_dates_keep_what_the_container_says(tag: str, date: str | None) -> None:
    assert container_facts({"creation_time": tag}, [], None).recorded_at == date


def test_timecode_and_reel_come_from_any_stream() -> None:
    tags = {"timecode": "10:00:00:12", "reel_name": "A001"}
    facts = container_facts({}, [(0, "video", {}), (1, "data", tags)], Fraction(25))
    assert (facts.timecode, facts.drop_frame, facts.reel, facts.timecode_rate) == ("10:00:00:12", False, "A001", 25)


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=4000), max_size=60))
def test_tags_are_kept_within_their_limit(tags: dict[str, str]) -> None:
    kept = container_facts(tags, [(0, "video", tags)], None).tags
    assert len(json.dumps(kept)) <= TAGS_BYTES


def test_huge_tags_are_cut() -> None:
    facts = container_facts({"comment": "x" * 10**6}, [(n, "audio", {"a": "y" * 5000}) for n in range(500)], None)
    assert len(json.dumps(facts.tags)) <= TAGS_BYTES
    assert facts.tags["container"]["comment"].startswith("xxx")


def test_pq_is_inverted_by_its_inverse() -> None:
    signal = np.linspace(0, 1, 101)
    assert np.allclose(light_to_pq(pq_to_light(signal)), signal, atol=1e-6)
    assert pq_to_light(np.array([1.0]))[0] == pytest.approx(10_000)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_tone_mapping_keeps_grey_grey_and_brighter_brighter(transfer: str) -> None:
    ramp = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None, :, None], 3, axis=2)
    mapped = tone_mapped(ramp, transfer)[0].astype(int)
    assert (np.ptp(mapped, axis=1) <= 1).all()
    assert (np.diff(mapped[:, 0]) >= 0).all()
    assert mapped[0, 0] == 0
    assert mapped[-1, 0] == 255


def test_tone_mapping_passes_dark_light_and_compresses_white() -> None:
    def grey(light: float) -> int:
        code = int(light_to_pq(np.array([light]))[0] * 65535 + 0.5)
        return int(tone_mapped(np.full((1, 1, 3), code, np.uint16), "smpte2084")[0, 0, 0])

    assert grey(50) == pytest.approx(255 * (50 / 203) ** (1 / 2.4), abs=1)
    assert grey(203) < 245
    assert grey(1000) == grey(4000) == 255


def test_records_survive_the_wire() -> None:
    identity = ContentIdentity(5, b"ab", b"\x00\xff")
    config = ReadConfig(fps=Fraction(30000, 1001), start_s=2.0)
    assert wire.from_json(ContentIdentity, json.loads(json.dumps(wire.to_json(identity)))) == identity
    assert wire.from_json(ReadConfig, json.loads(json.dumps(wire.to_json(config)))) == config
    assert wire.from_json(Shot, wire.to_json(Shot(1, 2, "cut", 1))).strength == 1.0


@pytest.mark.parametrize(
    "value", [None, 3, {}, {"size_bytes": "x", "quick_hash": "", "full_hash": ""}, {"nope": 1}, []]
)
def test_what_describes_no_record_is_a_wire_error(value: object) -> None:
    with pytest.raises(wire.WireError):
        wire.from_json(MediaInfo if value == 3 else ContentIdentity, value)


def test_messages_come_back_as_sent_and_a_cut_one_is_an_error() -> None:
    pipe = io.BytesIO()
    wire.send(pipe, wire.BATCH, {"a": 1}, b"pixels")
    data = pipe.getvalue()
    assert wire.receive(io.BytesIO(data)) == (wire.BATCH, {"a": 1}, b"pixels")
    assert wire.receive(io.BytesIO()) is None
    for length in range(1, len(data)):
        with pytest.raises(wire.WireError):
            wire.receive(io.BytesIO(data[:length]))
    with pytest.raises(wire.WireError):
        wire.receive(io.BytesIO(b"\xff" * 40))


def test_identity_hashes_the_whole_file_and_its_ends(tmp_path: Path) -> None:
    data = np.random.default_rng(1).bytes(5 * QUICK_BYTES)
    paths = [tmp_path / name for name in "abc"]
    paths[0].write_bytes(data)
    paths[1].write_bytes(data[: QUICK_BYTES + 1000] + b"\0" + data[QUICK_BYTES + 1001 :])
    paths[2].write_bytes(data[:100] + b"\0" + data[101:])
    heard: list[int] = []
    found = []
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        found.append(content_identity(descriptor, heard.append))
        os.close(descriptor)
    assert sum(heard) == 3 * len(data)
    assert len({identity.full_hash for identity in found}) == 3
    assert found[0].quick_hash == found[1].quick_hash != found[2].quick_hash


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    descriptor = os.open(path, os.O_RDONLY)
    stamp = file_stamp(descriptor)
    check_unchanged(stamp, descriptor, "a")
    path.write_bytes(b"other")
    with pytest.raises(MediaError, match="changed"):
        check_unchanged(stamp, descriptor, "a")
    os.close(descriptor)


def test_names_are_shown_in_one_line() -> None:
    assert display_name(b"a\nb\xff\xe2\x80\xaec") == "a\\nb\\xff\\u202ec"
    assert display_name("ü 日本.mp4".encode()) == "ü 日本.mp4"


def test_a_written_video_has_the_times_and_tags_it_was_given(tmp_path: Path) -> None:
    pts = [0, 2, 3, 10, 11]
    path = tmp_path / "w.mp4"
    written = write_video(
        path, counting_frames(5), pts=pts, time_base=Fraction(1, 10), metadata={"title": "t", "vsearch": "x"}
    )
    assert written == 5
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            (frame.pts * stream.time_base, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)
        ]
        assert (container.metadata["title"], container.metadata["vsearch"]) == ("t", "x")
    assert [time for time, _ in frames] == [Fraction(n, 10) for n in pts]
    assert [counted(picture.transpose(2, 0, 1)) for _, picture in frames] == list(range(5))


def test_odd_sizes_are_written_without_loss_of_size(tmp_path: Path) -> None:
    write_video(tmp_path / "o.mp4", [texture(1, (33, 47))] * 2, time_base=Fraction(1, 5))
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (47, 33)


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "n.mp4", [], time_base=Fraction(1, 5))
    with pytest.raises(ValueError, match="shape"):
        write_video(tmp_path / "s.mp4", [texture(1, (32, 32)), texture(1, (32, 48))], time_base=Fraction(1, 5))
    with pytest.raises(MediaError, match="nowhere"):
        write_video(tmp_path / "nowhere" / "a.mp4", counting_frames(2), time_base=Fraction(1, 5))
