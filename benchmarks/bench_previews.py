"""How true are previews decoded from the library, at how many bytes, beside compressed stills of the same quality?

    python -m benchmarks previews [--list rd26.txt] [--frames 20]

The originals are decoded again through the same sampling; what the library's chunks decode to is compared with that,
frame by frame. Peers are still pictures of the same frames, at the quality with the same mean PSNR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets, environment, libraries, report
from benchmarks.datasets import Video
from benchmarks.report import BenchmarkError, Report, Table, say
from benchmarks.score_pictures import (
    Bracket,
    Summary,
    VideoScore,
    bracket,
    by_kind,
    bytes_at,
    frame_psnr,
    score_video,
    summarise,
)
from benchmarks.stills import STILLS, StillCoder
from vsearch.config import ReadConfig
from vsearch.db.store import Store
from vsearch.media.isolated import DecodeProcess
from vsearch.models.shelf import ModelShelf

NAME = "previews"
QUESTION = "how true are previews decoded from the library, beside stills of the same quality?"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some frames of one video: originals and what the library shows, (n, 3, H, W) uint8 RGB each.

    `bytes_a_frame` is the mean over all stored frames of the video, not only these.
    """

    video: Video
    originals: NDArray[np.uint8]
    previews: NDArray[np.uint8]
    bytes_a_frame: float


@dataclass(frozen=True, slots=True)
class Peer:
    """A still coder at the quality whose mean PSNR is nearest, and its bytes at exactly that PSNR.

    `bytes_at_equal_psnr` is None where the PSNR lies outside what the coder can do.
    """

    name: str
    quality: int
    summary: Summary
    bytes_at_equal_psnr: float | None


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--list", type=Path, metavar="FILE", help="only the videos that it names, like rd26.txt")
    parser.add_argument("--frames", type=int, default=20, metavar="N", help="at most N frames a video [%(default)s]")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the library here")
    args = parser.parse_args(argv)

    corpus = datasets.corpus_folder(args.corpus)
    videos = datasets.dev_videos(corpus)
    if args.list is not None:
        videos = datasets.listed(videos, args.list if args.list.exists() else corpus / args.list)
    if args.quick:
        videos = datasets.one_per_kind(videos, 4)
    with libraries.work_folder(args.work) as work:
        with libraries.open_new(work / "library", codec=args.codec, head=args.head) as library:
            libraries.index_videos(library, videos)
            ids = {entry["path"]: entry["video_id"] for entry in library.list()}
            models = libraries.models_of(library)
        samples = list(read_samples(work / "library", ids, videos, at_most=max(1, args.frames)))
    with ThreadPoolExecutor(environment.available_cores()) as pool:
        ours = score_previews(samples, pool)
        peers = [measure_peer(coder, samples, summarise(ours).psnr_db, pool) for coder in STILLS]
    options = report.told(args, "list", "frames", "quick") | models
    finished = summary(ours, peers, data=datasets.described(corpus, videos), options=options)
    report.publish(finished, report.output_path(NAME, args))
    return 0


def read_samples(folder: Path, ids: Mapping[str, int], videos: Sequence[Video], *, at_most: int) -> Iterator[Sample]:
    """Originals beside what a closed library shows, at most `at_most` frames a video, evenly spread.

    Raises BenchmarkError when the library has other frames than the original gives now.
    """
    say("decoding the originals again, and the library's chunks")
    shelf = ModelShelf(folder / "models")
    with Store.open(folder, writable=False) as store, DecodeProcess(ReadConfig()) as decoder:
        for video in videos:
            originals, pts = sampled_frames(decoder, video)
            video_id = ids[str(video.path)]
            if not np.array_equal(store.timeline(video_id).pts, pts):
                raise BenchmarkError(f"{video.name}: the library holds other frames than the file gives")
            picked = np.unique(np.linspace(0, len(pts) - 1, min(at_most, len(pts))).round().astype(np.int64))
            previews, n_bytes = stored_frames(store, shelf, video_id)
            yield Sample(video, originals[picked], previews[picked], n_bytes / len(pts))


def sampled_frames(decoder: DecodeProcess, video: Video) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All frames that indexing samples, (n, 3, H, W) uint8 RGB, and their times."""
    with decoder.read(bytes(video.path), identify=False) as stream:
        batches = list(stream)
    return np.concatenate([batch.frames for batch in batches]), np.concatenate([batch.pts for batch in batches])


def stored_frames(store: Store, shelf: ModelShelf, video_id: int) -> tuple[NDArray[np.uint8], int]:
    """All frames of a video as the library shows them, (n, 3, H, W) uint8 RGB, and the bytes of its chunks."""
    n_bytes = 0
    pictures = []
    for chunk in store.chunks(video_id):
        codec = shelf.codec(chunk.model_id)
        pictures.append(codec.decode(codec.unpack(chunk.data)))
        n_bytes += len(chunk.data)
    return np.concatenate(pictures), n_bytes


def score_previews(samples: Sequence[Sample], pool: ThreadPoolExecutor) -> list[VideoScore]:
    def score(sample: Sample) -> VideoScore:
        return score_video(
            sample.video.name,
            sample.video.kind,
            list(sample.originals),
            list(sample.previews),
            n_bytes=sample.bytes_a_frame,
        )

    return list(pool.map(score, samples))


def measure_peer(coder: StillCoder, samples: Sequence[Sample], wanted_db: float, pool: ThreadPoolExecutor) -> Peer:
    """The coder at the quality whose mean PSNR is nearest to `wanted_db`, both measured on the same frames."""
    say(f"looking for the quality of {coder.name} that gives {wanted_db:.2f} dB")

    def mean_psnr(quality: int) -> float:
        def of_video(sample: Sample) -> float:
            values = [frame_psnr(frame, coder.code(frame, quality)[1]) for frame in sample.originals]
            return float(np.mean(values))

        return float(np.mean(list(pool.map(of_video, samples))))

    found = bracket(mean_psnr, coder.qualities, wanted_db)
    low = score_stills(coder, samples, found.low, pool)
    high = score_stills(coder, samples, found.high, pool) if found.inside else low
    return nearest(coder.name, found, low, high, wanted_db)


def nearest(name: str, found: Bracket, low: Summary, high: Summary, wanted_db: float) -> Peer:
    """The better fitting end of a bracket, and the bytes between its ends."""
    quality, best = min(((found.low, low), (found.high, high)), key=lambda entry: abs(entry[1].psnr_db - wanted_db))
    return Peer(name, quality, best, bytes_at(wanted_db, low, high) if found.inside else None)


def score_stills(coder: StillCoder, samples: Sequence[Sample], quality: int, pool: ThreadPoolExecutor) -> Summary:
    def score(sample: Sample) -> VideoScore:
        coded = [coder.code(frame, quality) for frame in sample.originals]
        mean_bytes = sum(n_bytes for n_bytes, _ in coded) / len(coded)
        shown = [picture for _, picture in coded]
        return score_video(sample.video.name, sample.video.kind, list(sample.originals), shown, n_bytes=mean_bytes)

    return summarise(list(pool.map(score, samples)))


def summary(
    ours: Sequence[VideoScore], peers: Sequence[Peer], *, data: Mapping[str, Any], options: Mapping[str, Any]
) -> Report:
    """The finished report."""
    all_of_it, kinds = summarise(ours), by_kind(ours)
    figures = {
        "previews": asdict(all_of_it),
        "by_kind": {kind: asdict(of_kind) for kind, of_kind in kinds.items()},
        "peers": {
            peer.name: {
                "quality": peer.quality,
                **asdict(peer.summary),
                "bytes_at_equal_psnr": peer.bytes_at_equal_psnr,
                "previews_bytes_over_its_bytes": ratio(all_of_it, peer),
            }
            for peer in peers
        },
        "videos": {
            video.name: {
                "psnr_db": float(np.mean(video.psnr_db)),
                "ssim": float(np.mean(video.ssim)),
                "bytes_a_frame": video.bytes_a_frame,
            }
            for video in ours
        },
    }
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=None,
        options=options,
        figures=figures,
        tables=(kinds_table(all_of_it, kinds), peers_table(all_of_it, peers)),
        notes=(
            "PSNR over RGB (60 dB at most), SSIM on luma, against the sampled frames at preview size; bytes of stored",
            "chunks over stored frames. Peers: files of single frames, container included, at the nearest mean PSNR.",
        ),
    )


def ratio(ours: Summary, peer: Peer) -> float | None:
    return None if peer.bytes_at_equal_psnr is None else ours.bytes_a_frame / peer.bytes_at_equal_psnr


def kinds_table(all_of_it: Summary, kinds: Mapping[str, Summary]) -> Table:
    rows = [quality_row(f"{kind.partition(' (')[0]} ({of_kind.videos})", of_kind) for kind, of_kind in kinds.items()]
    rows.append(quality_row(f"all ({all_of_it.videos})", all_of_it))
    head = ("previews, by kind (videos)", "PSNR dB", "5th pct", "SSIM", "5th pct", "bytes a frame")
    return Table(f"{all_of_it.frames} frames of {all_of_it.videos} videos", head, tuple(rows))


def peers_table(ours: Summary, peers: Sequence[Peer]) -> Table:
    rows = [(*quality_row("vsearch previews", ours), "", "")]
    for peer in peers:
        compared = ratio(ours, peer)
        equal = "out of reach" if peer.bytes_at_equal_psnr is None else f"{peer.bytes_at_equal_psnr:,.0f}"
        row = quality_row(f"{peer.name}, quality {peer.quality}", peer.summary)
        rows.append((*row, equal, "-" if compared is None else f"{compared:.2f}"))
    head = ("", "PSNR dB", "5th pct", "SSIM", "5th pct", "bytes a frame", "bytes at equal PSNR", "ours / theirs")
    return Table("beside stills of the same frames", head, tuple(rows))


def quality_row(name: str, measured: Summary) -> tuple[str, ...]:
    quality = (
        f"{measured.psnr_db:.2f}",
        f"{measured.psnr_db_p5:.2f}",
        f"{measured.ssim:.3f}",
        f"{measured.ssim_p5:.3f}",
    )
    return name, *quality, f"{measured.bytes_a_frame:,.0f}"
