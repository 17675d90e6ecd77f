"""The reader that reads everything: PyAV, which brings its own FFmpeg.

A file is opened by descriptor, so that its name means nothing to FFmpeg; the protocols are limited to that descriptor
and the demuxers to those of media files, so that a playlist or script inside a file can't be followed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from types import TracebackType
from typing import Self, cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vsearch.config import ReadConfig
from vsearch.errors import MediaError, NoVideoError
from vsearch.media.facts import container_facts
from vsearch.media.picture import HDR_TRANSFERS, PictureMaker, orientation
from vsearch.media.sniff import HEAD_BYTES, matroska_end
from vsearch.media.source import SourceFile
from vsearch.records import MediaInfo

# Demuxers that may open a file: those of media, none that reads lists of other files, devices, scripts or text.
_VIDEO_FORMATS = (
    "3g2,3gp,4xm,amv,anm,apv,asf,asf_o,av1,avi,avif,avs,avs2,avs3,bethsoftvid,bfi,bink,cavsvideo,cdxl,cine,dhav,"
    "dirac,dnxhd,dv,dxa,ea,evc,film_cpk,filmstrip,flic,flv,gxf,h261,h263,h264,hevc,hnm,idcin,ingenient,ipmovie,"
    "ipu,ismv,iv8,ivf,jv,kux,live_flv,lmlm4,lxf,m4v,matroska,mjpeg,mjpeg_2000,mlv,mm,moflex,mov,mpeg,mpegts,"
    "mpegvideo,mtv,mv,mvi,mxf,mxg,nsv,nut,nuv,obu,ogg,pva,r3d,rl2,rm,roq,rpl,ser,siff,smjpeg,smk,smush,swf,thp,"
    "tiertexseq,tmv,ty,usm,vc1,vc1test,vividas,vivo,vmd,vvc,wc3movie,webm,wtv,xmv,yop,yuv4mpegpipe"
)
_IMAGE_FORMATS = (
    "apng,bmp_pipe,dds_pipe,dpx_pipe,exr_pipe,gif,gif_pipe,hdr_pipe,ico,j2k_pipe,jpeg_pipe,jpegls_pipe,"
    "jpegxl_anim,jpegxl_pipe,jpegxs_pipe,pam_pipe,pbm_pipe,pcx_pipe,pfm_pipe,pgm_pipe,phm_pipe,png_pipe,ppm_pipe,"
    "psd_pipe,qoi_pipe,sgi_pipe,sunrast_pipe,tiff_pipe,webp_pipe,xbm_pipe,xpm_pipe,xwd_pipe"
)
_AUDIO_FORMATS = "aac,ac3,aiff,amr,ape,au,caf,dts,dtshd,eac3,flac,loas,mp3,oga,opus,tak,truehd,tta,voc,w64,wav,wv"
_IMAGE_NAMES = frozenset(_IMAGE_FORMATS.split(","))
_STILL_BRANDS = ("avif", "avis", "heic", "heix", "heis", "hevc", "mif1", "msf1")  # of MP4-like image files
_INDEXED = ("mov", "matroska")  # containers with an index, where a seek lands where it says
_OPTIONS = {
    "protocol_whitelist": "fd",
    "format_whitelist": f"{_VIDEO_FORMATS},{_IMAGE_FORMATS},{_AUDIO_FORMATS}",
    "enable_drefs": "0",  # no data outside this file (only the MOV demuxer has the option; others ignore it)
}
_FIRST_FRAME_PACKETS = 2000  # without a picture after so many packets of the stream, there is none worth waiting for
_DEMUX_RETRIES = 16
_INDEX_TAIL = 64  # entries of an MP4 index that are looked at: the last ones, in decoding order
_TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 11: "iec61966-2-4",
              13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 17: "smpte428", **HDR_TRANSFERS}  # fmt: skip
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
              10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
_SPACES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
           10: "bt2020c", 14: "ictcp"}  # fmt: skip
_RANGES = {1: "tv", 2: "pc"}


class PyAvFrame:
    """A decoded picture of PyAV with its place in time. See `base.DecodedFrame`."""

    __slots__ = ("_frame", "_maker", "duration", "key_frame", "luma", "pts")

    def __init__(self, frame: av.VideoFrame, maker: PictureMaker, pts: int) -> None:
        self.pts = pts
        self.duration: int | None = frame.duration or None
        self.key_frame = bool(frame.key_frame)
        self.luma = maker.luma(frame)
        self._frame, self._maker = frame, maker

    def picture(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(3, height, width) uint8 RGB of `size` = (height, width). Raises MediaError for formats that don't scale."""
        try:
            return self._maker.picture(self._frame, size)
        except (av.error.FFmpegError, ValueError) as error:
            raise MediaError(f"a picture in {self._frame.format.name} cannot be converted: {error}") from error


class PyAvReader:
    """One forward pass over `source`. See `base.Reader`; whoever opened the source closes it, after the reader.

    `config`: sampling "keyframes" yields key frames only; `start_s` begins the pass
    at the key frame before it where the container has an index, and with the first frame elsewhere; frames before
    `start_s` are not yielded, nor those from `end_s` on.

    Raises NoVideoError (no video stream, no decodable picture) and MediaError (not media, damaged header).
    """

    name = "pyav"

    def __init__(self, source: SourceFile, config: ReadConfig) -> None:
        self._descriptor, self._display, self._config = source.descriptor, source.display, config
        self._problems: dict[str, int] = {}
        self._container = _open(self._descriptor, self._display)
        try:
            self._begin()
        except BaseException:
            self._container.close()
            raise

    def _begin(self) -> None:
        """Find the stream, decode its first picture, describe it, and go to the start of the range."""
        self._start_decoding()
        first = next(self._decoded, None)
        if first is None:
            raise NoVideoError(f"{self._display}: no picture could be decoded{self._because()}")
        self.info = _media_info(self._container, self._stream, first, self._is_still())
        self._maker = PictureMaker(self.info.rotation, self.info.mirrored, on_white=_is_image(self._container))
        self.first_pts = self._clock.time(first)
        self._first: tuple[av.VideoFrame, int] | None = (first, self.first_pts)
        if _breaks_off(self._container, self._stream, self._descriptor):
            self._problems["the file ends before its data does"] = 0
        config, base = self._config, self.info.time_base
        self._start_pts = self.first_pts + round(Fraction(config.start_s or 0) / base)
        self._end_pts = None if config.end_s is None else self.first_pts + round(Fraction(config.end_s) / base)
        if self._start_pts > self.first_pts and self._container.format.name.split(",")[0] in _INDEXED:
            self._seek(self._start_pts)

    def _start_decoding(self) -> None:
        self._stream = _video_stream(self._container, self._display)
        for other in self._container.streams:
            other.discard = Discard.default if other.index == self._stream.index else Discard.all
        context = self._stream.codec_context
        context.thread_count = self._config.threads
        context.thread_type = "AUTO" if self._config.threads > 1 else "NONE"
        if self._config.sampling == "keyframes":
            context.skip_frame = "NONKEY"
        self._clock = _Clock(self._stream)
        self._packet_pts: deque[int] = deque(maxlen=256)
        self._last_raw_pts: int | None = None
        self._decoded = self._decode()

    def _is_still(self) -> bool:
        """An image container with one picture. Animations are told by looking for a second packet."""
        if not _is_image(self._container):
            return False
        if self._container.format.name.endswith("_pipe"):
            return True
        with _open(self._descriptor, self._display) as probe:
            stream = _video_stream(probe, self._display)
            packets = (packet for packet in probe.demux(stream) if packet.size)
            try:
                return next(packets, None) is None or next(packets, None) is None
            except av.error.FFmpegError:
                return True

    def _seek(self, pts: int) -> None:
        """Go to the key frame before `pts`; where that fails or lands behind it, back to the beginning."""
        try:
            self._container.seek(pts, stream=self._stream)
            self._clock = _Clock(self._stream)
            self._decoded = self._decode()
            first = next(self._decoded, None)
        except av.error.FFmpegError:
            first = None
        if first is None or first.pts is None or first.pts > pts:
            self._container.close()
            self._container = _open(self._descriptor, self._display)
            self._start_decoding()
            first = next(self._decoded, None)
        self._first = (first, self._clock.time(first)) if first else None

    def frames(self) -> Iterator[PyAvFrame]:
        """Every frame of the range once, in order, with strictly ascending pts."""
        first, self._first = ([self._first] if self._first else []), None
        for frame, pts in chain(first, ((frame, self._clock.time(frame)) for frame in self._decoded)):
            if self._end_pts is not None and pts >= self._end_pts:
                return
            if pts >= self._start_pts:
                yield PyAvFrame(frame, self._maker, pts)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Pictures as the decoder gives them. Damage is counted, not raised."""
        decoded = 0
        for number, packet in enumerate(self._packets()):
            if decoded == 0 and number > _FIRST_FRAME_PACKETS:
                self._count(f"no picture in the first {_FIRST_FRAME_PACKETS} packets")
                return
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, MemoryError) as error:
                self._count(f"packets that could not be decoded ({_reason(error)})")
                continue
            for frame in frames:
                decoded += 1
                if frame.is_corrupt:
                    self._count("damaged pictures")
                self._last_raw_pts = frame.pts
                yield frame

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Packets of the video stream, then one that flushes the decoder. Goes on after a damaged place if it can."""
        keyframes = self._config.sampling == "keyframes"
        for _ in range(_DEMUX_RETRIES):
            met = 0
            try:
                for packet in self._container.demux(self._stream):
                    met += 1
                    if packet.size:
                        if keyframes and not packet.is_keyframe:
                            continue
                        if packet.is_corrupt:
                            self._count("incomplete packets")
                        if packet.pts is not None and not packet.is_discard:
                            self._packet_pts.append(packet.pts)
                    yield packet
                return
            except (av.error.FFmpegError, MemoryError) as error:
                self._count(f"unreadable places in the file ({_reason(error)})")
                if not met:
                    return

    def _count(self, problem: str) -> None:
        self._problems[problem] = self._problems.get(problem, 0) + 1

    def _because(self) -> str:
        return f": {self.problem}" if self.problem else ""

    @property
    def problem(self) -> str | None:
        """What was damaged, in one line, or None. True when the pass has ended."""
        problems = dict(self._problems)
        last = self._last_raw_pts
        unseen = 0 if last is None or self._end_pts is not None else sum(pts > last for pts in self._packet_pts)
        if unseen:
            problems["packets at the end without a picture"] = unseen
        return "; ".join(f"{what}: {count}" if count else what for what, count in problems.items()) or None

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def packet_times(source: SourceFile) -> list[tuple[int, int | None, bool]]:
    """(pts, duration, key frame) of each picture's packet in presentation order, without those that edit lists hide.

    Nothing is decoded. Raises MediaError, NoVideoError.
    """
    with _open(source.descriptor, source.display) as container:
        stream = _video_stream(container, source.display)
        try:
            packets = [p for p in container.demux(stream) if p.size and p.pts is not None and not p.is_discard]
        except av.error.FFmpegError as error:
            raise MediaError(f"{source.display}: cannot be demuxed to its end ({_reason(error)})") from error
    return sorted((cast(int, p.pts), p.duration or None, p.is_keyframe) for p in packets)


class _Clock:
    """Strictly ascending times from those that the decoder gives.

    A missing time follows the frame before it by the nominal interval. A time that is not after the one before it moves
    to one tick after it; when it jumps back by more than a second, or follows frames without times, the clock was set
    anew there (joined files, a wrapped counter) and all later times move with it.
    """

    def __init__(self, stream: VideoStream) -> None:
        base = _time_base(stream)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self._step = max(1, round(1 / (rate * base)))
        self._second = round(1 / base)
        self._offset = 0
        self._last: int | None = None
        self._guessed = False

    def time(self, frame: av.VideoFrame) -> int:
        step = frame.duration or self._step
        last = self._last
        if frame.pts is None:
            pts = 0 if last is None else last + step
            self._guessed = True
        else:
            pts = frame.pts + self._offset
            if last is not None and pts <= last:
                if self._guessed or last - pts > self._second:
                    self._offset += last + step - pts
                    pts = last + step
                else:
                    pts = last + 1
            self._guessed = False
        self._last = pts
        return pts


def _open(descriptor: int, display: str) -> InputContainer:
    """The file as a container, read from its beginning. Raises MediaError."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    options = {**_OPTIONS, "fd": str(descriptor)}
    try:
        return av.open("fd:", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, MemoryError) as error:
        raise MediaError(f"{display}: not a media file, or its header is damaged ({_reason(error)})") from error


def _video_stream(container: InputContainer, display: str) -> VideoStream:
    """The stream that players show: FFmpeg's choice, but never a cover picture. Raises NoVideoError."""
    attached = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & attached]
    if not streams:
        kinds = sorted({str(stream.type) for stream in container.streams}) or ["nothing"]
        raise NoVideoError(f"{display}: holds no video stream (found: {', '.join(kinds)})")
    best = container.streams.best("video")
    stream = next((stream for stream in streams if best is not None and stream.index == best.index), streams[0])
    if stream.codec_context is None:
        raise NoVideoError(f"{display}: its video is in a format that has no decoder here")
    return stream


def _breaks_off(container: InputContainer, stream: VideoStream, descriptor: int) -> bool:
    """Whether data is missing at the end of the file, by the structure of the two containers that would not say so.

    An MP4 index that points behind the end, a Matroska segment that is longer than the file.
    """
    size = os.fstat(descriptor).st_size
    names = container.format.name.split(",")
    if "mov" in names:
        entries = stream.index_entries
        return any(entry.pos + entry.size > size for entry in entries[max(0, len(entries) - _INDEX_TAIL) :])
    return "matroska" in names and (matroska_end(os.pread(descriptor, HEAD_BYTES, 0)) or 0) > size


def _is_image(container: InputContainer) -> bool:
    brand = container.metadata.get("major_brand", "").strip()
    names = container.format.name.split(",")
    return not _IMAGE_NAMES.isdisjoint(names) or ("mov" in names and brand in _STILL_BRANDS)


def _time_base(stream: VideoStream) -> Fraction:
    return Fraction(stream.time_base or Fraction(1, 90000))


def _media_info(container: InputContainer, stream: VideoStream, first: av.VideoFrame, still: bool) -> MediaInfo:
    """What the header says, corrected by the first decoded picture where both speak of it."""
    rotation, mirrored = orientation(first)
    pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
    if not Fraction(1, 20) <= pixel_aspect <= 20:  # nobody makes such pixels: a damaged header
        pixel_aspect = Fraction(1)
    aspect = pixel_aspect * Fraction(first.width, first.height)
    rate = stream.average_rate or stream.guessed_rate
    rate = Fraction(rate) if rate else None
    streams = [(other.index, other.type, other.metadata) for other in container.streams]
    return MediaInfo(
        container=container.format.name,
        codec=stream.codec_context.name,
        pixel_format=first.format.name,
        width=first.width,
        height=first.height,
        pixel_aspect=pixel_aspect,
        rotation=rotation,
        mirrored=mirrored,
        display_aspect=1 / aspect if rotation % 180 else aspect,
        time_base=_time_base(stream),
        frame_rate=rate,
        color_space=_SPACES.get(first.colorspace),
        color_range=_RANGES.get(first.color_range),
        color_primaries=_PRIMARIES.get(first.color_primaries),
        color_transfer=_TRANSFERS.get(first.color_trc),
        claimed_duration_s=_claimed_duration(container, stream),
        claimed_frames=stream.frames or None,
        still=still,
        facts=container_facts(container.metadata, streams, rate),
    )


def _claimed_duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration:
        return float(stream.duration * _time_base(stream))
    return container.duration / av.time_base if container.duration else None


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "more memory needed than allowed"
    return getattr(error, "strerror", None) or str(error)
