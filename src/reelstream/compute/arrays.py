"""What the compiled functions share: types of their arrays, and how exactly they compute."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Ints: TypeAlias = NDArray[np.integer[Any]]
Bools: TypeAlias = NDArray[np.bool_]

# Of what numba's `fastmath` allows, all but to add in another order.
#
# LLVM sees a function once when numba has just compiled it and twice when it comes from numba's
# cache. Free to choose an order, it chose two different ones, and a model set could not be
# reproduced.
FAST_MATH = {"contract", "nnan", "ninf", "nsz", "arcp", "afn"}
