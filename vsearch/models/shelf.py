"""The models that a library folder carries: one folder each, named by the model's identity."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch.errors import InputError, LatentError, StoreError
from vsearch.models import load_codec, load_head
from vsearch.models.weights import ModelFiles, write_card

if TYPE_CHECKING:
    from vsearch.models.base import EmbeddingHead, LatentCodec, ModelLoader

_log = logging.getLogger(__name__)


class LocalModels:
    """Loads models in this process."""

    def codec(self, folder: Path, *, device: str, threads: int | None) -> LatentCodec:
        return load_codec(folder, device=device, threads=threads)

    def head(self, folder: Path, *, device: str, threads: int | None) -> EmbeddingHead:
        return load_head(folder, device=device, threads=threads)


class ModelShelf:
    """`<library>/models`. What was loaded once is kept. Nothing is loaded, and torch not imported, before it is asked
    for."""

    def __init__(self, folder: Path, loader: ModelLoader | None = None) -> None:
        """loader: what loads models (None: this process does)."""
        self.folder = folder
        self._loader = loader or LocalModels()
        self._codecs: dict[tuple[str, str, int | None], LatentCodec] = {}
        self._heads: dict[tuple[str, str, int | None], EmbeddingHead] = {}

    def add(self, model: Path) -> ModelFiles:
        """Copy a model folder in. Of one that is there already the figures for searching are taken over: they may have
        been measured again since; where they cannot be written, what is there goes on. Raises LatentError (not a
        model), StoreError (a full disk).
        """
        files = ModelFiles.read(model)
        place = self.folder / files.model_id
        if place.is_dir():
            there = self.files(files.model_id)
            return there if there.search == files.search else self._measured_again(there, files)
        unfinished = self.folder / f".{files.model_id[:16]}.{os.getpid()}"
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            files.copy_to(unfinished)
            unfinished.rename(place)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise StoreError(f"{place}: the model can't be copied into the library: {error.strerror}") from error
        return self.files(files.model_id)

    def _measured_again(self, there: ModelFiles, files: ModelFiles) -> ModelFiles:
        try:
            return write_card(there, search=files.search)
        except OSError as error:
            _log.warning("%s: newer figures for searching can't be written: %s", there.folder, error.strerror)
            return there

    def files(self, model_id: str) -> ModelFiles:
        """The model's card. Raises LatentError when the library does not carry this model, or it was changed."""
        place = self.folder / model_id
        if not place.is_dir():
            raise LatentError(
                f"{place} is missing: the library needs this model; copy its whole folder when you move it"
            )
        files = ModelFiles.read(place)
        if files.model_id != model_id:
            raise LatentError(f"{place} was changed: it now is model {files.model_id[:16]}")
        return files

    def check_pair(self, codec_id: str, head: ModelFiles) -> None:
        """Raise InputError when a head does not read the latents of a codec. Those of before heads said so are
        believed.
        """
        reads = head.decode.get("latents_of", codec_id)
        if reads != codec_id:
            raise InputError(
                f"the head {head.model_id[:12]} reads latents of codec {str(reads)[:12]}, not of {codec_id[:12]}: "
                "name a head that was trained for this codec (`vsearch train embedding`)"
            )

    def codec(self, model_id: str, *, device: str = "cpu", threads: int | None = None) -> LatentCodec:
        """The codec, loaded. Raises LatentError, UnavailableError (no such device)."""
        key = (model_id, device, threads)
        if key not in self._codecs:
            self._codecs[key] = self._loader.codec(self.files(model_id).folder, device=device, threads=threads)
        return self._codecs[key]

    def head(self, model_id: str, *, device: str = "cpu", threads: int | None = None) -> EmbeddingHead:
        """The embedding head, loaded. Raises LatentError, UnavailableError (no such device)."""
        key = (model_id, device, threads)
        if key not in self._heads:
            self._heads[key] = self._loader.head(self.files(model_id).folder, device=device, threads=threads)
        return self._heads[key]
