"""Random numbers that are a function of what they are for, so that threads, blocks and engines
cannot change a draw.

A *key* is a hash of (seed, sweep, purpose, key of the row); number c of a key is a hash of (key,
c). The hash is SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*,
OOPSLA 2014).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.compute.arrays import FAST_MATH, Ints
from reelstream.compute.compiled import compiled
from reelstream.engines.kernels.vector_math import log, on_circle

# What a key is for: no two draws of one sweep share numbers.
USER_ROW, ITEM_ROW, SESSION, SESSION_SCALE, USER_NOISE, PRIOR_WEIGHT, ECHO = (
    np.uint64(purpose) for purpose in range(7)
)


class RowKeys(NamedTuple):
    """What keys the random numbers of n rows: the key of row r is `key_of(stream, rows[r])`."""

    stream: np.uint64
    """See `stream_of`."""
    rows: Ints
    """(n,): the keys of the rows themselves, see `Side.keys`."""


# SplitMix64's increment and multipliers, and its shifts. All are uint64: of a uint64 and an int64
# numba, as NumPy, makes a float64.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S11, _S27, _S30, _S31, _S32 = (
    np.uint64(11),
    np.uint64(27),
    np.uint64(30),
    np.uint64(31),
    np.uint64(32),
)
_ONE, _TWO, _LOW = np.uint64(1), np.uint64(2), np.uint64(0xFFFF_FFFF)


@compiled()
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> _S30)) * _MIX_1
    x = (x ^ (x >> _S27)) * _MIX_2
    return x ^ (x >> _S31)


@compiled()
def key_of(stream: np.uint64, row: int) -> np.uint64:
    """The key of one row's numbers, from `stream` (uint64, see `stream_of`) and the row's int64
    key.
    """
    return _mix(stream + _GOLDEN * np.uint64(row))


def stream_of(seed: int, sweep: int, purpose: np.uint64) -> np.uint64:
    """What the keys of one sweep and purpose have in common."""
    # numba hands a uint64 back as an int, and would take that for an int64.
    return np.uint64(_stream_of(seed, sweep, purpose))


@compiled()
def _stream_of(seed: int, sweep: int, purpose: np.uint64) -> np.uint64:
    return _mix(_mix(_mix(np.uint64(seed)) + _GOLDEN * np.uint64(sweep)) + purpose)


@compiled()
def uniform(key: np.uint64, counter: int) -> float:
    """Number `counter` of `key`, uniform in (0, 1)."""
    bits = _mix(key + _GOLDEN * np.uint64(counter + 1))
    # A float64 has 53 bits; the half keeps the number from 0, whose logarithm is infinite.
    return (np.float64(bits >> _S11) + 0.5) * 2.0**-53


@compiled()
def normal(key: np.uint64, counter: int) -> float:
    """Number `counter` of `key`, standard normal (Box and Muller, 1958); it uses up uniforms 2c and
    2c + 1.
    """
    radius = math.sqrt(-2.0 * math.log(uniform(key, 2 * counter)))
    return radius * math.cos(2.0 * math.pi * uniform(key, 2 * counter + 1))


@compiled(fastmath=FAST_MATH)
def _two_normals(bits: np.uint64) -> tuple[np.float32, np.float32]:
    """Two standard normals from 64 random bits (Box and Muller, 1958)."""
    u = (np.float32(np.uint32(bits >> _S32)) + np.float32(0.5)) * np.float32(2.0**-32)
    radius = math.sqrt(max(np.float32(-2.0) * log(u), np.float32(0.0)))
    cosine, sine = on_circle(np.uint32(bits & _LOW))
    return radius * cosine, radius * sine


@compiled(fastmath=FAST_MATH)
def fill_normals(key: np.uint64, out: NDArray[np.float32]) -> None:
    """Fill `out` with standard normals, two from each number of `key`."""
    n = np.uint64(out.size)
    half = n // _TWO
    # Unsigned positions: with signed ones numba allows for negative ones, and the loop becomes no
    # vector code.
    for pair in range(half):
        out[pair], out[half + pair] = _two_normals(_mix(key + _GOLDEN * (pair + _ONE)))
    if n % _TWO:
        out[n - _ONE], _ = _two_normals(_mix(key + _GOLDEN * (half + _ONE)))


@compiled(fastmath=FAST_MATH)
def fill_lanes(keys: NDArray[np.uint64], out: NDArray[np.float32]) -> None:
    """Fill `out` (n, lanes) with standard normals: its column k depends on `keys[k]` alone."""
    for pair in range((out.shape[0] + 1) // 2):
        # Of an odd number of rows the last pair has one: its second number is written there first,
        # and then overwritten by the first.
        second = min(2 * pair + 1, out.shape[0] - 1)
        for k in range(out.shape[1]):
            one, other = _two_normals(_mix(keys[k] + _GOLDEN * np.uint64(pair + 1)))
            out[second, k] = other
            out[2 * pair, k] = one


@compiled()
def gamma(key: np.uint64, shape: float) -> float:
    """A Gamma(shape, 1) number, for shape > 0.

    Marsaglia and Tsang, *A Simple Method for Generating Gamma Variables* (2000), with their boost
    below shape 1.
    """
    boost = 1.0
    counter = 0
    if shape < 1.0:
        boost = uniform(key, 0) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        # normals and uniforms of one key must not share numbers: 2c, 2c + 1 and 2c + 2
        counter += 2
        x = normal(key, counter)
        v = (1.0 + c * x) ** 3
        u = uniform(key, 2 * counter + 2)
        if v > 0.0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            return boost * d * v
