"""Runs a `ModelVerifier`: its halves in the pool, the requests between them on the judge model."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evalsuite.errors import BudgetError, EvalsuiteError, RequestError, UnavailableError
from evalsuite.models.base import Model
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import Pool, PoolFailure
from evalsuite.words.completion import Completion, Request
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

K = TypeVar("K", bound=Hashable)

ROUNDS = 16  # requests for one item after which a verifier that never decides is stopped


class ReplyCache:
    """The judge's replies by what was asked of whom, so that scoring again costs nothing.

    In memory, and with `path` also as JSON lines: one `{"key", "completions"}` per request, appended; a torn line is
    skipped. A request counts as the same if the judge's identity, messages, sampling and seeds are.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._path = Path(path) if path else None
        self._replies: dict[str, list[Completion]] = {}
        if self._path and self._path.exists():
            for line in self._path.read_bytes().split(b"\n"):
                try:
                    row = json.loads(line)
                    self._replies[row["key"]] = [Completion.from_dict(c) for c in row["completions"]]
                except (ValueError, KeyError, TypeError):
                    continue  # torn by a kill while it was written: asked again
        self._fresh = True

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, key: str) -> list[Completion] | None:
        """The replies under `key`."""
        return self._replies.get(key)

    def put(self, key: str, replies: list[Completion]) -> None:
        """Remember `replies`. Raises OSError where the file cannot be written."""
        self._replies[key] = replies
        if self._path:
            line = json.dumps({"key": key, "completions": [c.to_dict() for c in replies]})
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:  # a break first: whatever a killed writer left ends here
                file.write(f"\n{line}\n".encode() if self._fresh else f"{line}\n".encode())
            self._fresh = False


def reply_key(identity: Mapping[str, Any], request: Request) -> str:
    """sha256 over who is asked and what."""
    messages = [dataclasses.asdict(m) for m in request.messages]
    asked = [dict(identity), messages, request.sampling.to_dict(), list(request.seeds), request.plain, request.logprobs]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=_plain).encode()).hexdigest()


async def judge_items(
    verifier: ModelVerifier,
    items: Mapping[K, tuple[Sample, Completion]],
    model: Model,
    pool: Pool,
    *,
    cache: ReplyCache | None = None,
    concurrency: int | None = None,
) -> dict[K, Score]:
    """The Score of every item under its key, in the order of `items`.

    At most `concurrency` requests (default: what the model wants) are in flight. Equal requests of one round are made
    once. Where a request fails for good the Score is None. What was spent is in `Score.parts`: `judge_requests`,
    `judge_tokens` (prompt and completion) and, where the model tells it, `judge_cost` in US dollars; replies from the
    cache are free. Raises UnavailableError where the judge is not there, BudgetError when its budget is spent.
    """
    cache = ReplyCache() if cache is None else cache
    identity = model.identity()
    slots = asyncio.Semaphore(concurrency or max(1, model.concurrency))
    live = {key: item for key, item in items.items() if not item[1].truncated}
    asked: dict[K, Any] = await asyncio.to_thread(pool.call, verifier, "ask", live)
    decided = {key: items[key] for key in items if key not in live or asked[key] == ()}
    scores = await asyncio.to_thread(pool.score, verifier, decided)
    replies: dict[K, tuple[Completion, ...]] = {key: () for key in live}
    spent: dict[K, dict[str, float]] = {key: {} for key in live}
    asked = {key: requests for key, requests in asked.items() if key not in decided}
    ended: list[EvalsuiteError] = []  # why no further request is made

    while asked:
        waiting: dict[K, tuple[Request, ...]] = {}
        for key, result in asked.items():
            if isinstance(result, PoolFailure):
                scores[key] = result.score()
            elif isinstance(result, Score):
                scores[key] = result
            elif not result or len(replies[key]) >= ROUNDS:
                scores[key] = Score(
                    None, "error", feedback=f"neither verdict nor question after {len(replies[key])} judge replies"
                )
            else:
                waiting[key] = result
        payers = {reply_key(identity, r): (key, r) for key, requests in reversed(waiting.items()) for r in requests}
        outcomes = await asyncio.gather(
            *(_generate(model, r, cached, cache, slots, spent[key], ended) for cached, (key, r) in payers.items()),
            return_exceptions=True,  # let every request end before one of them ends the call
        )
        answers: dict[str, Sequence[Completion] | str] = {}
        for cached, outcome in zip(payers, outcomes):
            if isinstance(outcome, BaseException):
                raise outcome
            answers[cached] = outcome
        ready = {}
        for key, requests in waiting.items():
            got = [answers[reply_key(identity, r)] for r in requests]
            failure = next((g for g in got if isinstance(g, str)), None)
            if failure is not None:
                scores[key] = Score(None, "error", feedback=failure)
                continue
            replies[key] += tuple(c for completions in got if not isinstance(completions, str) for c in completions)
            ready[key] = (*items[key], replies[key])
        asked = await asyncio.to_thread(pool.call, verifier, "read", ready)

    return {key: _with_cost(scores[key], spent.get(key, {})) for key in items}


async def _generate(
    model: Model,
    request: Request,
    key: str,
    cache: ReplyCache,
    slots: asyncio.Semaphore,
    spent: dict[str, float],
    ended: list[EvalsuiteError],
) -> Sequence[Completion] | str:
    """The judge's replies, or why there are none."""
    known = cache.get(key)
    if known is not None:
        return known
    async with slots:
        if ended:
            raise ended[0]
        try:
            replies = await model.generate(request)
        except RequestError as error:
            return f"judge could not be reached: {error}"
        except (UnavailableError, BudgetError) as error:
            ended.append(error)
            raise
    if len(replies) != request.n:
        return f"judge {model.name} gave {len(replies)} replies, {request.n} were asked for"
    cache.put(key, replies)
    for reply in replies:
        spent["judge_requests"] = spent.get("judge_requests", 0.0) + 1
        spent["judge_tokens"] = spent.get("judge_tokens", 0.0) + (reply.prompt_tokens or 0) + (reply.completion_tokens or 0)
        if reply.cost is not None:
            spent["judge_cost"] = spent.get("judge_cost", 0.0) + reply.cost
    return replies


def _with_cost(score: Score, spent: Mapping[str, float]) -> Score:
    return dataclasses.replace(score, parts={**score.parts, **spent}) if spent else score


def _plain(value: Any) -> Any:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else str(value)
