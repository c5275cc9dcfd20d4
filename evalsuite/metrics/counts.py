"""pass@k and its family, from counts: of the n samples of a question, c are right.

Each is the chance of something when k of the n samples are drawn without replacement, so it estimates the same for k fresh
samples without bias. All is whole numbers with one division at the end: the exact rational, rounded once.

`n`, `c`, `k` and `tau` are numbers or arrays and broadcast against each other; numbers give a float, arrays an array. Counts are
integers, or floats without a fraction. Raises ValueError where k > n, k < 1, c is outside [0, n], or a count is not whole or
above 10^9.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Whole = NDArray[np.int64]

_MOST = 10**9  # samples


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Any:
    """The chance that k of the n samples hold at least one of the c right ones: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021 (arXiv 2107.03374), eq. 1. Arguments, result and errors as in the module's docstring.
    """
    return _each(lambda n, c, k: (comb(n, k) - comb(n - c, k)) / comb(n, k), checked_counts(n, c, k))


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Any:
    """The chance that k of the n samples are all right, pass^k: C(c, k) / C(n, k).

    Yao et al. 2024 (tau-bench, arXiv 2406.12045). Arguments, result and errors as in the module's docstring.
    """
    return _each(lambda n, c, k: comb(c, k) / comb(n, k), checked_counts(n, c, k))


def g_pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike, tau: ArrayLike) -> Any:
    """The chance that of k of the n samples at least max(ceil(tau k), 1) are right, G-Pass@k.

    sum_{j >= ceil(tau k)} C(c, j) C(n-c, k-j) / C(n, k): Liu et al. 2024 (arXiv 2412.13147). `tau` is in [0, 1], and
    tau k counts as whole where it is for the number that was meant: 0.29 of 100 is 29, although 0.29 * 100 is below it and
    0.07 * 100 above 7; float32 and float16 have their own rounding. At tau = 0 this is pass@k, at 1 pass^k. Further arguments, result and errors as in the module's docstring.
    """
    counts, given = checked_counts(n, c, k), np.asarray(tau)
    share = given.astype(float)
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError(f"tau must be in [0, 1], not {share}")
    wanted = share * counts[2]
    near = np.rint(wanted)
    # The nearest float of its kind to a number, times k, rounded: off by at most this share of itself.
    narrow = given.dtype in (np.float16, np.float32)
    slack = (float(np.finfo(given.dtype).eps) if narrow else 2.0**-52) / 2 + 2.0**-53
    least = np.where(np.abs(wanted - near) <= near * slack, near, np.ceil(wanted))
    return _each(
        lambda n, c, k, least: sum(ways for _, ways in _draws(n, c, k, least)) / comb(n, k),
        (*counts, np.maximum(least, 1).astype(np.int64)),
    )


def mg_pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Any:
    """The mean of G-Pass@k over tau in (1/2, 1], mG-Pass@k: 2/k times its sum at tau = i/k for i = ceil(k/2)+1 .. k.

    Liu et al. 2024 (arXiv 2412.13147). As published, the sum has floor(k/2) terms: with odd k even a question that is
    always right gets (k-1)/k, with k = 1 every question 0. Arguments, result and errors as in the module's docstring.
    """

    def chance(n: int, c: int, k: int) -> float:
        half = -(-k // 2)
        return 2 * sum((j - half) * ways for j, ways in _draws(n, c, k, half + 1)) / (k * comb(n, k))

    return _each(chance, checked_counts(n, c, k))


def _draws(n: int, c: int, k: int, least: int) -> list[tuple[int, int]]:
    """(j, C(c, j) C(n-c, k-j)) for all possible j from `least` on: in how many k-subsets j are right."""
    j, out = max(least, k - (n - c)), []
    ways = comb(c, j) * comb(n - c, k - j) if j <= k else 0
    while ways:
        out.append((j, ways))
        ways = ways * (c - j) * (k - j) // ((j + 1) * (n - c - k + j + 1))
        j += 1
    return out


def checked_counts(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> tuple[Whole, Whole, Whole]:
    """All three as integers of one shape. Raises ValueError as in the module's docstring."""
    ns, cs, ks = np.broadcast_arrays(_whole("n", n), _whole("c", c), _whole("k", k))
    if (ks < 1).any():
        raise ValueError(f"k is {ks.min()}; it must be at least 1")
    if (short := ks > ns).any():
        few, need = ns[short].min(), ks[short].min()
        raise ValueError(f"k = {need} needs at least {need} samples per question; the smallest n is {few}")
    if ((cs < 0) | (cs > ns)).any():
        raise ValueError("c, the number of right samples, must be between 0 and n")
    return ns, cs, ks


def _whole(name: str, numbers: ArrayLike) -> Whole:
    """Counts as integers. Raises ValueError where one is not whole or too large; `name` is what the message calls them."""
    array = np.asarray(numbers)
    huge = array.dtype.kind == "O" and all(isinstance(x, int) for x in array.flat)  # beyond 64 bits
    if huge or (array.dtype.kind in "iuf" and (np.abs(array[np.isfinite(array)]) > _MOST).any()):
        raise ValueError(f"{name} must be at most {_MOST:,}, not {numbers!r}"[:200])
    if array.dtype.kind == "f" and (np.isfinite(array) & (array == np.rint(array))).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers, not {numbers!r}"[:200])
    return array.astype(np.int64)


def _each(chance: Callable[..., float], counts: tuple[Whole, ...]) -> Any:
    """`chance` of every row of `counts`, worked out once for rows that are alike: columns of questions repeat themselves."""
    columns = np.broadcast_arrays(*counts)
    shape = columns[0].shape
    if not columns[0].size:
        return np.zeros(shape)
    low = [int(column.min()) for column in columns]
    ranges = [int(column.max()) - least + 1 for column, least in zip(columns, low)]
    keys = np.ravel_multi_index([(column - least).ravel() for column, least in zip(columns, low)], ranges)
    kinds, where = np.unique(keys, return_inverse=True)
    rows = zip(*((column + least).tolist() for column, least in zip(np.unravel_index(kinds, ranges), low)))
    values = np.array([chance(*row) for row in rows])[where].reshape(shape)
    return values if shape else float(values)
