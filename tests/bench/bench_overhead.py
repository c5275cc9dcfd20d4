"""CPU time that a harness adds to each sample: evalsuite's scripted model against inspect's mockllm, in one run.

200 questions x 8 samples, a trivial verifier, no inference. Both are whole processes; a second run with 2 questions is
subtracted, so that what is left is the cost per sample and not the start-up. User and system time of all processes.

    python tests/bench/bench_overhead.py [--inspect PYTHON]    PYTHON has inspect-ai installed (a venv of its own)
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

QUESTIONS, REPEATS = 200, 8

# inspect's token counter downloads a vocabulary; a stand-in counts words, so that it runs without a network.
INSPECT = """
import sys
import tiktoken
words = type("Words", (), {"encode": staticmethod(lambda text, **kw: text.split())})
tiktoken.get_encoding = tiktoken.encoding_for_model = lambda name: words
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate
from inspect_ai.model import get_model
n, repeats, logs = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
task = Task(dataset=[Sample(input=f"question {i}", target="x") for i in range(n)], solver=generate(), scorer=match())
log, = eval(task, model=get_model("mockllm/model"), epochs=repeats, log_dir=logs, display="none", score_display=False)
assert log.status == "success", log.error
"""


def cpu(command: list[str], folder: str) -> float:
    """User and system seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ... failed:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(questions: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "--model", "scripted:noisy:0.5", "--tasks", f"sort_letters@size={questions}", "-n", str(REPEATS)]
        return cpu([sys.executable, "-m", "evalsuite.cli", *words], folder)


def theirs(python: str, questions: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "task.py").write_text(INSPECT)
        return cpu([python, "task.py", str(questions), str(REPEATS), folder], folder)


def per_sample(measure: object, rounds: int) -> float:
    """Median over rounds of (CPU of 200 questions - CPU of 2) per sample, in milliseconds."""
    extra = (QUESTIONS - 2) * REPEATS
    return median((measure(QUESTIONS) - measure(2)) / extra * 1000 for _ in range(rounds))  # type: ignore[operator]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inspect", metavar="PYTHON", help="interpreter with inspect-ai")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    mine = per_sample(ours, args.rounds)
    print(f"evalsuite scripted:  {mine:.3f} ms CPU per sample ({QUESTIONS} x {REPEATS}, median of {args.rounds})")
    if args.inspect:
        peer = per_sample(lambda n: theirs(args.inspect, n), 1)
        print(f"inspect mockllm:     {peer:.3f} ms CPU per sample\nratio inspect / evalsuite: {peer / mine:.1f}")
    else:
        print("inspect: not measured (--inspect PYTHON)")


if __name__ == "__main__":
    main()
