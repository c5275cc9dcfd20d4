"""Processes: where calls come from, how they end, and that nothing of a program is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evalsuite.errors import UnavailableError
from evalsuite.sandbox import client, run
from evalsuite.verifiers.pool import Pool
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask

pytestmark = pytest.mark.usefixtures("isolated")

ADD = "def add(a, b):\n    return a + b\n"
TEST = "assert add(1, 2) == 3"
FOREVER = "def add(a, b):\n    while True:\n        pass\n"


def descendants(pid: int) -> set[int]:
    """Processes below `pid`, zombies too."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                parents[int(entry)] = int(fields[1])
    found, new = set[int](), {pid}
    while new := {p for p, parent in parents.items() if parent in new} - found:
        found |= new
    return found


def alive(pid: int) -> bool:
    """Whether it still runs: orphans may wait for this process to reap them, where another test made it their reaper."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text()[:60] + Path(f"/proc/{pid}/cmdline").read_text()
    return "ended"


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def zygote() -> Iterator[client.Zygote]:
    yield client.zygote()
    assert run(ADD, TEST).value == 1.0  # whatever a test did, the next program runs


@pytest.mark.parametrize(
    "program",
    [
        ADD,
        FOREVER,
        "import os\nos._exit(0)",
        "import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()\n" + ADD,
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        + FOREVER,
        "import time\ntime.sleep(60)",
    ],
)
def test_no_process_of_a_program_is_left(zygote: client.Zygote, program: str) -> None:
    before = descendants(os.getpid())
    begun = time.monotonic()
    run(program, TEST, timeout=0.5)
    assert time.monotonic() - begun < 1.0
    assert descendants(os.getpid()) == before


def test_a_judge_that_loops_on_a_programs_data_is_ended_too(zygote: client.Zygote) -> None:
    before = descendants(os.getpid())
    begun = time.monotonic()
    score = run("def f():\n    return 1\n", "while f() == 1 or True:\n    pass", timeout=0.5)
    assert score.outcome == "timeout" and time.monotonic() - begun < 1.0
    assert descendants(os.getpid()) == before


def test_calls_from_threads_and_from_asyncio(zygote: client.Zygote) -> None:
    programs = [ADD if i % 2 else ADD.replace("+", "-") for i in range(24)]
    with ThreadPoolExecutor(6) as threads:
        values = [s.value for s in threads.map(lambda p: run(p, TEST), programs)]
    assert values == [float(i % 2) for i in range(24)]

    async def all_at_once() -> list[float | None]:
        return [s.value for s in await asyncio.gather(*(asyncio.to_thread(run, p, TEST) for p in programs[:6]))]

    assert asyncio.run(all_at_once()) == values[:6]


def test_a_thread_that_ends_does_not_take_the_zygote_with_it() -> None:
    client._close()
    thread = threading.Thread(target=run, args=(ADD, TEST))
    thread.start()
    thread.join()
    before = client.zygote()
    assert run(ADD, TEST).value == 1.0 and client.zygote() is before


def test_a_forked_child_has_a_zygote_of_its_own(zygote: client.Zygote) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            ok = run(ADD, TEST).value == 1.0 and client.zygote() is not zygote
            client._close()
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert run(ADD, TEST).value == 1.0 and client.zygote() is zygote


def test_a_zygote_that_was_killed_is_replaced(zygote: client.Zygote) -> None:
    os.kill(zygote._process.pid, signal.SIGKILL)
    assert eventually(zygote.ended)
    assert run(ADD, TEST).value == 1.0 and client.zygote() is not zygote


def test_a_temporary_folder_that_was_tidied_up_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    client._close()
    assert run(ADD, TEST).value == 1.0
    (folder,) = tmp_path.iterdir()
    shutil.rmtree(folder)
    assert run(ADD, TEST).value == 1.0
    client._close()
    assert list(tmp_path.iterdir()) == []


def test_a_zygote_that_dies_under_a_program_is_our_failure(zygote: client.Zygote) -> None:
    before = descendants(os.getpid())
    threading.Timer(0.3, os.kill, (zygote._process.pid, signal.SIGKILL)).start()
    with pytest.raises(UnavailableError, match="killed"):
        run(FOREVER, TEST, timeout=5)
    assert run(ADD, TEST).value == 1.0
    left = descendants(os.getpid()) - before - {client.zygote()._process.pid}
    assert eventually(lambda: not any(map(alive, left))), {pid: command(pid) for pid in left}


def test_what_a_killed_zygote_left_is_swept_and_what_is_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    client._close()
    first = client.zygote()
    (folder,) = tmp_path.iterdir()
    os.kill(first._process.pid, signal.SIGKILL)
    assert eventually(first.ended) and folder.exists()
    assert run(ADD, TEST).value == 1.0
    (folder2,) = tmp_path.iterdir()
    assert folder2 != folder
    other = client.Zygote()
    assert folder2.exists() and len(list(tmp_path.iterdir())) == 2
    other.close()
    client._close()
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys, threading, time
from evalsuite.sandbox import run
threading.Thread(target=run, args=({program!r}, "assert add(1, 2) == 3"), kwargs={{"timeout": 60}}, daemon=True).start()
time.sleep(0.5)
print("running", flush=True)
time.sleep(60)
"""


def left_behind(mark: str) -> list[str]:
    """Command lines of processes whose environment or files name this mark."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in Path(f"/proc/{entry}/environ").read_bytes():
                    found.append(entry)
    return found


@pytest.mark.parametrize(
    "program",
    [FOREVER, "import time\ntime.sleep(60)", "import ctypes, time\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\ntime.sleep(60)"],
)
def test_a_caller_that_is_killed_takes_everything_with_it(tmp_path: Path, program: str) -> None:
    (tmp_path / "caller.py").write_text(SCRIPT.format(program=program))
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "caller.py")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # the zygote's environment keeps it: a mark to find the family by
    )
    assert process.stdout is not None and process.stdout.readline() == "running\n"
    assert len(left_behind(str(tmp_path))) >= 4  # caller, zygote, judge, program
    process.kill()
    process.wait()
    process.stdout.close()
    assert eventually(lambda: not left_behind(str(tmp_path)))
    assert eventually(lambda: [p.name for p in tmp_path.iterdir()] == ["caller.py"])  # its folder too


def test_a_closed_pool_takes_its_programs_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evalsuite.verifiers.code import CodeVerifier

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sample = ask("", id="0", tests={"code": TEST})
    pool = Pool(workers=1)
    completion = Completion(f"```python\n{FOREVER}```")

    def score() -> None:
        with contextlib.suppress(RuntimeError):
            pool.score(CodeVerifier(timeout=30), {0: (sample, completion)})

    thread = threading.Thread(target=score)
    thread.start()
    assert eventually(lambda: len(left_behind(str(tmp_path))) >= 4, 30)
    pool.close()
    thread.join(10)
    assert not thread.is_alive() and eventually(lambda: not left_behind(str(tmp_path)))


def test_an_ordinary_user_has_the_same_isolation() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user; this run is one already")
    checkout = str(Path(client.__file__).resolve().parents[2])
    code = (
        f"import sys; sys.path.insert(0, {checkout!r}); from evalsuite import sandbox; "
        f"assert sandbox.run({ADD!r}, {TEST!r}).value == 1.0; print({{k: v for k, v in sandbox.layers().items() if v}})"
    )
    for python in (sys.executable, "/usr/bin/python3"):
        command = [python, "-c", code]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, check=False, user=65534, group=65534, extra_groups=(), cwd="/"
            )
        except OSError:
            continue  # an interpreter in a home that nobody else may enter
        if "No module named 'evalsuite'" not in result.stderr and "PermissionError" not in result.stderr:
            assert result.stdout.strip() == "{}", result.stderr
            return
    pytest.skip("nobody may not read any interpreter, or this checkout")


def test_incomplete_isolation_is_refused_and_named(monkeypatch: pytest.MonkeyPatch, zygote: client.Zygote) -> None:
    monkeypatch.setitem(zygote.layers, "landlock", "this kernel has none")
    monkeypatch.delenv(client.UNSAFE, raising=False)
    with pytest.raises(UnavailableError, match=r"no landlock: this kernel has none.*--confirm_run_unsafe_code") as error:
        client.require()
    assert error.value.exit_code == 4
    monkeypatch.setenv(client.UNSAFE, "1")
    client.require()
    assert "landlock" not in run(ADD, TEST).isolation.split()


def test_a_machine_without_namespaces_refuses_and_obeys_who_accepts_the_risk(tmp_path: Path) -> None:
    """In a user namespace of our own we may forbid what an administrator forbids elsewhere."""
    first = "import os\nopen('left', 'x').close()\nos.chmod('.', 0)\nprint(1)"
    code = f"from evalsuite import sandbox; print(sandbox.run({first!r}, {{'inputs': ['', ''], 'outputs': ['1', '1']}}))"
    forbid = (
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --securebits +noroot --bounding-set=-all --inh-caps=-all"
    )
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", f'{forbid} "$0" "$@"', sys.executable, "-c", code]
    try:
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("util-linux is not installed")
    if "evalsuite" not in refused.stderr:
        pytest.skip(f"no user namespace to try this in: {refused.stderr.strip()}")
    assert "UnavailableError" in refused.stderr and "max_user_namespaces" in refused.stderr
    environment = os.environ | {client.UNSAFE: "1", "TMPDIR": str(tmp_path)}
    allowed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert "value=1.0" in allowed.stdout and "isolation='landlock" in allowed.stdout, allowed.stderr
    assert eventually(lambda: not list(tmp_path.iterdir()))


def test_a_program_does_not_see_the_callers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    client._close()
    program = "import os\ndef f():\n    return dict(os.environ)\n"
    assert run(program, "e = f()\nassert 'SECRET_TOKEN' not in e and set(e) >= {'PATH', 'HOME', 'TMPDIR'}").value == 1.0
