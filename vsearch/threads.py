"""How many threads numpy computes with."""

from __future__ import annotations


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
