"""Reading and writing video. The rest of the program reads through `isolated.DecodeProcess`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vsearch.registry import Registry

if TYPE_CHECKING:
    from vsearch.config import ReadConfig
    from vsearch.media.base import Reader
    from vsearch.media.source import SourceFile

READERS = Registry(
    "reader",
    {
        "pyav": "vsearch.media.pyav_reader:PyAvReader",
        "decord": "vsearch.media.decord_reader:DecordReader",
    },
)


def open_video(source: SourceFile, config: ReadConfig) -> Reader:
    """A reader for `source`: the one that `config.reader` names; "auto" is PyAV, which measured faster than decord.

    Raises InputError for an unknown reader, UnavailableError when its package is missing, MediaError and its subclasses
    for a file that it cannot read.
    """
    name = "pyav" if config.reader == "auto" else config.reader
    reader: Reader = READERS.load(name)(source, config)
    return reader
