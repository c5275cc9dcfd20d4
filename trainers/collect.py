"""One rollout batch: questions to the sampler, completions to the verifiers as they come."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from evalsuite import Completion, Request, Score
from evalsuite.errors import IncompleteError, RequestError
from evalsuite.models.base import Model
from evalsuite.models.vision import ImagePrompt
from evalsuite.plan import Plan
from evalsuite.rewards._judge import JudgeThread
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import Pool
from evalsuite.words.completion import Sampling, sample_seed

from .prompts import Question
from .rows import Rollout

UNTRUNCATED = {"top_p": 1.0, "top_k": 0, "min_p": 0.0}


class Sampler(Protocol):
    """Where completions come from: a `Model` whose weights follow the policy's, and the ids and `images` it reads.

    `update` brings the policy's present weights to it (`export()` writes them to a folder and names it), `wake` and `sleep` frame
    a rollout batch, `expect` says how many requests are about to come; each is a no-op where nothing is to be done.
    """

    model: Model

    def prompt_ids(self, request: Request) -> tuple[int, ...]: ...

    def images(self, request: Request) -> ImagePrompt | None: ...

    def expect(self, requests: int) -> None: ...

    def update(self, export: Callable[[], Path]) -> None: ...

    def wake(self) -> None: ...

    def sleep(self) -> None: ...

    def close(self) -> None: ...


@dataclasses.dataclass(frozen=True)
class Collector:
    """Asks the sampler and scores the answers; `judge` is for tasks whose verifier needs a model, on a loop of its own that outlives
    a rollout batch, as its connections do."""

    sampler: Sampler
    pool: Pool
    judge: JudgeThread | None = None

    async def collect(
        self,
        questions: Sequence[tuple[int, Question]],
        *,
        samples: int,
        advance: Callable[[int], None] = lambda rows: None,
    ) -> list[Rollout]:
        """`samples` scored rollouts of each (group number, question), in the order of the groups.

        Scoring overlaps generation. A question that comes again has another group number, and is answered with new noise. Where a
        request failed for good, its rows are there without tokens and without a score, as our failures are. Raises UnavailableError
        where nothing can be asked any more, IncompleteError for a sampler that gives no tokens.
        """
        slots = asyncio.Semaphore(max(1, self.sampler.model.concurrency))

        async def one(group: int, question: Question) -> list[Rollout]:
            request = training_request(question, samples, group)
            try:
                async with slots:
                    completions = await self.sampler.model.generate(request)
                prompt, images = self.sampler.prompt_ids(request), self.sampler.images(request)
            except RequestError as error:
                lost = Score(None, "error", feedback=f"the request failed: {error}")
                none = Completion(text="", token_ids=(), logprobs=())
                return _rollouts(question, group, (), [none] * samples, dict.fromkeys(range(samples), lost))
            if any(c.token_ids is None or c.logprobs is None for c in completions):
                raise IncompleteError(f"{self.sampler.model.name} gives no token ids or log-probabilities; training needs both")
            items = {i: (question.sample, completion) for i, completion in enumerate(completions)}
            scores = await self._score(question.plan, items)
            advance(len(completions))
            return _rollouts(question, group, prompt, completions, scores, images)

        self.sampler.expect(min(len(questions), max(1, self.sampler.model.concurrency)))
        groups = await asyncio.gather(*(one(group, question) for group, question in questions))
        return [rollout for rows in groups for rollout in rows]

    async def _score(self, plan: Plan, items: dict[int, Any]) -> dict[int, Score]:
        verifier = plan.task.verifier
        if isinstance(verifier, ModelVerifier) and self.judge is not None:
            return await asyncio.to_thread(self.judge.score, verifier, items, self.pool)
        return await asyncio.to_thread(self.pool.score, verifier, items)


def _rollouts(
    question: Question,
    group: int,
    prompt: tuple[int, ...],
    completions: Sequence[Completion],
    scores: Mapping[int, Score],
    images: ImagePrompt | None = None,
) -> list[Rollout]:
    return [
        Rollout(
            task=question.plan.name,
            sample=question.sample,
            group=group,
            index=i,
            prompt_ids=prompt,
            completion=completion,
            score=scores[i],
            images=images,
        )
        for i, completion in enumerate(completions)
    ]


def training_request(question: Question, samples: int, group: int) -> Request:
    """The evaluation's request with log-probabilities, and seeds that belong to this group."""
    plan, sample = question
    seeds = tuple(sample_seed(plan.seed, plan.name, f"{sample.id}@{group}", i) for i in range(samples))
    return dataclasses.replace(plan.request(sample, range(samples)), seeds=seeds, logprobs=True)


def training_plan(plan: Plan, temperature: float, max_tokens: int) -> Plan:
    """The plan with untruncated sampling: under top-p or top-k the policy that is trained is not the one that was sampled from."""
    changes: dict[str, Any] = {**UNTRUNCATED, "temperature": temperature, "repeats": 1}
    if max_tokens:
        changes["max_tokens"] = max_tokens
    sampling: Sampling = dataclasses.replace(plan.sampling, **changes)
    return dataclasses.replace(plan, sampling=sampling)


def check_scores(rollouts: Sequence[Rollout], allowed: float) -> None:
    """Raises IncompleteError where more than the share `allowed` of these rows could not be scored: zeros would teach nothing."""
    broken = [r for r in rollouts if r.score.value is None]
    if len(broken) > allowed * len(rollouts):
        last = broken[-1]
        raise IncompleteError(
            f"{len(broken)} of {len(rollouts)} completions of this step have no score (allowed: {allowed:.0%}), as on "
            f"{last.task} {last.sample.id}: {last.score.feedback}. Nothing was trained on them; mend the cause and run the same "
            "command again, or allow more with --max-errors"
        )
