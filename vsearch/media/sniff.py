"""What a file's first bytes tell, whatever its name says: a list of other files, and where it should end. Pure."""

from __future__ import annotations

import re

HEAD_BYTES = 4096  # what `refused_kind` wants to see

_PATTERNS = (
    ("an M3U or HLS playlist", re.compile(rb"#EXTM3U|#EXT-X-|#EXTINF")),
    ("an ffconcat file list", re.compile(rb"ffconcat\s+version", re.I)),
    ("a concat file list", re.compile(rb"file\s+\S", re.I)),
    ("a PLS playlist", re.compile(rb"\[playlist\]", re.I)),
    ("a reference list", re.compile(rb"\[reference\]|\[address\]|SMIL|RTSPtext|rtsptext|rtsp://|https?://|ftp://")),
    ("an SDP description", re.compile(rb"v=0\r?\n(o|s)=")),
    ("a media index in XML", re.compile(rb"(<\?xml.{0,2000}?)?<(MPD|SmoothStreamingMedia|smil|asx|playlist|AssetMap|"
                                        rb"CompositionPlaylist|manifest)\b", re.I | re.S)),
)  # fmt: skip


def refused_kind(head: bytes) -> str | None:
    """What kind of list the file is that begins with `head` (up to 4096 bytes), or None when it is none.

    Looks at the first text after a byte order mark, blank lines and comments.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x00")
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = text[2:].replace(b"\x00", b"").lstrip()
    for kind, pattern in _PATTERNS:
        if pattern.match(text):
            return kind
    if text.startswith(b"#") and b"\x00" not in text:  # a comment may stand before the first entry
        rest = b"\n".join(line for line in text.splitlines() if not line.startswith(b"#")).lstrip()
        return refused_kind(rest) if rest and rest != head else None
    return None


def matroska_end(head: bytes) -> int | None:
    """Where a Matroska or WebM file that begins with `head` ends by its own account; None: it does not say."""
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return None
    header = _element_size(head, 4)
    if header is None:
        return None
    segment = header[1] + header[0]
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return None
    body = _element_size(head, segment + 4)
    return None if body is None else body[1] + body[0]


def _element_size(head: bytes, at: int) -> tuple[int, int] | None:
    """(size of an EBML element, where its body begins) from the size field at `at`; None where it is open or cut."""
    if at >= len(head) or head[at] == 0:
        return None
    length = 9 - head[at].bit_length()
    if at + length > len(head):
        return None
    mask = (1 << 7 * length) - 1
    size = int.from_bytes(head[at : at + length], "big") & mask
    return None if size == mask else (size, at + length)
