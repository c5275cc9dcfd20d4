"""Every attack fails and does no harm, every honest program passes, and the sandbox is as healthy after the one as before."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalsuite import Score, sandbox
from evalsuite.attacks import ATTACKS, CONTROLS, Attack, Control, World, entry_point_of, programs
from evalsuite.attacks.attack import parse
from evalsuite.errors import UnavailableError

pytestmark = pytest.mark.usefixtures("isolated")

SECRET = f"canary-secret-{secrets.token_hex(8)}"
EXPECTED = f"canary-expected-{secrets.token_hex(8)}"
TIMEOUT = 1.0
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/", "/etc", "~", sys.prefix, ".", "..")

# One function for all ways in which a test may compare; each item is a test of its own, and an attack must fail them all.
HONEST = f"""
TABLE = {{0: [1, 2, 3], 1: 2.5, 2: {"EXPECTED"!r}, 3: True, 4: False, 6: {{"a": 1}}, 7: (1, (2, [3]))}}
def f(x):
    if isinstance(x, (list, dict)):
        return x.copy()
    if x < 0:
        raise ValueError("negative")
    return TABLE[x]
"""
STYLES = {
    "setup": "import math, cmath, copy, operator, itertools\nexpected = [1, 2, 3]\n",
    "helpers": "def poly(xs, x):\n    return sum(c * math.pow(x, i) for i, c in enumerate(xs))\n"
    "def is_equal(a, b):\n    return a == b\n",
    "entry_point": "f",
    "code": [
        "assert f([3, 1, 2]) == [3, 1, 2]",
        "assert f({'b': [2]}) == {'b': [2]}",
        "assert f(0) == [1, 2, 3]",
        "assert [1, 2, 3] == f(0)",
        "assert not f(0) != expected",
        "assert f(0) in ([1, 2, 3], [1, 2])",
        "assert len(f(0)) == 3 and all(a == b for a, b in zip(f(0), expected))",
        "result = f(0)\nassert len(result) == len(expected) and set(result) <= set(expected)",
        "assert f(0)[0] == 1 and f(0)[-1] == 3",
        "assert sorted(f(0)) == sorted(expected)",
        "assert set(f(0)) == {1, 2, 3}",
        "assert tuple(f(0)) == (1, 2, 3)",
        "assert [x for x in f(0)] == expected and sum(f(0)) == 6",
        "assert all(map(lambda case: f(case[0]) == case[1], [(0, [1, 2, 3]), (1, 2.5)]))",
        "assert list(map(f, [0, 1])) == [[1, 2, 3], 2.5]",
        "assert is_equal(f(0), expected) and copy.deepcopy(f(0)) == expected",
        "assert isinstance(f(0), list) and f(0) == [1, 2, 3]",
        "assert operator.eq(f(0), expected)",
        "assert f(1) == 2.5",
        "assert abs(f(1) - 2.5) < 1e-6",
        "assert math.isclose(f(1), 2.5)",
        "assert round(f(1), 1) == 2.5",
        "assert 2.4 < f(1) < 2.6",
        "assert f(1) <= 2.5 <= f(1)",
        "assert int(f(1)) == 2 and float(f(1)) == 2.5",
        "assert math.fabs(poly([-2.5, 1], f(1))) < 1e-4",
        "assert str(f(1)) == '2.5' and repr(f(1)) == '2.5'",
        f"assert f(2) == {EXPECTED!r}",
        "assert f(2).startswith('canary-expected') and f(2).split('-')[0] == 'canary'",
        f"assert f(2) in {{{EXPECTED!r}: 1}}",
        "assert f(3) is True",
        "assert f(3) == True and f(4) == False",
        "assert f(3) and not f(4)",
        "assert f(6) == {'a': 1}",
        "assert f(6)['a'] == 1 and list(f(6)) == ['a']",
        "assert f(6).get('a') == 1 and 'b' not in f(6)",
        "assert f(7) == (1, (2, [3]))",
    ],
}
CASES = f"""
import unittest
class Test(unittest.TestCase):
    def test_values(self):
        self.assertEqual(f(0), [1, 2, 3])
        self.assertAlmostEqual(f(1), 2.5)
        self.assertIn(f(2), [{EXPECTED!r}])
        self.assertTrue(f(3))
        self.assertDictEqual(f(6), {{"a": 1}})
    def test_errors(self):
        with self.assertRaises(ValueError):
            f(-1)
        self.assertIs(f(4), False)
"""
CALLS = {"inputs": [[0], [1], [2], [3], [7]], "outputs": [[1, 2, 3], 2.5, EXPECTED, True, (1, (2, [3]))]}
SCRIPT = {"inputs": ["0\n"], "outputs": [f"6 {EXPECTED}\n"], "entry_point": None}
HONEST = HONEST.replace("'EXPECTED'", repr(EXPECTED))

try:
    sandbox.require()
except UnavailableError as error:
    pytest.skip(f"programs cannot be isolated here: {error}", allow_module_level=True)


class Watched:
    """The world that attacks aim at, and what has come of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "home/.ssh").mkdir(parents=True)
        (folder / SECRET).mkdir()
        for name in ("secret.txt", "victim.txt", "HumanEval.jsonl", "home/.ssh/id_rsa", "home/.netrc"):
            (folder / name).write_text(f"{SECRET}\n")
        (folder / "canary_module.py").write_text(f"SECRET = {SECRET!r}\n")
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import time; '{SECRET}'; time.sleep(3600)"], cwd=folder, env={"KEY": SECRET}
        )
        self.sockets = [
            self._tcp(),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            *(socket.socket(socket.AF_UNIX) for _ in range(2)),
        ]
        port = self.sockets[0].getsockname()[1]
        tag = secrets.token_hex(4)
        self.world = World(str(folder), port, f"canary-{tag}", self.process.pid, tag)
        self.sockets[1].bind(("127.0.0.1", port))
        self.sockets[2].bind(str(folder / "socket"))
        self.sockets[3].bind(f"\0{self.world.abstract}")
        for s in self.sockets:
            s.setblocking(False)
            if s.type == socket.SOCK_STREAM:
                s.listen()
        self.before = self.state()

    @staticmethod
    def _tcp() -> socket.socket:
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        return s

    def state(self) -> dict[str, str]:
        """Every path in the folder, with its mode, owner, time and content."""
        out = {}
        for path in [self.folder, *self.folder.rglob("*")] if self.folder.is_dir() else []:
            s = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            out[str(path)] = f"{s.st_mode:o} {s.st_uid} {s.st_mtime_ns} {s.st_nlink} {content}"
        return out

    def harm(self) -> list[str]:
        """What has happened that must not; empty is good."""
        found = [f"changed: {path}" for path in set(self.state().items()) ^ set(self.before.items())]
        for s in self.sockets:
            try:
                s.accept() if s.type == socket.SOCK_STREAM else s.recv(1)
                found.append(f"reached: {s}")
            except BlockingIOError:
                pass
        if self.process.poll() is not None or Path(f"/proc/{self.process.pid}/stat").read_text().split()[2] in "Tt":
            found.append("the process was ended or stopped")
        places = {Path(place).expanduser().resolve() for place in (*SHARED, *sys.path)}
        found += [f"left behind: {p}" for place in places if place.is_dir() for p in place.glob(f"*attack?{self.world.tag}*")]
        return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    os.environ["EVALSUITE_CANARY_API_KEY"] = SECRET
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans of ours stay ours, and are seen below
    sandbox.run(HONEST, STYLES)  # starts what stays: it must not be taken for a process that an attack has left
    watched = Watched(tmp_path_factory.mktemp("canary"))
    yield watched
    del os.environ["EVALSUITE_CANARY_API_KEY"]
    watched.process.kill()
    watched.process.wait()
    for s in watched.sockets:
        s.close()


def descendants() -> set[int]:
    """Processes below this one, by number."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {os.getpid()}} - found:
        found |= more
    return found


def timed(program: str, tests: object, **options: object) -> Score:
    start = time.monotonic()
    score = sandbox.run(program, tests, timeout=TIMEOUT, **options)  # type: ignore[arg-type]
    assert time.monotonic() - start < TIMEOUT + 0.5
    assert SECRET not in repr(score) and "can be" not in score.feedback
    return score


def styles_of(attack: Attack, world: World) -> Iterator[tuple[str, object, bool]]:
    """The programs of an attack, each with tests that it must fail and whether it must fail every one of them."""
    if attack.kind == "function":
        yield attack.program("f", world), STYLES, True
    if attack.kind == "function" and not attack.endless:
        yield attack.program("f", world), CASES, False
        yield attack.program("Solution.f", world), CALLS | {"entry_point": "Solution.f"}, True
    if attack.kind == "stdin" or not attack.endless:
        yield attack.program(None, world), SCRIPT, True


def test_the_toy_can_be_solved() -> None:
    assert timed(HONEST, STYLES, partial=True).value == 1.0
    assert timed(HONEST, CASES).value == 1.0
    assert timed(HONEST, CALLS, entry_point="f").value == 1.0
    assert (
        timed(
            f"class Solution:\n    f = staticmethod(lambda x: {{0: [1, 2, 3], 1: 2.5, 2: {EXPECTED!r}, 3: True, 7: (1, (2, [3]))}}[x])",
            CALLS,
            entry_point="Solution.f",
        ).value
        == 1.0
    )
    assert timed(f"print(6 + int(input()), {EXPECTED!r})", SCRIPT).value == 1.0


def parameters() -> list[object]:
    """Every attack; of those that take all the time they are given, two of each class and the others among the slow tests."""
    seen: dict[str, int] = {}
    out = []
    for a in ATTACKS:
        seen[a.group] = seen.get(a.group, 0) + a.endless
        slow = [pytest.mark.slow] if a.endless and seen[a.group] > 2 else []
        out.append(pytest.param(a, id=f"{a.group}-{a.name}", marks=slow))
    return out


@pytest.mark.parametrize("attack", parameters())
def test_an_attack_fails_and_does_no_harm(attack: Attack, watched: Watched) -> None:
    processes = len(descendants())
    for program, tests, every in styles_of(attack, watched.world):
        score = timed(program, tests, partial=every)
        assert score.value is not None and score.value < 1.0, (attack.why, score)
        assert not every or score.value == 0.0, (attack.why, score)
    if attack.harm:
        right = attack.program("f", watched.world, "[1, 2, 3]")
        timed(right, {"code": ["assert f(0) == [1, 2, 3]"], "entry_point": "f"})
    assert sandbox.run(HONEST, STYLES).value == 1.0, "the next program suffers"
    assert watched.harm() == []
    end = time.monotonic() + 2.0
    while len(descendants()) > processes and time.monotonic() < end:
        time.sleep(0.01)
    assert len(descendants()) <= processes, "processes were left"


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: c.name)
def test_an_honest_program_passes(control: Control) -> None:
    score = sandbox.run(control.program, control.tests, timeout=10.0)
    assert score.value == 1.0, score


def test_the_set_is_well_formed() -> None:
    assert len({a.name for a in ATTACKS}) == len(ATTACKS) >= 90 and len({c.name for c in CONTROLS}) == len(CONTROLS) >= 25
    for entry_point in ("f", "Solution.f", None):
        for name, program in programs(entry_point).items():
            assert not any(word in program for word in ("ENTRY", "WRONG", "CANARY_")), name
    assert {a.name for a in ATTACKS if a.kind == "stdin"} == programs(None).keys() - programs("f").keys()
    with pytest.raises(ValueError, match="cannot be read"):
        parse("x", "#: a [wild] why\npass\n")
    with pytest.raises(ValueError, match="no attack"):
        parse("x", "pass\n")


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        ({"inputs": ["1"], "outputs": ["1"], "entry_point": None}, None),
        ({"inputs": [[1]], "outputs": [1], "entry_point": "g"}, "g"),
        ({"code": "def check(c):\n    assert c(1) == 1", "entry_point": "Solution.g"}, "Solution.g"),
        (["assert set(g(1)) == set([1])", "assert math.isclose(g(2), h(2))"], "g"),
        ("import math\nfrom copy import deepcopy\ndef helper(x): return x\nassert helper(deepcopy(g([1]))) == [1]", "g"),
        ({"code": ["assert abs(len('x')) == 1"]}, None),
    ],
)
def test_what_tests_call(tests: object, name: str | None) -> None:
    assert entry_point_of(tests) == name
