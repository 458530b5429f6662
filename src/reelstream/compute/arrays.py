"""What the compiled functions share: types of their arrays, and how exactly they compute."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Ints: TypeAlias = NDArray[np.integer[Any]]
Bools: TypeAlias = NDArray[np.bool_]

# LLVM sees a function once when numba has just compiled it, and twice when it comes from numba's
# cache. What it is free to choose, it may choose in two ways, and neither a model set nor an answer
# could be reproduced. So of what numba's `fastmath` allows, that which cannot change a result:
EXACT_MATH = {"nnan", "ninf", "nsz"}
# And for the long sums of a fit, all but to add in another order. A test compares what was compiled
# just now with what comes from the cache.
FAST_MATH = EXACT_MATH | {"contract", "arcp", "afn"}
