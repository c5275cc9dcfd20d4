"""A gate under way: its tasks, what each look showed, and what has been decided."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalsuite.comparison.compare import Recorded, Row, compare_task
from evalsuite.comparison.fingerprint import FIELDS
from evalsuite.comparison.pairs import Pairs
from evalsuite.errors import UsageError
from evalsuite.gate.candidate import Access, Wanted, wanted_tasks
from evalsuite.gate.config import Profile
from evalsuite.gate.decide import Decision, decide
from evalsuite.gate.verify import VerifierCheck
from evalsuite.manifest import now
from evalsuite.metrics.paired import Difference
from evalsuite.metrics.reduce import parse_metric
from evalsuite.metrics.sequential import information

if TYPE_CHECKING:
    from evalsuite.models.base import Model

NOT_COMPARABLE, ERROR = "NOT_COMPARABLE", "ERROR"
TOLERATED = 0.01  # share of questions without a pair, and of samples without a value, that does not spoil a comparison
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
        status = baseline.manifest.get("status", "unknown")
        if status != "done":
            raise UsageError(f"baseline {baseline.run.path.name} is {status}: only a run that is done can be one")
        self.profile, self.baseline, self.anchor, self.access = profile, baseline, anchor, access or Access()
        self.judge, self.allow, self.say = judge, tuple(allow), say
        self.tasks = [GateTask(w) for w in wanted_tasks(profile, baseline.manifest, self.access, tasks)]
        self.started, self.began = now(), time.monotonic()
        self.notes: list[str] = []
        self.check = VerifierCheck()
        self.spent = ""
        self.used: dict[str, float] = {"samples": 0, "tokens": 0, "cost": 0.0}
        for task in self.tasks:
            if task.wanted.name not in baseline.manifest["tasks"]:
                has = ", ".join(baseline.manifest["tasks"])
                task.settle(NOT_COMPARABLE, f"baseline {baseline.run.path.name} has no task {task.wanted.name}; it has {has}")

    @property
    def open(self) -> list[GateTask]:
        """Tasks without a verdict."""
        return [t for t in self.tasks if not t.verdict]

    def measure(self, task: GateTask, b: Recorded, pairs: Pairs, looked: int) -> None:
        """Add one look: the row, the difference under the rule's target, and what makes it void."""
        task.pairs, task.row = pairs, compare_task(self.baseline, b, task.wanted.name, AVG, pairs, "population")
        task.looks.append(looked)
        copies = any(self.copies(task.wanted.name, side) for side in (self.baseline, b))
        task.differences.append(self._under_target(task, task.row, copies))
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
            task.notes.append(
                f"samples or questions are missing: whatever they were worth, the difference lies between "
                f"{100 * missing.low:+.1f} and {100 * missing.high:+.1f} points"
            )

    def copies(self, task: str, side: Recorded) -> bool:
        """Whether the samples of a question are copies of one: greedy, and never two values. They are no evidence of their own."""
        rollup, sampling = side.rollup(task), side.manifest["tasks"][task]["identity"]["sampling"]
        return sampling.get("temperature") == 0 and bool((rollup.sum_sq * rollup.n <= rollup.sum**2 * (1 + 1e-12)).all())

    def _under_target(self, task: GateTask, row: Row, copies: bool) -> Difference:
        """The difference under the rule's target, or the population's where that cannot be had."""
        if task.wanted.rule.target == "population":
            return row.difference
        if row.other is None:
            why = "one sample per question, so the interval is for new questions of this kind (target: population)"
        elif copies:
            why = "greedy, so the samples of a question are copies of one (target: population)"
        elif row.difference.same == row.difference.n_questions:
            # The same answers, replayed or drawn with the same seeds: independent draws would not agree like this.
            why = "no question changed, so the two are not independent draws (target: population)"
        else:
            return row.other
        task.notes += [why] * (why not in task.notes)
        return row.difference

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

    def fractions(self, task: GateTask) -> tuple[float, ...]:
        """Information at the planned looks; the baseline's samples stay what they are."""
        if len(task.planned) < 2:
            return (1.0,)
        n = float(self.baseline.rollup(task.wanted.name).n.mean())
        return information(task.planned, fixed=max(n, 1.0))

    def permits(self, task: GateTask, fields: Mapping[str, str]) -> bool:
        """Whether a task may be compared although these fields of its fingerprint differ; settles it where not.

        A new verifier that changed no verdict of the baseline is the same verifier.
        """
        fields = dict(fields)
        if "verifier" in fields and self.check.status == "pass":
            task.notes.append(f"the verifier changed ({fields.pop('verifier')}), and no verdict of the baseline with it")
        if allowed := sorted(f for f in fields if f in self.allow or "all" in self.allow):
            task.notes.append("allowed to differ: " + "; ".join(f"{f}: {fields.pop(f)}" for f in allowed))
        if fields:
            task.settle(NOT_COMPARABLE, "; ".join(f"{f}: {text}" for f, text in fields.items()))
        return not fields


def only_asked(pairs: Pairs, task: Wanted) -> Pairs:
    """Where the profile asks for some of the questions, the baseline's others are not missing."""
    return pairs if task.rule.limit is None else Pairs(pairs.a, pairs.b, (), pairs.only_b, pairs.edited)
