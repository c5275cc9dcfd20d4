"""Has the zygote run a small program against tests, judge and child in one, before it forks the first.

The interpreter adapts code as it runs, and every page that it writes to in a fork is copied there: what has run before is
shared. About a tenth of a short program's time.
"""

from __future__ import annotations

import sys

from evalsuite.sandbox import _child
from evalsuite.sandbox._channel import Channel
from evalsuite.sandbox._record import Record
from evalsuite.sandbox._remote import Link
from evalsuite.sandbox._tests import run_code

TIMES = 12  # code is adapted when it has run a few times
PROGRAM = '''
from typing import List
def f(items: List[int], n=1):
    """Counts."""
    for i, a in enumerate(items):
        for b in sorted(items[i:]):
            if abs(a - b) < n and isinstance(a, int):
                n += 1
    return [x for x in items] + [n], {"a": (1, 2.5)}, "".join(str(x) for x in items)
'''
TESTS = """
def check(candidate):
    assert candidate([1, 2, 3], 2)[2] == "123"
    assert candidate([3], 2) == ([3, 3], {"a": (1, 2.5)}, "3"), "message"
    assert abs(candidate([3, -1.5], n=1)[0][0] - 3) < 1e-6
    assert candidate([]) != 1
"""


def up() -> None:
    """Run it a few times. Raises AssertionError where it does not pass: then nothing would."""
    for _ in range(TIMES):
        _once()


def _once() -> None:
    down, back = bytearray(), bytearray()

    def taken(pipe: bytearray) -> bytes:
        data = bytes(pipe)
        pipe.clear()
        return data

    def put(pipe: bytearray, data: bytes) -> int:
        pipe.extend(data)
        return len(data)

    def answered(*_: int) -> bytes:
        program.step()
        return taken(back)

    program = _child.Program(Channel(-1, lambda *_: taken(down), lambda _, data: put(back, data)))
    link = Link(Channel(-1, answered, lambda _, data: put(down, data)))
    link.load(PROGRAM, "", "warm")
    record = Record(link)
    run_code(link, {"program": PROGRAM, "code": TESTS, "setup": "", "helpers": PROGRAM, "entry_point": "f"}, record)
    assert record.passed == 4, record.failures
    del sys.modules["program"]
