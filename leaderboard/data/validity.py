"""What stands between a number and a claim: models trained on what they are asked, and runs that are not whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from evalsuite.errors import EvalsuiteError
from evalsuite.metrics.aggregate import FEW, TOO_FEW

from ..catalog import Catalog, Run
from .overlap import prompts, trained
from .questions import columns, data_of

NEARLY_ALL = 0.99  # share of its questions among the training prompts from which a model counts as trained on the test
TRUNCATED = 0.05  # share of cut-off samples from which it is a concern
COLUMNS = ("key", "run", "task", "concern", "seen", "do")


def flags(catalog: Catalog) -> Mapping[str, tuple[str, ...]]:
    """Runs whose model was trained on (nearly) all of a task's questions, by key: a sentence per task.

    Only runs with a known training run are looked at. Files are read once per training run and set of questions, and not at all
    where the hashes of both sets are the same. What cannot be read raises no flag: the validity page names it.
    """
    told: dict[str, frozenset[str] | None] = {}
    shares: dict[tuple[str, str], tuple[int, int]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for key, run in catalog.runs.items():
        by = trained(run)
        if by is None or by not in catalog.trainings:
            continue
        sentences = []
        for task, numbers in (run.summary or {}).get("tasks", {}).items():
            data = data_of(run, task) or key
            if (by, data) not in shares:
                shares[by, data] = _shared(catalog, run, by, task, int(numbers.get("n_questions") or 0), told)
            shared, n = shares[by, data]
            if n and shared >= NEARLY_ALL * n:
                sentences.append(
                    f"trained on the test: {shared} of the {n} questions of {task} are prompts of {catalog.labels[by]}"
                )
        if sentences:
            found[key] = tuple(sentences)
    return found


def _shared(
    catalog: Catalog, run: Run, training: str, task: str, n: int, told: dict[str, frozenset[str] | None]
) -> tuple[int, int]:
    """How many of a task's questions were prompts, and of how many; (0, 0) where that is not known."""
    by = catalog.trainings[training]
    hashes = {(of.get("identity") or {}).get("data") for of in by.tasks.values() if isinstance(of, Mapping)}
    if data_of(run, task) in hashes - {None, ""}:
        return n, n
    try:
        if training not in told:
            told[training] = None
            told[training] = prompts(by)
        seen = told[training]
        if seen is None:
            return 0, 0
        digests = columns(run, task, ["digest"])["digest"]
    except EvalsuiteError:
        return 0, 0
    return sum(digest in seen for digest in digests), len(digests)


def concerns(
    catalog: Catalog, results: pd.DataFrame, flagged: Mapping[str, tuple[str, ...]], overlapping: pd.DataFrame
) -> pd.DataFrame:
    """All runs x what a reader must know before believing them: COLUMNS, with what was seen and what to do about it.

    `results` is `results_frame`, `flagged` comes from `flags`, `overlapping` from `overlap.overlaps`.
    """
    rows = [row for run in catalog.runs.values() for row in _of_run(catalog, run)]
    rows += [
        (
            key,
            catalog.labels[key],
            "",
            "trained on the test",
            sentence.partition(": ")[2],
            "Do not report this as a result on new questions.",
        )
        for key, sentences in flagged.items()
        for sentence in sentences
    ]
    for of in overlapping.itertuples():
        rows += [
            (
                key, catalog.labels[key], of.task, "trained on a part",
                f"{of.shared} of {of.questions} questions are prompts of {of.training_run}",
                "Report the value on unseen questions (below).",
            )
            for key in of.known
            if of.share < NEARLY_ALL
        ]  # fmt: skip
    rows += [row for of in results[results["first"]].to_dict("records") for row in _of_result(of)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_run(catalog: Catalog, run: Run) -> Iterator[tuple[str, ...]]:
    label = catalog.labels[run.key]
    if run.problem:
        yield run.key, label, "", "broken", run.problem, "Restore the file, or run its command again."
    elif run.summary is None:
        how = "Wait for it." if run.status == "running" else "Run its command again to finish it."
        yield run.key, label, "", "not finished", f"{run.status}, and no results yet", how
    elif run.status not in ("done", "running"):
        yield run.key, label, "", "not finished", f"its status is {run.status}", "Run its command again to finish it."
    if run.manifest.get("environment", {}).get("unsafe_code"):
        seen = "programs of the model were allowed to run without full isolation"
        do = "They could have read the tests or changed files: run again where the sandbox is complete."
        yield run.key, label, "", "unsafe code", seen, do


def _of_result(of: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    def row(concern: str, seen: str, do: str) -> tuple[str, ...]:
        return of["key"], of["run"], of["task"], concern, seen, do

    if of["partial"]:
        seen = f"{of['n_questions']} of {of['full_size']:.0f} questions"
        yield row("partial data", seen, "Compare only with runs of the same questions; leave out --limit for the whole task.")
    if _known(of["coverage"]) and of["coverage"] < 1:
        seen = f"{1 - of['coverage']:.1%} of the samples have no value"
        yield row("missing samples", seen, "The mean leaves them out: run the command again to fill them in.")
    if _known(of["truncated"]) and of["truncated"] > TRUNCATED:
        seen = f"{of['truncated']:.1%} of the samples were cut off at the token limit"
        yield row("truncated", seen, "Allow more tokens: the value says as much about the limit as about the model.")
    if not _known(of["low"]):
        seen = f"no interval, of {of['n_clusters']:.0f} independent units" if _known(of["n_clusters"]) else "no interval"
        yield row("no interval", seen, f"At least {TOO_FEW} independent questions are needed; add questions.")
    elif _known(of["n_clusters"]) and of["n_clusters"] < FEW:
        yield row(
            "few units", f"{of['n_clusters']:.0f} independent units", f"The interval is rough below {FEW}; add questions."
        )


def _known(value: Any) -> bool:
    return value is not None and value == value
