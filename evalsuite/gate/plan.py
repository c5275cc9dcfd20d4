"""`evalsuite gate --plan`: what the gate can see and what it would cost, from the baseline alone. Asks nothing of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalsuite.gate.chances import POWER, Chances
from evalsuite.gate.outlook import Outlook, outlooks
from evalsuite.gate.state import Gate
from evalsuite.price import Price, prices
from evalsuite.table import markdown

_UNITS = {"tokens": "tokens", "usd": "US dollars", "minutes": "minutes"}


def plan(gate: Gate) -> dict[str, Any]:
    """Per task and look: the drop it finds, the chance to pass or fail, and the cost; for the gate: whether its budget reaches.

    Differences are shares in [0, 1]. Variances are the baseline's, the candidate taken to be as noisy; `finds` is the drop
    that is significant with 80 % power although no other task drops. Costs are cumulative, None where the baseline does not
    know them; `tokens` are those of the completions and, where they were counted, the prompts, as the budget has them.
    Raises UsageError where the baseline cannot be read.
    """
    found, problems = outlooks(gate)
    price, unpriced = prices(gate.baseline.run)
    decidable = sum(o.enough for o in found.values())
    tasks = {name: _task(o, gate.profile.alpha, decidable, price[name]) for name, o in found.items()}
    notes = [unpriced] if unpriced else []
    if gate.anchor is not None:
        notes.append("the comparison with the anchor is not in these chances")
    return {
        "profile": gate.profile.name,
        "alpha": gate.profile.alpha,
        "power": POWER,
        "baseline": {"run_id": gate.baseline.run.path.name, "model": gate.baseline.name},
        "tasks": tasks,
        "problems": problems,
        "budget": _budget(gate, list(tasks.values())),
        "notes": notes,
    }


def plan_text(found: Mapping[str, Any]) -> str:
    """A plan as a Markdown table with notes. Two numbers in a cell are of the first look and of the last."""
    header = ["task", "questions", "baseline n", "n", "margin", "finds a drop of", "passes if the same"]
    header += ["fails at the margin", "fails at twice that", "tokens", "time", "cost"]
    rows = [_row(task) for task in found["tasks"].values()]
    unknown = [i for i in range(len(header)) if header[i] in ("tokens", "time", "cost") and all(row[i] == "-" for row in rows)]
    kept = [i for i in range(len(header)) if i not in unknown]
    base = found["baseline"]
    lines = [f"Gate `{found['profile']}` against {base['run_id']} ({base['model']}). Nothing was asked of a model.", ""]
    if rows:
        lines += [markdown([header[i] for i in kept], [[row[i] for i in kept] for row in rows]), ""]
        if any(len(task["looks"]) > 1 for task in found["tasks"].values()):
            lines.append(
                "x -> y: at the first look and by the last. n: samples per question of the candidate, which double from look to look "
                "until there is a decision."
            )
        lines.append(
            f"finds: the true drop that is significant with {100 * found['power']:g} % power, at {100 * found['alpha']:g} % over all "
            "tasks (Holm). passes, fails: the chance of that verdict if nothing changed, and if the true drop is the margin or "
            "twice that."
        )
    for name, reason in found["problems"].items():
        lines.append(f"{name}: cannot be gated: {reason}.")
    for task in found["tasks"].values():
        lines += [f"{task['label']}: {note}." for note in [*([task["warning"]] if task["warning"] else []), *task["notes"]]]
    lines += [f"{_capital(note)}." for note in [*found["budget"]["notes"], *found["notes"]]]
    return "\n".join(lines)


def _task(o: Outlook, alpha: float, tasks: int, price: Price) -> dict[str, Any]:
    questions, rule = len(o.values), o.rule
    mean = float(o.values.mean())
    out: dict[str, Any] = {
        "label": o.label,
        "questions": questions,
        "baseline_samples": float(o.n.mean()),
        "mean": mean,
        "target": o.targets[-1],
        "margin": rule.margin,
        "floor": rule.floor,
        "critical": None,
        "expected_n": None,
        "looks": [_costs(k, questions, price) for k in o.looks],
        "warning": "",
        "notes": list(o.notes),
    }
    if rule.floor is not None and mean < rule.floor:
        out["notes"].append(f"the floor is {rule.floor:g}, and the baseline itself is at {mean:.3g}")
    if not o.enough:
        out["warning"] = "too few independent questions with a value: no interval, so that it is never decided"
        return out
    chances = Chances(o, alpha, tasks)
    passed, _, expected = chances.of(0.0)
    once, twice = chances.of(rule.margin)[1], chances.of(2 * rule.margin)[1]
    for k, look in enumerate(out["looks"]):
        look |= {"finds": chances.finds[k], "pass_if_same": passed[k], "fail_at_margin": once[k], "fail_at_twice": twice[k]}
    if "population" in o.targets:
        out["notes"] += chances.pilot.notes
    elif not o.within.any():
        out["notes"].append("the samples of a question never disagreed; their variance is taken as if one had")
    return out | {"critical": chances.critical, "expected_n": expected, "warning": _warning(chances, o)}


def _costs(k: int, questions: int, price: Price) -> dict[str, Any]:
    samples = k * questions
    whole = None if price.completion_tokens is None else price.completion_tokens + (price.prompt_tokens or 0.0)
    each = {"completion_tokens": price.completion_tokens, "tokens": whole, "seconds": price.seconds, "usd": price.cost}
    return {"n": k, "samples": samples, **{name: None if x is None else x * samples for name, x in each.items()}}


def _warning(chances: Chances, o: Outlook) -> str:
    """What would make the last look find the margin, where it does not."""
    finds, margin = chances.finds[-1], o.rule.margin
    if finds <= margin:
        return ""
    alone, both = chances.enough_samples() if not o.greedy else (None, None)
    if alone is not None:
        advice = f"about {max(alone, o.looks[-1] + 1)} samples per question (max_n) would do"
    elif both is not None:
        advice = f"about {both} samples per question would do, in the baseline too"
    else:
        advice = f"about {chances.enough_questions():,} questions would do, and no number of samples"
    return (
        f"a drop below {_pp(finds)} points may go unseen (less than {100 * POWER:g} % power), and the margin is {_pp(margin)}; "
        f"{advice}, or a margin of {_pp(math.ceil(1000 * finds) / 1000)} points"
    )


def _budget(gate: Gate, tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole gate at the first look of every task and at the last, against the profile's limits."""
    budget = gate.profile.budget
    limits = {"tokens": budget.tokens, "usd": budget.usd, "minutes": budget.minutes}
    needs: dict[str, list[float | None]] = {}
    for name, key, unit in (("tokens", "tokens", 1.0), ("usd", "usd", 1.0), ("minutes", "seconds", 60.0)):
        needs[name] = []
        for look in (0, -1):
            each = [task["looks"][look][key] for task in tasks]
            needs[name].append(None if not each or None in each else sum(each) / unit)
    notes = []
    for name, limit in limits.items():
        if limit is None:
            continue
        (first, last), given = needs[name], f"budget of {limit:,} {_UNITS[name]}"
        if first is None or last is None:
            notes.append(f"{given}: whether it suffices is not known, as the baseline did not count")
        elif last <= limit:
            notes.append(f"{given}: suffices for every look (at most about {_number(last)})")
        elif first <= limit:
            notes.append(
                f"{given}: suffices for the first look (about {_number(first)}) and not for all (about {_number(last)}), so that the "
                "gate may end without a decision (exit 14)"
            )
        else:
            notes.append(f"{given}: does not suffice for the first look (about {_number(first)})")
    return {
        "limits": limits,
        "first_look": {k: v[0] for k, v in needs.items()},
        "all_looks": {k: v[1] for k, v in needs.items()},
        "notes": notes,
    }


def _row(task: Mapping[str, Any]) -> list[str]:
    first, last = task["looks"][0], task["looks"][-1]

    def both(show: Callable[[Any], str], key: str, unit: str = "") -> str:
        if first.get(key) is None:
            return "-"
        one, two = show(first[key]), show(last[key])
        return f"{two}{unit}" if first is last else f"{one} -> {two}{unit}"

    return [
        task["label"],
        f"{task['questions']:,}",
        f"{task['baseline_samples']:.3g}",
        both(str, "n"),
        f"{_pp(task['margin'])} pp",
        both(_pp, "finds", " pp"),
        both(_percent, "pass_if_same", " %"),
        both(_percent, "fail_at_margin", " %"),
        both(_percent, "fail_at_twice", " %"),
        both(lambda x: f"{x:,.0f}", "completion_tokens"),
        both(_duration, "seconds"),
        both(lambda x: f"${x:,.2f}", "usd"),
    ]


def _pp(share: float) -> str:
    return f"{100 * share:.3g}" if share >= 0.1 else f"{100 * share:.2g}"


def _number(x: float) -> str:
    return f"{x:,.0f}" if x >= 100 else f"{x:.2g}"


def _percent(chance: float) -> str:
    return f"{100 * chance:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
