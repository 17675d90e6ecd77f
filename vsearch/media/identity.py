"""What makes a video itself: its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b

from vsearch.errors import MediaError
from vsearch.records import ContentIdentity, FileStamp

HASH_BYTES = 32  # blake2b-256
QUICK_BYTES = 1 << 18  # read at the head, in the middle and at the tail: three seeks, a millisecond each on a disk
_BLOCK_BYTES = 1 << 20


def file_stamp(descriptor: int) -> FileStamp:
    """Size, modification time and inode of an open file."""
    status = os.fstat(descriptor)
    return FileStamp(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def quick_hash(descriptor: int) -> bytes:
    """blake2b-256 of the size and of 256 KiB each at the head, around the middle and at the tail.

    Shorter files are hashed whole. It only saves work: two videos may share it.
    """
    size = os.fstat(descriptor).st_size
    digest = blake2b(size.to_bytes(8, "little"), digest_size=HASH_BYTES)
    if size <= 3 * QUICK_BYTES:
        places = [(0, size)]
    else:
        places = [(start, QUICK_BYTES) for start in (0, (size - QUICK_BYTES) // 2, size - QUICK_BYTES)]
    for start, length in places:
        digest.update(_read(descriptor, start, length))
    return digest.digest()


def content_identity(descriptor: int, progress: Callable[[int], None] | None = None) -> ContentIdentity:
    """Size, quick hash and full blake2b-256 of an open file.

    `progress` hears how many bytes were read since the last call. Raises OSError for a file that cannot be read.
    """
    digest = blake2b(digest_size=HASH_BYTES)
    size = 0
    while block := os.pread(descriptor, _BLOCK_BYTES, size):
        digest.update(block)
        size += len(block)
        if progress:
            progress(len(block))
    return ContentIdentity(size_bytes=size, quick_hash=quick_hash(descriptor), full_hash=digest.digest())


def check_unchanged(before: FileStamp, descriptor: int, display: str) -> None:
    """Raises MediaError when the file was written to since `before`."""
    after = file_stamp(descriptor)
    if after != before:
        raise MediaError(f"{display}: changed while it was read ({before.size_bytes} bytes, now {after.size_bytes})")


def _read(descriptor: int, start: int, length: int) -> bytes:
    parts = []
    while length > 0 and (part := os.pread(descriptor, length, start)):
        parts.append(part)
        start += len(part)
        length -= len(part)
    return b"".join(parts)
