"""Verifier regression: the baseline's completions through today's verifiers. No model, deterministic, free; so it is first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import read_rollup

if TYPE_CHECKING:
    from evalsuite.models.base import Model

PASS, FAIL, SKIPPED, ERROR = "pass", "fail", "skipped", "error"


@dataclass(kw_only=True)
class VerifierCheck:
    """What verifying the baseline again showed.

    `verified` are the tasks whose verdicts all stand; `changed` the verdicts that differ, one line each (`waived` those of tasks
    in quarantine); `not_comparable` and `broken` are tasks whose data is no longer what the baseline saw, and tasks that could
    not be verified by our failure, with the reason.
    """

    checked: int = 0
    verified: set[str] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)
    waived: list[str] = field(default_factory=list)
    not_comparable: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """fail where a verdict changed, error where something could not be verified, skipped where nothing was, else pass."""
        if self.changed:
            return FAIL
        return ERROR if self.broken else PASS if self.checked else SKIPPED

    def to_dict(self) -> dict[str, Any]:
        """For gate.json."""
        quarantined = [f"in quarantine, and changed: {change}" for change in self.waived]
        broken = [f"{task}: {why}" for task, why in self.broken.items()]
        return {
            "status": self.status,
            "checked": self.checked,
            "changed": self.changed,
            "note": "; ".join([*self.notes, *broken, *quarantined]),
        }


def check_verifiers(
    baseline: RunDir,
    tasks: Sequence[str],
    *,
    judge: Model | None = None,
    data_dir: Path | None = None,
    offline: bool = False,
    include: Sequence[str] = (),
    quarantined: Collection[str] = (),
) -> VerifierCheck:
    """Verify the recorded completions of `tasks` again. Each task for itself, so that one that is gone hides no other."""
    from evalsuite.rescore import rescore_run

    check = VerifierCheck()
    recorded = baseline.manifest()["tasks"]
    judged = []
    for task in tasks:
        if "judge" in recorded[task]["identity"]["verifier"].get("name", "") and judge is None:
            judged.append(task)
            continue
        try:
            before = int(read_rollup(baseline, task).n.sum())
            result, changes = rescore_run(baseline, [task], judge, data_dir=data_dir, offline=offline, include=include)
        except NotComparableError as error:
            check.not_comparable[task] = str(error)
            continue
        except EvalsuiteError as error:  # its file, its data, its completions or a sandbox is missing
            check.broken[task] = str(error)
            continue
        numbers = result.tasks[task]
        after = numbers.n_questions * numbers.repeats - numbers.errors
        check.checked += after
        (check.waived if task in quarantined else check.changed).extend(map(str, changes))
        if after < before:
            first = f": {numbers.first_errors[0]}" if numbers.first_errors else ""
            check.broken[task] = f"{before - after} completions that had a verdict cannot be verified any more{first}"
        elif not changes:
            check.verified.add(task)
    if judged:
        check.notes.append(f"{', '.join(judged)}: judged by a model, not verified again (give --judge)")
    return check
