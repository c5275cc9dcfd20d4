"""pass@k and its relatives over k: per question, as means with intervals, and where two runs differ.

All values come from `evalsuite.metrics`: unbiased over the n samples of a question. A sample is right where its value is exactly 1.0.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.fingerprint import mismatches
from evalsuite.comparison.pairs import clusters, pair, values
from evalsuite.errors import UsageError
from evalsuite.metrics import Metric, aggregate, compare, holm, maj_at_k
from evalsuite.runlog import RunDir, slug

from ..catalog import Run

KINDS = {"pass@k": "pass@", "pass^k": "pass^", "maj@k": "maj@", "G-Pass@k": "g_pass@", "mG-Pass@k": "mg_pass@"}
MAJORITY = 8192  # k n up to which the expectation over subsets is worked out: 2 s for 125 questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One task of one run under one of KINDS: `values` (K, Q), NaN where a question has fewer than `ks[i]` samples with a value.

    `n` (Q,) are the samples with a value, `repeats` those that were wanted of every question.
    """

    kind: str
    ks: tuple[int, ...]
    values: np.ndarray
    ids: Sequence[str]
    digests: Sequence[str]
    clusters: Sequence[str | None]
    n: np.ndarray
    repeats: int

    def short(self, k: int) -> list[str]:
        """Ids of the questions that have fewer than `k` samples, and so no value at k."""
        return [self.ids[i] for i in np.flatnonzero(self.n < k)]


def sizes(n: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `n` itself."""
    return tuple(sorted({*(2**i for i in range(n.bit_length()) if 2**i <= n), *([n] if n else [])}))


def read_curve(run: Run, task: str, kind: str, tau: float = 0.5) -> Curve:
    """A task of a run under one of KINDS; `tau` is that of G-Pass@k.

    Raises UsageError where the run has not ended, its files cannot be read, or answer classes are missing for maj@k.
    """
    recorded = Recorded(RunDir(run.path))
    recorded.require_ended()
    rollup = recorded.rollup(task)
    ks = sizes(int(rollup.n.max(initial=0)))
    if kind == "mG-Pass@k":
        ks = tuple(k for k in ks if k > 1)  # as published, it is 0 for every question at k = 1
    if kind == "maj@k":
        ks = tuple(k for k in ks if k * ks[-1] <= MAJORITY)
        found = _majorities(run, task, rollup.ids, ks)
    else:
        metrics = [Metric(KINDS[kind], k, tau if kind == "G-Pass@k" else 0.0) for k in ks]
        found = np.array([values(rollup, metric)[0] for metric in metrics]).reshape(len(ks), len(rollup.ids))
    return Curve(
        kind=kind,
        ks=ks,
        values=found,
        ids=rollup.ids,
        digests=rollup.digests,
        clusters=rollup.clusters,
        n=rollup.n,
        repeats=int((rollup.n + rollup.errors).max(initial=0)),
    )


def at_k(name: str, k: int) -> str:
    """The metric of a curve at one k: `pass@4` of `pass@k`."""
    return name.replace("k", str(k), 1)


def points(curve: Curve) -> pd.DataFrame:
    """A row per k: value, low, high, questions (with a value), short (without), unsteady (k above half of the samples).

    The interval is that of `results.json` under the target `population`: n / k draws per question, clusters kept together.
    """
    labels = clusters(curve, np.arange(len(curve.ids)))
    rows = []
    for k, row in zip(curve.ks, curve.values):
        a = aggregate(row, clusters=labels, samples_per_question=curve.repeats / k)
        rows.append((k, a.value, a.low, a.high, a.n_questions, len(curve.short(k)), 2 * k > curve.repeats))
    return pd.DataFrame(rows, columns=["k", "value", "low", "high", "questions", "short", "unsteady"])


def differences(
    curves: Mapping[str, Mapping[str, Curve]], runs: Mapping[str, Run], task: str
) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """All pairs of runs in `curves` (by curve's name, then run key) at every k that both have, and the pairs that cannot be compared
    (a, b, why).

    Columns curve, a, b, k, difference (b - a), low, high, p, test, p_adjusted. Rows of a pair whose values are the same question by
    question are one `test` (pass@1 = pass^1; maj@2 = maj@1 where every sample has an answer); Holm is over the tests.
    """
    rows: list[tuple[Any, ...]] = []
    apart: dict[tuple[str, str], str] = {}
    tested: dict[tuple[str, str], list[tuple[np.ndarray, tuple[Any, ...]]]] = {}
    for name, of_runs in curves.items():
        for a, b in itertools.combinations(of_runs, 2):
            one, two = of_runs[a], of_runs[b]
            pairs = pair(one, two)
            if differ := mismatches(runs[a].manifest, runs[b].manifest, task):
                apart[a, b] = "; ".join(f"{field}: {how}" for field, how in differ.items())
            elif not len(pairs.a):
                apart[a, b] = "no question is in both"
            if (a, b) in apart:
                continue
            labels = clusters(one, pairs.a)
            before = tested.setdefault((a, b), [])
            for k in sorted(set(one.ks) & set(two.ks)):
                both = np.array([one.values[one.ks.index(k)][pairs.a], two.values[two.ks.index(k)][pairs.b]])
                alike = (told for seen, told in before if seen.shape == both.shape and np.allclose(seen, both, equal_nan=True))
                found = next(alike, None)
                if found is None:
                    samples_a, samples_b = one.n[pairs.a] / k, two.n[pairs.b] / k
                    d = compare(*both, clusters=labels, samples_a=samples_a, samples_b=samples_b)
                    found = (d.value, d.low, d.high, d.p, sum(map(len, tested.values())))
                    before.append((both, found))
                rows.append((name, a, b, k, *found))
    frame = pd.DataFrame(rows, columns=["curve", "a", "b", "k", "difference", "low", "high", "p", "test"])
    first = frame.drop_duplicates("test").set_index("test")["p"].astype(float)
    adjusted = pd.Series(holm(first.to_numpy()), index=first.index, dtype=float)
    return frame.assign(p_adjusted=frame["test"].map(adjusted).astype(float)), [(a, b, why) for (a, b), why in apart.items()]


def distinct(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """`differences` with a row per test: metric (all that it is of: `pass@1 = pass^1`), A and B (labels), difference, low, high, p, p_adjusted."""
    metric = [at_k(r.curve, r.k) for r in frame.itertuples()]
    named = frame.assign(metric=metric, A=frame["a"].map(labels), B=frame["b"].map(labels))
    names = named.groupby("test")["metric"].agg(" = ".join)
    one = named.drop_duplicates("test").assign(metric=lambda f: f["test"].map(names))
    return one[["metric", "A", "B", "difference", "low", "high", "p", "p_adjusted"]]


def crossings(frame: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    """A sentence for every pair of one curve's `differences` of which each run wins at some k, at 5 %; nothing is said of the others."""
    out = []
    for (a, b), rows in frame[frame["p_adjusted"] <= 0.05].groupby(["a", "b"], sort=False):
        wins = [
            (labels[key], ", ".join(str(k) for k in rows.loc[sign * rows["difference"] > 0, "k"]))
            for key, sign in ((a, -1), (b, 1))
        ]
        if all(ks for _, ks in wins):
            out.append("; ".join(f"{label} wins at k = {ks}" for label, ks in wins) + ": the curves cross.")
    return out


def _majorities(run: Run, task: str, ids: Sequence[str], ks: Sequence[int]) -> np.ndarray:
    """(K, Q) maj@k. Raises UsageError where the samples or their classes are not there."""
    path = run.path / "samples" / f"{slug(task)}.parquet"
    try:
        table = pq.read_table(path, columns=["id", "i", "value", "answer_class"], memory_map=True)
    except FileNotFoundError:
        raise UsageError(f"maj@k needs single samples, and {run.path.name} has no {path.name}") from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    frame = table.to_pandas().dropna(subset="value")
    if len(frame) and frame["answer_class"].isna().all():
        raise UsageError(
            f"maj@k needs answer classes, and run {run.path.name} has none of {task!r}; run its command again with a metric maj@K"
        )
    found = np.full((len(ks), len(ids)), np.nan)
    where = {name: q for q, name in enumerate(ids)}
    for name, rows in frame.groupby("id", sort=False):
        there = [j for j, k in enumerate(ks) if k <= len(rows)]
        if name in where and there:
            classes = rows["answer_class"].fillna(-1).astype(int).tolist()
            found[there, where[name]] = maj_at_k(classes, rows["value"].to_numpy(), np.array([ks[j] for j in there]))
    return found
