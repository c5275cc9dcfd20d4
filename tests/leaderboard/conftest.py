"""A small results folder made by the real commands, one with every kind of damage, and pages run without a browser."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")

APP = Path(__file__).resolve().parents[2] / "leaderboard" / "app.py"
ONE, TWO = "sort_letters", "arithmetic"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder, read-only by agreement (use `copy` to change one):

    runs/    oracle, noisy .8, noisy .6 (scripted) on sort_letters and arithmetic, 40 questions x 4 samples, metrics avg, pass@k, maj;
             noisy .6 once more at another temperature (not comparable) on sort_letters
    train/   grpo on an untrained model of 30,000 parameters, seeds 0 and 1, 4 steps, evaluated on sort_letters (10 questions x 2)
             before, in the middle and at the end; and a standalone evaluation of seed 0's last checkpoint under runs/
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "leaderboard-tree"  # one for all workers
    with open(f"{shared}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "whole").exists():
            shutil.rmtree(shared, ignore_errors=True)
            _make(shared)
            (shared / "whole").touch()
    return shared / "results"


@pytest.fixture
def copy(tree: Path, tmp_path: Path) -> Path:
    """`tree`, to be changed."""
    return Path(shutil.copytree(tree, tmp_path / "results"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A results folder with nothing in it."""
    (tmp_path / "nothing").mkdir()
    return tmp_path / "nothing"


@pytest.fixture
def broken(copy: Path) -> Path:
    """`tree` with damage, each in a run of its own: `no-json` (run.json torn), `no-parquet` (questions and samples gone),
    `bad-parquet` (both cut in half), `running` (as written half-way: no results, log with a torn last line), `stranger` (a task
    nobody knows, a status nobody knows), `bare` (an empty run.json); and a training run `torn` whose train.jsonl and samples.jsonl
    end in half a line."""
    runs = copy / "runs"
    whole = next(p for p in sorted(runs.iterdir()) if p.name.startswith("scripted-noisy-0.8"))

    def like(name: str) -> Path:
        return Path(shutil.copytree(whole, runs / name))

    (like("no-json") / "run.json").write_text('{"schema": 1, "run_id": "no-j')
    bare = like("no-parquet")
    for name in ("questions", "samples"):
        shutil.rmtree(bare / name)
    for file in like("bad-parquet").glob("*/*.parquet"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    running = like("running")
    (running / "results.json").unlink()
    for name in ("questions", "samples"):
        shutil.rmtree(running / name)
    for file in (running / "log").iterdir():
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:40])
    _change(running, lambda m: m.update(status="running"))
    (running / ".lock").write_text("999999999")
    stranger = like("stranger")
    _change(stranger, lambda m: m.update(status="dreaming", tasks={"no_such_task": m["tasks"][ONE]}))
    (runs / "bare").mkdir()
    (runs / "bare" / "run.json").write_text("{}")
    trained = next((copy / "train").iterdir())
    torn = Path(shutil.copytree(trained, copy / "train" / "torn"))
    for name in ("train.jsonl", "samples.jsonl"):
        file = torn / name
        file.write_bytes(file.read_bytes()[:-30])
    return copy


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`page("compare", results, runs=[key, key])`: the AppTest of a page that has run once with these query parameters."""

    def run(name: str, results: Path, **query: Any) -> Any:
        from streamlit.testing.v1 import AppTest

        monkeypatch.setenv("EVALSUITE_RESULTS", str(results))
        app = AppTest.from_file(str(APP), default_timeout=60)
        for key, value in query.items():
            app.query_params[key] = value
        app.switch_page(f"pages/{name}.py")
        for key, value in query.items():  # switching drops them
            app.query_params[key] = value
        return app.run()

    return run


def _change(run: Path, how: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((run / "run.json").read_text())
    how(manifest)
    (run / "run.json").write_text(json.dumps(manifest))


def _make(folder: Path) -> None:
    import torch

    from evalsuite import run
    from evalsuite.trainers import train

    results = folder / "results"
    asked = {"output": results / "runs", "limit": 40, "repeats": 4, "metrics": ("avg", "pass@2", "pass@4", "maj@4")}
    for model in ("scripted:oracle", "scripted:noisy:0.8", "scripted:noisy:0.6"):
        run(model, f"{ONE},{TWO}", **asked)
    run("scripted:noisy:0.6", ONE, **asked, sampling={"temperature": 0.5})
    torch.set_num_threads(1)
    tiny = _tiny(folder / "tiny")
    ended = [
        train(
            "grpo",
            str(tiny),
            f"{ONE}@split=train:size=64",
            settings={"rollout.prompts": 4, "rollout.group": 4, "optim.lr": 1e-3},
            steps=4,
            seed=seed,
            eval_tasks=ONE,
            eval_every=2,
            eval_repeats=2,
            eval_limit=10,
            output=results / "train",
        )
        for seed in (0, 1)
    ]
    run(str(ended[0].checkpoint), ONE, output=results / "runs", limit=10, repeats=2)


def _tiny(folder: Path) -> Path:
    """An untrained checkpoint of 30,000 parameters with the demo's tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from evalsuite.demo import tokenizer
    from evalsuite.models.loading import no_bars

    characters = tokenizer()
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    torch.manual_seed(0)
    with no_bars():
        Qwen3ForCausalLM(Qwen3Config(vocab_size=len(characters), head_dim=16, dtype="float32", **sizes, **ids)).save_pretrained(
            folder
        )
        characters.save_pretrained(folder)
    return folder
