"""Statistics of 50 runs x 10 tasks x 125 questions x 16 samples (1,000,000) from their roll-ups, with a bar of 2 s.

Reading every roll-up, the mean and interval of every run and task, and the comparison of all runs: every run against the
first, p-values corrected over all rows, and rank bands from all pairs. Then what a person waits for: the command as a
whole process, which has Python's and the libraries' start-up and the printing in it.

    python tests/bench/bench_stats.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RUNS, TASKS, QUESTIONS, SAMPLES = 50, 10, 125, 16
BAR = 2.0


def make(root: Path) -> list[Path]:
    """Run directories with the columns that `runlog.compact` writes and comparisons read."""
    rng = np.random.default_rng(0)
    ease = rng.beta(1.2, 0.8, (TASKS, QUESTIONS))
    folders = []
    for run in range(RUNS):
        folder = root / f"run-{run:02d}"
        (folder / "questions").mkdir(parents=True)
        names = [f"task{t}" for t in range(TASKS)]
        identity = {"version": "1", "data": "d", "prompt": {}, "sampling": {}, "verifier": {"name": "math"}, "num_fewshot": 0}
        manifest = {
            "run_id": folder.name,
            "status": "done",
            "model": {"name": f"model-{run}"},
            "identity": {"model": {}, "judge": None},
            "tasks": {name: {"label": name, "identity": identity} for name in names},
        }
        (folder / "run.json").write_text(json.dumps(manifest))
        for t, name in enumerate(names):
            right = rng.binomial(SAMPLES, np.clip(ease[t] + 0.002 * run, 0, 1))
            counts = {k: np.zeros(QUESTIONS, dtype="int32") for k in ("no_answer", "truncated", "errors")}
            table = {
                "id": [str(i) for i in range(QUESTIONS)],
                "digest": [f"{t}-{i}" for i in range(QUESTIONS)],
                "cluster": pa.array([None] * QUESTIONS, pa.string()),
                "problem": ["What is it? " * 20] * QUESTIONS,
                "n": np.full(QUESTIONS, SAMPLES, dtype="int32"),
                "c": right.astype("int32"),
                "sum": right.astype(float),
                "sum_sq": right.astype(float),
                **counts,
                "completion_tokens": rng.normal(900, 50, QUESTIONS),
                "avg@16": right / SAMPLES,
            }
            pq.write_table(pa.table(table), folder / "questions" / f"{name}.parquet", compression="zstd")
        folders.append(folder)
    return folders


def measure(folders: list[Path]) -> dict[str, float]:
    """Seconds of each part, nothing read before."""
    from evalsuite.comparison.compare import Recorded
    from evalsuite.comparison.many import compare_runs
    from evalsuite.comparison.methods import Method
    from evalsuite.metrics.aggregate import aggregate
    from evalsuite.runlog import RunDir

    seconds = {}
    start = time.perf_counter()
    runs = [Recorded(RunDir(folder)) for folder in folders]
    rollups = [run.rollup(task) for run in runs for task in run.tasks]
    seconds["reading 500 roll-ups"] = time.perf_counter() - start
    start = time.perf_counter()
    means = [aggregate(r.sum / r.n, samples_per_question=r.n) for r in rollups]
    seconds["mean and interval of 500 run x task"] = time.perf_counter() - start
    start = time.perf_counter()
    found = compare_runs([Method(name="", runs=(run,)) for run in runs])
    seconds["49 contrasts and the ranks"] = time.perf_counter() - start
    assert len(means) == RUNS * TASKS and len(found.contrasts) == RUNS - 1 and len(found.rankings) == TASKS
    start = time.perf_counter()
    text = found.table()
    seconds[f"its text, {len(text.splitlines())} lines"] = time.perf_counter() - start
    return seconds


def main() -> None:
    import evalsuite.comparison.many  # noqa: F401 - imports are a process's, not the statistics'

    with tempfile.TemporaryDirectory() as name:
        folders = make(Path(name))
        pq.read_table(folders[0] / "questions" / "task0.parquet")  # pyarrow's own first call
        seconds = measure(folders)
        for what, spent in seconds.items():
            print(f"{what}: {spent:.2f} s")
        total = sum(seconds.values())
        print(f"together: {total:.2f} s for {RUNS * TASKS * QUESTIONS * SAMPLES:,} samples (bar: {BAR:g} s)")
        start = time.perf_counter()
        command = [sys.executable, "-m", "evalsuite.cli", "compare", *map(str, folders)]
        subprocess.run(command, check=True, capture_output=True)
        print(f"evalsuite compare, as a process: {time.perf_counter() - start:.2f} s")
    if total > BAR:
        raise SystemExit(f"{total:.2f} s is above the bar of {BAR:g} s")


if __name__ == "__main__":
    main()
