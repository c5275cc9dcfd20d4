"""Verifier regression: the baseline's completions through today's verifiers. No model, deterministic, free; so it is first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import NotComparableError, UnavailableError, UsageError
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import read_rollup

if TYPE_CHECKING:
    from evalsuite.models.base import Model

PASS, FAIL, SKIPPED, ERROR = "pass", "fail", "skipped", "error"


@dataclass(kw_only=True)
class VerifierCheck:
    """What verifying the baseline again showed.

    `changed` are the verdicts that differ, one line each; `not_comparable` and `broken` are tasks whose data or task file is
    no longer what the baseline saw, and tasks that could not be verified by our failure, with the reason.
    """

    status: str = SKIPPED
    checked: int = 0
    changed: list[str] = field(default_factory=list)
    not_comparable: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For gate.json."""
        note = "; ".join([self.note] * bool(self.note) + [f"{t}: {why}" for t, why in self.broken.items()])
        return {"status": self.status, "checked": self.checked, "changed": self.changed, "note": note}


def check_verifiers(
    baseline: RunDir,
    tasks: Sequence[str],
    *,
    judge: Model | None = None,
    data_dir: Path | None = None,
    offline: bool = False,
    include: Sequence[str] = (),
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
            result, changes = rescore_run(baseline, [task], judge, data_dir=data_dir, offline=offline, include=include)
        except (UsageError, NotComparableError) as error:  # the task or its data is not what it was
            check.not_comparable[task] = str(error)
            continue
        except UnavailableError as error:
            check.broken[task] = str(error)
            continue
        numbers = result.tasks[task]
        check.checked += numbers.n_questions * numbers.repeats - numbers.errors
        check.changed += [str(change) for change in changes]
        before = int(read_rollup(baseline, task).n.sum())
        after = numbers.n_questions * numbers.repeats - numbers.errors
        if after < before:
            first = f": {numbers.first_errors[0]}" if numbers.first_errors else ""
            check.broken[task] = f"{before - after} completions that had a verdict cannot be verified any more{first}"
    if judged:
        check.note = f"{', '.join(judged)}: judged by a model, not verified again (give --judge)"
    if check.changed:
        check.status = FAIL
    elif check.broken:
        check.status = ERROR
    elif check.checked:
        check.status = PASS
    return check
