"""The vector functions against those of the C library."""

from __future__ import annotations

import numpy as np

from reelstream.engines.kernels import vector_math


def test_logarithms_of_the_whole_range() -> None:
    x = np.exp(np.linspace(-80, 80, 5001)).astype(np.float32)
    found = [vector_math.log(v) for v in x]
    np.testing.assert_allclose(found, np.log(x.astype(np.float64)), rtol=5e-7, atol=5e-7)


def test_exponentials_fade_to_nothing_at_infinity() -> None:
    x = np.linspace(0, 60, 5001).astype(np.float32)
    found = [vector_math.exp_minus(v) for v in x]
    np.testing.assert_allclose(found, np.exp(-x.astype(np.float64)), rtol=5e-7)
    assert vector_math.exp_minus(np.float32(0)) == 1
    assert vector_math.exp_minus(np.float32(np.inf)) < 1e-25


def test_angles_cover_the_circle_evenly() -> None:
    bits = np.linspace(0, 2**32 - 1, 4096).astype(np.uint32)
    points = np.array([vector_math.on_circle(b) for b in bits])
    np.testing.assert_allclose((points**2).sum(1), 1, atol=1e-6)
    angles = np.sort(np.arctan2(points[:, 1], points[:, 0]))
    np.testing.assert_allclose(angles, np.linspace(-np.pi, np.pi, len(angles)), atol=5e-3)
