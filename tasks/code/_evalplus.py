"""The extended tests of evalplus (Liu et al. 2023, arXiv 2305.01210), as the hub has them: test code that compares by numpy."""

from __future__ import annotations

import re

# The tests compare floats with numpy, which a judge that holds only the standard library cannot import. This is all of it
# that they use, for plain data: numpy.allclose without broadcasting, and the names that `is_floats` looks at.
_NUMPY = """
class np:
    float32 = float64 = None

    class ndarray:
        pass

    def allclose(out, exp, rtol=1e-05, atol=1e-08):
        if isinstance(exp, (list, tuple)) or isinstance(out, (list, tuple)):
            return len(out) == len(exp) and all(np.allclose(o, e, rtol, atol) for o, e in zip(out, exp))
        return out == exp or abs(out - exp) <= atol + rtol * abs(exp) < float("inf")

    class testing:
        def assert_allclose(out, exp, rtol=1e-07, atol=0):
            assert np.allclose(out, exp, rtol, atol)
"""
# HumanEval/32 asks for a zero, of which there may be several. Its test on the hub passes the arguments the wrong way
# round and raises for every answer; this is what evalplus itself runs.
_WRONG, _RIGHT = "_poly(*candidate(*inp), inp) <=", "abs(_poly(*inp, candidate(*inp))) <="


def runnable(test: str) -> str:
    """The `test` column of evalplus/humanevalplus or evalplus/mbppplus as code that runs without numpy."""
    return re.sub(r"^import numpy as np$", lambda _: _NUMPY, test, flags=re.MULTILINE).replace(_WRONG, _RIGHT)


def zero_check(inputs: list[list[list[float]]], atol: float) -> str:
    """Test code for `find_zero`, HumanEval/32, from the inputs of a release file: any zero counts."""
    return (
        f"def check(candidate):\n    for xs, in {inputs!r}:\n"
        f"        x = candidate(list(xs))\n        assert abs(sum(c * x**i for i, c in enumerate(xs))) <= {atol!r}\n"
    )
