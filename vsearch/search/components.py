"""Connected components: what belongs together when some pairs do."""

from __future__ import annotations

from collections.abc import Iterable


class Components:
    """Disjoint sets of numbers that grow together (union by least member, with path halving)."""

    def __init__(self, members: Iterable[int] = ()) -> None:
        self._root = {member: member for member in members}

    def join(self, one: int, other: int) -> None:
        """Both belong together, with all that each belongs to."""
        least, most = sorted((self._find(one), self._find(other)))
        self._root[most] = least

    def groups(self) -> list[tuple[int, ...]]:
        """Every set, ascending; the sets by their least members."""
        found: dict[int, list[int]] = {}
        for member in sorted(self._root):
            found.setdefault(self._find(member), []).append(member)
        return [tuple(group) for group in found.values()]

    def _find(self, member: int) -> int:
        root = self._root
        root.setdefault(member, member)
        while root[member] != member:
            root[member] = root[root[member]]
            member = root[member]
        return member
