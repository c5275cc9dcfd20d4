"""Untrusted Python programs, isolated without a daemon or root.

    from evalsuite import sandbox
    sandbox.run("def add(a, b):\\n    return a + b", "assert add(1, 2) == 3")

A zygote with a clean environment forks, per program, a trusted judge; the judge forks the confined child before it reads the
tests. Tests run in the judge; what the program returns crosses as plain data and is compared where the program is not.
"""

from __future__ import annotations

from evalsuite.sandbox.client import UNSAFE, layers, require
from evalsuite.sandbox.limits import Limits
from evalsuite.sandbox.runner import Result, call, run

__all__ = ["UNSAFE", "Limits", "Result", "call", "layers", "require", "run"]
