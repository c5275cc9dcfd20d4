"""The pool and the processes around it: threads, event loops, forks, signals, scripts, ends."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from pool_helpers import alive, item, pids, say, wait_gone
from pool_verifiers import Exact, Obey

from evalsuite.verifiers import pool
from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.pool import Pool, default_pool
from evalsuite.words.score import Score

ROOT = Path(__file__).resolve().parents[2]


def test_many_threads_share_the_workers(two):
    found = {}

    def go(name):
        found[name] = two.score(Exact(), {(name, i): item(str(i % 3), target=str(name % 3)) for i in range(100)})

    threads = [threading.Thread(target=go, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in range(8):
        assert [found[name][name, i].value for i in range(100)] == [float(i % 3 == name % 3) for i in range(100)]
    assert len(pids(two)) <= 2


def test_a_long_call_lets_others_in_between():
    ended = []
    with Pool(workers=1) as one:
        one.score(Exact(), say("1"))
        long = threading.Thread(
            target=lambda: ended.append(("long", one.call(Exact(), "slow_echo", {i: (i, 0.02) for i in range(80)})))
        )
        long.start()
        while one._idle:
            time.sleep(0.001)
        short = [threading.Thread(target=lambda: ended.append(("short", one.score(Exact(), say("1"))))) for _ in range(3)]
        for thread in short:
            thread.start()
        for thread in (long, *short):
            thread.join()
    assert [name for name, _ in ended] == ["short"] * 3 + ["long"]
    assert ended[-1][1] == {i: i for i in range(80)}


def test_from_asyncio(two):
    async def main():
        return await asyncio.gather(*(asyncio.to_thread(two.score, Exact(), {i: item(str(i), target="3")}) for i in range(6)))

    assert [next(iter(found.values())).value for found in asyncio.run(main())] == [0, 0, 0, 1, 0, 0]


def test_closing_ends_calls_under_way():
    team = Pool(workers=1, deadline=60)
    caught = []

    def go():
        try:
            team.score(Obey(), {i: item("sleep") for i in range(2)})
        except RuntimeError as error:
            caught.append(str(error))

    threads = [threading.Thread(target=go) for _ in range(2)]  # one holds the worker, one waits for it
    for thread in threads:
        thread.start()
    while not pids(team):
        time.sleep(0.01)
    left = pids(team)
    time.sleep(0.3)
    team.close()
    for thread in threads:
        thread.join(20)
    assert caught == ["the verifier pool is closed"] * 2
    assert wait_gone(left) == []
    with pytest.raises(RuntimeError, match="closed"):
        team.score(Exact(), say("1"))


def test_a_dropped_pool_takes_its_workers_along():
    team = Pool(workers=1)
    team.score(Exact(), say("1"))
    left = pids(team)
    del team
    assert wait_gone(left) == []


def test_the_default_pool_is_replaced_once_closed():
    first = default_pool()
    assert default_pool() is first
    first.close()
    assert default_pool() is not first
    assert Exact()(*item("1")).value == 1.0


def test_a_forked_child_has_its_own_workers(two):
    two.score(Exact(), say("1"))
    before = set(pids(two))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            value = two.score(Exact(), say("1"))[0].value
            own = set(pids(two))
            os.write(write, f"{value} {len(own & before)} {len(own)}".encode())
            two.close()
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    assert os.read(read, 100) == b"1.0 0 1"
    os.close(read)
    os.waitpid(child, 0)
    assert two.score(Exact(), say("1"))[0].value == 1.0
    assert before <= set(pids(two))


def run_script(tmp_path, body, **options):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(body))
    return subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, **options
    )


SCRIPT = """
    from dataclasses import dataclass
    from evalsuite import Completion, Score, Verifier, ask
    from evalsuite.verifiers.pool import Pool, default_pool
    from beside import RIGHT  # a module that lies beside the script

    LIMIT = 10

    @dataclass(frozen=True)
    class Mine(Verifier):
        name = "mine"
        scale: float = 1.0

        def verify(self, sample, completion):
            if completion.text == "loop":
                while True:
                    pass
            return Score(self.scale * (int(completion.text) < LIMIT) * RIGHT)

    sample = ask("q", id="0", target="")
"""


def test_a_script_without_a_guard_with_its_own_verifier(tmp_path):
    (tmp_path / "beside.py").write_text("RIGHT = 1.0")
    process = run_script(
        tmp_path,
        SCRIPT
        + """
    found = default_pool().score(Mine(scale=0.5), {i: (sample, Completion(text=str(i))) for i in (9, 10, 11)})
    print([s.value for s in found.values()])
    print(Mine()(sample, Completion(text="3")).value)
    """,
    )
    out, err = process.communicate(timeout=60)
    assert out == "[0.5, 0.0, 0.0]\n1.0\n", err
    assert err == ""


@pytest.mark.parametrize("order", ["loop", "tower"])
def test_a_killed_parent_leaves_no_worker(tmp_path, order):
    (tmp_path / "beside.py").write_text("RIGHT = 1.0")
    body = SCRIPT.replace("while True:\n                    pass", "9**9**9") if order == "tower" else SCRIPT
    process = run_script(
        tmp_path,
        body
        + """
    import threading, time
    pool = Pool(workers=2, deadline=1000)
    pool.warm()
    pool.score(Mine(), {i: (sample, Completion(text="1")) for i in range(4)})
    threading.Thread(target=pool.score, args=(Mine(), {0: (sample, Completion(text="loop"))}), daemon=True).start()
    time.sleep(0.3)
    print(*(w._process.pid for w in pool._team), flush=True)
    time.sleep(100)
    """,
    )
    left = [int(pid) for pid in process.stdout.readline().split()]
    assert len(left) == 2 and all(map(alive, left))
    process.kill()
    process.communicate()
    assert wait_gone(left) == []


def test_ctrl_c_reaches_the_parent_and_not_the_workers(tmp_path):
    (tmp_path / "beside.py").write_text("RIGHT = 1.0")
    process = run_script(
        tmp_path,
        SCRIPT
        + """
    pool = Pool(workers=1, deadline=1000)
    pool.score(Mine(), {0: (sample, Completion(text="1"))})
    print(*(w._process.pid for w in pool._team), flush=True)
    try:
        pool.score(Mine(), {0: (sample, Completion(text="loop"))})
    except KeyboardInterrupt:
        print("interrupted", len(pool._team), pool.score(Mine(), {0: (sample, Completion(text="1"))})[0].value)
    """,
        start_new_session=True,
    )
    left = [int(pid) for pid in process.stdout.readline().split()]
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
    out, err = process.communicate(timeout=60)
    assert (out, err) == ("interrupted 0 1.0\n", "")
    assert wait_gone(left) == []


def test_a_verifier_of_a_file_loaded_from_a_path(tmp_path, two):
    """As --include_path does: the module's name means nothing to a worker."""
    (tmp_path / "theirs.py").write_text(
        "from evalsuite import Score, Verifier\n"
        "SECRET = '42'\n"
        "def right(text): return text == SECRET\n"
        "class Theirs(Verifier):\n"
        "    name = 'theirs'\n"
        "    def verify(self, sample, completion): return Score(float(right(completion.text)))\n"
    )
    spec = importlib.util.spec_from_file_location("evalsuite_include.theirs_1", tmp_path / "theirs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    try:
        found = two.score(module.Theirs(), {0: item("42"), 1: item("41")})
    finally:
        del sys.modules[spec.name]
    assert [s.value for s in found.values()] == [1.0, 0.0], found[0].feedback


def test_a_verifier_whose_package_is_another_one_on_the_path(tmp_path, two, monkeypatch):
    """Its namespace package, or its package, came from a folder that is not on the path; one of the same name is."""
    here, there = tmp_path / "here", tmp_path / "there"
    body = "from evalsuite import Score, Verifier\nclass {0}(Verifier):\n    name = '{0}'\n"
    body += "    def verify(self, sample, completion): return Score(1.0)\n"
    for folder in (here, there):
        for package in ("spaced", "packed"):
            (folder / package).mkdir(parents=True)
    (here / "packed" / "__init__.py").touch()
    (there / "spaced" / "__init__.py").touch()
    (there / "packed" / "__init__.py").touch()
    for package in ("spaced", "packed"):
        (here / package / "theirs.py").write_text(body.format(package.title()))
    monkeypatch.syspath_prepend(here)
    modules = [importlib.import_module(f"{package}.theirs") for package in ("spaced", "packed")]
    monkeypatch.undo()
    monkeypatch.syspath_prepend(there)
    try:
        found = [two.score(cls(), say("x"))[0] for cls in (modules[0].Spaced, modules[1].Packed)]
    finally:
        for package in ("spaced", "packed"):
            del sys.modules[package], sys.modules[f"{package}.theirs"]
    assert [score.value for score in found] == [1.0, 1.0], found


def test_a_verifier_of_a_notebook_cell(two):
    """A class whose module is `__main__` and whose source is nowhere on disk."""
    cell = {"__name__": "__main__", "Verifier": Verifier, "Score": Score}
    exec("class Cell(Verifier):\n    name = 'cell'\n    def verify(self, s, c):\n        return Score(0.25)", cell)
    assert two.score(cell["Cell"](), say("x"))[0].value == 0.25


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="workers"):
        Pool(workers=0)
    with pytest.raises(ValueError, match="deadline"):
        Pool(deadline=0)


def test_importing_the_pool_is_cheap():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {pool.__name__}; print('numpy' in sys.modules, 'cloudpickle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False False\n"
