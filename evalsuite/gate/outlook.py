"""What is known of a gate before anything is asked: the baseline's questions, the rules and the looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.gate.config import TaskRule, schedule
from evalsuite.gate.state import AVG, Gate, GateTask
from evalsuite.plan import questions_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One task of a gate, from the baseline's side: its Q questions that have a value.

    `n` (Q,) samples are behind each of `values` (Q,), and `within` (Q,) is the sampling variance of these, NaN for one sample;
    `binary`: every sample is 0 or 1;
    `greedy`: samples repeat one another; `enough`: there are questions enough for an interval.
    The candidate will have `looks` samples per question, with the information `fractions` and under `targets`: `benchmark`
    needs two samples on both sides.
    """

    name: str
    label: str
    rule: TaskRule
    looks: tuple[int, ...]
    fractions: tuple[float, ...]
    targets: tuple[str, ...]
    n: Any
    values: Any
    within: Any
    binary: bool
    greedy: bool
    enough: bool
    clusters: Sequence[str | None] | None
    notes: tuple[str, ...]


def outlooks(gate: Gate) -> tuple[dict[str, Outlook], dict[str, str]]:
    """The tasks of `gate` by name, and why the others cannot be gated. Raises UsageError where a roll-up cannot be read."""
    found, problems = {}, {t.wanted.name: t.reason for t in gate.tasks if t.verdict}
    for task in gate.open:
        if (outlook := _outlook(gate, task)) is not None:
            found[task.wanted.name] = outlook
        else:
            problems[task.wanted.name] = "no question of the baseline has a value"
    return found, problems


def _outlook(gate: Gate, task: GateTask) -> Outlook | None:
    import numpy as np

    from evalsuite.comparison.pairs import clusters, values
    from evalsuite.metrics.aggregate import TOO_FEW, cluster_numbers

    name, rule = task.wanted.name, task.wanted.rule
    looks = schedule(rule.n, max(rule.max_n, rule.n))
    rollup, facts = gate.baseline.rollup(name), gate.baseline.manifest["tasks"][name]
    value, within = values(rollup, AVG)
    size = facts.get("full_size") or len(value)
    asked = len(value) if rule.limit is None else questions_asked(rule.limit, size)
    first = np.arange(min(asked, len(value)))
    at = first[~np.isnan(value[first])]
    if not len(at):
        return None
    notes = []
    if asked > len(value):
        notes.append(f"{asked:,} questions are asked for and the baseline has {len(value):,}: the others cannot be compared")
    if len(at) < len(first):
        notes.append(f"questions of the baseline without a value are left out: {len(first) - len(at)}")
    n, greedy = rollup.n[at], gate.greedy(name, gate.baseline)
    if greedy:
        looks, n, within = (1,), np.ones_like(n), np.full(len(within), np.nan)
        notes.append("greedy decoding (temperature 0): more samples would repeat the first, so one is asked for")
    repeated = int(n.min()) > 1
    targets = tuple(rule.target if repeated and k > 1 else "population" for k in looks)
    if targets[-1] != rule.target:
        side = "baseline" if not repeated else "candidate"
        notes.append(f"one sample per question in the {side}: decided for new questions of this kind (target: population)")
    labels = clusters(rollup, at)
    units = len(set(cluster_numbers(labels, value[at]).tolist())) if "population" in targets else len(at)
    return Outlook(
        name=name,
        label=facts.get("label", name) if len(first) == len(value) else f"{name}[{len(first)}/{size}]",
        rule=rule,
        looks=looks,
        fractions=gate.fractions(dataclasses.replace(task, planned=looks)),
        targets=targets,
        n=n,
        values=value[at],
        within=within[at],
        binary=bool((rollup.sum == rollup.c)[at].all()),
        greedy=greedy,
        enough=units >= TOO_FEW,
        clusters=labels,
        notes=tuple(notes),
    )
