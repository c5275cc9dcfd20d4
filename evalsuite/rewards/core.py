"""`Reward`: the verifiers of one or several tasks as a reward, whatever the trainer."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evalsuite.errors import UsageError
from evalsuite.models import load as load_model
from evalsuite.models.base import Model
from evalsuite.plan import Plan, Settings, confirm_unsafe_code, make_plans, prepare
from evalsuite.rewards._judge import JudgeThread
from evalsuite.sources import Where
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import Pool, default_pool
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Message, Sample
from evalsuite.words.score import Score
from evalsuite.words.task import Task

if TYPE_CHECKING:
    from evalsuite.rewards.trl import AsyncReward

K = TypeVar("K", bound=Hashable)

Turns = str | Sequence[Message] | Sequence[Mapping[str, Any]]  # a prompt: its text, or its messages


class Reward:
    """The verifiers of one or several tasks as a reward; `evalsuite.reward` makes one. Thread-safe.

    Called, it is one of TRL's `reward_funcs`, and `asynchronous` is the same as an async function: see
    `evalsuite.rewards.trl`. `tasks` are the names it knows. A weight (default 1) multiplies every reward of its task.
    `__name__` is what a trainer calls it in its metrics; it may be set.

    `deadline` is the seconds of wall time that one completion may take where its verifier sets none itself; without it
    and `pool` the pool of this process is used.

    Raises UsageError for weights that are not finite or of tasks that are not here, and for a judged task without a
    judge; UnavailableError where something that a verifier needs is not there.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        *,
        weights: Mapping[str, float] | None = None,
        judge: Model | None = None,
        pool: Pool | None = None,
        deadline: float | None = None,
    ) -> None:
        self.plans = {plan.name: plan for plan in plans}
        self.tasks = tuple(self.plans)
        self.weights = dict.fromkeys(self.tasks, 1.0) | dict(weights or {})
        self.__name__ = "+".join(self.tasks) if len(self.tasks) <= 3 else f"{len(self.tasks)}_tasks"
        if unknown := self.weights.keys() - self.plans.keys():
            raise UsageError(f"weights for {', '.join(sorted(unknown))}: the tasks of this reward are {', '.join(self.tasks)}")
        if bad := [f"{name}={weight}" for name, weight in self.weights.items() if not math.isfinite(weight)]:
            raise UsageError(f"weights {', '.join(bad)}: finite numbers are needed")
        judged = [plan.name for plan in plans if isinstance(plan.task.verifier, ModelVerifier)]
        if judged and judge is None:
            raise UsageError(
                f"{', '.join(judged)}: scored by a judge model, and none was given: add judge=MODEL, or --judge MODEL"
            )
        if pool is not None and deadline is not None:
            raise UsageError("a pool and a deadline were given: a pool has its own deadline, leave one of them out")
        if deadline is not None and not 0 < deadline < math.inf:
            raise UsageError(f"deadline {deadline}: seconds above 0 are needed")
        prepare(plans)
        self._samples = {(plan.name, sample.id): sample for plan in plans for sample in plan.samples}
        self._judge = JudgeThread(judge) if judge is not None else None
        self._pool = Pool(deadline=deadline) if deadline is not None else pool
        self._owned = self._pool if deadline is not None else None

    def find(self, task: str | None, sample_id: str | None, prompt: Turns | None = None) -> tuple[str, Sample]:
        """The task and the sample of a row: by task and id, else by the exact prompt where it is that of one question.

        `prompt` is compared as the task's own prompt renders it, text or messages, images left out. Where there is one
        task and no prompt, an id is enough. Raises UsageError naming what was tried.
        """
        if task is None and prompt is None and len(self.tasks) == 1:
            task = self.tasks[0]
        if isinstance(task, str) and sample_id is not None:
            sample = self._samples.get((task, str(sample_id)))
            if sample is not None:
                return task, sample
        found = self._prompts.get(_key(prompt), []) if prompt is not None else []
        if len({(name, self._samples[name, key].digest()) for name, key in found}) == 1:
            name, key = found[0]
            return name, self._samples[name, key]
        tried = [] if task is None or sample_id is None else [f"task {task!r} has no sample {str(sample_id)!r} here"]
        if prompt is not None:
            where = f"the prompt of {len(found)} questions" if found else "no question's prompt"
            tried.append(f"{_excerpt(prompt)!r} is {where}")
        elif not tried:
            tried.append(f"task {task!r}, id {sample_id!r} and no prompt name no question")
        raise UsageError(
            f"no question for a completion: {'; '.join(tried)}. The tasks of this reward are {', '.join(self.tasks)}; "
            "give the columns `task` and `id` that `evalsuite reward dataset` writes"
        )

    def score(self, items: Mapping[K, tuple[str, str, Completion]]) -> dict[K, Score]:
        """The Score of every (task, sample id, completion) under its key, in the order of `items`. From any thread.

        Tasks are scored side by side. Programs that timed out for want of processor time are run once more. Raises
        UsageError for a sample that is not here, UnavailableError where worker processes or the judge are not there,
        BudgetError when the judge's budget is spent.
        """
        groups: dict[str, dict[K, tuple[Sample, Completion]]] = {}
        for key, (task, sample_id, completion) in items.items():
            groups.setdefault(task, {})[key] = (self.find(task, sample_id)[1], completion)
        if len(groups) <= 1:
            scored = [self._score(task, group) for task, group in groups.items()]
        else:
            with ThreadPoolExecutor(len(groups), "evalsuite-reward") as threads:
                scored = list(threads.map(self._score, groups, groups.values()))
        scores = {key: score for group in scored for key, score in group.items()}
        return {key: scores[key] for key in items}

    def value(self, task: str, score: Score) -> float | None:
        """The reward: the task's weight times the Score's value, None where it has none."""
        return None if score.value is None else self.weights[task] * score.value

    def __call__(
        self, *, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Sequence[Any] | None = None, **columns: Any
    ) -> list[float | None]:
        """One reward per completion, in TRL's shape; see `evalsuite.rewards.trl.rewards`."""
        from evalsuite.rewards.trl import rewards

        return rewards(self, prompts=prompts, completions=completions, completion_ids=completion_ids, **columns)

    @property
    def asynchronous(self) -> AsyncReward:
        """The same reward as an async function: TRL awaits all such functions of a batch at once."""
        from evalsuite.rewards.trl import AsyncReward

        return AsyncReward(self)

    def close(self) -> None:
        """Release the judge and the pool that `deadline` made. Both also end with the process."""
        if self._judge is not None:
            self._judge.close()
        if self._owned is not None:
            self._owned.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """For trainers that score in another process: there it has a pool and a judge loop of its own."""
        judge = self._judge.model if self._judge is not None else None
        make = functools.partial(
            Reward, weights=self.weights, judge=judge, deadline=self._owned.deadline if self._owned else None
        )
        return make, (tuple(self.plans.values()),), {"__name__": self.__name__}

    def _score(self, task: str, items: Mapping[K, tuple[Sample, Completion]]) -> dict[K, Score]:
        verifier = self.plans[task].task.verifier
        pool = self._pool or default_pool()
        if isinstance(verifier, ModelVerifier) and self._judge is not None:
            return self._judge.score(verifier, items, pool)
        scores = pool.score(verifier, items)
        starved = {key: items[key] for key, score in scores.items() if score.parts.get("starved")}
        for key, score in pool.score(verifier, starved).items():  # as a run does: the second verdict counts
            scores[key] = dataclasses.replace(score, parts={**score.parts, "retried": 1.0})
        return scores

    @functools.cached_property
    def _prompts(self) -> dict[Hashable, list[tuple[str, str]]]:
        """(task, id) of the questions by what their prompts say."""
        found: dict[Hashable, list[tuple[str, str]]] = {}
        for (task, key), sample in self._samples.items():
            rendered = self.plans[task].render(sample)
            for spelt in {_key(rendered.messages), rendered.plain}:
                found.setdefault(spelt, []).append((task, key))
        return found


def reward(
    *tasks: str | Task,
    weights: Mapping[str, float] | None = None,
    limit: int | float | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    include: Sequence[str] = (),
    judge: str | Model | None = None,
    judge_args: Mapping[str, Any] | None = None,
    deadline: float | None = None,
    confirm_run_unsafe_code: bool = False,
) -> Reward:
    """The verifiers of these tasks as a reward: `GRPOTrainer(reward_funcs=evalsuite.reward("gsm8k", "mbpp"), ...)`.

    Arguments are those of `evalsuite.run`; `weights` (by task name, default 1) multiply the rewards of a task, and
    `deadline` is the seconds that one completion may take. The rows to score name their question by `task` and `id`,
    columns of the data set that `evalsuite reward dataset` writes, or by their exact prompt. Raises UsageError for wrong
    names, files and weights, UnavailableError where a judge or a sandbox is not there.
    """
    settings = Settings(
        limit=limit,
        where=Where(data_dir=Path(os.path.expanduser(data_dir)) if data_dir else None, offline=offline),
        include=tuple(include),
    )
    if confirm_run_unsafe_code:
        confirm_unsafe_code()
    plans, _ = make_plans(tasks, settings)
    model = load_model(judge, judge_args) if isinstance(judge, str) else judge
    return Reward(plans, weights=weights, judge=model, deadline=deadline)


def _key(prompt: Turns) -> Hashable:
    """What a prompt is compared by: its text, or the role and text of every turn."""
    if isinstance(prompt, str):
        return prompt
    turns = [(t.role, t.text) if isinstance(t, Message) else (t.get("role"), content_text(t.get("content"))) for t in prompt]
    return tuple(turns)


def content_text(content: Any) -> str:
    """The text of a message's content: a text, or the text blocks of a list, joined. Empty for None."""
    if isinstance(content, str) or content is None:
        return content or ""
    blocks = [block if isinstance(block, str) else block.get("text") for block in content]
    return "".join(text for text in blocks if text)


def _excerpt(prompt: Turns) -> str:
    text = prompt if isinstance(prompt, str) else str(_key(prompt[-1:]))
    return text if len(text) <= 120 else text[:117] + "..."
