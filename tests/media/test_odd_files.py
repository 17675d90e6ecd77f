"""The corpus's odd files: each is read as far as a full decode goes, or refused with one clear line."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from vsearch.config import ReadConfig
from vsearch.errors import DecoderCrashError, DecoderStallError, MediaError
from vsearch.media.isolated import DecodeProcess
from vsearch.records import Reading

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

# The manifest counts with an older FFmpeg: it had no VVC decoder, and took the smaller of two video streams.
OTHER_COUNTS = {"13_sample_vvc.mp4": 120, "23_nasa_13013.mp4": 390}


def outcome(process: DecodeProcess, path: bytes) -> Reading | MediaError:
    try:
        with process.read(path) as stream:
            assert sum(len(batch.frames) for batch in stream) == len(stream.reading.frame_pts)
            return stream.reading
    except MediaError as error:
        return error


def test_files_of_media_test_suites_give_their_frames_or_a_reason(corpus: Path) -> None:
    with DecodeProcess(ReadConfig()) as process:
        for line in (corpus / "edge.jsonl").read_text().splitlines():
            case = json.loads(line)
            path = corpus / case["file"]
            found = outcome(process, os.fsencode(path))
            assert not isinstance(found, DecoderCrashError | DecoderStallError), found
            expected = OTHER_COUNTS.get(path.name, case["nb_frames_decodable"])
            assert (found.frames_decoded if isinstance(found, Reading) else 0) == expected, path.name


def test_made_files_meet_their_expectations(corpus: Path, tmp_path: Path) -> None:
    if not shutil.which("ffmpeg"):
        skip_or_fail("needs the ffmpeg command")
    made = tmp_path / "made"
    subprocess.run([sys.executable, corpus / "make_edge.py", made], check=True, stdout=subprocess.DEVNULL)
    with DecodeProcess(ReadConfig()) as process:
        for line in (tmp_path / "made.jsonl").read_text().splitlines():
            case = json.loads(line)
            if case["status"] != "made" or case["name"] == "unreadable.mp4":  # root can read it all the same
                continue
            found = outcome(process, os.fsencode(made) + b"/" + base64.b64decode(case["name_b64"]))
            assert not isinstance(found, DecoderCrashError | DecoderStallError), found
            assert "\n" not in str(found)
            if case["expect"] == "ok":
                assert isinstance(found, Reading), (case["name"], found)
            elif case["expect"] in ("novideo", "refuse"):
                assert isinstance(found, MediaError), case["name"]
