"""How noisy each user's ratings are: `lam_u`, by which the precision of a rating differs between
users.
"""

from __future__ import annotations

from numba import njit

from reelstream.compute.arrays import Floats, Ints
from reelstream.engines.kernels.counter_rng import RowKeys, gamma, key_of


@njit(cache=True, nogil=True)
def draw_user_noise(
    starts: Ints, squares: Floats, alpha: float, shape: float, keys: RowKeys, user_noise: Floats
) -> None:
    """Fill user_noise (n,) with lam_u ~ Gamma((nu + n_u) / 2, rate (nu + alpha squares_u) / 2).

    starts (n + 1,): where each user's ratings begin; squares (n,) float64: the squares of what the
    rows leave of them; shape: nu.
    """
    for u in range(user_noise.size):
        n = starts[u + 1] - starts[u]
        drawn = gamma(key_of(keys.stream, keys.ids[u]), 0.5 * (shape + n))
        user_noise[u] = drawn * 2.0 / (shape + alpha * squares[u])
