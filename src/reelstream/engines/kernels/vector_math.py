"""Elementary functions in single precision without branches or calls, so that the compiler makes
vectors of loops over them.

The polynomials are those of the Cephes library (Moshier, 1989); relative errors stay below 2e-7.
"""

from __future__ import annotations

import math

import numpy as np

from reelstream.compute.arrays import FAST_MATH
from reelstream.compute.compiled import compiled

f32, i32, u32 = np.float32, np.int32, np.uint32
_LN2, _LOG2_E = f32(math.log(2)), f32(1 / math.log(2))
# ln 2 in two parts. The first has so few bits that whole multiples of it are exact.
_LN2_HIGH, _LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)
_ROOT_HALF = f32(math.sqrt(0.5))
_SIGN, _QUARTER = u32(0x8000_0000), u32(0x4000_0000)
_ANGLE = f32(math.pi / 2 / 2**32)


@compiled(fastmath=FAST_MATH)
def log(x: np.float32) -> np.float32:
    """The natural logarithm of a positive float32 that is not subnormal."""
    bits = f32(x).view(np.int32)
    # x = z 2^e, z from 1/2 to 1
    z = i32((bits & i32(0x007F_FFFF)) | i32(0x3F00_0000)).view(np.float32)
    e = f32((bits >> i32(23)) - i32(126))
    small = z < _ROOT_HALF
    z = (z + z if small else z) - f32(1)
    e = e - f32(1) if small else e
    p = f32(7.0376836292e-2) * z + f32(-1.1514610310e-1)
    p = p * z + f32(1.1676998740e-1)
    p = p * z + f32(-1.2420140846e-1)
    p = p * z + f32(1.4249322787e-1)
    p = p * z + f32(-1.6668057665e-1)
    p = p * z + f32(2.0000714765e-1)
    p = p * z + f32(-2.4999993993e-1)
    p = p * z + f32(3.3333331174e-1)
    return z + z * z * (z * p - f32(0.5)) + _LN2 * e


@compiled(fastmath=FAST_MATH)
def exp_minus(x: np.float32) -> np.float32:
    """exp(-x) of a float32 x >= 0; above 60, infinity included, exp(-60)."""
    # products with what is smaller could be subnormal, and those are slow
    y = -min(f32(x), f32(60))
    k = i32(y * _LOG2_E - f32(0.5))  # y = k ln 2 + r, |r| <= (ln 2) / 2; the cast cuts towards zero
    r = y - f32(k) * _LN2_HIGH - f32(k) * _LN2_LOW
    p = f32(1.9875691500e-4) * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    return (p * r * r + r + f32(1)) * i32((k + i32(127)) << i32(23)).view(np.float32)


@compiled(fastmath=FAST_MATH)
def on_circle(bits: np.uint32) -> tuple[np.float32, np.float32]:
    """Cosine and sine of an angle spread evenly over the circle: two bits choose the quadrant,
    thirty the angle in it.
    """
    t = f32(i32(bits << u32(2))) * _ANGLE  # from -pi/4 to pi/4
    t2 = t * t
    sine = f32(-1.9515295891e-4) * t2 + f32(8.3321608736e-3)
    sine = t + t * t2 * (sine * t2 + f32(-1.6666654611e-1))
    cosine = f32(2.443315711809948e-5) * t2 + f32(-1.388731625493765e-3)
    cosine = f32(1) - f32(0.5) * t2 + t2 * t2 * (cosine * t2 + f32(4.166664568298827e-2))
    swapped = bits & _SIGN
    a, b = (-sine if swapped else cosine), (cosine if swapped else sine)
    turned = bits & _QUARTER
    return (-a if turned else a), (-b if turned else b)
