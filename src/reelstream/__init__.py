"""reelstream: ratings arrive as a stream; predictions are excellent, honest about their certainty,
and up to date.
"""

import os

__version__ = "0.1.0"

# The kernels call BLAS from threads of their own: a second pool of threads under them makes a fit
# three times slower, and products that are split over threads round differently: no setting of the
# user's may make a set that cannot be rebuilt. And threads of scikit-learn that wait must sleep: by
# default they spin, and take the core from the server beside them. Both are read once, when the
# libraries are first loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
