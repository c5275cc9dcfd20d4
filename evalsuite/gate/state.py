"""A gate under way: its tasks, what each look showed, and what has been decided."""

from __future__ import annotations

import datetime
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalsuite.comparison.compare import Recorded, Row, compare_task
from evalsuite.comparison.fingerprint import FIELDS
from evalsuite.comparison.pairs import Pairs, pair
from evalsuite.errors import UsageError
from evalsuite.gate.candidate import Access, Wanted, wanted_tasks
from evalsuite.gate.config import Profile
from evalsuite.gate.decide import Decision, decide
from evalsuite.gate.verify import VerifierCheck
from evalsuite.manifest import now
from evalsuite.metrics.paired import Difference
from evalsuite.metrics.reduce import parse_metric
from evalsuite.metrics.sequential import information
from evalsuite.plan import questions_asked

if TYPE_CHECKING:
    from evalsuite.models.base import Model

NOT_COMPARABLE, ERROR = "NOT_COMPARABLE", "ERROR"
TOLERATED = 0.01 + 1e-9  # share of questions without a pair, and of samples without a value, that does not spoil a comparison
AVG = parse_metric("avg")


@dataclass
class GateTask:
    """One task on its way to a verdict."""

    wanted: Wanted
    planned: tuple[int, ...] = ()
    looks: list[int] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    row: Row | None = None
    pairs: Pairs | None = None
    verdict: str = ""
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)  # notes on the last look

    def settle(self, verdict: str, reason: str) -> None:
        """Decide without a comparison."""
        self.verdict, self.reason = verdict, reason


class Gate:
    """A profile, a baseline and what has been found out so far."""

    def __init__(
        self,
        profile: Profile,
        baseline: Recorded,
        *,
        anchor: Recorded | None = None,
        access: Access | None = None,
        tasks: Sequence[str] | None = None,
        judge: Model | None = None,
        allow: Sequence[str] = (),
        say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    ) -> None:
        """`tasks` takes some of the profile's; `allow` names fields of the fingerprint that may differ. Raises UsageError."""
        if unknown := set(allow) - {*FIELDS, "all"}:
            raise UsageError(
                f"nothing called {', '.join(sorted(unknown))} can be allowed to differ; there are {', '.join(FIELDS)}, all"
            )
        for side in (baseline, *([anchor] if anchor is not None else [])):
            _sound(side)
        self.profile, self.baseline, self.anchor, self.access = profile, baseline, anchor, access or Access()
        self.judge, self.allow, self.say = judge, tuple(allow), say
        self.tasks = [GateTask(w) for w in wanted_tasks(profile, baseline.manifest, self.access, tasks)]
        self.started, self.began = now(), time.monotonic()
        self.notes: list[str] = []
        self.check = VerifierCheck()
        self.spent = ""
        self.used: dict[str, float] = {"samples": 0, "tokens": 0, "cost": 0.0}
        for task in self.tasks:
            name = task.wanted.name
            if name not in baseline.tasks:
                has = ", ".join(baseline.tasks)
                task.settle(NOT_COMPARABLE, f"baseline {baseline.run.path.name} has no task {name}; it has {has}")
                continue
            self._look_at(task)

    def _look_at(self, task: GateTask) -> None:
        """What can be known of the baseline's and the anchor's side before anything is spent. Reads both, so damage shows now."""
        name = task.wanted.name
        rollup = self.baseline.rollup(name)
        at = slice(self.asked(task))
        lost = 1 - float(rollup.n[at].sum()) / max(float((rollup.n[at] + rollup.errors[at]).sum()), 1.0)
        if lost > TOLERATED:
            task.settle(ERROR, f"{100 * lost:.1f} % of the baseline's samples have no value; make one that is whole")
        if self.anchor is not None and name in self.anchor.tasks:
            self.anchor.rollup(name)
        elif self.anchor is not None:
            task.notes.append(f"the anchor has no task {name}: nothing guards it against slow drift")

    def asked(self, task: GateTask) -> int | None:
        """How many of the baseline's questions, from the first, the rule asks for; None for all."""
        limit, facts = task.wanted.rule.limit, self.baseline.tasks[task.wanted.name]
        return None if limit is None else questions_asked(limit, facts.get("full_size") or facts["n_questions"])

    def allows(self, field: str) -> bool:
        """Whether the caller said that this field of the fingerprint may differ."""
        return field in self.allow or "all" in self.allow

    def quarantined(self, task: str) -> bool:
        """Whether a task is reported and cannot fail the gate today."""
        return self.profile.quarantined(task, datetime.date.today())

    @property
    def open(self) -> list[GateTask]:
        """Tasks without a verdict."""
        return [t for t in self.tasks if not t.verdict]

    def pairs(self, task: GateTask, side: Recorded, b: Recorded) -> Pairs:
        """The questions of `side` and `b` that the rule asks for; those of `side` beyond its limit are not missing."""
        found = pair(side.rollup(task.wanted.name), b.rollup(task.wanted.name))
        if self.allows("data"):
            found = Pairs(found.a, found.b, (), (), found.edited)
        asked = self.asked(task)
        if asked is None:
            return found
        first = found.a < asked
        return Pairs(found.a[first], found.b[first], tuple(i for i in found.only_a if i < asked), found.only_b, found.edited)

    def measure(self, task: GateTask, b: Recorded, looked: int) -> None:
        """Add one look: the row, the difference under the rule's target, and what makes it void."""
        task.pairs = self.pairs(task, self.baseline, b)
        task.row = compare_task(self.baseline, b, task.wanted.name, AVG, task.pairs, "population")
        if looked in task.looks:  # no new samples since
            task.looks.pop()
            task.differences.pop()
        task.looks.append(looked)
        difference, why = self.under_target(task, self.baseline, b, task.row)
        task.differences.append(difference)
        task.seen = [why] if why else []
        pairs = task.pairs
        missing, rates = task.row.missing, (task.row.rates_a, task.row.rates_b)
        alone = (missing.only_a + missing.only_b) / max(missing.only_a + missing.only_b + len(pairs.a), 1)
        if alone > TOLERATED:
            examples = ", ".join(missing.examples)
            task.settle(
                NOT_COMPARABLE,
                f"{missing.only_a + missing.only_b} questions are in one run only ({100 * alone:.1f} %), such as {examples}",
            )
        elif (lost := 1 - min(r.coverage for r in rates)) > TOLERATED or math.isnan(lost):
            side = "candidate" if not rates[1].coverage >= rates[0].coverage else "baseline"
            task.settle(ERROR, f"{100 * lost:.1f} % of the {side}'s samples have no value, by our failure and not the model's")
        elif missing.share or lost:
            task.seen.append(
                f"samples or questions are missing: whatever they were worth, the difference lies between "
                f"{100 * missing.low:+.1f} and {100 * missing.high:+.1f} points"
            )

    @staticmethod
    def greedy(task: str, side: Recorded) -> bool:
        """Whether a run was asked for the likeliest answer: further samples of a question are copies, and no evidence.

        What is recorded may have been sampled whatever the task says; there, copies are samples that never differ.
        """
        if side.tasks[task]["identity"]["sampling"].get("temperature") != 0:
            return False
        rollup, recorded = side.rollup(task), side.manifest["model"].get("backend") in ("replay", "scripted")
        return not recorded or bool((rollup.sum_sq * rollup.n <= rollup.sum**2 * (1 + 1e-12)).all())

    def under_target(self, task: GateTask, a: Recorded, b: Recorded, row: Row) -> tuple[Difference, str]:
        """The difference under the rule's target, or the population's where that cannot be had, and then why."""
        if task.wanted.rule.target == "population":
            return row.difference, ""
        if row.other is None:
            return (
                row.difference,
                "questions with one sample, so the interval is for new questions of this kind (target: population)",
            )
        if any(self.greedy(task.wanted.name, side) for side in (a, b)):
            return row.difference, "greedy, so samples of a question are copies of one (target: population)"
        if 0 < row.difference.same == row.difference.n_questions:
            # The same answers, replayed or drawn with the same seeds: independent draws would not agree like this.
            return row.difference, "no question changed, so independent draws are no model of it (target: population)"
        return row.other, ""

    def decide(self) -> dict[str, Decision]:
        """Verdicts of everything that has been measured; settles what is decided."""
        seen = [t for t in self.tasks if t.differences and t.verdict not in (ERROR, NOT_COMPARABLE)]
        decisions = decide(
            {t.wanted.name: t.differences for t in seen},
            {t.wanted.name: t.wanted.rule.margin for t in seen},
            {t.wanted.name: self.fractions(t) for t in seen},
            self.profile.alpha,
        )
        for task in seen:
            decision = decisions[task.wanted.name]
            task.verdict, task.reason = decision.verdict, decision.reason
        return decisions

    def fractions(self, task: GateTask, side: Recorded | None = None) -> tuple[float, ...]:
        """Information at the planned looks; the samples of the baseline, or of another `side`, stay what they are."""
        if len(task.planned) < 2:
            return (1.0,)
        n = float((side or self.baseline).rollup(task.wanted.name).n.mean())
        return information(task.planned, fixed=max(n, 1.0))

    def permits(self, task: GateTask, fields: Mapping[str, str]) -> bool:
        """Whether a task may be compared although these fields of its fingerprint differ; settles it where not.

        A new verifier that changed no verdict of the baseline is the same verifier.
        """
        fields = dict(fields)
        if "verifier" in fields and task.wanted.name in self.check.verified:
            task.notes.append(f"the verifier changed ({fields.pop('verifier')}), and no verdict of the baseline with it")
        if allowed := sorted(f for f in fields if self.allows(f)):
            task.notes.append("allowed to differ: " + "; ".join(f"{f}: {fields.pop(f)}" for f in allowed))
        if fields:
            task.settle(NOT_COMPARABLE, "; ".join(f"{f}: {text}" for f, text in fields.items()))
        return not fields


def _sound(side: Recorded) -> None:
    """Raises UsageError for a baseline that is not done, or whose run.json lacks what a gate reads."""
    name, manifest = side.run.path.name, side.manifest
    if side.status != "done":
        raise UsageError(f"baseline {name} is {side.status}: only a run that is done can be one")
    for key in ("tasks", "model"):
        if not isinstance(manifest.get(key), Mapping) or not manifest[key]:
            raise UsageError(f"baseline {name}: run.json has no {key}, so it is damaged or edited; set the baseline again")
