"""A sample log of lm-eval: one line per question and filter."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.imports.bounded import bounded, utf8
from evalsuite.imports.record import Question
from evalsuite.runlog.log import decode
from evalsuite.words.sample import Message

_FIXED = frozenset((
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash", "target_hash",
    "evalsuite", "input", "prompt", "schema",
))  # fmt: skip
_PROBLEM = ("question", "problem", "prompt", "query", "input", "text", "sentence", "passage")
_INVALID = "[invalid]"  # what lm-eval's RegexFilter gives where nothing matches
_SHOWN = 12  # options whose log-likelihood is told

SHAPE = (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError)  # what meets fields of another shape


class Log:
    """A first pass over the numbers of a log, and a second one over its texts.

    `filter` is the first one of the log. `metric` is the first that every question names and whose numbers are shares, else the
    first that every question names, else the first with a number, and None without any; `lower` are metrics where lower is better,
    which are neither it nor parts. Every other number becomes a part. `answers` is the most answers that a question has, and
    `unscored` counts the questions that have no number under `metric`.
    """

    def __init__(self, path: Path, lower: Collection[str] = ()) -> None:
        self.path, self.lower, self.answers = path, lower, 0
        named: Counter[tuple[str, str]] = Counter()  # questions that name a metric, by (filter, metric)
        values: dict[tuple[str, str], dict[Any, float]] = {}  # by (filter, metric): number of each doc_id
        docs: dict[str, set[Any]] = {}
        for row in lines(path):
            kind, doc = str(row.get("filter", "none")), row["doc_id"]
            if doc in docs.setdefault(kind, set()):
                raise UsageError(f"{path}: doc_id {doc} is there twice under the filter {kind!r}")
            docs[kind].add(doc)
            try:
                self.answers = max(self.answers, len(_generated(row)))
                numbers = {m: number(row.get(m)) for m in row.get("metrics") or [key for key in row if key not in _FIXED]}
            except SHAPE as error:
                raise self._misshapen(row, error) from None
            named.update((kind, metric) for metric in numbers)
            for metric, value in numbers.items():
                if value is not None:
                    values.setdefault((kind, metric), {})[doc] = value
        if not docs:
            raise UsageError(f"{path}: the log has no line")
        self.filters = tuple(docs)
        self.filter = self.filters[0]
        self._docs = len(docs[self.filter])
        mine = [key for key in named if key in values and key[0] == self.filter and key[1] not in lower]

        def rank(key: tuple[str, str]) -> tuple[bool, bool]:
            return named[key] < self._docs, not all(0 <= v <= 1 for v in values[key].values())

        main = min(mine, key=rank, default=None)  # the first of equals
        self.metric = main[1] if main else None
        self.unscored = self._docs - len(values[main]) if main else 0
        self._values = values

    def __len__(self) -> int:
        return self._docs

    def questions(self) -> Iterator[Question]:
        """The questions in the order of the log. Raises UsageError for metrics whose names differ in what a part's name cannot have."""
        assert self.metric is not None
        others = (key for key in self._values if key != (self.filter, self.metric) and key[1] not in self.lower)
        parts = {key: part_name(key[1], key[0], self.filter) for key in others}
        if len(set(parts.values())) < len(parts):
            raise UsageError(f"{self.path}: two metrics would be one part: {', '.join(repr(metric) for _, metric in parts)}")
        for row in lines(self.path):
            if str(row.get("filter", "none")) != self.filter:
                continue
            try:
                question = self._question(row, parts)
            except SHAPE as error:
                raise self._misshapen(row, error) from None
            yield question

    def _misshapen(self, row: Mapping[str, Any], error: Exception) -> UsageError:
        return UsageError(f"{self.path}: doc_id {row['doc_id']}: not the shape that lm-eval gives a line ({error!r})")

    def _score(self, row: Mapping[str, Any], parts: Mapping[tuple[str, str], str], generated: bool) -> dict[str, Any]:
        assert self.metric is not None
        doc = row["doc_id"]
        value = self._values[self.filter, self.metric].get(doc)
        answer, feedback = _answer(row, generated)
        if value is None:
            feedback = f"{self.metric} is {row.get(self.metric)!r:.200}, which is no number"
        return {
            "value": value,
            "outcome": "error" if value is None else "no_answer" if answer == _INVALID and value == 0 else "ok",
            "answer": None if answer == _INVALID else answer,
            "feedback": feedback,
            "parts": {name: self._values[key][doc] for key, name in parts.items() if doc in self._values[key]},
        }

    def _question(self, row: Mapping[str, Any], parts: Mapping[tuple[str, str], str]) -> Question:
        texts, content = _generated(row), row.get("doc")
        doc = content if isinstance(content, Mapping) else {}
        messages = _messages(row)
        problem = next((doc[name] for name in _PROBLEM if isinstance(doc.get(name), str) and doc[name]), None)
        return Question(
            id=str(row["doc_id"]),
            digest=str(row.get("doc_hash") or _doc_hash(content)),
            messages=messages,
            problem=problem if problem is not None else messages[-1].text if messages else "",
            target=row.get("target"),
            metadata=bounded(doc),
            rows=({"i": 0, "completion": {"text": texts[0]} if texts else {}, "score": self._score(row, parts, bool(texts))},),
        )


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log. Raises UsageError naming file and line for one that is damaged, cut off, or no sample's."""
    try:
        with open(path, "rb") as file:
            for at, line in enumerate(file, 1):
                try:
                    row = decode(line)
                except ValueError as error:
                    tail = "" if line.endswith(b"\n") else " (the last line has no end: the file is cut off)"
                    raise UsageError(f"{path}:{at}: not valid JSON: {error}{tail}") from None
                if not isinstance(row.get("doc_id"), int | str):
                    raise UsageError(f"{path}:{at}: no doc_id: this is no sample log of lm-eval")
                yield row
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def number(value: Any) -> float | None:
    """A finite number, given as one, as a truth value or as digits; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def part_name(metric: str, kind: str, main: str) -> str:
    """The name of a further metric: `acc_norm`, and `exact_match@flexible-extract` under another filter than the main one."""
    return re.sub(r"[/\s,]+", "_", utf8(metric if kind == main else f"{metric}@{kind}"))


def _arguments(row: Mapping[str, Any]) -> list[list[Any]]:
    """What each request was made of: prompt, and settings (generated) or continuation (log-likelihood). Older logs have plain lists."""
    given = row.get("arguments")
    if isinstance(given, Mapping):
        return [list(of.values()) if isinstance(of, Mapping) else [of] for of in given.values()]
    return [of if isinstance(of, list) else [of] for of in given] if isinstance(given, list) else []


def _generated(row: Mapping[str, Any]) -> list[str]:
    """The texts that the model wrote for a question; none where log-likelihoods were measured."""
    request = _first(_arguments(row))
    if request is not None and not (len(request) > 1 and isinstance(request[1], Mapping)):
        return []
    return [text for text in _first(row.get("resps")) or () if isinstance(text, str)]


def _answer(row: Mapping[str, Any], generated: bool) -> tuple[str | None, str]:
    """What was extracted, and the log-likelihoods of the options where there are some."""
    if options := _options(row):
        best = max(options, key=lambda option: option[1])
        shown = ", ".join(f"{text.strip()[:40]!r} {value:.3f}" for text, value in options[:_SHOWN])
        more = f" and {len(options) - _SHOWN} more" if len(options) > _SHOWN else ""
        return best[0].strip(), f"log-likelihoods: {shown}{more}"
    found = row.get("filtered_resps")
    while isinstance(found, list):
        found = _first(found)
    return (found if isinstance(found, str) and generated else None), ""


def _options(row: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(text, log-likelihood) of each option that continues the question's own prompt."""
    out = []
    requests = _arguments(row)
    for request, reply in zip(requests, row.get("resps") or ()):
        head = _first(reply)
        value = number(head[0]) if isinstance(head, list) and len(head) == 2 else None
        if value is None or len(request) < 2 or not isinstance(request[1], str):
            return []
        if request[0] == requests[0][0]:
            out.append((request[1], value))
    return out


def _messages(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The prompt: a text, or turns where a chat model's API was asked."""
    prompt = _first(_first(_arguments(row)))
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str) and re.match(r'\[\s*\{\s*"(role|content)"', prompt):
        try:
            return tuple(Message(str(turn["role"]), str(turn["content"])) for turn in json.loads(prompt))
        except (ValueError, KeyError, TypeError):
            return (Message("user", prompt),)  # a text that only begins like turns
    return (Message("user", prompt),) if isinstance(prompt, str) else ()


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, Sequence) and not isinstance(value, str) and value else None


def _doc_hash(doc: Any) -> str:
    """As lm-eval computes it, for logs of versions that did not."""
    return hashlib.sha256(json.dumps(doc, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
