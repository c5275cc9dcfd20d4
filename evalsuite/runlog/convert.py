"""Other people's recorded completions as the rows that `--model replay:FILE` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evalsuite.errors import UsageError

_MISSING = object()
_WORDS = {"true": 1.0, "correct": 1.0, "yes": 1.0, "false": 0.0, "incorrect": 0.0, "no": 0.0}


def convert(
    records: Iterable[Mapping[str, Any]],
    *,
    completions: str,
    id: str | None = None,
    problem: str | None = None,
    scores: str | None = None,
    task: str | None = None,
) -> Iterator[dict[str, Any]]:
    """One row per record: `{"task"?, "id" | "problem" | "index", "completions": [...], "scores"?}`.

    Each argument but `task` is a field of the records, with dots for fields within fields (`6b_finetuning.solution`).
    `completions` holds a text, a list of texts, or lists of them; `scores` a verdict for each (a truth value, a number in
    [0, 1], `True`/`False` as a word). Questions are known by `id`, else by the text in `problem`, else by their position.
    Raises UsageError naming the record and the fields it has.
    """
    for position, record in enumerate(records):
        where = f"record {position + 1}"
        row: dict[str, Any] = {} if task is None else {"task": task}
        if id is not None:
            row["id"] = _key(_field(record, id, where), id, where)
        elif problem is not None:
            row["problem"] = _key(_field(record, problem, where), problem, where)
        else:
            row["index"] = position
        row["completions"] = texts = list(_texts(_field(record, completions, where), completions, where))
        if not texts:
            raise UsageError(f"{where}: {completions} holds no completion")
        if scores is not None:
            given = _field(record, scores, where)
            row["scores"] = [_score(s, scores, where) for s in (given if isinstance(given, list) else [given])]
            if len(row["scores"]) != len(texts):
                raise UsageError(f"{where}: {len(row['scores'])} verdicts in {scores} for {len(texts)} completions")
        yield row


def convert_lm_eval(
    records: Iterable[Mapping[str, Any]], *, id: str | None = None, task: str | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of an lm-eval sample log (`samples_<task>_<date>.jsonl`, written with `--log_samples`).

    `doc_id` is the position in the task; `id` names a field of the record (`doc.id`) to know questions by instead. lm-eval
    logs a question once per filter; it is taken once. Raises UsageError for a log without generated text (multiple
    choice by log-likelihood).
    """
    seen: dict[Any, Any] = {}
    for number, record in enumerate(records, 1):
        where = f"record {number}"
        position, replies = _field(record, "doc_id", where), _field(record, "resps", where)
        if isinstance(position, bool) or not isinstance(position, int) or position < 0:
            raise UsageError(f"{where}: doc_id {position!r} is not a position")
        if isinstance(replies, list) and any(isinstance(s, list) for r in replies if isinstance(r, list) for s in r):
            raise UsageError(f"{where}: these are log-likelihoods, not generated text; there is no completion to replay")
        if position in seen:
            if seen[position] != replies:
                raise UsageError(f"{where}: doc_id {position} was logged before with other completions")
            continue
        seen[position] = replies
        row = next(convert([record], completions="resps", id=id, task=task))
        yield row if id is not None else {k: position if k == "index" else v for k, v in row.items()}


def _field(record: Mapping[str, Any], path: str, where: str) -> Any:
    value: Any = record
    if path in record:  # a name that itself has a dot
        return record[path]
    for name in path.split("."):
        value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            raise UsageError(f"{where} has no field {path!r}; it has {', '.join(record)}")
    return value


def _key(value: Any, path: str, where: str) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UsageError(f"{where}: {path} is {value!r:.80}, and a question is known by a text or a whole number")
    return value


def _texts(value: Any, path: str, where: str) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, path, where)
    else:
        raise UsageError(f"{where}: {path} holds {value!r:.80}, and a completion is a text")


def _score(value: Any, path: str, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = _WORDS.get(value.strip().lower().rstrip("."), value)
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise UsageError(f"{where}: {path} holds {value!r:.80}, and a verdict is a truth value or a number in [0, 1]")
