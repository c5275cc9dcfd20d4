"""Programs that want to be paid for answers they do not have: what every code verifier must fail closed on.

The set is public and grows: a new attack is a header line and a template in the module of its class. `evalsuite tasks test`
runs it against any code task. Each attack is wrong: its verdict must be below 1, whatever else it does. Beside them,
`controls` holds honest programs that do unusual things and must pass.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from . import (
    daemons,
    environment,
    equality,
    exits,
    files,
    floods,
    frames,
    hangs,
    kinds,
    memory,
    mutation,
    network,
    patching,
    processes,
    reading,
    recursion,
    source,
    stdin,
    swallowing,
    tracing,
)
from .attack import NOWHERE, Attack, World, parse
from .controls import CONTROLS, Control

__all__ = ["ATTACKS", "CONTROLS", "Attack", "Control", "World", "entry_point_of", "programs"]

_MODULES = (
    equality, kinds, exits, frames, tracing, patching, reading, environment, files, network, processes, memory, floods, recursion,
    swallowing, daemons, mutation, hangs, source, stdin,
)  # fmt: skip
ATTACKS: tuple[Attack, ...] = tuple(a for m in _MODULES for a in parse(m.__name__.rpartition(".")[2], m.PROGRAMS))


def programs(entry_point: str | None, world: World = NOWHERE) -> dict[str, str]:
    """Every attack on tests of `entry_point` by name, as a program; None is for programs that read standard input.

    Those of kind "function" serve standard input too: they print what their function returns.
    """
    return {a.name: a.program(entry_point, world) for a in ATTACKS if a.kind == "function" or entry_point is None}


def entry_point_of(tests: Any) -> str | None:
    """What `Sample.tests` call: their `entry_point`, else the first name that test code calls and nobody defines.

    None where they are about standard input.
    """
    import ast

    if isinstance(tests, Mapping):
        if tests.get("entry_point") is not None or "code" not in tests:
            return tests.get("entry_point")
        code = tests["code"]
    else:
        code = tests
    nodes = list(ast.walk(ast.parse(code if isinstance(code, str) else "\n".join(code))))
    known = set(dir(builtins)) | {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    known |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)} | {
        n.arg for n in nodes if isinstance(n, ast.arg)
    }
    known |= {
        (a.asname or a.name).partition(".")[0] for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names
    }
    called = [n.func for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    called.sort(key=lambda name: (name.lineno, name.col_offset))
    return next((name.id for name in called if name.id not in known), None)
