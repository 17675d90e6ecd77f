"""Names that stand for code in leaf modules, loaded only when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vsearch.errors import InputError, UnavailableError


class Registry:
    """A table from a public name to `"package.module:attribute"`, loaded on first use."""

    def __init__(self, kind: str, entries: dict[str, str] | None = None) -> None:
        self.kind = kind
        self._targets: dict[str, str] = {}
        for name, target in (entries or {}).items():
            self.register(name, target)

    def register(self, name: str, target: str) -> None:
        """Add `name`. Raises ValueError when it is taken or `target` is not `module:attribute`."""
        if name in self._targets:
            raise ValueError(f"{self.kind} {name!r} is registered already as {self._targets[name]}")
        if target.count(":") != 1:
            raise ValueError(f"{self.kind} {name!r}: {target!r} is not of the form 'module:attribute'")
        self._targets[name] = target

    def names(self) -> list[str]:
        return sorted(self._targets)

    def target(self, name: str) -> str:
        """Where `name` points. Raises InputError for an unknown name, listing the known ones."""
        if name not in self._targets:
            raise InputError(f"unknown {self.kind} {name!r}; known: {', '.join(self.names())}")
        return self._targets[name]

    def load(self, name: str) -> Any:
        """The object behind `name`. Raises InputError (unknown) or UnavailableError (its package is missing)."""
        module, attribute = self.target(name).split(":")
        try:
            return getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("vsearch"):
                raise
            raise UnavailableError(
                f"{self.kind} {name!r} needs the package {error.name!r}, which is not installed"
            ) from error
