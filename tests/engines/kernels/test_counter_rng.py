"""Random numbers are a function of what they are for."""

from __future__ import annotations

import numpy as np
from scipy import stats

from reelstream.engines.kernels import counter_rng


def keys(n: int, sweep: int = 3) -> list[np.uint64]:
    stream = counter_rng.stream_of(7, sweep, counter_rng.USER_ROW)
    return [np.uint64(counter_rng.key_of(stream, external_id)) for external_id in range(n)]


def test_a_key_gives_the_same_numbers_however_often_it_is_asked() -> None:
    first, again = np.empty(9), np.empty(9)
    counter_rng.fill_normals(keys(5)[4], first)
    counter_rng.fill_normals(keys(50)[4], again)
    assert first.tolist() == again.tolist()


def test_seed_sweep_purpose_and_id_each_change_the_numbers() -> None:
    streams = {
        int(counter_rng.stream_of(seed, sweep, purpose))
        for seed in (0, 1)
        for sweep in (0, 1)
        for purpose in (counter_rng.USER_ROW, counter_rng.ITEM_ROW, counter_rng.SESSION)
    }
    assert len(streams) == 12
    assert len({int(key) for key in keys(1000)}) == 1000


def test_normals_are_standard_normal() -> None:
    drawn = np.empty((2000, 16))
    for key, row in zip(keys(2000), drawn, strict=True):
        counter_rng.fill_normals(key, row)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn.T) - np.eye(16)).max() < 0.1


def test_gammas_have_their_law_below_and_above_shape_one() -> None:
    for shape in (0.4, 1.0, 2.5, 40.0):
        drawn = [counter_rng.gamma(key, shape) for key in keys(4000)]
        assert stats.kstest(drawn, stats.gamma(shape).cdf).pvalue > 1e-3, shape
