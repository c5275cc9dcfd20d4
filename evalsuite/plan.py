"""From names and overrides to `Plan`s: what will be asked of whom, before anything is asked."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalsuite import registry
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.metrics.reduce import parse_metric
from evalsuite.sandbox import UNSAFE
from evalsuite.sources import Loaded, Where, load, load_shots
from evalsuite.verifiers.pool import default_pool
from evalsuite.words.completion import Request, Sampling, sample_seed
from evalsuite.words.prompt import Prompt, Rendered, Shot
from evalsuite.words.sample import Sample
from evalsuite.words.task import Task


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a caller may change about the tasks of a run. None means: as the task defines it."""

    repeats: int | None = None
    limit: int | float | None = None
    num_fewshot: int | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] | None = None
    extra_metrics: tuple[str, ...] = ()
    prompt: str | None = None
    system: str | None = None
    seed: int = 0
    where: Where = field(default_factory=Where)
    include: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One task of a run, resolved: which samples, which prompt, how they are drawn, what is reported."""

    name: str
    task: Task
    samples: tuple[Sample, ...]
    loaded: Loaded
    prompt: Prompt
    shots: tuple[Shot, ...]
    sampling: Sampling
    wanted_metrics: tuple[str, ...]
    seed: int
    system: str | None

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is reported: the wanted metrics that this many samples can give, and the average where they give none."""
        return tuple(m for m in self.wanted_metrics if parse_metric(m).needs_n <= self.sampling.repeats) or ("avg",)

    @property
    def label(self) -> str:
        """The task's name, with `[n/size]` where this is not the full set."""
        size = self.loaded.size or len(self.loaded.samples) + self.loaded.skipped
        return self.name if len(self.samples) >= size else f"{self.name}[{len(self.samples)}/{size}]"

    def render(self, sample: Sample) -> Rendered:
        """The prompt of one sample."""
        return self.prompt.render(sample, self.shots, self.system)

    def request(self, sample: Sample, indices: Sequence[int]) -> Request:
        """The request for these sample indices of one question."""
        rendered = self.render(sample)
        return Request(
            messages=rendered.messages,
            plain=rendered.plain,
            plain_stop=rendered.plain_stop,
            sampling=self.sampling,
            seeds=tuple(sample_seed(self.seed, self.name, sample.id, i) for i in indices),
            indices=tuple(indices),
            task=self.name,
            sample_id=sample.id,
            tools=sample.tools,
        )

    def identity(self) -> dict[str, Any]:
        """Everything this task's numbers depend on, `repeats` left out: more samples extend a run, they do not change it."""
        sampling = self.sampling.to_dict()
        del sampling["repeats"]
        return {
            "version": self.task.version,
            "data": hashlib.sha256("\n".join(f"{s.id}\x1f{s.digest()}" for s in self.samples).encode()).hexdigest()[:16],
            "prompt": {"name": self.prompt.name, "hash": _hash((self.prompt, self.shots, self.system))},
            "num_fewshot": len(self.shots),
            "sampling": sampling,
            "verifier": self.task.verifier.describe(),
            "seed": self.seed,
        }


def make_plans(tasks: Sequence[str | Task], settings: Settings) -> tuple[list[Plan], dict[str, tuple[str, ...]]]:
    """Plans for these tasks in the order asked, and the suites among them with their members' names. Raises UsageError."""
    names = [t for t in tasks if isinstance(t, str)]
    chosen = registry.select(names, settings.include) if names else registry.Selection((), {})
    loaded = [registry.load_task(name, settings.include) for name in chosen.tasks]
    loaded += [_named(t) for t in tasks if isinstance(t, Task)]
    if not loaded:
        raise UsageError("no task was asked for: --tasks NAME[,NAME...]; `evalsuite tasks list` shows them")
    seen: set[str] = set()
    for task in loaded:
        if task.name in seen:
            raise UsageError(f"task {task.name!r} is asked for twice")
        seen.add(task.name)
    return [make_plan(task, settings) for task in loaded], dict(chosen.suites)


def make_plan(task: Task, settings: Settings) -> Plan:
    """The plan of one task."""
    data = load(task, settings.where)
    samples = data.samples[: questions_asked(settings.limit, len(data.samples))]
    if not samples:
        raise UsageError(f"task {task.name!r} has no samples in {data.location}")
    changes = dict(settings.sampling)
    if settings.repeats is not None:
        changes["repeats"] = settings.repeats
    try:
        sampling = dataclasses.replace(task.sampling, **changes)
    except (TypeError, ValueError) as error:
        raise UsageError(f"task {task.name!r}: {error}") from None
    shots = settings.num_fewshot if settings.num_fewshot is not None else task.num_fewshot
    return Plan(
        name=task.name,
        task=task,
        samples=samples,
        loaded=data,
        prompt=_prompt(task, settings.prompt),
        shots=load_shots(task, settings.where, shots) if shots else (),
        sampling=sampling,
        wanted_metrics=_metrics(task, settings, sampling.repeats),
        seed=settings.seed,
        system=settings.system,
    )


def prepare(plans: Sequence[Plan]) -> None:
    """Raises UnavailableError where something that a verifier of these plans needs is not there. Before anything is spent."""
    for plan in plans:
        try:
            plan.task.verifier.prepare()
        except UnavailableError as error:
            raise UnavailableError(f"{plan.name}: {error}") from None


def confirm_unsafe_code() -> None:
    """Let programs of a model run without full isolation from now on, in this process and in the default pool.

    Workers that have been started without it are ended, and so are calls under way in them.
    """
    if os.environ.get(UNSAFE) != "1":
        os.environ[UNSAFE] = "1"
        default_pool().close()


def requests(plan: Plan, done: Mapping[str, set[int]], one_by_one: bool = False) -> Iterator[Request]:
    """One request per question for the sample indices that are not done yet, in the order of the samples.

    `one_by_one`: one request per sample, for backends whose samples share no work, so that a failure costs one sample.
    """
    for sample in plan.samples:
        have = done.get(sample.id, set())
        missing = [i for i in range(plan.sampling.repeats) if i not in have]
        if missing:
            for indices in [[i] for i in missing] if one_by_one else [missing]:
                yield plan.request(sample, indices)


def _named(task: Task) -> Task:
    if not task.name:
        raise UsageError("a Task given as an object needs a name: Task(name=..., ...)")
    return task


def _prompt(task: Task, name: str | None) -> Prompt:
    if name is None or name == task.prompt.name:
        return task.prompt
    for prompt in task.prompts:
        if prompt.name == name:
            return prompt
    names = [p.name for p in (task.prompt, *task.prompts)]
    raise UsageError(f"task {task.name!r} has no prompt {name!r}; it has {', '.join(names)}")


def _metrics(task: Task, settings: Settings, repeats: int) -> tuple[str, ...]:
    """What to report. A metric that was asked for and needs more samples is an error before anything is spent."""
    asked = (settings.metrics or ()) + settings.extra_metrics
    for name in asked:
        needed = parse_metric(name).needs_n
        if needed > repeats:
            raise UsageError(
                f"{name} needs at least {needed} samples per question, and this run draws {repeats}: add -n {needed}"
            )
    return tuple(dict.fromkeys(asked if settings.metrics else (*task.metrics, *settings.extra_metrics)))


def questions_asked(limit: int | float | None, n: int) -> int:
    """How many of `n` questions `--limit` leaves: a count, or a share of the set when below 1. Raises UsageError."""
    if limit is None:
        return n
    if not 0 < limit < math.inf:
        raise UsageError(f"--limit {limit}: a count of at least 1, or a share between 0 and 1")
    return max(1, round(limit * n)) if limit < 1 else int(limit)


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
