"""What a training run was: its identity, which names its folder, its manifest, and the questions it trained on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.files import write_atomically
from evalsuite.manifest import now
from evalsuite.models import weights
from evalsuite.models.base import Model
from evalsuite.models.loading import Checkpoint, dtype_name
from evalsuite.plan import Plan
from evalsuite.runlog import RunDir, slug
from evalsuite.verifiers.base import ModelVerifier

from .base import Recipe
from .prompts import Question

if TYPE_CHECKING:
    from .setup import Setup


def identity(
    recipe: Recipe,
    folder: Path,
    plans: Sequence[Plan],
    seed: int,
    steps: int,
    setup: Setup,
    precision: str,
    judge: Model | None,
    mix: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Everything that the curves depend on: the number of steps only where the schedule looks ahead, the mix where there is one.

    `precision` is what accelerate computes in ("no", "bf16"), wherever it was configured.
    """
    judged = any(isinstance(plan.task.verifier, ModelVerifier) for plan in plans)
    looks_ahead = recipe.settings.optim.schedule != "constant"
    vision = Checkpoint(folder=folder).vision
    return {
        "recipe": recipe.name,
        "settings": recipe.effective(),
        "model": weights.digest(folder),
        "tasks": {plan.name: plan.identity() for plan in plans},
        "seed": seed,
        "lora": setup.lora,
        "dtype": dtype_name(setup.dtype),
        "precision": precision,
        "judge": dict(judge.identity()) if judge is not None and judged else None,
        "steps": steps if looks_ahead else None,
        **({"mix": dict(mix)} if mix else {}),
        **({"processor": vision.digest()} if vision is not None else {}),
    }


def run_id(recipe: Recipe, model: str, plans: Sequence[Plan], seed: int, what: Mapping[str, Any]) -> str:
    """A readable name with a hash of the identity, so that the same command finds its run again."""
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:8]
    tasks = slug("+".join(plan.name for plan in plans), 40)
    return f"{recipe.name}-{slug(weights.label(model).rsplit('/', 1)[-1], 30)}-{tasks}-s{seed}-{digest}"


def manifest(
    run: RunDir, recipe: Recipe, model: str, plans: Sequence[Plan], what: Mapping[str, Any], setup: Setup, steps: int
) -> dict[str, Any]:
    """The contents of run.json at the start: the effective settings, not only those that were given. `calls` are all that made it."""
    from importlib.metadata import version

    before = run.manifest()
    call = {"started": now(), "command": sys.argv, "from_step": before.get("step", 0), "setup": dataclasses.asdict(setup)}
    return {
        "schema": 1,
        "run_id": run.path.name,
        "kind": "train",
        "status": "running",
        "started": before.get("started", call["started"]),
        "calls": [*before.get("calls", []), call],
        "identity": what,
        "recipe": {"name": recipe.name, "paper": recipe.paper, "formula": recipe.formula, "changes": list(recipe.changes)},
        "settings": recipe.effective(),
        "steps": max(steps, before.get("step", 0)),
        "model": {"name": weights.label(model), "path": model},
        "packages": {name: version(name) for name in ("evalsuite", "torch", "transformers", "accelerate")},
        "tasks": {
            plan.name: {
                "label": plan.label,
                "identity": plan.identity(),
                "n_questions": len(plan.samples),
                "source": {"kind": plan.loaded.kind, "location": plan.loaded.location, "revision": plan.loaded.revision},
            }
            for plan in plans
        },
    }


def write_prompts(folder: Path, questions: Iterable[Question]) -> None:
    """`prompts.jsonl`: task, id and content digest of every question there was to train on, for checks of overlap with evaluations."""
    rows = (json.dumps({"task": q.plan.name, "id": q.sample.id, "digest": q.sample.digest()}) + "\n" for q in questions)
    write_atomically(folder / "prompts.jsonl", "".join(rows).encode())


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as trackers take them: numbers, words and truth values."""
    return {k: v if isinstance(v, str | int | float | bool) else json.dumps(v, default=str) for k, v in settings.items()}
