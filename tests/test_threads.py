from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys
from threadpoolctl import threadpool_info
import numpy
from vsearch.threads import numpy_in_one_thread
def blas():
    return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas" and "numpy" in x["filepath"]]
before = blas()
numpy_in_one_thread()
print(before, blas())
"""


def test_numpy_computes_with_one_thread_where_a_program_wants_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"OPENBLAS_NUM_THREADS": "2", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout in ("[2] [1]\n", "[] []\n")  # some builds of numpy have a BLAS that is not limited so
