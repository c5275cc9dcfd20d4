"""A large results folder of made-up runs in the true format: `python tests/bench/results_folder.py OUT [--runs 50]`.

By default 50 runs x 10 tasks x 125 questions x 16 samples = 1,000,000 samples with 1.1 kB of text each, and 8 training runs of
2,000 steps. Every number follows from the seed; the texts are slices of the standard library's sources.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.metrics.aggregate import aggregate
from evalsuite.metrics.counts import pass_at_k
from evalsuite.results import RunResult, TaskResult, write_results
from evalsuite.runlog import RunDir

MEAN_TEXT = 1100
SAMPLING = {"temperature": 0.6, "top_p": 0.95, "top_k": 0, "min_p": 0.0, "max_tokens": 4096, "stop": []}
OUTCOMES = np.array(["ok", "no_answer", "truncated"])


def corpus(size: int = 8 << 20) -> str:
    """Real text to cut responses from: sources of the standard library."""
    parts: list[str] = []
    for file in sorted(Path(json.__file__).parents[1].glob("*.py")):
        parts.append(file.read_text(encoding="utf-8", errors="replace"))
        if sum(map(len, parts)) > size:
            break
    return "".join(parts)


def make(
    out: Path, *, runs: int = 50, tasks: int = 10, questions: int = 125, samples: int = 16, trainings: int = 8, seed: int = 0
) -> None:
    """Write `runs` evaluations of `tasks` x `questions` x `samples` and `trainings` training runs under `out`."""
    rng = np.random.default_rng(seed)
    text = corpus()
    names = [f"task_{t}" for t in range(tasks)]
    difficulty = rng.beta(1.2, 1.2, (tasks, questions))
    for r in range(runs):
        _evaluation(out / "runs" / f"model-{r:03d}", names, difficulty, rng.normal(0, 1.0), samples, text, rng, r)
        _told(r + 1, runs, "evaluations")
    for t in range(trainings):
        _training(out / "train" / f"grpo-model-task_0-s{t}", t, 2000, rng)


def _evaluation(
    folder: Path,
    names: list[str],
    difficulty: Any,
    skill: float,
    samples: int,
    text: str,
    rng: np.random.Generator,
    number: int,
) -> None:
    run = RunDir(folder)
    found = {}
    for t, name in enumerate(names):
        logit = np.log(difficulty[t] / (1 - difficulty[t])) + skill
        values = (rng.random((len(logit), samples)) < 1 / (1 + np.exp(-logit[:, None]))).astype(float)
        tokens = np.maximum(5, rng.lognormal(5.5, 0.5, values.shape)).astype(np.int32)
        outcomes = np.where(values > 0, 0, rng.choice(3, values.shape, p=(0.9, 0.06, 0.04)))
        found[name] = _tables(folder, name, values, tokens, outcomes, text, rng)
    manifest = _manifest(folder.name, names, difficulty.shape[1], samples, number)
    run.write_manifest(manifest)
    write_results(run, RunResult(model=folder.name, run_id=folder.name, path=str(folder), status="done", tasks=found), manifest)


def _tables(
    folder: Path, task: str, values: Any, tokens: Any, outcomes: Any, text: str, rng: np.random.Generator
) -> TaskResult:
    q, k = values.shape
    ids = np.array([f"{task}-{i:04d}" for i in range(q)])
    flat, many = values.ravel(), q * k
    lengths = np.clip(rng.normal(MEAN_TEXT, MEAN_TEXT / 3, many), 20, None).astype(int)
    starts = rng.integers(0, len(text) - 4 * MEAN_TEXT, many)
    answers = np.where(flat > 0, "42", rng.integers(0, 50, many).astype(str))
    rows = {
        "run_id": np.full(many, folder.name),
        "task": np.full(many, task),
        "id": np.repeat(ids, k),
        "digest": np.repeat(ids, k),
        "i": np.tile(np.arange(k, dtype=np.int32), q),
        "seed": np.arange(many),
        "value": flat,
        "outcome": OUTCOMES[outcomes.ravel()],
        "answer": answers,
        "answer_class": np.where(flat > 0, 0, rng.integers(1, 5, many)).astype(np.int32),
        "target": np.full(many, '"42"'),
        "feedback": np.where(flat > 0, "", "another number"),
        "text": pa.array([text[s : s + n] for s, n in zip(starts, lengths, strict=True)], pa.large_string()),
        "finish_reason": np.where(outcomes.ravel() == 2, "length", "stop"),
        "prompt_tokens": np.full(many, 60, np.int32),
        "completion_tokens": tokens.ravel(),
        "cost": tokens.ravel() * 1e-6,
        "latency": tokens.ravel() / 50,
        "seconds": np.full(many, 1e-4),
    }
    absent = {"cluster": pa.string(), "reasoning": pa.large_string(), "isolation": pa.string()}
    rows |= {name: pa.nulls(many, kind) for name, kind in absent.items()}
    rows["parts"] = pa.array([[]] * many, pa.map_(pa.string(), pa.float64()))
    c = values.sum(1).astype(np.int32)
    per = {f"avg@{k}": values.mean(1), "pass@4": pass_at_k(np.full(q, k), c, 4), "pass@8": pass_at_k(np.full(q, k), c, 8)}
    problems = [f"Question {i} of {task}: what is six times seven?" for i in range(q)]
    table = {
        "run_id": np.full(q, folder.name),
        "task": np.full(q, task),
        "id": ids,
        "digest": ids,
        "cluster": pa.nulls(q, pa.string()),
        "problem": problems,
        "prompt": [json.dumps([["user", p]]) for p in problems],
        "target": np.full(q, '"42"'),
        "metadata": [
            json.dumps({"level": i % 5 + 1, "subject": ("algebra", "geometry")[i % 2], "date": f"2025-{i % 12 + 1:02d}-01"})
            for i in range(q)
        ],
        "n": np.full(q, k, np.int32),
        "c": c,
        "sum": values.sum(1),
        "sum_sq": (values**2).sum(1),
        "no_answer": (outcomes == 1).sum(1).astype(np.int32),
        "truncated": (outcomes == 2).sum(1).astype(np.int32),
        "errors": np.zeros(q, np.int32),
        "completion_tokens": tokens.mean(1),
        **per,
    }
    for kind, columns in (("samples", rows), ("questions", table)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), folder / kind / f"{task}.parquet", compression="zstd", row_group_size=5000)
    draws = {f"avg@{k}": 1, "pass@4": 4, "pass@8": 8}
    mean = float(values.mean())
    return TaskResult(
        task=task,
        label=task,
        n_questions=q,
        repeats=k,
        metrics={name: aggregate(v, samples_per_question=k / draws[name]) for name, v in per.items()},
        coverage=1.0,
        no_answer=float((outcomes == 1).mean()),
        truncated=float((outcomes == 2).mean()),
        timeouts=0.0,
        errors=0,
        bounds=(mean, mean),
        mean_tokens=float(tokens.mean()),
        prompt_tokens=60 * many,
        completion_tokens=int(tokens.sum()),
        cost=float(tokens.sum() * 1e-6),
        chance=0.02,
    )


def _manifest(name: str, tasks: list[str], questions: int, samples: int, number: int) -> dict[str, Any]:
    what = {
        task: {
            "version": "1",
            "data": f"{task}-data",
            "prompt": {"name": "plain", "hash": "0" * 16},
            "num_fewshot": 0,
            "sampling": SAMPLING,
            "verifier": {"name": "math", "version": 1},
            "seed": 0,
        }
        for task in tasks
    }
    model = {"backend": "hf", "weights": f"{number:016x}", "dtype": "bfloat16"}
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_760_000_000 + 3600 * number))
    return {
        "schema": 1,
        "run_id": name,
        "kind": "eval",
        "status": "done",
        "started": started,
        "finished": started,
        "command": ["evalsuite", "run"],
        "identity": {"model": model, "tasks": what, "judge": None},
        "model": {"name": name, **model},
        "environment": {"host": "made-up", "packages": {"evalsuite": "0.1.0"}, "folder": ""},
        "settings": {},
        "tasks": {
            task: {
                "label": task,
                "identity": what[task],
                "repeats": samples,
                "metrics": [f"avg@{samples}", "pass@4", "pass@8"],
                "n_questions": questions,
                "full_size": questions,
                "source": {"kind": "generated", "location": task, "revision": "0"},
            }
            for task in tasks
        },
        "stopped": "",
    }


def _training(folder: Path, seed: int, steps: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    at = np.arange(1, steps + 1)
    curves = {
        "reward": 0.8 - 0.6 * np.exp(-at / 400) + rng.normal(0, 0.05, steps),
        "completions/mean_length": 300 + 100 * at / steps + rng.normal(0, 10, steps),
        "completions/clipped_ratio": np.abs(rng.normal(0.02, 0.01, steps)),
        "entropy": 0.6 * np.exp(-at / 800) + rng.normal(0, 0.01, steps),
        "grad_norm": np.abs(rng.normal(1, 0.3, steps)),
        "loss": rng.normal(0, 0.02, steps),
        "frac_reward_zero_std": np.clip(0.3 + at / steps / 3 + rng.normal(0, 0.05, steps), 0, 1),
        "clip_ratio/region_mean": np.abs(rng.normal(0.01, 0.004, steps)),
        "num_tokens": np.cumsum(np.full(steps, 40_000.0)),
        "step_time": np.abs(rng.normal(20, 2, steps)),
        "learning_rate": np.full(steps, 1e-6),
        "epoch": at / 500,
    }
    with (folder / "train.jsonl").open("w") as file:
        file.write(json.dumps({"schema": 1, "kind": "train"}) + "\n")
        for i in range(steps):
            file.write(json.dumps({"step": i + 1, **{name: float(curve[i]) for name, curve in curves.items()}}) + "\n")
    manifest = {
        "schema": 1,
        "run_id": folder.name,
        "kind": "train",
        "status": "done",
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_760_000_000 + 60 * seed)),
        "calls": [],
        "identity": {"recipe": "grpo", "seed": seed},
        "recipe": {"name": "grpo", "paper": "arXiv:2402.03300", "formula": "", "changes": []},
        "settings": {"optim.lr": 1e-6},
        "steps": steps,
        "step": steps,
        "model": {"name": "model", "path": "model"},
        "tasks": {"task_0": {"label": "task_0", "n_questions": 1000}},
    }
    (folder / "run.json").write_text(json.dumps(manifest))


def _told(done: int, of: int, what: str) -> None:
    if done % 10 == 0 or done == of:
        print(f"{done}/{of} {what}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name, default in (("runs", 50), ("tasks", 10), ("questions", 125), ("samples", 16), ("trainings", 8), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = vars(parser.parse_args())
    make(args.pop("out"), **args)


if __name__ == "__main__":
    main()
