"""The CSV of questions."""

from __future__ import annotations

import csv
import io

import numpy as np

from evalsuite.comparison.many import compare_runs
from evalsuite.comparison.methods import Method


def read(*runs, names=None, **options) -> list[dict[str, str]]:
    names = names or [""] * len(runs)
    runs = [run if isinstance(run, tuple) else (run,) for run in runs]
    text = compare_runs([Method(name=n, runs=r) for n, r in zip(names, runs)], **options).csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


A = np.array([[1, 0], [1, 1], [0, 0]])


def test_questions_of_all_runs_with_empty_cells_where_one_is_missing(make, rollup) -> None:
    b = rollup(
        [[1, 1], [np.nan, np.nan], [0, 1]], id=["1", "2", "9"], digest=["d1", "d2", "d9"], completion_tokens=[5.0, None, 7]
    )
    rows = read(make("a", t=rollup(A, cluster=["x", None, "x"])), make("b", t=b), allow=("data",), metrics=("avg", "pass@2"))
    assert [(row["id"], row["metric"]) for row in rows] == [(i, m) for m in ("avg", "pass@2") for i in "0129"]
    zero, one, two, nine = rows[:4]
    assert (zero["A value"], zero["A n"], zero["A c"], zero["A completion_tokens"]) == ("0.5", "2", "1", "")
    assert (zero["B value"], zero["B n"], zero["B - A"], zero["cluster"], zero["digest"]) == ("", "", "", "x", "d0")
    assert (one["B value"], one["B - A"], one["B completion_tokens"]) == ("1.0", "0.0", "5.0")
    assert (two["B value"], two["B n"], two["B - A"]) == ("", "0", "")  # there, without a value
    assert (nine["A value"], nine["B value"], nine["B - A"]) == ("", "0.5", "")
    assert rows[5]["A value"] == "1.0" and rows[4]["A value"] == "1.0"


def test_three_runs_of_which_one_lacks_the_task(make) -> None:
    rows = read(make("a", s=A, t=A), make("b", t=A), make("c", s=1 - A, t=A))
    assert [row["task"] for row in rows] == ["t"] * 3 + ["s"] * 3 or [row["task"] for row in rows] == ["s"] * 3 + ["t"] * 3
    of_s = [row for row in rows if row["task"] == "s"]
    assert all(row["B value"] == row["B - A"] == "" for row in of_s) and of_s[1]["C - A"] == "-1.0"


def test_methods_have_a_column_per_seed(make) -> None:
    rows = read((make("a", t=A), make("b", t=A)), (make("c", t=1 - A),), names=["m", "n"])
    assert rows[1]["A2 value"] == "1.0" and rows[1]["B1 - A1"] == "-1.0" and rows[1]["A2 - A1"] == "0.0"


def test_ids_survive_and_formulas_do_not(make, rollup) -> None:
    ids = ['=HYPERLINK("http://x","y")', "-1", 'a,b\n"c"']
    rows = read(make("a", t=rollup(A, id=ids)), make("b", t=rollup(A, id=ids)))
    assert [row["id"] for row in rows] == ["'" + ids[0], "-1", ids[2]]
    for i, (id, shown) in enumerate([("@x", "'@x"), ("+1.5", "+1.5"), ("-cmd", "'-cmd"), ("\t=1", "'\t=1"), ("a=b", "a=b")]):
        table = rollup(A[:1], id=[id])
        assert read(make(f"a{i}", t=table), make(f"b{i}", t=table))[0]["id"] == shown
