"""The questions of a task in two runs: which are right in one and not in the other, and which changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.pairs import pair
from evalsuite.metrics.reduce import parse_metric
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import Rollup
from evalsuite.runlog.store import slug

START = 160  # characters of a problem in a table
CHANGES = ("all", "improved", "regressed")
_ROUNDING = 1e-12  # below which a difference of floats is none


def flips(a: Rollup, b: Rollup) -> dict[str, int]:
    """Paired questions with a value in both runs, by whether one sample at least is fully right (exactly 1)."""
    pairs = pair(a, b)
    there = (a.n[pairs.a] > 0) & (b.n[pairs.b] > 0)
    one, two = (a.c[pairs.a] > 0)[there], (b.c[pairs.b] > 0)[there]
    return {
        "both": int((one & two).sum()),
        "only_a": int((one & ~two).sum()),
        "only_b": int((~one & two).sum()),
        "neither": int((~one & ~two).sum()),
    }


def questions(a: Recorded, b: Recorded, task: str, metric: str) -> pd.DataFrame:
    """All questions of either run: id, id_a, id_b, a, b, difference, tokens_a, tokens_b, problem.

    They are paired by content, so that their ids may differ; `id` is that in `a`, if it has the question, made distinct. `a` and `b` are values
    under `metric`, NaN where there is none, and an id is None where a run lacks the question. `problem` is its first START
    characters. The largest change comes first, in either direction, equal ones by id, and what cannot be paired last.
    """
    one, two = a.rollup(task), b.rollup(task)
    of = parse_metric(metric)
    pairs = pair(one, two)
    at_a = np.concatenate([pairs.a, pairs.only_a, np.full(len(pairs.only_b), -1)]).astype(int)
    at_b = np.concatenate([pairs.b, np.full(len(pairs.only_a), -1), pairs.only_b]).astype(int)
    ids_a, ids_b = _ids(one.ids, at_a), _ids(two.ids, at_b)
    texts = starts(a.run, task), starts(b.run, task)
    frame = pd.DataFrame(
        {
            "id": distinct(str(i if i is not None else j) for i, j in zip(ids_a, ids_b)),
            "id_a": pd.Series(ids_a, dtype=object),
            "id_b": pd.Series(ids_b, dtype=object),
            "a": laid(a.values(task, of)[0], at_a),
            "b": laid(b.values(task, of)[0], at_b),
            "tokens_a": laid(one.completion_tokens, at_a),
            "tokens_b": laid(two.completion_tokens, at_b),
            "problem": [texts[0].get(i) or texts[1].get(j) or "" for i, j in zip(ids_a, ids_b)],
        }
    )
    frame.insert(5, "difference", frame["b"] - frame["a"])
    order = frame.assign(size=-frame["difference"].abs().round(12)).sort_values(["size", "id"], kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def only(frame: pd.DataFrame, change: str) -> pd.DataFrame:
    """Rows of `questions` of one of CHANGES."""
    d = frame["difference"]
    if change == "all":
        return frame
    return frame[d > _ROUNDING if change == "improved" else d < -_ROUNDING].reset_index(drop=True)


def readable(frame: pd.DataFrame, shares: bool) -> pd.DataFrame:
    """`questions` with the columns that a table shows; shares in per cent, their differences in points."""
    scale = 100 if shares else 1
    values = {name: scale * frame[column] for name, column in (("A", "a"), ("B", "b"), ("difference", "difference"))}
    tokens = {f"tokens {name}": frame[f"tokens_{name.lower()}"].round() for name in "AB"}
    return pd.DataFrame({"id": frame["id"], **values, **tokens, "problem": frame["problem"]})


def starts(run: RunDir, task: str) -> dict[str | None, str]:
    """The beginning of every problem of a task, on one line, by question; empty for a run that keeps none, as baselines do."""
    with pq.ParquetFile(run.path / "questions" / f"{slug(task)}.parquet") as file:
        if "problem" not in file.schema_arrow.names:
            return {}
        table = file.read(columns=["id", "problem"])
    cut = pc.utf8_slice_codeunits(table.column("problem"), 0, START)
    return {id: " ".join((text or "").split()) for id, text in zip(table.column("id").to_pylist(), cut.to_pylist())}


def laid(column: Any, at: Any) -> Any:
    """`column[at]`, NaN where `at` is -1."""
    return np.where(at >= 0, column[at], np.nan) if len(column) else np.full(len(at), np.nan)


def distinct(names: Iterable[str]) -> list[str]:
    """`names`, of which those that came before get a number: an id may stand for other content in another run."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def _ids(ids: Sequence[str], at: Any) -> list[str | None]:
    return [ids[i] if i >= 0 else None for i in at.tolist()]
