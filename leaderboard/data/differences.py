"""What a comparison found, as frames: numbers to plot and to export, and texts as `evalsuite compare` prints them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from evalsuite.comparison.compare import Row
from evalsuite.comparison.contrast import Contrast
from evalsuite.comparison.many import Comparison
from evalsuite.comparison.sentences import Units, contrast_dict, metric_name, probability

from ..text import span, spans
from .flips import flips

_BESIDE = ("tokens", "truncated", "no_answer", "coverage")


def differences(comparison: Comparison) -> pd.DataFrame:
    """One row per other run and task, and per mean over tasks: everything that `evalsuite compare` says of it, and the flips.

    `run` is the letter of the other run; values and differences are shares (plain numbers where not `shares`). `both`, `only_a`,
    `only_b` and `neither` count the paired questions of which a sample at least is fully right. `task` is '' for means.
    """
    return pd.DataFrame([row for c in comparison.contrasts for row in _rows(comparison, c)])


def verdicts(frame: pd.DataFrame) -> list[str]:
    """The sentences of `evalsuite compare` from a frame of `differences`, as lines of Markdown."""
    return [
        f"{span(label, 80) if task else label}, {spans(metric_name(metric))}: {verdict}"
        for task, label, metric, verdict in zip(frame["task"], frame["label"], frame["metric"], frame["verdict"])
    ]


def texts(frame: pd.DataFrame, correction: str) -> pd.DataFrame:
    """`differences` to be read: units, intervals and p-values in the words of `evalsuite compare`.

    Truncation, answers and coverage are there where some row is not perfect.
    """
    units = [Units(bool(shares)) for shares in frame["shares"]]

    def each(form: Any, *names: str) -> list[str]:
        return [form(u, *values) for u, *values in zip(units, *(frame[name] for name in names))]

    out = pd.DataFrame({"run": frame["run"]}) if frame["run"].nunique() > 1 else pd.DataFrame(index=frame.index)
    out["task"], out["metric"] = frame["label"], frame["metric"]
    out["questions"] = frame["questions"]
    out["A"] = each(Units.value, "a")
    out["other" if "run" in out else "B"] = each(Units.value, "b")
    out["difference"] = each(Units.difference, "difference")
    out["95 % CI"] = each(Units.interval, "low", "high")
    out["p"] = frame["p"].map(probability)
    if (frame["family"] > 1).any():
        out[f"p ({correction})"] = frame["p_adjusted"].map(probability)
    out["MDE"] = each(lambda u, x: u.difference(x, False), "mde")
    out["tokens"] = [_change(x, y, "{:,.0f}".format) for x, y in zip(frame["tokens_a"], frame["tokens_b"])]
    for name, perfect in (("truncated", 0.0), ("no_answer", 0.0), ("coverage", 1.0)):
        sides = frame[[f"{name}_a", f"{name}_b"]].to_numpy()
        if np.nanmax(np.abs(sides - perfect), initial=0) > 0:
            out[name.replace("_", " ")] = [_change(x, y, lambda share: f"{100 * share:.1f} %") for x, y in sides.tolist()]
    return out


def flip_table(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per task of `differences`: questions that are better, equal and worse in B, and the four cells of right and wrong."""
    rows = frame[frame["task"] != ""]
    out = rows[["run"]] if frame["run"].nunique() > 1 else pd.DataFrame(index=rows.index)
    counts = ("better", "equal", "worse", "both", "only_a", "only_b", "neither")
    names = ("B better", "equal", "B worse", "both right", "only A right", "only B right", "both wrong")
    return out.assign(task=rows["label"], **{n: rows[c].astype(int) for n, c in zip(names, counts)}).reset_index(drop=True)


def two_by_two(row: pd.Series) -> pd.DataFrame:
    """The four cells of one row of `differences`: A down, B across."""
    return pd.DataFrame(
        {"B right": [row["both"], row["only_b"]], "B wrong": [row["only_a"], row["neither"]]},
        index=["A right", "A wrong"],
        dtype=int,
    )


def right_means(rows: pd.DataFrame | pd.Series) -> str:
    """What `right` means in the four cells: of one sample or of several."""
    most = np.nanmax([rows["samples_a"], rows["samples_b"]])
    return "its sample is fully right" if most <= 1 else "at least one of its samples is fully right"


def _rows(comparison: Comparison, c: Contrast) -> Iterator[dict[str, Any]]:
    a, b = comparison.recorded[c.a], comparison.recorded[c.b]
    letter = comparison.runs[c.b].letter
    said = contrast_dict(comparison, c)
    for row, told in zip(c.rows, said["rows"]):
        d = row.difference
        yield {
            "run": letter,
            "task": row.task,
            "label": row.label,
            "metric": row.metric,
            "questions": d.n_questions,
            "clusters": d.n_clusters,
            "samples_a": row.samples_a,
            "samples_b": row.samples_b,
            **_numbers_of(row, d),
            "better": d.won,
            "equal": d.same,
            "worse": d.lost,
            "mde": math.nan if c.same_as is not None else d.mde,
            **flips(a.rollup(row.task), b.rollup(row.task)),
            **{f"{name}_{side}": getattr(rates, name) for name in _BESIDE for side, rates in _sides(row)},
            "missing": row.missing.questions,
            "verdict": told["verdict"],
        }
    for overall, told in zip(c.overall, said["overall"]):
        yield {
            "run": letter,
            "task": "",
            "label": f"mean of {overall.tasks} tasks",
            "metric": overall.metric,
            "questions": overall.questions,
            **_numbers_of(overall, overall),
            "mde": math.nan if c.same_as is not None else overall.mde,
            "missing": overall.missing,
            "verdict": told["verdict"],
        }


def _numbers_of(row: Any, d: Any) -> dict[str, Any]:
    return {
        "a": d.mean_a,
        "b": d.mean_b,
        "difference": d.value,
        "low": d.low,
        "high": d.high,
        "p": d.p,
        "p_adjusted": row.p_adjusted,
        "family": row.family,
        "shares": row.shares,
    }


def _sides(row: Row) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("a", row.rates_a), ("b", row.rates_b)


def _change(a: float, b: float, form: Callable[[float], str]) -> str:
    """`1,204 -> 873`; '' where one is not known."""
    return "" if math.isnan(a) or math.isnan(b) else f"{form(a)} -> {form(b)}"
