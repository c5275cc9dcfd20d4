"""The verdict in words: for a pull request, a terminal and a CI job's log. Made from gate.json alone, so that all agree."""

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from evalsuite.escape import code, plain, prose
from evalsuite.gate.findings import HEADER, by_severity, difference, findings, guard_text, headline, notes, number, row, tally
from evalsuite.table import markdown as table

LIMIT = 60_000  # characters; GitHub refuses comments above 65,536
_BLOCK_LIMIT = 15_000
_FRAME = 5_000  # kept free for heads and tails, which are always shown
_CHANGED, _MOVED = 20, 10  # how many are listed, in all and per task


class _Block(NamedTuple):
    """A part of the comment. Lines may be left out at its end, head and tail may not."""

    head: str
    lines: list[str]
    tail: str = ""


def markdown(result: Mapping[str, Any], suite: str) -> str:
    """The pull-request comment, below 60,000 characters; what does not fit is counted where it is left out.

    It begins with the marker by which a later run finds its comment: `<!-- evalsuite:gate:SUITE -->`.
    """
    marker = f"<!-- evalsuite:gate:{re.sub('[^A-Za-z0-9._]+', '-', suite)[:100]} -->"
    head = f"{marker}\n### evalsuite gate {code(result['profile'])}: {headline(result)}"
    blocks = [_Block(head + "\n", [tally(result)]), _parties(result), _table(result)]
    blocks += [_why(result), _next(result), _verifier(result), _flips(result), _beside(result), _notes(result)]
    return _fit([block for block in blocks if block.lines])


def summary(result: Mapping[str, Any]) -> str:
    """For the terminal: the table, a line for everything that is not well, and the verdict last."""
    rows = [[plain(cell) for cell in row(task)] for task in by_severity(result)]
    lines = [table(HEADER, rows), ""] if rows else []
    lines += [f"{where}: {text}" for _, where, text in findings(result)]
    lines += [f"{plain(task['label'])}: to decide: {plain(task['need'])}" for task in by_severity(result) if task["need"]]
    changed = result["verifier"]["changed"]
    lines += [f"  {plain(change)}" for change in changed[:_CHANGED]]
    lines += [f"  ... and {len(changed) - _CHANGED} more"] * (len(changed) > _CHANGED)
    lines += [f"note: {plain(note)}" for note in notes(result)]
    return "\n".join([*lines, tally(result), f"gate {plain(result['profile'])}: {headline(result)}"])


def annotations(result: Mapping[str, Any]) -> list[str]:
    """GitHub workflow commands, one line each: errors for what fails the job, warnings for the rest."""
    out = []
    for level, where, text in findings(result):
        title = _data(f"evalsuite gate: {where}").replace(":", "%3A").replace(",", "%2C")
        out.append(f"::{level} title={title}::{_data(text)}")
    return out


def write_step_summary(result: Mapping[str, Any]) -> None:
    """Append the comment to the job's page, where GitHub names a file for it. That it cannot be written is only said."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(markdown(result, result["profile"]) + "\n")
    except OSError as error:
        print(f"the step summary cannot be written: {error}", file=sys.stderr)


def _table(result: Mapping[str, Any]) -> _Block:
    rows = [[code(label, 80), *numbers] for label, *numbers in map(row, by_severity(result))]
    if not rows:
        return _Block("", [])
    head, rule, *lines = table(HEADER, rows).split("\n")
    return _Block(f"{head}\n{rule}", lines, f"\nBounds are one-sided, alpha {result['alpha']:g}, valid over all looks.")


def _parties(result: Mapping[str, Any]) -> _Block:
    lines = []
    for role in ("candidate", "baseline", "anchor"):
        run = result[role]
        if run is None:
            continue
        known = [("", "name"), ("model ", "model"), ("run ", "run_id")]
        parts = [f"{word}{code(run[key], 80)}" for word, key in known if run.get(key)]
        if run.get("set_at"):
            age = "" if run.get("age_days") is None else f", {run['age_days']:.0f} days ago"
            parts.append(f"set {prose(run['set_at'], 40)}{age}")
        lines.append(f"- {role.capitalize()}: {', '.join(parts) or 'did not run'}")
    checked, changed = result["verifier"]["checked"], len(result["verifier"]["changed"])
    found = f"{number(checked)} recorded verdicts verified again, {number(changed)} changed" if checked else "not checked"
    return _Block("", [*lines, f"- Verifiers: {found}", _spent(result)])


def _why(result: Mapping[str, Any]) -> _Block:
    lines = [f"- **{code(where)}** {prose(text, 1500)}" for _, where, text in findings(result)]
    for task in by_severity(result):
        if (other := task["other"]) is not None and task["verdict"] not in ("PASS", "IMPROVED"):
            lines.append(f"- {code(task['label'])} for the target {prose(other['target'])}: {prose(difference(other))} points")
    return _Block("**What needs attention**\n", lines)


def _verifier(result: Mapping[str, Any]) -> _Block:
    changed, checked = result["verifier"]["changed"], result["verifier"]["checked"]
    if not changed:
        return _Block("", [])
    lines = [f"- {code(change, 200)}" for change in changed[:_CHANGED]]
    lines += [f"- and {len(changed) - _CHANGED} more in gate.json"] * (len(changed) > _CHANGED)
    title = f"Verifier regression: {len(changed)} of {checked} recorded verdicts changed"
    return _Block(f"<details><summary>{title}</summary>\n", lines, "\n</details>")


def _flips(result: Mapping[str, Any]) -> _Block:
    lines = []
    for task in by_severity(result):
        if task["won"] or task["lost"]:
            moved = [f"{code(m['id'], 60)} {number(m['a'])} -> {number(m['b'])}" for m in task["moved"][:_MOVED]]
            counts = f"{task['won']} won, {task['lost']} lost, {task['same']} same"
            lines.append(f"- {code(task['label'])}: {counts}{'; most: ' if moved else ''}{', '.join(moved)}")
    return _Block("<details><summary>Questions that moved</summary>\n", lines, "\n</details>")


def _beside(result: Mapping[str, Any]) -> _Block:
    lines = []
    for task in by_severity(result):
        parts = [f"{prose(guard['name'])} {prose(guard_text(guard))}" for guard in task["guards"]]
        if (anchor := task["anchor"]) is not None:
            parts.append(f"against the anchor {prose(difference(anchor))} points, {prose(anchor['verdict'])}")
        if parts:
            lines.append(f"- {code(task['label'])}: {'; '.join(parts)}")
    return _Block("<details><summary>Tokens, truncation, missing answers, anchor</summary>\n", lines, "\n</details>")


def _next(result: Mapping[str, Any]) -> _Block:
    tasks = by_severity(result)
    lines = [f"- {code(t['label'])}, to decide: {prose(t['need'])}" for t in tasks if t["need"]]
    if result["verifier"]["changed"]:
        lines.append("- If the verifier's change is meant: make a new baseline. If not: it is a bug of the verifier.")
    if any(t["verdict"] == "NOT_COMPARABLE" for t in tasks):
        lines.append("- Not comparable: measure the baseline anew under today's settings, or take the change back.")
    if any(t["questions"] and t["verdict"] not in ("PASS", "IMPROVED") for t in tasks) and result["candidate"]["path"]:
        paths = [str(result["baseline"]["path"]), *str(result["candidate"]["path"]).split(" ")]
        lines.append(f"- Question by question: {code(f'evalsuite compare {shlex.join(paths)}', 400)}")
    return _Block("**What to do next**\n", lines)


def _notes(result: Mapping[str, Any]) -> _Block:
    return _Block("<details><summary>Notes</summary>\n", [f"- {prose(note)}" for note in notes(result)], "\n</details>")


def _spent(result: Mapping[str, Any]) -> str:
    budget = result["budget"]
    limits = budget["limits"]

    def used(value: str, limit: float | None) -> str:
        return value if limit is None else f"{value} of {number(limit)}"

    amounts = [
        f"{number(budget['samples'])} samples",
        used(number(budget["tokens"]), limits["tokens"]) + " tokens",
        used(f"{budget['cost']:.2f}", limits["usd"]) + " US dollars",
        used(f"{budget['minutes']:.1f}", limits["minutes"]) + " minutes",
    ]
    return f"- Spent: {', '.join(amounts)}; finished {prose(result['finished'], 40)}"


def _fit(blocks: Iterable[_Block]) -> str:
    """Blocks below each other within the limits; a block that is cut says how much is missing."""
    out: list[str] = []
    room = LIMIT - _FRAME
    for block in blocks:
        left = min(room, _BLOCK_LIMIT) - len(block.head) - len(block.tail) - 60
        shown = 0
        while shown < len(block.lines) and len(block.lines[shown]) < left:
            left -= len(block.lines[shown]) + 1
            shown += 1
        missing = len(block.lines) - shown
        lines = [*block.lines[:shown], *[f"\n({missing} more lines are in gate.json)"] * bool(missing)]
        out.append("\n".join(filter(None, [block.head, *lines, block.tail])))
        room -= len(out[-1]) + 2
    return "\n\n".join(out) + "\n"


def _data(text: str) -> str:
    """The message of a workflow command."""
    return plain(text, 2000).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
