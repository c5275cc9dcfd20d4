"""`Reward`: the verifiers of one or several tasks as a reward, whatever the trainer."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evalsuite.errors import UsageError
from evalsuite.models import load as load_model
from evalsuite.models.base import Model
from evalsuite.plan import Plan, Settings, confirm_unsafe_code, make_plans, prepare
from evalsuite.rewards._judge import JudgeThread
from evalsuite.rewards.questions import COLUMNS, Questions, Turns
from evalsuite.sources import Where
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import Pool, default_pool
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score
from evalsuite.words.task import Task

if TYPE_CHECKING:
    from evalsuite.rewards.trl import AsyncReward

K = TypeVar("K", bound=Hashable)


class Reward:
    """The verifiers of one or several tasks as a reward; `evalsuite.reward` makes one. Thread-safe.

    Called, it is one of TRL's `reward_funcs`, and `asynchronous` is the same as an async function: see
    `evalsuite.rewards.trl`. `tasks` are the names it knows. A weight (default 1) multiplies every reward of its task.
    `__name__` is what a trainer calls it in its metrics; it may be set.

    `deadline` is the seconds of wall time that one completion may take where its verifier sets none itself; without it
    and `pool` the pool of this process is used. `batch_seconds` is the wall time of one call of `score`. `max_errors` is the
    share of a batch that may be without a Score in TRL's shape (`evalsuite.rewards.trl.rewards`).

    Raises UsageError for numbers out of range, weights of tasks that are not here, and a judged task without a judge;
    UnavailableError where something that a verifier needs is not there.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        *,
        weights: Mapping[str, float] | None = None,
        judge: Model | None = None,
        pool: Pool | None = None,
        deadline: float | None = None,
        batch_seconds: float | None = None,
        max_errors: float = 0.05,
    ) -> None:
        self.plans = {plan.name: plan for plan in plans}
        self.tasks = tuple(self.plans)
        self.weights = dict.fromkeys(self.tasks, 1.0) | _weights(weights or {}, self.tasks)
        self.__name__ = "+".join(self.tasks) if len(self.tasks) <= 3 else f"{len(self.tasks)}_tasks"
        for name, seconds in (("deadline", deadline), ("batch_seconds", batch_seconds)):
            _check(name, seconds, seconds is None or (_finite(seconds) and seconds > 0), "seconds above 0 are needed")
        _check("max_errors", max_errors, _finite(max_errors) and 0 <= max_errors <= 1, "a share from 0 to 1 is needed")
        self.batch_seconds, self.max_errors = batch_seconds, max_errors
        judged = [plan.name for plan in plans if isinstance(plan.task.verifier, ModelVerifier)]
        if judged and judge is None:
            raise UsageError(
                f"{', '.join(judged)}: scored by a judge model, and none was given: add judge=MODEL, or --judge MODEL"
            )
        if pool is not None and deadline is not None:
            raise UsageError("a pool and a deadline were given: a pool has its own deadline, leave one of them out")
        prepare(plans)
        self._questions = Questions(self.plans)
        self._judge = JudgeThread(judge) if judge is not None else None
        self._pool = Pool(deadline=deadline) if deadline is not None else pool
        self._owned = self._pool if deadline is not None else None

    def find(
        self, task: str | None, sample_id: str | None, prompt: Turns | None = None, *, give: str = COLUMNS
    ) -> tuple[str, Sample]:
        """The task and the sample of a row: by task and id, else by the exact prompt where it is that of one question.

        `prompt` is compared as the task's own prompt renders it, text or messages, images left out. Where there is one
        task and no prompt, an id is enough. Raises UsageError naming what was tried; `give` ends it, saying how a row of
        this trainer names its question.
        """
        return self._questions.find(task, sample_id, prompt, give)

    def score(self, items: Mapping[K, tuple[str, str, Completion]]) -> dict[K, Score]:
        """The Score of every (task, sample id, completion) under its key, in the order of `items`. From any thread.

        Tasks are scored side by side. Programs that timed out for want of processor time are run once more. What has no
        Score when `batch_seconds` are over has None with that reason. Raises UsageError for a task or sample that is not
        here, UnavailableError where worker processes or the judge are not there, BudgetError when the judge's budget is
        spent.
        """
        rows: dict[K, tuple[str, Sample, Completion]] = {}
        for key, (task, sample_id, completion) in items.items():
            if not isinstance(completion, Completion):
                raise UsageError(f"{task} {sample_id}: evalsuite.Completion(TEXT) is needed, not {type(completion).__name__}")
            rows[key] = (*self.find(self._questions.name(task), sample_id), completion)
        pool = self._pool or default_pool()
        if self.batch_seconds is not None:
            return self._in_time(rows, self.batch_seconds, pool)
        groups: dict[str, dict[K, tuple[Sample, Completion]]] = {}
        for key, (task, sample, completion) in rows.items():
            groups.setdefault(task, {})[key] = (sample, completion)
        if len(groups) <= 1:
            scored = [self._score(task, group, pool) for task, group in groups.items()]
        else:
            with ThreadPoolExecutor(len(groups), "evalsuite-reward") as threads:
                scored = list(threads.map(lambda task: self._score(task, groups[task], pool), groups))
        scores = {key: score for group in scored for key, score in group.items()}
        return {key: scores[key] for key in items}

    def value(self, task: str, score: Score) -> float | None:
        """The reward: the task's weight times the Score's value, None where it has none."""
        return None if score.value is None else self.weights[self._questions.name(task)] * score.value

    def __call__(
        self,
        /,
        *,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Any] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """One reward per completion, in TRL's shape; see `evalsuite.rewards.trl.rewards`."""
        from evalsuite.rewards.trl import rewards

        return rewards(self, self.__name__, prompts=prompts, completions=completions, completion_ids=completion_ids, **columns)

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
            Reward,
            weights=self.weights,
            judge=judge,
            deadline=self._owned.deadline if self._owned else None,
            batch_seconds=self.batch_seconds,
            max_errors=self.max_errors,
        )
        return make, (tuple(self.plans.values()),), {"__name__": self.__name__}

    def _in_time(self, rows: Mapping[K, tuple[str, Sample, Completion]], seconds: float, pool: Pool) -> dict[K, Score]:
        """One by one in threads, so that at the end of the time each has a Score or has not. Who waits then goes; what has
        been begun goes on to its own deadline behind it and is lost, what has not is left undone."""
        width = pool.workers + (self._judge.model.concurrency if self._judge is not None else 0)
        threads = ThreadPoolExecutor(width, "evalsuite-reward")
        try:
            futures = {
                key: threads.submit(self._score, task, {key: (sample, completion)}, pool)
                for key, (task, sample, completion) in rows.items()
            }
            wait(futures.values(), seconds, FIRST_EXCEPTION)
            late = Score(None, "error", feedback=f"not scored within {seconds:g} s, the time of its whole batch")
            return {key: future.result()[key] if future.done() else late for key, future in futures.items()}
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def _score(self, task: str, items: Mapping[K, tuple[Sample, Completion]], pool: Pool) -> dict[K, Score]:
        verifier = self.plans[task].task.verifier
        if isinstance(verifier, ModelVerifier) and self._judge is not None:
            return self._judge.score(verifier, items, pool)
        scores = pool.score(verifier, items)
        starved = {key: items[key] for key, score in scores.items() if score.parts.get("starved")}
        for key, score in pool.score(verifier, starved).items():  # as a run does: the second verdict counts
            scores[key] = dataclasses.replace(score, parts={**score.parts, "retried": 1.0})
        return scores


def reward(
    *tasks: str | Task,
    weights: Mapping[str, float] | None = None,
    limit: int | float | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    lock: str | Path | None = None,
    include: Sequence[str] = (),
    judge: str | Model | None = None,
    judge_args: Mapping[str, Any] | None = None,
    deadline: float | None = None,
    batch_seconds: float | None = None,
    max_errors: float = 0.05,
    confirm_run_unsafe_code: bool = False,
) -> Reward:
    """The verifiers of these tasks as a reward: `GRPOTrainer(reward_funcs=evalsuite.reward("gsm8k", "mbpp"), ...)`.

    Arguments are those of `evalsuite.run`, and `lock`, the file of `--lock`. `weights` (by task name, default 1) multiply
    the rewards of a task. `deadline` is the seconds that one completion may take, `batch_seconds` those of a whole batch, after
    which the rest of it is None. In TRL, `max_errors` is the share of a batch that may be None before it is an error.

    The rows to score name their question by `task` and `id`, columns of the data set that `evalsuite reward dataset` writes,
    or by their exact prompt. Raises UsageError for wrong names, files and numbers, UnavailableError where a judge or a sandbox
    is not there.
    """
    if not tasks:
        raise UsageError('which tasks? evalsuite.reward("gsm8k", ...); `evalsuite tasks list` shows them')
    _check("limit", limit, limit is None or (_finite(limit) and limit > 0), "a count of at least 1, or a share below 1")
    folder = Path(os.path.expanduser(data_dir)) if data_dir else None
    _check("data_dir", str(folder), folder is None or folder.is_dir(), "there is no such folder")
    where = Where(data_dir=folder, offline=offline, lock=Path(lock) if lock else None)
    if confirm_run_unsafe_code:
        confirm_unsafe_code()
    plans, _ = make_plans(tasks, Settings(limit=limit, where=where, include=tuple(include)))
    model = load_model(judge, judge_args) if isinstance(judge, str) else judge
    return Reward(plans, weights=weights, judge=model, deadline=deadline, batch_seconds=batch_seconds, max_errors=max_errors)


def _weights(given: Any, tasks: Sequence[str]) -> dict[str, float]:
    _check("weights", given, isinstance(given, Mapping), "a mapping of task names to numbers is needed")
    if unknown := given.keys() - set(tasks):
        raise UsageError(f"weights for {', '.join(sorted(map(str, unknown)))}: the tasks of this reward are {', '.join(tasks)}")
    for name, weight in given.items():
        _check(f"weight of {name}:", weight, _finite(weight), "a finite number is needed")
    return {name: float(weight) for name, weight in given.items()}


def _finite(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(value)
    except (TypeError, OverflowError):  # no number, or a whole one that no float holds
        return False


def _check(name: str, value: Any, good: bool, words: str) -> None:
    if not good:
        raise UsageError(f"{name} {value if isinstance(value, Real) else repr(value)}: {words}")
