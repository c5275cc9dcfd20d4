"""What `evalsuite export --to lm-eval` wrote: lm-eval's shape, with everything of the run in fields of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.imports.lm_eval_rows import lines, number
from evalsuite.imports.record import ImportedTask, Question, Stated
from evalsuite.metrics.reduce import parse_metric
from evalsuite.words.sample import Message

_SCORE = ("value", "outcome", "answer", "feedback", "seconds", "isolation")
_COMPLETION = ("reasoning", "opened", "finish_reason", "prompt_tokens", "completion_tokens", "cost", "latency")


def is_ours(document: Mapping[str, Any], task: str) -> bool:
    """Whether a task of a results file was written by `evalsuite export`."""
    return isinstance(document.get("evalsuite"), Mapping) and "identity" in ((document.get("configs") or {}).get(task) or {})


def model(document: Mapping[str, Any]) -> dict[str, Any]:
    """The model as the exported run's manifest describes it; empty for results of lm-eval itself."""
    told = (document.get("config") or {}).get("model_args")
    return dict(told) if isinstance(document.get("evalsuite"), Mapping) and isinstance(told, Mapping) and "name" in told else {}


def started(path: Path) -> str:
    """The time in the name of an exported file, which is UTC; '' where there is none."""
    day, t, clock = path.stem.removeprefix("results_").partition("T")
    return f"{day}T{clock[:8].replace('-', ':')}Z" if t and len(clock) >= 8 else ""


def task(document: Mapping[str, Any], name: str, path: Path) -> ImportedTask:
    """A task of an exported run."""
    facts = document["configs"][name]
    numbers = document["results"].get(name) or {}
    stated = {}
    for key, value in numbers.items():
        label, comma, _ = key.partition(",")
        mean = number(value)
        if comma and not label.endswith("_stderr") and mean is not None:
            weighted = label.startswith("part:") and "/" in label
            stated[parse_metric(label).label(1)] = Stated(name=key, value=mean, mean=not weighted)
    return ImportedTask(
        name=name,
        identity=facts["identity"],
        questions=_questions(path),
        repeats=facts.get("repeats", 1),
        metrics=tuple(facts.get("metrics", ())),
        stated=stated,
        full_size=facts.get("full_size"),
        chance=document["evalsuite"].get("tasks", {}).get(name, {}).get("chance"),
    )


def _questions(path: Path) -> Iterator[Question]:
    for number_, row in enumerate(lines(path), 1):
        try:
            doc, kept = row["doc"], row["evalsuite"]
            texts = iter(row["resps"][0])
            yield Question(
                id=doc["id"],
                digest=row["doc_hash"],
                cluster=kept["cluster"],
                messages=tuple(Message(role, text) for role, text in json.loads(row["arguments"]["gen_args_0"]["arg_0"])),
                problem=doc["problem"],
                target=doc["target"],
                metadata=kept["metadata"],
                rows=tuple([_row(sample, texts) for sample in kept["samples"]]),  # a list lets StopIteration through
            )
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise UsageError(
                f"{path}:{number_}: not a line that this version of `evalsuite export` writes ({error!r}); export the run again"
            ) from None


def _row(sample: Mapping[str, Any], texts: Iterator[str]) -> dict[str, Any]:
    completion = {name: sample[name] for name in _COMPLETION if name in sample}
    if sample["text"]:
        completion["text"] = next(texts)
    if "trace" in sample:
        completion["tool_trace"] = json.loads(sample["trace"])
    score = {"value": None, "outcome": "error", **{name: sample[name] for name in _SCORE if name in sample}}
    score["parts"] = dict(sample.get("parts", ()))
    return {**{name: sample.get(name) for name in ("i", "seed", "answer_class")}, "completion": completion, "score": score}
