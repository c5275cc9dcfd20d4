"""What a gate has spent, and whether the next look fits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from evalsuite.gate.candidate import Candidate
from evalsuite.price import prices

if TYPE_CHECKING:
    from evalsuite.gate.state import Gate


def count(gate: Gate, candidate: Candidate) -> None:
    """Take note of what the candidate has used so far, earlier runs of the same gate included."""
    numbers = list(candidate.numbers.values())
    gate.used = {
        "samples": sum(r.n_questions * r.repeats for r in numbers),
        "tokens": sum(r.completion_tokens + r.prompt_tokens for r in numbers),
        "cost": sum(r.cost + r.judge_cost for r in numbers),
    }


def exceeds(gate: Gate, candidate: Candidate, more: Mapping[str, int], prompts: Mapping[str, float]) -> str:
    """Which limit of the budget the next look would pass, with `more` samples by task. Nothing where it fits.

    `prompts` are mean prompt tokens by task, for a first look whose baseline does not know them. A sample is expected to cost what this candidate's did so far; at the first look, what the baseline's did.
    """
    budget, minutes = gate.profile.budget, (time.monotonic() - gate.began) / 60
    tokens = cost = 0.0
    before, _ = prices(gate.baseline.run)
    seconds = 0.0
    for name, samples in more.items():
        known, then = candidate.numbers.get(name), before[name]
        if known is None:
            tokens += samples * ((then.completion_tokens or 0.0) + (then.prompt_tokens or prompts.get(name, 0.0)))
            seconds += samples * (then.seconds or 0.0)
            cost += samples * (then.cost or 0.0)
        else:
            had = known.n_questions * known.repeats
            tokens += samples * (known.completion_tokens + known.prompt_tokens) / had
            cost += samples * (known.cost + known.judge_cost) / had
    pace = minutes / gate.used["samples"] if gate.used["samples"] else 0.0
    for name, used, plus, limit in (
        ("tokens", gate.used["tokens"], tokens, budget.tokens),
        ("usd", gate.used["cost"], cost, budget.usd),
        ("minutes", minutes, seconds / 60 + pace * sum(more.values()), budget.minutes),
    ):
        if limit is not None and used + plus > limit:
            return f"{name}: {_show(used)} used, the next look would take about {_show(plus)} more, and the limit is {_show(limit)}"
    return ""


def _show(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 1000 else f"{amount:.3g}"
