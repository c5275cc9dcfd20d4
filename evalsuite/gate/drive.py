"""One gate, from the verifier check to gate.json."""

from __future__ import annotations

from typing import Any

from evalsuite.baseline import describe, fetch, has_completions
from evalsuite.errors import EvalsuiteError
from evalsuite.gate.result import Side, result
from evalsuite.gate.state import ERROR, NOT_COMPARABLE, Gate
from evalsuite.gate.verify import VerifierCheck, check_verifiers


def run_gate(gate: Gate, candidate: Side) -> dict[str, Any]:
    """Verify the baseline again, measure the candidate, decide. Returns what gate.json holds."""
    _mind_age(gate)
    if gate.open:
        gate.check = _verify(gate)
        for task in gate.open:
            if (why := gate.check.not_comparable.get(task.wanted.name)) and not gate.allows("data"):
                task.settle(NOT_COMPARABLE, why)
            elif why := gate.check.broken.get(task.wanted.name):
                task.settle(ERROR, why)
    if gate.check.changed:  # nothing is spent on a comparison under other rules
        gate.notes.append(
            "Verdicts of the baseline's own completions changed, so nothing was asked of a model. If the change is meant, make a "
            "new baseline: evalsuite run --model replay:BASELINE, then evalsuite baseline set NAME RUN --replace."
        )
        for task in gate.open:
            task.settle(ERROR, "not measured, because verdicts of the verifiers changed")
    elif gate.open:
        candidate.compare(gate)
    return result(gate, candidate)


def _verify(gate: Gate) -> VerifierCheck:
    run = gate.baseline.run
    names = [t.wanted.name for t in gate.open]
    try:
        if (gate.baseline.manifest.get("baseline") or {}).get("fetch"):
            fetch(run, say=gate.say)  # what is there is held against its digest
        if not has_completions(run):
            raise EvalsuiteError(f"completions of {run.path} are missing, so its verdicts cannot be checked")
    except EvalsuiteError as error:
        return VerifierCheck(broken=dict.fromkeys(names, str(error)))
    gate.say(f"gate: verifying the completions of {run.path.name} again")
    return check_verifiers(
        run,
        names,
        judge=gate.judge,
        data_dir=gate.access.data_dir,
        offline=gate.access.offline,
        include=gate.access.include,
        quarantined=[name for name in names if gate.quarantined(name)],
    )


def _mind_age(gate: Gate) -> None:
    days, limit = describe(gate.baseline.run)["age_days"], gate.profile.max_age_days
    if limit is not None and days is not None and days > limit:
        gate.notes.append(f"The baseline is {days:.0f} days old, and max_age_days is {limit:g}: set a new one.")
