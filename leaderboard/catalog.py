"""What lies under a results folder: evaluations and training runs. Nothing needs to be whole: what cannot be read says why."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .shape import MANIFEST, RESULTS, wrong
from .text import cleaned_json

WHERE = ("", "runs", "baselines", "train")  # folders of a results folder whose subfolders may be runs
STAMPED = (
    "run.json",
    "results.json",
)  # files whose change means that there is something new; logs are followed by those who show them
LONGEST = 24  # characters of a setting in a label
_CHECKPOINT = re.compile(r"^step-0*(\d+)$")

Stamp = str


@dataclass(frozen=True, eq=False)
class Run:
    """An evaluation: one folder with run.json.

    `key` is its path under the results folder, which URLs carry and which is only ever looked up, never opened. `summary` is the
    `evalsuite` block of results.json (see `results.RunResult`), None while there is none. `training` is the key of the training run
    that made the model and `step` the update it was made after, where that is known; `during` says that the training itself
    evaluated. `problem` says in words why the run cannot be shown, '' where it can.
    """

    key: str
    path: Path
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    training: str | None = None
    step: int | None = None
    during: bool = False
    problem: str = ""

    @property
    def model(self) -> str:
        """The model's name, as given to the run."""
        return str(self.manifest.get("model", {}).get("name") or self.path.name)

    @property
    def status(self) -> str:
        """running, done, failed, interrupted, or broken."""
        return "broken" if self.problem else str(self.manifest.get("status", "unknown"))

    @property
    def started(self) -> str:
        """UTC, ISO 8601; '' where it is not known."""
        return str(self.manifest.get("started", ""))

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Its tasks by name, as run.json has them."""
        return self.manifest.get("tasks", {})


@dataclass(frozen=True, eq=False)
class Training:
    """A training run: one folder with run.json of kind `train`. Fields as in `Run`; `evals` are keys of what it evaluated on the way."""

    key: str
    path: Path
    manifest: Mapping[str, Any]
    evals: tuple[str, ...] = ()
    problem: str = ""

    @property
    def recipe(self) -> str:
        """The training method's name."""
        return str(self.manifest.get("recipe", {}).get("name") or self.path.name)

    @property
    def seed(self) -> int | None:
        """The training seed."""
        seed = self.manifest.get("identity", {}).get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The recipe's settings in force, by dotted name."""
        return self.manifest.get("settings", {})

    @property
    def model(self) -> str:
        """The model that training began with."""
        return str(self.manifest.get("model", {}).get("name", ""))

    @property
    def status(self) -> str:
        """running, done, failed, interrupted, or broken."""
        return "broken" if self.problem else str(self.manifest.get("status", "unknown"))

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Its tasks by name, as run.json has them."""
        return self.manifest.get("tasks", {})


@dataclass(frozen=True, eq=False)
class Catalog:
    """All of a results folder, evaluations and training runs by key, newest first."""

    root: Path
    runs: Mapping[str, Run]
    trainings: Mapping[str, Training]

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """A short name for every key, no two evaluations and no two training runs alike: the model (and step), the recipe and what
        sets it apart (settings that differ, seed), and the end of the key where that is not enough."""
        trained = _distinct({key: self._training_name(t) for key, t in self.trainings.items()})
        evaluated = {
            key: f"{trained[run.training]} @{run.step}" if run.during and run.training in trained else run.model
            for key, run in self.runs.items()
        }
        return {**_distinct(evaluated), **trained}

    def _training_name(self, training: Training) -> str:
        alike = [t for t in self.trainings.values() if (t.recipe, t.model) == (training.recipe, training.model)]
        mine = training.settings
        differ = [name for name, value in mine.items() if any(t.settings.get(name) != value for t in alike)]
        words = [f"{name.rpartition('.')[2]}={mine[name]}" for name in differ]
        short = [word for word in words if len(word) <= LONGEST][:2]
        seeds = {t.seed for t in alike}
        return " ".join([training.recipe, *short, *([f"s{training.seed}"] if len(seeds) > 1 else [])])


def stamp(root: Path) -> Stamp:
    """What tells whether anything changed: a digest of name, time and size of the files that matter. Cheap: opens none of them."""
    found = hashlib.sha256()
    for folder in _folders(root):
        for name in STAMPED:
            try:
                stat = (folder / name).stat()
            except OSError:
                continue
            found.update(f"{folder}/{name}\0{stat.st_mtime_ns}\0{stat.st_size}\n".encode(errors="surrogateescape"))
    return found.hexdigest()[:16]


def read_catalog(root: Path) -> Catalog:
    """Everything under `root`. A folder that is missing or empty gives an empty catalog; damaged runs are listed with their problem."""
    runs: list[Run] = []
    trainings: dict[str, Training] = {}
    evals: dict[str, list[str]] = {}
    for folder in _folders(root):
        key = folder.relative_to(root).as_posix()
        manifest, problem = _manifest(folder)
        if manifest.get("kind") == "train" or (problem and (folder / "train.jsonl").exists()):
            trainings[key] = Training(key, folder, manifest, problem=problem)
            continue
        parent = folder.parent.parent if folder.parent.name == "evals" else None
        summary, damaged = _summary(folder / "results.json")
        runs.append(
            Run(
                key,
                folder,
                manifest,
                None if problem else summary,
                training=parent.relative_to(root).as_posix() if parent else None,
                step=_step(str(manifest.get("model", {}).get("name", ""))) if parent else None,
                during=parent is not None,
                problem=problem or damaged,
            )
        )
    by_folder = {t.path.name: key for key, t in trainings.items()}
    for i, run in enumerate(runs):
        if run.training is None:
            training, step = _made_by(run, by_folder)
            if training is not None:
                runs[i] = Run(run.key, run.path, run.manifest, run.summary, training, step, False, run.problem)
        elif run.training in trainings:
            evals.setdefault(run.training, []).append(run.key)
    steps = {run.key: run.step or 0 for run in runs}
    whole = [
        Training(t.key, t.path, t.manifest, tuple(sorted(evals.get(t.key, ()), key=steps.__getitem__)), t.problem)
        for t in trainings.values()
    ]
    return Catalog(root, {r.key: r for r in _newest(runs)}, {t.key: t for t in _newest(whole)})


def _folders(root: Path) -> Iterator[Path]:
    """Folders with a run.json, in a fixed order: `runs/*`, `baselines/*`, `train/*`, `train/*/evals/*`, and those of `root` itself."""
    for where in WHERE:
        base = root / where if where else root
        for folder in _subfolders(base):
            if (folder / "run.json").is_file():
                yield folder
                for child in _subfolders(folder / "evals"):
                    if (child / "run.json").is_file():
                        yield child


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".") and not p.is_symlink())
    except OSError:
        return []


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """run.json without the fields that are not of their shape, so that nobody after this has to ask; and what is the matter."""
    content, problem = _json(folder / "run.json")
    for name, shape in MANIFEST.items():
        if name in content and (field := wrong(content[name], shape, name)):
            del content[name]
            problem = problem or f"run.json: {field}"
    return content, problem


def _summary(path: Path) -> tuple[dict[str, Any] | None, str]:
    """The `evalsuite` block of results.json, None where there is none; and why it cannot be used."""
    content, problem = _json(path) if path.exists() else ({}, "")
    if problem or "evalsuite" not in content:
        return None, problem
    block = content["evalsuite"]
    field = wrong(block, {}, "evalsuite") or wrong(block.get("tasks"), RESULTS, "evalsuite.tasks")
    return (None, f"results.json: {field}") if field else (block, "")


def _json(path: Path) -> tuple[dict[str, Any], str]:
    """An object, and why there is none."""
    try:
        content = cleaned_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{path.name} cannot be read: {error}"
    return (content, "") if isinstance(content, dict) else ({}, f"{path.name} holds no object")


def _step(name: str) -> int | None:
    match = _CHECKPOINT.match(name)
    return int(match.group(1)) if match else None


def _made_by(run: Run, trainings: Mapping[str, str]) -> tuple[str | None, int | None]:
    """Training run and step of an evaluated checkpoint, by the folder it was loaded from: `.../RUN/checkpoints/step-000050`."""
    parts = Path(str(run.manifest.get("environment", {}).get("folder", ""))).parts
    for i, part in enumerate(parts[2:], 2):
        step = _step(part)
        if step is not None and parts[i - 1] == "checkpoints" and parts[i - 2] in trainings:
            return trainings[parts[i - 2]], step
    return None, None


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """The names, with the end of the key where two are alike, and the whole key where even that is."""
    shared = Counter(names.values())
    longer = {key: name if shared[name] == 1 else f"{name} · {key[-6:]}" for key, name in names.items()}
    shared = Counter(longer.values())
    return {key: name if shared[name] == 1 else key for key, name in longer.items()}


def _newest(runs: list[Any]) -> list[Any]:
    return sorted(runs, key=lambda r: (str(r.manifest.get("started", "")), r.key), reverse=True)
