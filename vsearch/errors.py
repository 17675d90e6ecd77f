"""Everything that vsearch raises on purpose.

    VsearchError
    ├── InputError         what was asked for cannot be done as asked (missing path, bad value)
    │   └── AmbiguousError a name that fits several videos: exit status 2
    ├── MediaError         a file that could not be read as video
    │   ├── NoVideoError       it holds no video stream
    │   ├── RefusedError       it is of a kind that is never opened (playlists, file lists)
    │   ├── DecoderCrashError  the decoding process died on it
    │   └── DecoderStallError  the decoding process made no progress
    ├── LatentError        stored latents that cannot be decoded (damaged, unknown codec, wrong weights)
    ├── StoreError         the library itself
    │   ├── NotALibraryError
    │   ├── SchemaError        written by a newer program, or too old to read
    │   └── LockedError        another process is writing
    ├── AnnError           an index file that does not fit the library
    ├── UnavailableError   a package or device that is not here
    └── InterruptedRunError  stopped by the user: exit status 130

Every class carries a permanent string code, shown in JSON. Messages name the file, what was expected, what was found,
and what to do next.
"""


class VsearchError(Exception):
    """Root of all errors that vsearch raises on purpose."""

    code = "error"
    exit_status = 1


class InputError(VsearchError):
    """What was asked for cannot be done as asked."""

    code = "input"


class AmbiguousError(InputError):
    """A name fits several videos; the message lists them."""

    code = "ambiguous"
    exit_status = 2


class MediaError(VsearchError):
    """A file could not be read as video."""

    code = "media"


class NoVideoError(MediaError):
    """A media file without a video stream, or without a single decodable picture."""

    code = "no-video"


class RefusedError(MediaError):
    """A file of a kind that is never opened, because it could name other files or addresses."""

    code = "refused"


class DecoderCrashError(MediaError):
    """The decoding process died while it read the file."""

    code = "decoder-crash"


class DecoderStallError(MediaError):
    """The decoding process made no progress for the allowed time, or outgrew its memory."""

    code = "decoder-stall"


class LatentError(VsearchError):
    """Stored latents cannot be decoded: damaged, of an unknown codec, or of other weights."""

    code = "latent"


class StoreError(VsearchError):
    """The library could not be read or written."""

    code = "store"


class NotALibraryError(StoreError):
    """The folder or database is not a vsearch library."""

    code = "not-a-library"


class SchemaError(StoreError):
    """The library was written by a newer program, or is too old to be read without migrating."""

    code = "schema"


class LockedError(StoreError):
    """Another process is writing to the library."""

    code = "locked"


class AnnError(VsearchError):
    """A search index does not fit the library that it was opened for."""

    code = "ann"


class UnavailableError(VsearchError):
    """A package or device that the work needs is not here."""

    code = "unavailable"


class InterruptedRunError(VsearchError):
    """The user stopped the run; what was finished is kept."""

    code = "interrupted"
    exit_status = 130
