"""Latent codecs and embedding heads, by family. Importing this package loads neither torch nor numpy's heavier
friends.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vsearch.errors import LatentError
from vsearch.registry import Registry

if TYPE_CHECKING:
    from vsearch.models.base import EmbeddingHead, LatentCodec

CODECS = Registry(
    "codec",
    {
        "temporal": "vsearch.models.temporal:TemporalCodec",
        "dyadic": "vsearch.models.dyadic:DyadicCodec",
    },
)
HEADS = Registry("head", {"gem": "vsearch.models.head:GemHead"})

_SHIPPED = Path(__file__).parent / "shipped"


def shipped_codec() -> Path:
    """The folder of the codec that new libraries use."""
    return _SHIPPED / "codec"


def shipped_head() -> Path:
    """The folder of the embedding head that new libraries use."""
    return _SHIPPED / "head"


def shipped_head_for(codec_id: str) -> Path | None:
    """The head that comes with this program, if it was made for the latents of a codec (model id)."""
    from vsearch.models.weights import ModelFiles

    folder = shipped_head()
    return folder if ModelFiles.read(folder).decode.get("latents_of") == codec_id else None


def read_model_id(folder: Path) -> str:
    """The identity of the model in `folder`, without loading it. Raises LatentError."""
    from vsearch.models.weights import ModelFiles

    return ModelFiles.read(folder).model_id


def load_codec(folder: Path, *, device: str = "cpu", threads: int | None = None) -> LatentCodec:
    """The codec in `folder`. Raises LatentError when it is damaged, of another kind, or of an unknown family."""
    codec: LatentCodec = CODECS.load(_family(folder, "codec")).load(folder, device=device, threads=threads)
    return codec


def load_head(folder: Path, *, device: str = "cpu", threads: int | None = None) -> EmbeddingHead:
    """The embedding head in `folder`. Raises LatentError like `load_codec`."""
    head: EmbeddingHead = HEADS.load(_family(folder, "head")).load(folder, device=device, threads=threads)
    return head


def _family(folder: Path, kind: str) -> str:
    from vsearch.models.weights import ModelFiles

    files = ModelFiles.read(folder)
    known = (CODECS if kind == "codec" else HEADS).names()
    if files.kind != kind or files.family not in known:
        raise LatentError(
            f"{folder}: a {files.kind} of family {files.family!r}; this program knows the {kind}s {', '.join(known)}"
        )
    return files.family
