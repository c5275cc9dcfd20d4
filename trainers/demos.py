"""Demonstrations: texts that answer a task's questions, checked by the task's own verifier, to learn from by imitation."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from evalsuite import Completion, Sample
from evalsuite.baseline import find_run
from evalsuite.errors import UsageError
from evalsuite.formats import is_data_file
from evalsuite.plan import Plan
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import default_pool

from .demo_file import read_demos

RUNS = Path("results/runs")
REJECTION = "rejection:"


class Demo(NamedTuple):
    """A good answer to a question. `gap` goes before the text where the prompt is plain text, as before a worked example's."""

    task: str
    sample: Sample
    text: str
    gap: str = ""

    @property
    def question(self) -> tuple[str, str]:
        """Task and sample id."""
        return self.task, self.sample.id


class Demonstrations(NamedTuple):
    """Demonstrations in the order of the tasks and their samples, and what is not among them.

    `wrong` texts did not earn 1.0, `failed` ones made the verifier fail, and `without` questions have no demonstration.
    """

    demos: tuple[Demo, ...]
    wrong: int
    failed: int
    without: int

    def __str__(self) -> str:
        notes = [f"{len(self.demos)} demonstrations of {len({demo.question for demo in self.demos})} questions"]
        notes += [f"{self.wrong} left out: their verifier does not give them 1.0"] * bool(self.wrong)
        notes += [f"{self.failed} left out: their verifier failed"] * bool(self.failed)
        notes += [f"{self.without} questions have none"] * bool(self.without)
        return "; ".join(notes)


def demonstrations(
    plans: Sequence[Plan], source: str = "solutions", *, per_prompt: int = 0, seed: int = 0, verify: bool = True
) -> Demonstrations:
    """Different texts for the questions of these plans, at most `per_prompt` of a question (0: all), drawn at random by `seed`.

    `source` is one of
    solutions      the sample's privileged `solution`, else the gold answer that its verifier can write down
    rejection:RUN  completions of a finished evaluation that scored 1.0: rejection sampling, as in RFT (Yuan et al. 2023, arXiv
                   2308.01825). RUN is a directory, a baseline or a run id, as for `evalsuite compare`
    a data file    rows `{"id", "text"}`, with a `task` where two tasks share the id; or `{"prompt", "completion"}`, texts or
                   messages; or `{"messages"}` that end in the answer. A prompt is the bare problem or what the task makes of it
                   (of a conversation, the last user turn), and must be that of one question

    Unless `verify` is off, texts to which the task's verifier does not give 1.0 are left out and counted. Raises UsageError
    for a row that fits no question, for a verifier that needs a judge, and where nothing is left.
    """
    check_source(source)
    wanted = {(plan.name, sample.id) for plan in plans for sample in plan.samples}
    if source == "solutions":
        found = _solutions(plans)
    elif source.startswith(REJECTION):
        found = _accepted(plans, source.removeprefix(REJECTION))
    else:
        found = (
            Demo(plan.name, sample, text, "" if text[:1].isspace() else plan.prompt.gap)
            for plan, sample, text in read_demos(Path(source), plans)
        )
    texts = list({(demo.question, demo.text): demo for demo in found if demo.question in wanted}.values())
    values = _values(plans, texts) if verify else [1.0] * len(texts)
    right: dict[tuple[str, str], list[Demo]] = {}
    for demo, value in zip(texts, values):
        if value == 1.0:
            right.setdefault(demo.question, []).append(demo)
    failed = values.count(None)
    wrong = len(texts) - failed - values.count(1.0)
    if not right:
        raise UsageError(
            f"{source} has no demonstration for {', '.join(plan.name for plan in plans)}: of {len(texts)} texts {wrong} did not "
            f"earn 1.0, and the verifier failed on {failed}"
        )
    demos = tuple(
        demo
        for plan in plans
        for sample in plan.samples
        for demo in _some(right.get((plan.name, sample.id), []), per_prompt, f"{seed}/{plan.name}/{sample.id}")
    )
    return Demonstrations(demos, wrong, failed, len(wanted) - len(right))


def check_source(source: str) -> None:
    """Raises UsageError for something that `demonstrations` takes no texts from."""
    if source != "solutions" and not source.startswith(REJECTION) and not is_data_file(source):
        raise UsageError(f"no demonstrations in {source!r}; there are: solutions, {REJECTION}RUN, FILE.jsonl")


def _some(demos: list[Demo], most: int, key: str) -> list[Demo]:
    """At most so many of them (0: all), in order."""
    chosen = range(len(demos))
    return [demos[i] for i in (sorted(random.Random(key).sample(chosen, most)) if 0 < most < len(demos) else chosen)]


def _values(plans: Sequence[Plan], demos: Sequence[Demo]) -> list[float | None]:
    """What the tasks' verifiers give each text, in order; None where they fail."""
    values: dict[int, float | None] = {}
    for plan in plans:
        if isinstance(plan.task.verifier, ModelVerifier):
            raise UsageError(
                f"{plan.name}: a judge model scores its answers, which checks no demonstrations: rollout.verify=false"
            )
        items = {i: (d.sample, Completion(d.text, finish_reason="stop")) for i, d in enumerate(demos) if d.task == plan.name}
        values |= {i: score.value for i, score in default_pool().score(plan.task.verifier, items).items()}
    return [values[i] for i in range(len(demos))]


def _solutions(plans: Sequence[Plan]) -> Iterator[Demo]:
    for plan in plans:
        golds = default_pool().call(plan.task.verifier, "gold", {sample.id: (sample,) for sample in plan.samples})
        for sample in plan.samples:
            text = sample.privileged.get("solution") or golds[sample.id]
            if isinstance(text, str):
                yield Demo(plan.name, sample, text, plan.prompt.gap)


def _accepted(plans: Sequence[Plan], name: str) -> Iterator[Demo]:
    """Completions of a run that scored 1.0, verbatim, in the order of their sample indices."""
    run = find_run(name, RUNS)
    status, tasks = run.manifest().get("status"), run.tasks()
    if status != "done":
        raise UsageError(f"{run.path}: the run is not finished (status {status}); finish it first, with the same command")
    if not any(plan.name in tasks for plan in plans):
        raise UsageError(f"{run.path} has {', '.join(tasks)}, and none of {', '.join(plan.name for plan in plans)}")
    for plan in plans:
        known = {sample.id: sample for sample in plan.loaded.samples}
        rows = {(row["id"], row["i"]): row for row in run.rows(plan.name)} if plan.name in tasks else {}
        for sample_id, i in sorted(rows, key=lambda key: key[1]):
            row = rows[sample_id, i]
            if row.get("score", {}).get("value") != 1.0:
                continue
            if sample_id not in known:
                raise UsageError(
                    f"{run.path}: {plan.name} has no question {sample_id!r} any more; its data changed after the run"
                )
            yield Demo(plan.name, known[sample_id], Completion.from_dict(row["completion"]).text)
