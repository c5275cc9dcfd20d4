"""Honest programs that do what sandboxes tend to break: each solves its task and must pass."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import honest_language, honest_system

_HEADER = re.compile(r"^#: (?P<name>[a-z0-9-]+)(?P<stdin> \[stdin\])?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Control:
    """A program that defines `f` or reads standard input, and its tests in the form that `sandbox.run` takes."""

    name: str
    program: str
    tests: dict[str, object]


def _parse(text: str) -> tuple[Control, ...]:
    """The controls in `text`: a line `#: name`, the program, a line `#=`, and the asserts or the expected output."""
    heads = list(_HEADER.finditer(text))
    controls = []
    for head, end in zip(heads, [*(h.start() for h in heads[1:]), len(text)]):
        program, _, tests = text[head.end() : end].partition("\n#=\n")
        program = program.lstrip("\n") + "\n"
        if head["stdin"]:
            wanted: dict[str, object] = {"inputs": ["3\n1 2 3\n"], "outputs": [tests.strip("\n") + "\n"], "entry_point": None}
        else:
            wanted = {"code": tests.strip("\n"), "entry_point": "f"}
        controls.append(Control(head["name"], program, wanted))
    return tuple(controls)


CONTROLS = (*_parse(honest_system.PROGRAMS), *_parse(honest_language.PROGRAMS))
