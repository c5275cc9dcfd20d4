"""gate.json: the one source of the verdict, which every report is made from."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from evalsuite.baseline import describe
from evalsuite.comparison.compare import Recorded, compare_task
from evalsuite.comparison.fingerprint import mentions, mismatches
from evalsuite.comparison.pairs import values
from evalsuite.gate.decide import FAIL, INCONCLUSIVE, Decision, decide
from evalsuite.gate.state import AVG, ERROR, NOT_COMPARABLE, Gate, GateTask
from evalsuite.gate.weigh import floor, guards, need, settle_guards
from evalsuite.manifest import now

EXIT = {"pass": 0, "fail": 10, "inconclusive": 11, "not_comparable": 12, "error": 13, "budget": 14}

_SECRET = re.compile(r"((?:api_?key|token|password)=)[^,]*", re.IGNORECASE)  # CI keeps gate.json where others read it


class Side(Protocol):
    """A candidate."""

    def compare(self, gate: Gate) -> None:
        """Measure what is open and decide."""
        ...

    def recorded(self) -> dict[str, Recorded]:
        """The run of each task that was measured."""
        ...

    def about(self) -> dict[str, Any]:
        """run_id, model and path."""
        ...


def result(gate: Gate, candidate: Side) -> dict[str, Any]:
    """gate.json of a gate that has come to its end."""
    decisions = gate.decide()
    b = candidate.recorded()
    anchored = _against_anchor(gate, b)
    tasks = {t.wanted.name: _task_dict(gate, t, decisions.get(t.wanted.name), b.get(t.wanted.name)) for t in gate.tasks}
    settle_guards([row["guards"] for row in tasks.values()], gate.profile.alpha)
    for name, row in tasks.items():
        row["anchor"] = _plain(anchored.get(name))
        if gate.quarantined(name):
            row["quarantined"] = gate.profile.quarantine[name].isoformat()
            row["notes"].append(f"in quarantine until {gate.profile.quarantine[name]}: reported, and cannot fail the gate")
    verdict = _verdict(gate, {n: r for n, r in tasks.items() if not gate.quarantined(n)})
    exit_code = 0 if verdict == "inconclusive" and gate.profile.on_inconclusive == "warn" else EXIT[verdict]
    limits = gate.profile.budget
    return {
        "schema": 1,
        "verdict": verdict,
        "exit_code": exit_code,
        "profile": gate.profile.name,
        "alpha": gate.profile.alpha,
        "on_inconclusive": gate.profile.on_inconclusive,
        "baseline": describe(gate.baseline.run),
        "anchor": describe(gate.anchor.run) if gate.anchor is not None else None,
        "candidate": candidate.about(),
        "verifier": gate.check.to_dict(),
        "tasks": tasks,
        "budget": {
            **gate.used,
            "minutes": (time.monotonic() - gate.began) / 60,
            "limits": {"max_n": limits.max_n, "tokens": limits.tokens, "usd": limits.usd, "minutes": limits.minutes},
            "spent": gate.spent,
        },
        "notes": [*gate.notes, *_mentions(gate, b)],
        "started": gate.started,
        "finished": now(),
        "command": ["evalsuite", *(_SECRET.sub(r"\1***", word) for word in sys.argv[1:])],
    }


def _task_dict(gate: Gate, task: GateTask, decision: Decision | None, b: Recorded | None) -> dict[str, Any]:
    rule, row = task.wanted.rule, task.row
    plan = task.wanted.plan
    recorded = gate.baseline.manifest["tasks"].get(task.wanted.name, {})
    out: dict[str, Any] = {
        "label": plan.label if plan is not None else row.label if row is not None else recorded.get("label", task.wanted.name),
        "verdict": task.verdict or INCONCLUSIVE,
        "reason": task.reason,
        "metric": "avg",
        "margin": rule.margin,
        "target": task.differences[-1].target if task.differences else rule.target,
        "looks": task.looks,
        "notes": [*task.notes, *task.seen],
        **dict.fromkeys(
            ("critical", "value", "lower", "upper", "p", "p_holm", "mean_a", "mean_b", "mde", "other", "anchor", "floor")
        ),
        **dict.fromkeys(("questions", "samples_a", "samples_b", "won", "lost", "same"), 0),
        "guards": [],
        "moved": [],
        "need": "",
    }
    if row is None or b is None or task.pairs is None or not task.differences:
        return out
    d = task.differences[-1]
    one, two = gate.baseline.rollup(task.wanted.name), b.rollup(task.wanted.name)
    out |= {
        "value": d.value,
        "mean_a": d.mean_a,
        "mean_b": d.mean_b,
        "questions": d.n_questions,
        "samples_a": row.samples_a,
        "samples_b": row.samples_b,
        "won": d.won,
        "lost": d.lost,
        "same": d.same,
        "mde": d.mde,
        "moved": [{"id": m.id, "a": m.a, "b": m.b} for m in row.moved],
    }
    if decision is not None and _measured(task):
        out |= {
            "guards": guards(one, two, task.pairs, gate.profile.guards),
            "floor": floor(two, task.pairs.b, rule.floor),
            "critical": decision.critical,
            "lower": decision.lower,
            "upper": decision.upper,
            "p": decision.p,
            "p_holm": decision.p_holm,
        }
        rest = row.difference if d.target == "benchmark" else row.other
        if rest is not None and not math.isnan(rest.error):
            low, high = rest.bounds(decision.critical)
            out["other"] = {"target": rest.target, "value": rest.value, "lower": low, "upper": high}
        if out["verdict"] == INCONCLUSIVE and not math.isnan(d.error):
            (_, wa), (_, wb) = values(one, AVG), values(two, AVG)
            samples = row.samples_a, row.samples_b
            out["need"] = need(d, wa[task.pairs.a], wb[task.pairs.b], samples, rule.margin, decision.critical)
    return _plain(out)


def _against_anchor(gate: Gate, b: Mapping[str, Recorded]) -> dict[str, dict[str, Any]]:
    """The same rule against the pinned anchor, over all tasks, so that small steps down cannot add up."""
    found = {}
    for task in gate.tasks:
        name = task.wanted.name
        if gate.anchor is None or name not in gate.anchor.tasks or not _measured(task) or name not in b:
            continue
        fields = [f for f in mismatches(gate.anchor.manifest, b[name].manifest, name) if f != "data" and not gate.allows(f)]
        pairs = gate.pairs(task, gate.anchor, b[name])
        if fields or not len(pairs.a) or pairs.only_a or pairs.only_b:
            why = ", ".join(fields) or "other questions"
            task.notes.append(f"not comparable with the anchor ({why}): nothing guards it against slow drift")
            continue
        row = compare_task(gate.anchor, b[name], name, AVG, pairs, "population")
        found[name] = gate.under_target(task, gate.anchor, b[name], row)[0]
    decisions = decide(
        {name: [d] for name, d in found.items()},
        {t.wanted.name: t.wanted.rule.margin for t in gate.tasks},
        {t.wanted.name: gate.fractions(t, gate.anchor) for t in gate.tasks if t.wanted.name in found},
        gate.profile.alpha,
    )
    return {
        name: {
            "value": found[name].value,
            "lower": d.lower,
            "upper": d.upper,
            "p": d.p,
            "p_holm": d.p_holm,
            "verdict": d.verdict,
        }
        for name, d in decisions.items()
    }


def _measured(task: GateTask) -> bool:
    """Whether there is a comparison, and one that may be judged."""
    return bool(task.differences) and task.verdict not in (ERROR, NOT_COMPARABLE)


def _verdict(gate: Gate, tasks: Mapping[str, Mapping[str, Any]]) -> str:
    verdicts = {row["verdict"] for row in tasks.values()}
    broken = any(not g["ok"] for row in tasks.values() for g in row["guards"])
    low = any(row["floor"] is not None and not row["floor"]["ok"] for row in tasks.values())
    drifted = any(row["anchor"] is not None and row["anchor"]["verdict"] == FAIL for row in tasks.values())
    if FAIL in verdicts or broken or low or drifted or gate.check.changed:
        return "fail"
    if ERROR in verdicts:
        return "error"
    if NOT_COMPARABLE in verdicts:
        return "not_comparable"
    if INCONCLUSIVE in verdicts:
        return "budget" if gate.spent else "inconclusive"
    return "pass"


def _mentions(gate: Gate, b: Mapping[str, Recorded]) -> list[str]:
    found = dict.fromkeys(text for side in b.values() for text in mentions(gate.baseline.manifest, side.manifest))
    return [f"differs, and should not matter: {'; '.join(found)}"] if found else []


def _plain(value: Any) -> Any:
    """JSON form: NaN is null, tuples are lists."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
