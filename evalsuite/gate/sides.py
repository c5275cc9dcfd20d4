"""The two kinds of candidate: a run that is there, and a model that is asked look by look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.fingerprint import mismatches
from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.gate.budget import count, exceeds
from evalsuite.gate.candidate import Candidate, differing, make_plan
from evalsuite.gate.config import schedule
from evalsuite.gate.decide import INCONCLUSIVE
from evalsuite.gate.state import ERROR, NOT_COMPARABLE, TOLERATED, Gate, GateTask

if TYPE_CHECKING:
    from evalsuite.models import ModelRef
    from evalsuite.progress import Progress


class RunCandidate:
    """A run that is there already: one look, at what it has."""

    def __init__(self, run: Recorded) -> None:
        self.run = run

    def compare(self, gate: Gate) -> None:
        """Measure and decide. A run that did not end is our failure, never a verdict on the model."""
        manifest, name = self.run.manifest, self.run.run.path.name
        try:
            self.run.require_ended()
            crashed = ""
        except UsageError as error:
            crashed = str(error)
        for task in gate.open:
            wanted = task.wanted.name
            if crashed:
                task.settle(ERROR, crashed)
                continue
            if wanted not in manifest["tasks"]:
                task.settle(NOT_COMPARABLE, f"run {name} has no task {wanted}; it has {', '.join(manifest['tasks'])}")
                continue
            try:
                looked = int(self.run.rollup(wanted).n.max(initial=0))
            except UsageError as error:
                task.settle(ERROR, str(error))
                continue
            fields = mismatches(gate.baseline.manifest, manifest, wanted)
            fields.pop("data", None)
            if gate.permits(task, fields):
                gate.measure(task, self.run, looked)
        gate.decide()

    def recorded(self) -> dict[str, Recorded]:
        """The run of each task."""
        return {name: self.run for name in self.run.manifest.get("tasks", {})}

    def about(self) -> dict[str, Any]:
        """For gate.json."""
        return {"run_id": self.run.run.path.name, "model": self.run.name, "path": str(self.run.run.path)}


class ModelCandidate:
    """A model that is asked: look by look, until every task is decided or the budget ends."""

    def __init__(self, ref: ModelRef, output: Path, *, fresh: bool = False, progress: Progress | None = None) -> None:
        self.ref, self.output, self.fresh, self.progress = ref, output, fresh, progress
        self.candidate: Candidate | None = None

    def compare(self, gate: Gate) -> None:
        """Check what can be checked before anything is spent, then look, decide, look again."""
        for task in gate.open:
            self._prepare(gate, task)
        todo = gate.open
        if not todo:
            return
        self.candidate = candidate = Candidate(
            self.ref, [t.wanted for t in todo], gate.judge, self.output, self.fresh, gate.baseline.run.path, gate.say
        )
        samples = {t.wanted.name: 0 for t in todo}
        for number in range(max(len(t.planned) for t in todo)):
            current = [t for t in todo if t.verdict in ("", INCONCLUSIVE) and number < len(t.planned)]
            if not current:
                return
            more = {t.wanted.name: (t.planned[number] - samples[t.wanted.name]) * _questions(t) for t in current}
            if reason := exceeds(gate, candidate, more, {t.wanted.name: _prompt_tokens(t) for t in current}):
                gate.spent = reason
                for task in current:
                    if not task.differences:
                        task.settle(INCONCLUSIVE, "the budget does not reach for the first look")
                return
            samples |= {t.wanted.name: t.planned[number] for t in current}
            gate.say(f"gate: look {number + 1}: " + ", ".join(f"{t.wanted.name} n={samples[t.wanted.name]}" for t in current))
            stopped = candidate.look({name: max(n, 1) for name, n in samples.items()}, self.progress)
            count(gate, candidate)
            for task in current:
                if stopped and task.wanted.name not in candidate.runs:
                    task.settle(ERROR, stopped)
                    continue
                b = Recorded(candidate.runs[task.wanted.name])
                task.verdict = ""
                gate.measure(task, b, candidate.numbers[task.wanted.name].repeats)
                if stopped and task.verdict == ERROR:
                    task.reason = f"{stopped} ({task.reason})"
            gate.decide()
            if stopped:
                return

    def _prepare(self, gate: Gate, task: GateTask) -> None:
        """The plan, its looks, and whether it asks what the baseline was asked."""
        try:
            make_plan(task.wanted, gate.baseline.manifest, gate.profile.sampling, gate.access)
        except EvalsuiteError as error:
            task.settle(ERROR, str(error))
            return
        if not gate.permits(task, differing(task.wanted, gate.baseline.manifest, gate.judge)):
            return
        plan = task.wanted.plan
        assert plan is not None
        recorded = gate.baseline.rollup(task.wanted.name).digests
        digests, known = {s.digest(): s.id for s in plan.samples}, set(recorded)
        strange = [name for digest, name in digests.items() if digest not in known]
        gone = len(set(recorded[: gate.asked(task)]) - digests.keys())
        if len(strange) + gone > TOLERATED * len(plan.samples) and not gate.allows("data"):
            examples = f", such as {', '.join(strange[:3])}" if strange else ""
            task.settle(
                NOT_COMPARABLE,
                f"the data has changed: {len(strange)} of {len(plan.samples)} questions are not in the baseline{examples}, and "
                f"{gone} of the baseline's are gone",
            )
        most = self._most(gate, task)
        task.planned = schedule(min(task.wanted.rule.n, most), most)

    def _most(self, gate: Gate, task: GateTask) -> int:
        """Samples per question at the last look: the rule's, if as many are recorded, and one where all would be alike."""
        rule = task.wanted.rule
        most = max(rule.n, rule.max_n)
        if self.ref.backend == "replay":
            return min(most, self.ref.open().recorded(task.wanted.name))  # type: ignore[attr-defined]
        return 1 if gate.greedy(task.wanted.name, gate.baseline) else most

    def recorded(self) -> dict[str, Recorded]:
        """The run of each task that was measured."""
        runs = self.candidate.runs if self.candidate is not None else {}
        return {name: Recorded(run) for name, run in runs.items()}

    def about(self) -> dict[str, Any]:
        """For gate.json."""
        runs = list(dict.fromkeys(str(r.path) for r in self.candidate.runs.values())) if self.candidate is not None else []
        return {
            "run_id": ", ".join(Path(r).name for r in runs) or None,
            "model": self.ref.name,
            "path": " ".join(runs) or None,
        }


def _questions(task: GateTask) -> int:
    assert task.wanted.plan is not None
    return len(task.wanted.plan.samples)


def _prompt_tokens(task: GateTask) -> float:
    """About how many tokens a prompt has, at 4 characters each, from the first 100."""
    plan = task.wanted.plan
    assert plan is not None
    some = plan.samples[:100]
    return sum(len(plan.render(s).plain) for s in some) / 4 / len(some)
