"""Files of packed frames: coded sources behind a JSON header that says what they are. Each stands alone.

8 bytes    the magic VSFRAMES
4 bytes    length of the header, little endian
header     JSON: {"sources": [...]}, each with file, group, scene, fps, shape, quality, psnr_db, digest, packets
payload    the packets of every source, one after the other; `packets` above are their lengths
32 bytes   blake2b of everything before
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import InputError, MediaError
from vsearch.media.coded import code_pictures, decoded_pictures

MAGIC = b"VSFRAMES"
DIGEST_BYTES = 32

Shape = tuple[int, int, int, int]


def digest_of(*pieces: bytes) -> bytes:
    """blake2b-256 of the pieces, one after the other."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of one source. fps: frames a second, 0 for a photograph.

    Sources of one `group` show the same footage; those of one `scene` look alike.
    """

    file: str
    group: str
    scene: str
    fps: float


@dataclass(frozen=True, slots=True)
class CodedSource:
    """One source, coded. shape: (T, 3, H, W) of its frames; quality: see `media.coded`; psnr_db: what they keep of the
    originals, over all frames (RGB); digest: of them as they decode, hexadecimal.
    """

    facts: SourceFacts
    shape: Shape
    quality: int
    psnr_db: float
    digest: str
    packets: list[bytes]

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.packets))


def code_source(facts: SourceFacts, frames: NDArray[np.uint8], *, quality: int) -> CodedSource:
    """Code the frames (T, 3, H, W) uint8 of a source and measure what they lose. Raises MediaError."""
    t, c, h, w = frames.shape
    packets = code_pictures(frames, quality=quality)
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    error = 0.0
    for original, decoded in zip(frames, decoded_pictures(packets, (h, w)), strict=True):
        digest.update(decoded.data)
        error += float(np.square(original.astype(np.float32) - decoded).mean())
    psnr_db = 10 * math.log10(255.0**2 / max(error / t, 1e-4))
    shape = (int(t), int(c), int(h), int(w))
    return CodedSource(facts, shape, quality, round(psnr_db, 2), digest.hexdigest(), packets)


def write_part(path: Path, sources: Sequence[CodedSource]) -> None:
    """Write one part."""
    header = json.dumps({"sources": [_row(source) for source in sources]}, separators=(",", ":")).encode()
    payload = b"".join(packet for source in sources for packet in source.packets)
    pieces = (MAGIC, len(header).to_bytes(4, "little"), header, payload)
    path.write_bytes(b"".join((*pieces, digest_of(*pieces))))


def described(source: CodedSource) -> dict[str, Any]:
    """What a header or an index says of a source, without its packets."""
    return {
        **asdict(source.facts),
        "shape": source.shape,
        "quality": source.quality,
        "psnr_db": source.psnr_db,
        "digest": source.digest,
    }


def _row(source: CodedSource) -> dict[str, Any]:
    return {**described(source), "packets": [len(packet) for packet in source.packets]}


def read_part(path: Path) -> list[CodedSource]:
    """The sources of one part. Raises InputError when the file is missing, damaged or something else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: packed frames cannot be read ({error.strerror}); pack or copy them again") from error
    if not data.startswith(MAGIC):
        raise InputError(f"{path}: not a file of packed frames; make them with `vsearch train pack`")
    content, checksum = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if digest_of(content) != checksum:
        raise InputError(f"{path}: damaged or cut off, its checksum differs; pack or copy it again")
    start = len(MAGIC) + 4
    payload = start + int.from_bytes(content[len(MAGIC) : start], "little")
    rows = json.loads(content[start:payload])["sources"]
    sizes = [size for row in rows for size in row["packets"]]
    packets = (content[a:b] for a, b in pairwise(accumulate(sizes, initial=payload)))
    return [_source(row, [next(packets) for _ in row["packets"]]) for row in rows]


def _source(row: dict[str, Any], packets: list[bytes]) -> CodedSource:
    facts = SourceFacts(row["file"], row["group"], row["scene"], row["fps"])
    t, c, h, w = row["shape"]
    return CodedSource(facts, (t, c, h, w), row["quality"], row["psnr_db"], row["digest"], packets)


def decode_source(source: CodedSource) -> Iterator[NDArray[np.uint8]]:
    """The frames of a source, (3, H, W) uint8 each. Raises InputError when they are not those that were packed."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        for picture in decoded_pictures(source.packets, source.shape[2:]):
            digest.update(picture.data)
            yield picture
    except MediaError as error:
        raise InputError(f"{source.facts.file}: {error}") from error
    if digest.hexdigest() != source.digest:
        raise InputError(f"{source.facts.file}: decodes to other frames than were packed, here with another decoder?")
