"""Which files of a folder are worth handing to the decoder: by name, and by first bytes where names say nothing.

A known video suffix makes a file a candidate whatever it holds, so that a broken or mislabelled video is named with the
decoder's reason. Any other file is a candidate when its first bytes are those of a video container; what is left (text,
photographs, sound) is ignored. A file that was named itself, not met in a folder, is always a candidate.
"""

from __future__ import annotations

import re

VIDEO_SUFFIXES = frozenset(
    """
    3g2 3gp 264 265 apng asf av1 avi avc divx dv f4v flv gif gxf h261 h263 h264 h265 h266 hevc ivf m1v m2p m2t
    m2ts m2v m4v mj2 mjpeg mjpg mkv mod mov mp2v mp4 mpe mpeg mpg mpv mts mxf nsv nut obu ogm ogv ogx qt rm rmvb
    roq tod trp ts tp vc1 vob vvc webm wmv wtv y4m
    """.split()
)
SOUND_SUFFIXES = frozenset(
    """
    aac ac3 aif aiff alac amr ape au caf dsf dts eac3 flac m4a m4b mka mp2 mp3 mpc oga opus ra wav wma wv
    """.split()
)
PLAYLIST_SUFFIXES = frozenset("asx concat ffconcat m3u m3u8 mpd pls sdp smil wpl xspf".split())
PICTURE_SUFFIXES = frozenset(
    """
    arw avif bmp cr2 cr3 dng exr heic heif ico jp2 jpeg jpg jxl nef png psd raf svg tga tif tiff
    """.split()
)
TEXT_SUFFIXES = frozenset("mod mts rm roq tod tp ts".split())  # program sources and others have these names as well
SNIFFED_BYTES = 4096
A_PICTURE = "a still picture by its name"  # why a file is ignored that may still be a query

# ISO base media brands of pictures and sound; `ftyp` with another brand is a video file.
_STILL_BRANDS = (
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"mif1",
    b"avif",
    b"crx ",
    b"jxl ",
    b"jp2 ",
    b"M4A ",
    b"M4B ",
    b"M4P ",
)
_SIGNATURES = re.compile(
    rb"""
      \x1a\x45\xdf\xa3                                   # Matroska, WebM
    | RIFF....(?:AVI\x20|AVIX)                           # AVI
    | OggS .{24} .{1,255}? (?:\x80theora|BBCD\0|\x01video|OVP80) # Ogg with a video stream first
    | FLV\x01
    | \x30\x26\xb2\x75\x8e\x66\xcf\x11                   # ASF
    | \0\0\x01[\xba\xb3]                                 # MPEG program or video stream
    | \0\0\0?\x01(?:\x09[\x10\x30\x50\x70\x90\xb0\xd0\xf0]|[\x27\x47\x67]|[\x40\x46]\x01) # H.264, H.265 byte streams
    | \x47.{187}\x47.{187}\x47                           # MPEG transport stream
    | .{4}\x47.{191}\x47.{191}\x47                       # the same with time codes (M2TS)
    | \x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02       # MXF
    | \x1f\x07\0                                         # DV
    | YUV4MPEG2\x20
    | DKIF\0\0                                           # IVF
    | \.RMF
    | nut/multimedia\x20container
    """,
    re.VERBOSE | re.DOTALL,
)


def why_not(name: bytes, head: bytes) -> str | None:
    """None for a candidate, else the reason to ignore a file. head: its first `SNIFFED_BYTES` bytes (may be fewer)."""
    suffix = suffix_of(name)
    if suffix in TEXT_SUFFIXES and looks_like_text(head):
        return f"text, not the video that .{suffix} may be"
    if suffix in VIDEO_SUFFIXES or (looks_like_video(head) and suffix not in SOUND_SUFFIXES):
        return None
    if suffix in SOUND_SUFFIXES:
        return "a sound file by its name"
    if suffix in PLAYLIST_SUFFIXES:
        return "a playlist: what it names is never opened"
    if suffix in PICTURE_SUFFIXES:
        return A_PICTURE
    return "not a video by its name nor by its first bytes"


def decided_by_name(name: bytes) -> bool:
    """Whether `why_not` needs no bytes of the file: most files of an archive are never opened for nothing."""
    return suffix_of(name) in (VIDEO_SUFFIXES | SOUND_SUFFIXES) - TEXT_SUFFIXES


def suffix_of(name: bytes) -> str:
    """The suffix in lower case without its dot; empty without one. Spaces after it don't count."""
    stem, dot, suffix = name.strip().lower().rpartition(b".")
    return suffix.decode("ascii", "replace") if dot and stem else ""


def looks_like_text(head: bytes) -> bool:
    """Whether a file begins with text: UTF-8 (but for a cut last character) without control characters."""
    if not head or re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True


def looks_like_video(head: bytes) -> bool:
    """Whether a file that begins so is (also) a moving picture."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILL_BRANDS
    if head[4:8] in (b"moov", b"mdat", b"wide", b"skip", b"free"):
        return True
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"acTL" in head
    if head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X":
        return bool(head[20:21] and head[20] & 2)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return b"NETSCAPE2.0" in head
    return _SIGNATURES.match(head) is not None
