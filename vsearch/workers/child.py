"""A process with models: `python -m vsearch.workers.child`. It ends when its stdin ends, so it can't outlive its
parent, however that dies.
"""

from __future__ import annotations

from vsearch import osys


def main() -> None:
    """Serve until stdin ends."""
    osys.ignore_interrupts()  # before the imports, which take a while
    from vsearch.workers.serving import serve

    serve()


if __name__ == "__main__":
    main()
