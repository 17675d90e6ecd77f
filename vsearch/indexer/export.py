"""A copy of a library in another folder, whole or in part, as of one moment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vsearch.db.copying import Extent
from vsearch.db.store import Store
from vsearch.errors import InputError, StoreError
from vsearch.models.shelf import ModelShelf


def export_library(store: Store, shelf: ModelShelf, folder: Path, extent: Extent) -> None:
    """Make `folder`, which must not exist or be empty, a library; it appears complete or not at all. The cache is left
    behind. Raises InputError for a folder that is taken, StoreError for a full disk.
    """
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} is there already: name a new folder")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        store.copy_to(unfinished, extent)
        copies = ModelShelf(unfinished / "models")
        for model in store.models():
            _copy_model(shelf, copies, model.model_id)
        (unfinished / "library.lock").unlink(missing_ok=True)
        unfinished.replace(folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy_model(shelf: ModelShelf, copies: ModelShelf, model_id: str) -> None:
    if (shelf.folder / model_id).is_dir():
        copies.add(shelf.files(model_id).folder)
