"""What do the same frames look like at the same bytes?

    python -m benchmarks side_by_side [VIDEO@SECONDS...] --pictures DIR

One PNG a frame, its pixels doubled: the sampled frame, the latent codec at a tier, an AVIF still, SVT-AV1 and a JPEG of
nearest bytes, each with its bytes, RGB PSNR and SSIM. Without frames: a slate, a caption and a face of the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks import datasets, environment, report
from benchmarks.codec_rates import Setting, packed_bytes
from benchmarks.datasets import Video
from benchmarks.footage import Footage, read_one
from benchmarks.moving import SVT_AV1
from benchmarks.report import BenchmarkError, Report, Table, say
from benchmarks.score_pictures import bracket, frame_psnr
from benchmarks.stills import AVIF, JPEG, StillCoder
from vsearch.config import ReadConfig
from vsearch.media.isolated import DecodeProcess
from vsearch.metrics import ssim
from vsearch.models import load_codec, shipped_codec
from vsearch.records import CHUNK_FRAMES

NAME = "side_by_side"
QUESTION = "what do the same frames look like at the same bytes?"
FRAMES = ("dev/025.mkv@6", "dev/073.mkv@8", "dev/003.mkv@0")  # a slate, a caption, a face a quarter of the height
CRF = range(-63, 0)  # negated, so that it rises with bytes
ENLARGED, COLUMNS, MARGIN_PX, LABEL_PX = 2, 3, 8, 44

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Panel:
    """What one coder makes of the frame. n_bytes: of the frame's file, or a frame's share of its chunk or stream; None
    for the original.
    """

    name: str
    n_bytes: float | None
    psnr_db: float
    ssim: float

    @classmethod
    def of(cls, name: str, n_bytes: float, original: Frame, shown: Frame) -> Panel:
        return cls(name, n_bytes, frame_psnr(original, shown), ssim(original, shown))

    def label(self) -> str:
        if self.n_bytes is None:
            return self.name
        return f"{self.name}\n{self.n_bytes:,.0f} bytes, {self.psnr_db:.1f} dB, SSIM {self.ssim:.3f}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A frame as it was named."""

    text: str
    video: Video
    seconds: float

    @property
    def file_name(self) -> str:
        return f"{Path(self.video.name).stem}-{self.seconds:g}s.png"


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    parser.add_argument("frames", nargs="*", metavar="VIDEO@SECONDS", help=f"sampled frames [{' '.join(FRAMES)}]")
    parser.add_argument("--codec", type=Path, metavar="DIR", help="a codec other than the one that comes with vsearch")
    parser.add_argument("--tier", default="default", help="which of its tiers [%(default)s]")
    parser.add_argument("--effort", default="default", help="how hard its encoder tries [%(default)s]")
    parser.add_argument("--pictures", type=Path, default=Path(NAME), metavar="DIR", help="write here [%(default)s]")
    args = parser.parse_args(argv)
    corpus = datasets.corpus_folder(args.corpus)
    wanted = [frame_named(text, datasets.dev_videos(corpus)) for text in args.frames or FRAMES]
    setting = Setting(load_codec(args.codec or shipped_codec(), threads=environment.available_cores()), args.effort)
    if args.tier not in setting.codec.tiers or args.effort not in setting.codec.efforts:
        raise BenchmarkError(
            f"this codec offers the tiers {', '.join(setting.codec.tiers)} and the efforts "
            f"{', '.join(setting.codec.efforts)}"
        )
    found: dict[str, list[Panel]] = {}
    with DecodeProcess(ReadConfig()) as decoder:
        for frame in wanted[:1] if args.quick else wanted:
            say(f"coding {frame.text}")
            pairs = panels(read_one(decoder, frame.video), frame.seconds, setting, args.tier)
            draw(pairs, args.pictures / frame.file_name)
            found[frame.text] = [panel for panel, _ in pairs]
    finished = Report(
        name=NAME,
        question=QUESTION,
        data=datasets.described(corpus, [frame.video for frame in wanted]),
        seed=None,
        options=report.told(args, "tier", "effort", "quick") | {"codec": setting.codec.model_id},
        figures={text: [asdict(panel) for panel in row] for text, row in found.items()},
        tables=tuple(frame_table(text, row) for text, row in found.items()),
        notes=(
            f"Pictures are in {args.pictures.name}/. Bytes of the latents and of SVT-AV1: their mean over a chunk.",
        ),
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def frame_named(text: str, videos: Sequence[Video]) -> Wanted:
    """Of VIDEO@SECONDS, the video by its name in the manifest. Raises BenchmarkError."""
    name, _, seconds = text.rpartition("@")
    video = next((video for video in videos if video.name == name), None)
    try:
        at_s = float(seconds)
    except ValueError:
        at_s = -1.0
    if video is None or not 0 <= at_s <= video.duration_s:
        raise BenchmarkError(
            f"{text!r} names no frame: VIDEO@SECONDS, like {FRAMES[0]}, a video of {datasets.MANIFEST}"
        )
    return Wanted(text, video, at_s)


def panels(footage: Footage, seconds: float, setting: Setting, tier: str) -> list[tuple[Panel, Frame]]:
    """The frame sampled nearest to that time and what the coders make of it, (3, H, W) uint8 RGB each."""
    number = footage.nearest(seconds)
    first = number // CHUNK_FRAMES * CHUNK_FRAMES
    chunk, within = footage.frames[first : first + CHUNK_FRAMES], number - first
    original = chunk[within]
    coded = setting.chunks(chunk, setting.codec.tiers[tier])
    ours_bytes = packed_bytes(coded) / len(chunk)
    ours = setting.codec.decode(setting.codec.unpack(coded[0][1]))[within]
    shown = [
        (f"vsearch, tier {tier}", ours_bytes, ours),
        still_of(AVIF, original, ours_bytes),
        moving_of(chunk, within, ours_bytes),
        still_of(JPEG, original, ours_bytes),
    ]
    name = f"{footage.video.name}, {seconds:g} s"
    return [
        (Panel(name, None, frame_psnr(original, original), 1.0), original),
        *((Panel.of(name, n_bytes, original, picture), picture) for name, n_bytes, picture in shown),
    ]


def still_of(coder: StillCoder, frame: Frame, wanted_bytes: float) -> tuple[str, float, Frame]:
    """The coder at the quality whose file of this frame, (3, H, W) uint8 RGB, has nearest bytes."""
    found = bracket(lambda quality: len(coder.save(frame, quality)), coder.qualities, wanted_bytes)
    ends = [(quality, *coder.code(frame, quality)) for quality in (found.low, found.high)]
    quality, n_bytes, shown = min(ends, key=lambda end: abs(end[1] - wanted_bytes))
    return f"{coder.name}, quality {quality}", n_bytes, shown


def moving_of(frames: Frame, within: int, wanted_bytes: float) -> tuple[str, float, Frame]:
    """SVT-AV1 at the crf whose mean bytes over these frames, (n, 3, H, W) uint8 RGB, are nearest; one of the frames."""

    def mean_bytes(negated: int) -> float:
        return SVT_AV1.count(SVT_AV1.encode(frames, -negated)) / len(frames)

    found = bracket(mean_bytes, CRF, wanted_bytes)
    crf = -min((found.low, found.high), key=lambda negated: abs(mean_bytes(negated) - wanted_bytes))
    n_bytes, shown = SVT_AV1.code(frames, crf)
    return f"{SVT_AV1.name}, crf {crf}", n_bytes / len(frames), shown[within]


def draw(pairs: Sequence[tuple[Panel, Frame]], output: Path) -> None:
    """The pictures in rows of `COLUMNS`, pixels repeated and not smoothed, labelled. Raises BenchmarkError."""
    height, width = (side * ENLARGED for side in pairs[0][1].shape[1:])
    rows = -(-len(pairs) // COLUMNS)
    step_x, step_y = width + MARGIN_PX, height + LABEL_PX + MARGIN_PX
    sheet = Image.new("RGB", (COLUMNS * step_x + MARGIN_PX, rows * step_y + MARGIN_PX), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, (panel, frame) in enumerate(pairs):
        x, y = MARGIN_PX + number % COLUMNS * step_x, MARGIN_PX + number // COLUMNS * step_y
        picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
        sheet.paste(picture.resize((width, height), Image.Resampling.NEAREST), (x, y + LABEL_PX))
        pen.multiline_text((x, y), panel.label(), fill="black", font=font)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(output, optimize=True)
    except OSError as error:
        raise BenchmarkError(f"{output} can't be written: {error}") from error


def frame_table(text: str, row: Sequence[Panel]) -> Table:
    rows = tuple(
        (panel.name, f"{panel.n_bytes:,.0f}", f"{panel.psnr_db:.2f}", f"{panel.ssim:.3f}")
        for panel in row
        if panel.n_bytes is not None
    )
    return Table(text, ("coder", "bytes", "RGB PSNR", "SSIM"), rows)
