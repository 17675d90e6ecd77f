"""What a program sets for itself as a whole, and a library must not: numpy's threads, the collection of garbage."""

from __future__ import annotations

import gc

# Container objects that are made before Python looks for garbage. PyTorch's modules alone are a quarter of a million
# that stay: by default a tenth of the time of importing it goes into looking through them.
COLLECT_AFTER = 50_000


def collect_rarely() -> None:
    """Python looks for garbage less often from now on."""
    gc.set_threshold(COLLECT_AFTER, 10, 10)


def numpy_in_one_thread() -> None:
    """numpy's BLAS has one thread from now on, in the whole process: a program may do so, a library may not.

    Products here are small. Its threads wait for the next one at full speed, which takes a sixth of a query's time
    from PyTorch and FAISS (two cores).
    """
    import numpy  # noqa: F401  (its BLAS is there from now on)
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        if "numpy" in library.filepath:
            library.set_num_threads(1)
