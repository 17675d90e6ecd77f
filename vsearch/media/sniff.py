"""Files that name other files or addresses, recognised by their first bytes, whatever their name says. Pure."""

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
