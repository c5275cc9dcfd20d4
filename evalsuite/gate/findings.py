"""What a gate's result says, as plain text: what Markdown, terminal, annotations and JUnit have in common.

Everything here is computed from gate.json alone. A task with the key `quarantined` (a day) cannot fail the job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from evalsuite.escape import plain

HEADER = ("task", "questions", "samples", "baseline", "candidate", "difference (pp)", "margin (pp)", "verdict")
_ORDER = ("FAIL", "ERROR", "NOT_COMPARABLE", "INCONCLUSIVE", "IMPROVED", "PASS")
_WORDS = {
    "pass": "passed",
    "fail": "failed",
    "inconclusive": "inconclusive",
    "not_comparable": "not comparable",
    "error": "could not be measured",
    "budget": "budget spent before a decision",
}
_LIMITS = {"guard": "guards broken", "floor": "below the floor", "anchor": "behind the anchor"}


class Broken(NamedTuple):
    """A limit of one task that is not kept. `what`: `guard completion_tokens`, `floor` or `anchor`; `text`: the numbers."""

    what: str
    text: str
    enforced: bool


def headline(result: Mapping[str, Any]) -> str:
    """The verdict in words, and whether it fails the job."""
    exit_code = result["exit_code"]
    ending = f" (exit {exit_code})" if exit_code else " (a warning in this profile)" if result["verdict"] != "pass" else ""
    return _WORDS[result["verdict"]] + ending


def tally(result: Mapping[str, Any]) -> str:
    """How many tasks have which verdict, and what else decided."""
    tasks = result["tasks"].values()
    verdicts = Counter(task["verdict"] for task in tasks)
    parts = ["Tasks: " + (", ".join(f"{verdicts[v]} {v}" for v in _ORDER if verdicts[v]) or "none")]
    limits = Counter(b.what.split()[0] for task in tasks for b in broken(task) if b.enforced)
    parts += [f"{_LIMITS[what]}: {n}" for what, n in limits.items()]
    if changed := len(result["verifier"]["changed"]):
        parts.append(f"verdicts that the verifiers changed: {changed}")
    if waived := sum(bool(task.get("quarantined")) for task in tasks):
        parts.append(f"in quarantine: {waived}")
    return "; ".join(parts) + "."


def guard_text(guard: Mapping[str, Any]) -> str:
    """`210 to 250, limit +10 %`."""
    show = number if guard["name"] == "completion_tokens" else share
    limit = f", limit {plain(guard['limit'])}" if guard["limit"] else ""
    return f"{show(guard['a'])} to {show(guard['b'])}{limit}"


def broken(task: Mapping[str, Any]) -> list[Broken]:
    """The guards, the floor and the anchor that one task does not keep."""
    found = []
    for guard in task["guards"]:
        if not guard["ok"]:
            found.append(Broken(f"guard {plain(guard['name'])}", guard_text(guard), guard["enforced"]))
    if (floor := task["floor"]) is not None and not floor["ok"]:
        found.append(Broken("floor", f"{share(floor['value'])}, limit {share(floor['limit'])}", True))
    if (anchor := task["anchor"]) is not None and anchor["verdict"] == "FAIL":
        found.append(Broken("anchor", f"{difference(anchor)} points against the anchor", True))
    return found


def findings(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(error or warning, where, plain text) of all that is not well. Nothing is an error where the job does not fail."""
    fails = result["exit_code"] != 0
    out = []
    verifier = result["verifier"]
    if verifier["status"] in ("fail", "error"):
        found = [f"{len(verifier['changed'])} of {verifier['checked']} recorded verdicts changed"] * bool(verifier["changed"])
        out.append((fails, "verifiers", "; ".join([*found, plain(verifier["note"])]).rstrip("; ") or "could not be checked"))
    for task in by_severity(result):
        where, counts = plain(task["label"], 120), fails and not task.get("quarantined")
        if task["verdict"] not in ("PASS", "IMPROVED"):
            wrong = task["verdict"] != "INCONCLUSIVE" or result["on_inconclusive"] == "fail"
            out.append((counts and wrong, where, f"{task['verdict']}: {plain(task['reason'])}"))
        out += [(counts and limit.enforced, where, f"{limit.what} broken: {limit.text}") for limit in broken(task)]
    if result["budget"]["spent"]:
        out.append((fails, "budget", f"spent before a decision: {plain(result['budget']['spent'])}"))
    return [("error" if wrong else "warning", where, text) for wrong, where, text in out]


def by_severity(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Tasks, the worst verdict first."""
    return sorted(result["tasks"].values(), key=lambda task: _ORDER.index(task["verdict"]))


def row(task: Mapping[str, Any]) -> list[str]:
    """One task under `HEADER`. The label is not yet plain text."""
    samples = f"{number(task['samples_a'])} / {number(task['samples_b'])}" if task["questions"] else "-"
    verdict = task["verdict"] + (" (quarantined)" if task.get("quarantined") else "")
    return [
        task["label"],
        number(task["questions"]),
        samples,
        share(task["mean_a"]),
        share(task["mean_b"]),
        difference(task),
        f"{100 * task['margin']:.3g}",
        verdict,
    ]


def notes(result: Mapping[str, Any]) -> list[str]:
    """What the verifiers' check, the tasks and the gate itself remark, each once. Not yet plain text."""
    found = [result["verifier"]["note"]] if result["verifier"]["status"] in ("pass", "skipped") else []
    found += [f"{task['label']}: {note}" for task in by_severity(result) for note in task["notes"]]
    return [note for note in dict.fromkeys([*found, *result["notes"]]) if note]


def share(value: float | None) -> str:
    """`61.3 %`, or `-` for what is not known."""
    return "-" if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """Four significant digits, whole numbers in full, or `-` for what is not known."""
    return "-" if value is None else f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.4g}"


def difference(row: Mapping[str, Any]) -> str:
    """`-1.2 [-2.0, +0.1]` in percentage points."""
    value, lower, upper = row["value"], row["lower"], row["upper"]
    if value is None:
        return "-"
    bounds = "" if lower is None or upper is None else f" [{100 * lower:+.1f}, {100 * upper:+.1f}]"
    return f"{100 * value:+.1f}{bounds}"
