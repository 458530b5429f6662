"""reelstream: ratings arrive as a stream; predictions are excellent, honest about their certainty, and up to date."""

import os

__version__ = "0.1.0"

# The kernels call BLAS from threads of their own: a second pool of threads under them makes a fit three times slower.
# BLAS reads this once, when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
