"""The candidate's side: asked as the baseline was, for as many samples per question as each look wants."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.comparison.fingerprint import mismatches
from evalsuite.errors import BusyError, EvalsuiteError, UsageError
from evalsuite.evaluate import evaluate
from evalsuite.manifest import identity, run_id, settings_from
from evalsuite.plan import Plan, Settings, make_plans, prepare
from evalsuite.registry.filetask import is_file_spec
from evalsuite.rescore import recorded_spec
from evalsuite.runlog import RunDir

if TYPE_CHECKING:
    from evalsuite.gate.config import Profile, TaskRule
    from evalsuite.models import ModelRef
    from evalsuite.models.base import Model
    from evalsuite.progress import Progress
    from evalsuite.results import TaskResult


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where the data is, and which task files there are, on the machine that gates."""

    data_dir: Path | None = None
    offline: bool = False
    include: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Wanted:
    """One task of the gate: its rule, and its plan where a model is to be asked."""

    name: str
    rule: TaskRule
    plan: Plan | None = None
    settings: Settings | None = None


def wanted_tasks(profile: Profile, baseline: Mapping[str, Any], access: Access, tasks: Sequence[str] | None) -> list[Wanted]:
    """The tasks of a profile by name, each with its rule; every task of the baseline where it names none.

    `tasks` takes some of them. Raises UsageError for a name that nothing has.
    """
    from evalsuite import registry

    found: dict[str, Wanted] = {}
    known = list(baseline.get("tasks", {}))
    if not profile.tasks:
        found = {name: Wanted(name=name, rule=profile.rule(name)) for name in known}
    for entry in profile.tasks:
        if entry.spec in known:
            names = [entry.spec]
        elif is_file_spec(entry.spec):  # known by its name in the run, not by where it lies
            names = [registry.load_task(entry.spec, access.include).name]
        else:
            names = list(registry.select([entry.spec], access.include).tasks)
        for name in names:
            found[name] = Wanted(name=name, rule=profile.rule(name, entry.spec))
    if tasks:
        for name in tasks:
            if name not in found:
                raise UsageError(f"profile {profile.name!r} has no task {name!r}; it has {', '.join(found)}")
        found = {name: found[name] for name in tasks}
    return list(found.values())


def make_plan(task: Wanted, baseline: Mapping[str, Any], sampling: Mapping[str, Any], access: Access) -> None:
    """Give `task` the plan that asks it as the baseline was asked, with the profile's `sampling` over it. Raises UsageError."""
    try:
        recorded = settings_from(baseline)
    except (KeyError, TypeError) as error:
        raise UsageError(f"the baseline's run.json has no sound settings ({error!r}); set the baseline again") from None
    where = dataclasses.replace(
        recorded.where, data_dir=access.data_dir or recorded.where.data_dir, offline=access.offline or recorded.where.offline
    )
    task.settings = dataclasses.replace(
        recorded,
        where=where,
        include=access.include or recorded.include,
        limit=task.rule.limit if task.rule.limit is not None else recorded.limit,
        sampling={**recorded.sampling, **sampling},
        repeats=task.rule.n,
        metrics=("avg",),
        extra_metrics=(),
    )
    spec = recorded_spec(task.name, baseline["tasks"][task.name]["source"])
    [task.plan] = make_plans([spec], task.settings)[0]
    prepare([task.plan])


def as_manifest(plans: Sequence[Plan], judge: Model | None) -> dict[str, Any]:
    """What the fingerprint of a run over these plans would be, for `comparison.fingerprint`: as JSON has it."""
    what = {
        "tasks": {plan.name: {"identity": plan.identity(), "label": plan.label} for plan in plans},
        "identity": {"judge": dict(judge.identity()) if judge is not None else None},
    }
    return dict(json.loads(json.dumps(what, default=str)))


def differing(task: Wanted, baseline: Mapping[str, Any], judge: Model | None) -> dict[str, str]:
    """Fields in which the plan of `task` differs from what the baseline was asked, data left out: questions are paired."""
    assert task.plan is not None
    fields = mismatches(baseline, as_manifest([task.plan], judge), task.name)
    fields.pop("data", None)
    return fields


class Candidate:
    """A model that is asked for more samples look by look. Tasks with other data settings go into a run of their own."""

    def __init__(
        self,
        ref: ModelRef,
        tasks: Sequence[Wanted],
        judge: Model | None,
        output: Path,
        fresh: bool,
        baseline: Path,
        say: Callable[[str], None],
    ) -> None:
        self.ref, self.judge, self.output, self.fresh, self.baseline = ref, judge, output, fresh, baseline
        self.say = say
        self._groups: dict[str, list[Wanted]] = {}
        for task in tasks:
            assert task.settings is not None
            self._groups.setdefault(str(task.settings.limit), []).append(task)
        self.runs: dict[str, RunDir] = {}
        self.numbers: dict[str, TaskResult] = {}

    def look(self, samples: Mapping[str, int], progress: Progress | None = None) -> str:
        """Bring every task to `samples` per question. Returns why a run ended early, else nothing.

        Whatever is on disk already is not asked again, so that a gate that was interrupted goes on.
        """
        for group in self._groups.values():
            plans = [self._plan(task, samples[task.name]) for task in group]
            if all(self._has(plan) for plan in plans):
                continue
            assert group[0].settings is not None
            try:
                model = self.ref.open()
                result = evaluate(
                    model,
                    plans,
                    suites={},
                    settings=group[0].settings,
                    judge=self.judge,
                    output=self.output,
                    fresh=self.fresh or self._stale(model, plans),
                    max_errors="100%",  # how many are too many is the gate's to say
                    progress=progress,
                )
            except BusyError as error:
                return str(error)
            except UsageError:
                raise  # a wrong --model is no outage
            except EvalsuiteError as error:
                return str(error)
            for plan in plans:
                self.runs[plan.name] = RunDir(Path(result.path))
                self.numbers[plan.name] = result.tasks[plan.name]
            if result.stopped:
                return result.stopped
        self.fresh = False
        return ""

    def _stale(self, model: Model, plans: Sequence[Plan]) -> bool:
        """Whether the samples on disk may be another model's: a server's name stays when its weights change.

        A gate that was cut off goes on; one that came to its end is history. Raises UsageError where that history is the baseline.
        """
        if self.ref.backend != "openai" or self.numbers:
            return False
        run = RunDir(self.output / run_id(model, plans, identity(model, plans, self.judge)))
        if run.manifest().get("status") != "done":
            return False
        if run.path.resolve() == self.baseline.resolve():
            raise UsageError(
                f"the candidate would replace its baseline {run.path}: keep that first (evalsuite baseline set NAME RUN)"
            )
        self.say(
            "gate: a server keeps its name when its weights change, so what it said before is moved aside and it is asked anew"
        )
        return True

    def _has(self, plan: Plan) -> bool:
        return plan.name in self.numbers and self.numbers[plan.name].repeats >= plan.sampling.repeats

    @staticmethod
    def _plan(task: Wanted, samples: int) -> Plan:
        assert task.plan is not None
        return dataclasses.replace(task.plan, sampling=dataclasses.replace(task.plan.sampling, repeats=samples))
