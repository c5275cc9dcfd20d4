"""Questions that a model was trained on and evaluated on: both are on record, as content digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.runlog import read_lines

from ..catalog import Catalog, Run, Training
from .questions import apart, asked, columns, mean, of_set, recorded, unpaired

COLUMNS = ("training", "training_run", "task", "data", "questions", "shared", "share", "known", "possible")


def prompts(training: Training) -> frozenset[str]:
    """Digests of all the questions that there were to train on. Raises UsageError where the run does not say, or the file is damaged.

    The texts of these questions are not on record, so nothing near to them can be found, only the same.
    """
    try:
        return frozenset(str(row["digest"]) for row in read_lines(training.path / "prompts.jsonl"))
    except FileNotFoundError:
        raise UsageError("it has no prompts.jsonl: what it was trained on is not on record") from None
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise UsageError(f"prompts.jsonl of {training.path.name} cannot be read: {error}") from None


def all_prompts(catalog: Catalog) -> tuple[dict[str, frozenset[str]], list[tuple[str, str]]]:
    """`prompts` of every training run by key, and those that cannot be read, with the reason."""
    found, problems = {}, []
    for key, training in catalog.trainings.items():
        try:
            found[key] = prompts(training)
        except EvalsuiteError as error:
            problems.append((catalog.labels[key], str(error)))
    return found, problems


def trained(run: Run) -> str | None:
    """The training run that made a run's model; None where it is not known, and before its first update."""
    return run.training if run.step != 0 else None


def _may_come_from(run: Run, training: Training) -> bool:
    """Whether it is not known where a run's model comes from, and it may be this training: not what training began with, nor a script."""
    model = run.manifest.get("model", {})
    before = model.get("weights") is not None and model.get("weights") == training.manifest.get("identity", {}).get("model")
    return run.training is None and model.get("backend") != "scripted" and not before


def overlaps(catalog: Catalog, trained_on: Mapping[str, frozenset[str]]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """A row per training run and set of evaluated questions that share some: COLUMNS.

    `known` are the keys of evaluations of models that this training made; `possible` those of models whose making is not known. A
    set that cannot be read is named, with the reason.
    """
    rows, problems = [], []
    for questions in asked(catalog):
        origin = {key: trained(catalog.runs[key]) for key in questions.runs}
        try:
            digests = of_set(catalog, questions, ["digest"])["digest"]
        except EvalsuiteError as error:
            problems.append((questions.task, str(error)))
            continue
        for key, seen in trained_on.items():
            shared = sum(digest in seen for digest in digests)
            known = tuple(run for run, by in origin.items() if by == key)
            possible = tuple(run for run in questions.runs if _may_come_from(catalog.runs[run], catalog.trainings[key]))
            if shared and (known or possible):
                share = shared / len(digests)
                rows.append(
                    (key, catalog.labels[key], questions.task, questions.data, len(digests), shared, share, known, possible)
                )
    return pd.DataFrame(rows, columns=list(COLUMNS)), problems


def sides(catalog: Catalog, keys: Iterable[str], task: str, seen: frozenset[str]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """A row per run: the value of its questions that are among `seen`, of those that are not, and seen minus unseen.

    The two are different questions, so the difference is unpaired. Second: runs that cannot be read, with the reason.
    """
    rows, problems = [], []
    for key in keys:
        run = catalog.runs[key]
        try:
            known = np.array([digest in seen for digest in columns(run, task, ["digest"])["digest"]], dtype=bool)
            side = recorded(run)
            one, other = mean(side, task, known), mean(side, task, ~known)
        except EvalsuiteError as error:
            problems.append((catalog.labels[key], str(error)))
            continue
        row: dict[str, Any] = {"key": key, "run": catalog.labels[key]}
        for name, a in (("seen", one), ("unseen", other), ("difference", unpaired(other, one))):
            row |= {name: a.value, f"{name}_low": a.low, f"{name}_high": a.high}
        row |= {"n_seen": one.n_questions, "n_unseen": other.n_questions}
        rows.append(row | {"reading": apart(unpaired(other, one), "seen", "unseen")})
    return pd.DataFrame(rows), problems
