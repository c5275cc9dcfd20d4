"""Start-up: wall time of `--help` and of listing the tasks, evalsuite against lm-eval, as whole processes in one run.

python tests/bench/bench_startup.py [--lm-eval COMMAND]    COMMAND is the lm-eval script of a venv that has it
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median


def wall(command: list[str], rounds: int) -> float:
    """Median seconds of a command, after one run that warms the disk."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lm-eval", metavar="COMMAND", help="lm-eval's script")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    ours = str(Path(sys.executable).with_name("evalsuite"))
    pairs = [
        ("--help", [ours, "--help"], ["-h"], args.rounds),
        ("listing the tasks", [ours, "tasks", "list"], ["ls", "tasks"], 1),
    ]
    for what, mine, theirs, rounds in pairs:
        a = wall(mine, args.rounds)
        print(f"{what}: evalsuite {a:.3f} s", end="")
        if args.lm_eval:
            b = wall([args.lm_eval, *theirs], rounds)
            print(f", lm-eval {b:.2f} s, ratio {b / a:.0f}")
        else:
            print("; lm-eval not measured (--lm-eval COMMAND)")


if __name__ == "__main__":
    main()
