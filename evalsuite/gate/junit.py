"""The verdict as JUnit XML, which CI systems show as tests. Made from gate.json alone.

Red (a failure or an error) exactly where the exit code is not 0: a quarantined task and a warning are skipped, and a verdict
that no task carries, such as a spent budget, has a case of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree

from evalsuite.escape import plain, xml
from evalsuite.gate.findings import broken, difference, headline, number, share

_KINDS = {"FAIL": "failure", "ERROR": "error", "NOT_COMPARABLE": "error", "INCONCLUSIVE": "skipped"}
_LISTED = 20


class _Case(NamedTuple):
    """One test. `kind`: failure, error, skipped, or nothing for one that passes."""

    name: str
    kind: str = ""
    message: str = ""
    body: str = ""
    out: str = ""


def junit(result: Mapping[str, Any], samples: bool = False) -> bytes:
    """One suite for the verifiers and one per task, with a case for its metric, its floor, its anchor and every guard.

    `samples`: the questions that moved most go into the `system-out` of their task's metric.
    """
    suites = [("verifiers", [_verifiers(result)])]
    for name, task in result["tasks"].items():
        suites.append((name, [_waived(case, result, task) for case in _cases(task, samples)]))
    if result["exit_code"] and not any(case.kind in ("failure", "error") for _, cases in suites for case in cases):
        kind = "failure" if result["verdict"] in ("fail", "inconclusive") else "error"
        message = "; ".join([headline(result), *filter(None, [result["budget"]["spent"], *result["notes"]])])
        suites.append(("gate", [_Case("verdict", kind, message)]))
    seconds = f"{60 * (result['budget']['minutes'] or 0):.3f}"
    root = ElementTree.Element("testsuites", {"name": xml(f"evalsuite gate {result['profile']}"), "time": seconds})
    for name, cases in suites:
        _suite(root, f"evalsuite.gate.{result['profile']}.{name}", cases)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _verifiers(result: Mapping[str, Any]) -> _Case:
    verifier = result["verifier"]
    kind = {"pass": "", "fail": "failure", "error": "error", "skipped": "skipped"}[verifier["status"]]
    changed = verifier["changed"]
    message = f"{len(changed)} of {verifier['checked']} recorded verdicts changed" if changed else verifier["note"]
    more = [f"... and {len(changed) - _LISTED} more"] * (len(changed) > _LISTED)
    return _Case("recorded verdicts", kind, message, body="\n".join([*changed[:_LISTED], *more]))


def _cases(task: Mapping[str, Any], samples: bool) -> list[_Case]:
    numbers = (
        f"{share(task['mean_a'])} -> {share(task['mean_b'])}, difference {difference(task)} points, "
        f"margin {100 * task['margin']:.3g}, {number(task['questions'])} questions"
    )
    need = f"needs {task['need']}" if task["need"] else ""
    moved = "\n".join(f"{m['id']}: {number(m['a'])} -> {number(m['b'])}" for m in task["moved"]) if samples else ""
    kind = _KINDS.get(task["verdict"], "")
    message = f"{task['verdict']}: {task['reason']}" if kind else ""
    cases = [_Case(task["metric"], kind, message, body="\n".join(filter(None, [numbers, need])) if kind else "", out=moved)]
    found = {limit.what: limit for limit in broken(task)}
    checked = [f"guard {plain(guard['name'])}" for guard in task["guards"]]
    checked += ["floor"] * (task["floor"] is not None) + ["anchor"] * (task["anchor"] is not None)
    for what in checked:
        if limit := found.get(what):
            cases.append(_Case(what, "failure" if limit.enforced else "skipped", limit.text))
        elif what == "anchor" and task["anchor"]["verdict"] == "INCONCLUSIVE":
            cases.append(_Case(what, "skipped", f"INCONCLUSIVE: {difference(task['anchor'])} points"))
        else:
            cases.append(_Case(what))
    return cases


def _waived(case: _Case, result: Mapping[str, Any], task: Mapping[str, Any]) -> _Case:
    """A case of a task that cannot fail the job is skipped instead."""
    if case.kind in ("failure", "error") and (task.get("quarantined") or not result["exit_code"]):
        why = f"quarantined until {task['quarantined']}" if task.get("quarantined") else "does not fail the gate"
        return case._replace(kind="skipped", message=f"{why}; {case.message}")
    return case


def _suite(root: ElementTree.Element, name: str, cases: list[_Case]) -> None:
    kinds = [case.kind for case in cases]
    counts = {f"{kind}s": str(kinds.count(kind)) for kind in ("failure", "error")} | {"skipped": str(kinds.count("skipped"))}
    suite = ElementTree.SubElement(root, "testsuite", {"name": xml(name), "tests": str(len(cases)), **counts, "time": "0"})
    for case in cases:
        node = ElementTree.SubElement(suite, "testcase", {"name": xml(case.name), "classname": xml(name), "time": "0"})
        if case.kind:
            ElementTree.SubElement(node, case.kind, {"message": xml(case.message)}).text = xml(case.body) or None
        if case.out:
            ElementTree.SubElement(node, "system-out").text = xml(case.out)
