"""By how much a precision differs between users: `lam_u` of the noise of a user's ratings, `c_u` of
the prior of a user's row.

Both make a normal law a t law (West, *On Scale Mixtures of Normal Distributions*, Biometrika 1987).
"""

from __future__ import annotations

from reelstream.compute.arrays import Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.engines.kernels.counter_rng import RowKeys, gamma, key_of


@compiled()
def draw_user_scales(
    counts: Ints, squares: Floats, shape: float, keys: RowKeys, scales: Floats
) -> None:
    """Fill scales (n,) with draws from Gamma((nu + n_u) / 2, rate (nu + squares_u) / 2).

    Given n_u errors of standard normal law but for the scale, counts (n,), and their sum of
    squares, (n,) float64; shape: nu.
    """
    for u in range(scales.size):
        drawn = gamma(key_of(keys.stream, keys.rows[u]), 0.5 * (shape + counts[u]))
        scales[u] = drawn * 2.0 / (shape + squares[u])
