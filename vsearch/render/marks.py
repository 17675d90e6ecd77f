"""What is written on and into pictures: times, names, and that they are reconstructions."""

from __future__ import annotations

from html import escape
from typing import Any

from PIL import ImageFont
from PIL.PngImagePlugin import PngInfo

from vsearch._version import __version__
from vsearch.config import AS_STORED, Look
from vsearch.text import printable

MARK = "reconstruction"
NOTICE = "Reconstruction: decoded from the latents of a vsearch library. Not the original pictures."
SOFTWARE = f"vsearch {__version__}"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{notice}</rdf:li></rdf:Alt></dc:description>
<xmp:CreatorTool>{software}</xmp:CreatorTool>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def shorten(text: str, font: Font, width: float) -> str:
    """The text, with its middle left out where it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    keep = len(text) - 1
    while keep > 1 and font.getlength(_without_middle(text, keep)) > width:
        keep -= 1
    return _without_middle(text, keep)


def notice(quality: str | None, psnr_db: float | None, look: Look = AS_STORED) -> str:
    """What pictures say of themselves: that they are reconstructions, of which quality, and how true, where known.

    psnr_db: the mean over the frames that are shown of what was measured for their clips.
    """
    parts = [NOTICE]
    if quality is not None:
        parts.append(f"Stored in {quality} quality.")
    if psnr_db is not None:
        parts.append(f"PSNR {psnr_db:.1f} dB against the sampled frames (mean of the clips shown).")
    softened = [word for word, done in (("blurred", look.blur), ("without colour", look.grey)) if done]
    if softened:
        parts.append(f"Shown {' and '.join(softened)}.")
    return " ".join(parts)


def png_text(title: str, notice: str) -> PngInfo:
    """Text chunks that name the source and mark the picture."""
    info = PngInfo()
    info.add_itxt("Title", title)
    info.add_text("Description", notice)
    info.add_text("Software", SOFTWARE)
    return info


def xmp_packet(title: str, notice: str) -> bytes:
    """The same marks as an XMP packet, for WebP."""
    return _XMP.format(title=escape(title), notice=escape(notice), software=escape(SOFTWARE)).encode()


def save_options(suffix: str, title: str, notice: str = NOTICE) -> dict[str, Any]:
    """What Pillow's `save` is told for `.png`, `.webp` or `.gif`, marks included."""
    title = printable(title)
    if suffix == ".png":
        return {"format": "PNG", "pnginfo": png_text(title, notice), "compress_level": 6}
    if suffix == ".webp":
        return {"format": "WEBP", "xmp": xmp_packet(title, notice), "quality": 82, "method": 4}
    return {"format": "GIF", "comment": f"{title}\n{notice}".encode()}


def _without_middle(text: str, keep: int) -> str:
    head = keep // 3
    return f"{text[:head]}…{text[len(text) - (keep - head) :]}"
