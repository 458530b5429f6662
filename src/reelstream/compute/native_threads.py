"""How many threads the native libraries start in a process of ours."""

import os
from typing import Final

# What BLAS and OpenMP read from the environment when they are loaded.
NATIVE_THREADS: Final = {
    # The kernels call BLAS from threads of their own. A second pool of threads under them makes a
    # fit three times slower, and products that are split over threads round differently.
    "OPENBLAS_NUM_THREADS": "1",
    # Idle threads of scikit-learn must sleep. By default they spin, and take the core from the
    # server that runs beside them.
    "OMP_WAIT_POLICY": "passive",
}


def limit_native_threads() -> None:
    """Set NATIVE_THREADS for this process and those that it starts: call it before anything imports
    numpy.

    Only where a process of ours starts. As a library, reelstream leaves the environment of its host
    alone, and a fit limits BLAS for as long as it runs (`threads.one_for_blas`).
    """
    # Forced: another number of threads would change how results are rounded.
    os.environ["OPENBLAS_NUM_THREADS"] = NATIVE_THREADS["OPENBLAS_NUM_THREADS"]
    os.environ.setdefault("OMP_WAIT_POLICY", NATIVE_THREADS["OMP_WAIT_POLICY"])
