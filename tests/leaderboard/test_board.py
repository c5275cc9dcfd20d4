"""The leaderboard's table: rows, columns, letters, ranks, means, and the page over all of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.contrast import contrast
from evalsuite.comparison.many import compare_runs
from evalsuite.comparison.methods import Method
from evalsuite.leaderboard.catalog import Catalog, Run, read_catalog
from evalsuite.leaderboard.data import board
from evalsuite.leaderboard.data.board import MACRO
from evalsuite.leaderboard.data.families import families, with_words
from evalsuite.leaderboard.data.ranking import Ranks, band_text, ranks, usual, values_of
from evalsuite.leaderboard.data.results import results_frame
from evalsuite.leaderboard.data.settings import differences, differing, letters
from evalsuite.leaderboard.data.table import basis, board_frame, export_frame, points, summary
from evalsuite.leaderboard.plots.forest import MOST, Point, forest
from evalsuite.metrics import compare, holm, parse_metric
from evalsuite.metrics.means import Values, rank_means
from evalsuite.runlog import RunDir

Page = Callable[..., Any]


def made(
    key: str,
    tasks: Mapping[str, Mapping[str, float]],
    *,
    model: str = "",
    weights: str = "",
    started: str = "2026-01-01",
    status: str = "done",
    temperature: float = 0.0,
    size: int = 100,
    full: int = 100,
    results: bool = True,
    **more: Any,
) -> Run:
    """A run that needs no folder: values by task and metric, all with the interval +-.1."""
    label = {t: t if size == full else f"{t}[{size}/{full}]" for t in tasks}
    identity = {"version": "1", "data": f"data of {size}", "sampling": {"temperature": temperature}}
    manifest = {
        "status": status,
        "started": started,
        "model": {"name": model or key},
        "identity": {"model": {"weights": weights or key}},
        "tasks": {
            t: {"label": label[t], "identity": identity, "repeats": 4, "n_questions": size, "full_size": full} for t in tasks
        },
    }
    summary = {
        "target": "population",
        "tasks": {
            t: {
                "label": label[t], "n_questions": size, "repeats": 4, "coverage": 1.0, "no_answer": 0.1, "truncated": 0.2,
                "mean_tokens": 50.0, "chance": 0.25, "unsteady": ["pass@4"],
                "metrics": {m: {"value": v, "low": v - 0.1, "high": v + 0.1, "n_questions": size, "n_clusters": size}
                            for m, v in values.items()},
            }
            for t, values in tasks.items()
        },
    }  # fmt: skip
    return Run(f"runs/{key}", Path("/nowhere") / key, manifest, summary if results else None, **more)


def catalog_of(*runs: Run) -> tuple[Catalog, pd.DataFrame]:
    newest = sorted(runs, key=lambda r: r.started, reverse=True)
    catalog = Catalog(Path("/nowhere"), {r.key: r for r in newest}, {})
    return catalog, results_frame(catalog)


def rows_of(*runs: Run, **choices: Any) -> list[board.Row]:
    return board.rows(*catalog_of(*runs), **choices)


AVG = {"avg@4": 0.5, "pass@4": 0.8}


def test_runs_of_one_model_are_one_row_while_no_task_comes_twice() -> None:
    a = made("a", {"math": AVG}, model="m", weights="w", started="2026-01-01")
    b = made("b", {"code": AVG}, model="m", weights="w", started="2026-01-02")
    again = made("c", {"math": AVG}, model="m", weights="w", started="2026-01-03")
    other = made("d", {"math": AVG}, model="n", started="2026-01-04")
    rows = rows_of(a, b, again, other)
    assert [[run.key for run in row.runs] for row in rows] == [["runs/d"], ["runs/c"], ["runs/a", "runs/b"]]
    assert [row.name for row in rows] == ["n", "m · runs/c", "m · runs/a"]
    assert board.columns_of(rows) == ["math", "code"]
    assert rows[2].key("code") == "runs/b" and rows[2].key("none such") == "runs/a"


def test_a_trial_on_a_few_questions_does_not_take_the_place_of_the_whole_run() -> None:
    trial = made("trial", {"math": AVG}, weights="w", size=10, started="2026-01-01")
    whole = made("whole", {"math": AVG}, weights="w", started="2026-01-02")
    code = made("code", {"code": AVG}, weights="w", started="2026-01-03")
    rows = rows_of(trial, whole, code)
    assert [sorted(row.cells) for row in rows] == [["code", "math"], ["math[10/100]"]]


def test_a_column_has_one_metric() -> None:
    a, b = made("a", {"math": AVG}), made("b", {"math": {"avg@8": 0.4}})
    odd = made("odd", {"math": {"pass@4": 0.9, "avg@4": 0.6}})
    only = made("only", {"math": {"pass@4": 0.9}})
    rows = {row.name: row.cells["math"] for row in rows_of(a, b, odd, only)}
    assert [(n, c.metric, c.value) for n, c in rows.items() if c.value is not None] == [
        ("a", "avg@4", 0.5), ("b", "avg@8", 0.4), ("odd", "avg@4", 0.6)
    ]  # fmt: skip
    assert rows["only"].why.startswith("no avg: it has pass@4")
    chosen = {row.name: row.cells["math"].value for row in rows_of(a, b, odd, only, metric="pass@4")}
    assert chosen == {"a": 0.8, "b": None, "odd": 0.9, "only": 0.9}
    assert board.metric_names(catalog_of(a, b, odd)[1]) == ["avg", "pass@4"]


def test_evaluations_during_training_are_hidden_unless_asked_for() -> None:
    during = made("t", {"math": AVG}, training="train/x", step=5, during=True)
    assert rows_of(during) == []
    assert len(rows_of(during, during=True)) == 1


def test_letters_and_words_of_the_settings() -> None:
    runs = [made(k, {"math": AVG}, started=f"2026-01-0{i}") for i, k in enumerate("abc", 1)]
    rows = rows_of(*runs, made("hot", {"math": AVG}, temperature=1.0))
    letter, words = letters(rows, "math"), differences(rows, "math")
    by_name = {row.name: row.cells["math"].fingerprint for row in rows}
    assert {name: letter[f] for name, f in by_name.items()} == {"a": "A", "b": "A", "c": "A", "hot": "B"}
    assert words[by_name["a"]] == "" and words[by_name["hot"]] == "sampling: temperature 0.0 -> 1.0"
    # Of equally many, the newest is what others are held against.
    old, new = made("old", {"math": AVG}), made("new", {"math": AVG}, temperature=1.0, started="2026-02-01")
    rows = rows_of(old, new)
    assert letters(rows, "math")[rows[0].cells["math"].fingerprint] == "A" and rows[0].name == "new"


def test_the_macro_mean_by_hand_and_only_over_what_all_have() -> None:
    a = made("a", {"math": {"avg": 0.4}, "code": {"avg": 0.8}, "extra": {"avg": 0.1}})
    b = made("b", {"math": {"avg": 0.6}, "code": {"avg": 0.2}})
    running = made("r", {"math": {"avg": 0.0}}, status="running", results=False)
    rows = rows_of(a, b, running)
    over = board.common(rows, board.columns_of(rows))
    assert over == ["math", "code"]
    named = {row.name: row for row in rows}
    mean = board.macro_cell(named["a"], over)
    assert mean is not None and mean.value == pytest.approx(0.6)
    assert (mean.low, mean.high) == pytest.approx((0.6 - math.sqrt(0.02) / 2, 0.6 + math.sqrt(0.02) / 2))  # MOVER
    assert board.macro_cell(named["a"], ["math"]) is None and board.macro_cell(named["b"], ["math", "extra"]) is None
    drawn, chance = points(board.ordered(rows, MACRO, over), MACRO, over, Ranks())
    assert [(p.name, p.rank) for p in drawn] == [("a", ""), ("b", "")] and chance is None
    assert [row.name for row in board.ordered(rows, MACRO, over)] == ["a", "b", "r"]
    assert [row.name for row in board.ordered(rows, "math", over)] == ["b", "a", "r"]
    frame = board_frame(board.ordered(rows, "math", over), ["math", "code"], "math", over, Ranks())
    assert list(frame.columns[:5]) == ["rank", "model", "math avg", MACRO, "code avg"]
    assert frame[MACRO].tolist() == ["40.0 [32.9, 47.1]", "60.0 [52.9, 67.1]", ""]
    assert frame["math avg"].tolist() == ["60.0 [50.0, 70.0]", "40.0 [30.0, 50.0]", "running"]
    by_mean = board_frame(rows, ["math", "code"], MACRO, over, Ranks())
    assert dict(zip(by_mean["model"], by_mean["questions"].tolist()))["a"] == 200


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (made("x", {"math": AVG}, status="running", results=False), "running: no result yet"),
        (made("x", {"math": AVG}, status="interrupted", results=False), "interrupted: run its command again to go on"),
        (made("x", {"math": AVG}, status="failed", results=False), "failed: samples are missing"),
        (made("x", {"math": AVG}, status="done", results=False), "no result: results.json is missing"),
        (made("x", {"math": AVG}, problem="run.json cannot be read: torn", results=False), "broken: run.json cannot be read"),
    ],
)
def test_a_missing_result_says_why(run: Run, said: str) -> None:
    rows = rows_of(run, made("good", {"math": AVG}))
    frame = board_frame(board.ordered(rows, "math", []), ["math"], "math", [], Ranks())
    assert frame["model"].tolist() == ["good", "x"]
    assert frame["remarks"][1].startswith(said)
    assert frame.iloc[1, 2] == said.partition(":")[0]


def test_values_that_count_are_not_per_cent() -> None:
    few, many = made("few", {"math": {"part:steps": 0.5}}), made("many", {"math": {"part:steps": 2.344}})
    rows = board.ordered(rows_of(few, many), "math", [])
    assert not board.are_shares(rows, "math") and board.are_shares(rows[1:], "math")
    frame = board_frame(rows, ["math"], "math", [], Ranks())
    assert frame["math part:steps"].tolist() == ["2.34 [2.24, 2.44]", "0.5 [0.4, 0.6]"]
    assert summary(rows, "math", [], Ranks()).endswith("the highest is many: 2.34 [2.24, 2.44]")
    assert board.text(None) == ""


def test_families_come_from_the_listing_and_filter_columns() -> None:
    words = families(["gsm8k", "gsm8k[10/1319]", "no_such_task"])
    assert "math" in words["gsm8k"] and words["gsm8k[10/1319]"] == words["gsm8k"] and words["no_such_task"] == ()
    assert with_words(list(words), words, ["math"]) == ["gsm8k", "gsm8k[10/1319]"]
    assert with_words(list(words), words, []) == list(words)


@pytest.fixture
def whole(copy: Path) -> Path:
    """`copy` in which the 40 questions are the whole data set."""
    for folder in (copy / "runs").iterdir():
        for name in ("run.json", "results.json"):
            text = (folder / name).read_text().replace("[40/200]", "").replace('"full_size": 200', '"full_size": 40')
            (folder / name).write_text(text)
    return copy


def rows_in(results: Path, by: str, **choices: Any) -> list[board.Row]:
    catalog = read_catalog(results)
    return board.ordered(board.rows(catalog, results_frame(catalog), **choices), by, [])


def test_ranks_are_those_that_compare_finds(whole: Path) -> None:
    rows = rows_in(whole, "arithmetic")
    found = ranks(rows, "arithmetic")
    assert len(found.bands) == 3 and found.questions == 40 and not found.why
    runs = [Recorded(RunDir(whole / key)) for key in found.bands]
    expected = compare_runs([Method(name="", runs=(run,)) for run in runs], tasks=["arithmetic"]).rankings[0]
    assert tuple(found.bands.values()) == expected.ranking.bands
    frame = board_frame(rows, ["arithmetic"], "arithmetic", [], found)
    assert frame["rank"].tolist()[:3] == [band_text(b) for b in expected.ranking.bands]
    assert band_text((2, 2)) == "2" and band_text((1, 3)) == "1–3" and band_text(None) == ""


def test_only_comparable_and_whole_runs_are_ranked(whole: Path) -> None:
    rows = rows_in(whole, "sort_letters")
    found = ranks(rows, "sort_letters")
    assert len(found.bands) == 3
    (reason,) = found.why.values()
    assert reason.startswith("no rank: differs from A in sampling: temperature ")
    assert "Rows without a rank: 1" in basis(rows, "sort_letters", [], found)
    (line,) = differing(rows, ["sort_letters"]).to_dict("records")
    assert (
        line["settings"] == "B" and "temperature" in line["differs from A in"] and line["rows"].startswith("scripted:noisy:0.6")
    )
    drawn, chance = points(rows, "sort_letters", [], found)
    assert [p.rank == "" for p in drawn].count(True) == 1 and chance == pytest.approx(0.0715, abs=0.001)
    frame = board_frame(rows, ["sort_letters"], "sort_letters", [], found)
    odd = frame[frame["settings"] == "B"].iloc[0]
    assert odd["rank"] == "" and odd.iloc[2].endswith("≠B") and "temperature" in odd["remarks"]


def test_a_part_of_the_data_has_a_column_and_ranks_of_its_own(tree: Path, whole: Path) -> None:
    rows = rows_in(tree, "sort_letters[40/200]")
    found, same = ranks(rows, "sort_letters[40/200]"), ranks(rows_in(whole, "sort_letters"), "sort_letters")
    assert found.bands == same.bands and (found.questions, found.full) == (40, 200) and (same.questions, same.full) == (40, 40)
    assert "on the same 40 of 200 questions" in basis(rows, "sort_letters[40/200]", [], found)
    assert "on the same 40 questions" in basis(rows, "sort_letters", [], same)
    assert "sort_letters[10/200]" in board.columns_of(rows) and "sort_letters" not in board.columns_of(rows)


def test_checkpoints_on_the_same_few_questions_are_ranked(tree: Path) -> None:
    rows = rows_in(tree, "sort_letters[10/200]", during=True)
    found = ranks(rows, "sort_letters[10/200]")
    assert len(found.bands) >= 6 and (found.questions, found.full) == (10, 200)


def test_ranks_of_the_macro_mean_are_of_the_tests_that_compare_makes(whole: Path) -> None:
    over = ["arithmetic", "sort_letters"]
    rows = [row for row in rows_in(whole, "arithmetic") if set(over) <= set(row.cells)]
    found = ranks(rows, MACRO, over)
    assert len(found.bands) == 3 and (found.questions, found.full, found.tasks) == (80, 80, 2) and not found.why
    runs = [Recorded(RunDir(whole / key)) for key in found.bands]
    pairs = list(itertools.combinations(range(3), 2))
    p = [contrast(runs[i], runs[j]).overall[0].p for i, j in pairs]
    values = [values_of([(run, task, parse_metric("avg")) for run in runs]) for task in over]
    ranking = rank_means(values, correction="holm")
    assert [ranking.p[i, j] for i, j in pairs] == pytest.approx(p, rel=1e-9)
    assert [ranking.adjusted[i, j] for i, j in pairs] == pytest.approx(holm(p).tolist(), rel=1e-9)
    assert tuple(found.bands.values()) == ranking.bands
    frame = board_frame(rows, over, MACRO, over, found)
    assert frame["rank"].tolist() == [band_text(b) for b in ranking.bands]
    assert [p.rank for p in points(rows, MACRO, over, found)[0]] == frame["rank"].tolist()
    assert "Ranks: 3 rows" in basis(rows, MACRO, over, found) and "over 2 tasks" in basis(rows, MACRO, over, found)
    told = export_frame(rows, over, MACRO, over, found).query("column == @MACRO")
    assert list(zip(told["first_rank"], told["last_rank"])) == list(ranking.bands)


def test_a_row_with_other_settings_in_one_task_has_no_rank_of_the_mean() -> None:
    both = {"math": AVG, "code": AVG}
    odd = [made("m", {"math": AVG}, weights="w"), made("c", {"code": AVG}, weights="w", temperature=1.0)]
    rows = rows_of(made("a", both), made("b", both), *odd)
    found = ranks(rows, MACRO, ["code", "math"])
    assert len(rows) == 3 and not found.bands
    (reason,) = [why for key, why in found.why.items() if key in ("runs/m", "runs/c")]
    assert reason == "no rank: code: differs from A in sampling: temperature 0.0 -> 1.0"
    assert basis(rows, MACRO, ["code", "math"], found).startswith("No ranks: they need two rows with the same settings.")


def test_the_test_of_the_mean_is_that_of_its_tasks_put_together() -> None:
    """Against `compare` of every task and scipy's t, with clusters, other numbers of samples, and means that cancel."""
    from scipy.stats import t as student

    rng = np.random.default_rng(0)
    labels = [None, [i // 3 for i in range(40)]]
    samples = [np.array([4.0, 8.0, 1.0]), np.array([2.0, 2.0, 16.0])]
    raw = [rng.random((3, q)).round(1) for q in (25, 40)]
    ranking = rank_means([Values(v, s, c) for v, s, c in zip(raw, samples, labels)], correction="none")
    for i, j in itertools.combinations(range(3), 2):
        of = [
            compare(v[i], v[j], clusters=c, samples_a=float(s[i]), samples_b=float(s[j]))
            for v, s, c in zip(raw, samples, labels)
        ]
        error = math.sqrt(sum(d.error**2 for d in of)) / 2
        df = (2 * error) ** 4 / sum(d.error**4 / d.df for d in of)
        assert ranking.p[i, j] == pytest.approx(2 * student.sf(abs(sum(d.centre for d in of)) / 2 / error, df), rel=1e-9)
    assert ranking.means == pytest.approx([(raw[0][i].mean() + raw[1][i].mean()) / 2 for i in range(3)])
    few = rank_means([Values(raw[0][:, :4], samples[0]), Values(raw[1], samples[1])], correction="holm")
    assert np.isnan(few.p).all() and set(few.bands) == {(1, 3)}  # no test below five questions
    far = [Values(np.array([[1.0] * 50, [0.0] * 50]), np.ones(2))] * 2
    assert rank_means(far, correction="holm").bands == ((1, 1), (2, 2))


def test_what_is_ranked_by_at_first() -> None:
    a, b = made("a", {"math": AVG, "code": AVG}), made("b", {"math": AVG, "code": AVG})
    assert usual(rows_of(a, b), ["code", "math"]) == MACRO
    assert usual(rows_of(a, b), ["code"]) == "code" and usual([], []) == MACRO
    assert usual(rows_of(a, b, made("c", {"math": AVG})), ["code", "math"]) == "math"
    running = [made(k, {"code": AVG}, status="running", results=False) for k in "cde"]
    assert usual(rows_of(made("x", {"math": AVG}), *running), ["code", "math"]) == "math"


def test_a_run_that_cannot_be_read_does_not_take_the_ranks_of_the_others(whole: Path) -> None:
    key = next(row.runs[0].key for row in rows_in(whole, "arithmetic") if "oracle" in row.name)
    (whole / key / "questions" / "arithmetic.parquet").write_bytes(b"PAR1 torn")
    found = ranks(rows_in(whole, "arithmetic"), "arithmetic")
    assert len(found.bands) == 2 and "cannot be read" in found.why[key]


def test_a_run_that_lacks_many_questions_is_not_ranked(whole: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    key = next(row.runs[0].key for row in rows_in(whole, "arithmetic") if "oracle" in row.name)
    path = whole / key / "questions" / "arithmetic.parquet"
    table = pq.read_table(path)
    n = np.where(np.arange(40) < 10, 0, 4)
    table = table.set_column(table.column_names.index("n"), "n", pa.array(n, pa.int32()))
    pq.write_table(table, path)
    found = ranks(rows_in(whole, "arithmetic"), "arithmetic")
    assert found.why[key] == "no rank: 25.0 % of the questions have no value" and found.questions == 40


def test_the_download_has_numbers(whole: Path) -> None:
    rows = rows_in(whole, "arithmetic")
    found = ranks(rows, "arithmetic")
    frame = export_frame(rows, ["arithmetic", "sort_letters"], "arithmetic", ["arithmetic", "sort_letters"], found)
    best = frame[(frame["column"] == "arithmetic") & (frame["value"] == 1.0)].iloc[0]
    assert best["first_rank"] == 1 and best["n_questions"] == 40 and best["metric"] == "avg@4"
    assert set(frame["column"]) == {"arithmetic", "sort_letters", MACRO}


def test_the_forest_has_the_tables_order_whiskers_and_chance() -> None:
    fig = forest([Point("a<b>", 0.8, 0.7, 0.85, "1", 10), Point("c", 0.5, None, None, "", 10)], x="%", chance=0.25)
    ranked, other, guessing = fig.data
    assert list(ranked.x) == [80.0] and list(ranked.y) == [0] and list(other.y) == [1]
    assert ranked.error_x.array[0] == pytest.approx(5) and ranked.error_x.arrayminus[0] == pytest.approx(10)
    assert ranked.marker.symbol != other.marker.symbol
    assert list(guessing.x) == [25, 25] and list(guessing.y) == [-0.5, 1.5] and guessing.name == "guessing 25"
    assert list(fig.layout.yaxis.ticktext) == ["a&lt;b&gt;", "c"]
    assert "dashed: guessing 25, open: no rank" in fig.layout.xaxis.title.text
    assert fig.layout.yaxis.range[0] > fig.layout.yaxis.range[1]  # first on top
    assert len(forest([Point("x", 0.1, 0, 0.2)] * (MOST + 9), x="").data[0].x) == MOST


def table(app: Any) -> pd.DataFrame:
    """The main table."""
    return next(d.value for d in app.dataframe if "rank" in d.value.columns)


def test_the_page_shows_every_model_and_what_differs(whole: Path, page: Page) -> None:
    app = page("leaderboard", whole)
    assert not app.exception
    shown = table(app)
    assert shown["model"][0] == "scripted:oracle" and len(shown) == 5
    assert "temperature" in shown["remarks"].str.cat()
    assert any("Settings that differ" in e.label for e in app.expander)


def test_choices_come_from_the_url(whole: Path, page: Page) -> None:
    app = page("leaderboard", whole, by="arithmetic", show="pass@2", find="NOISY", columns="arithmetic")
    shown = table(app)
    assert list(shown.columns[:4]) == ["rank", "model", "arithmetic pass@2", "questions"]
    assert all("noisy" in name for name in shown["model"])
    assert app.selectbox(key="by").value == "arithmetic" and app.selectbox(key="show").value == "pass@2"
    assert len(table(page("leaderboard", whole, during="true"))) == 5 + 6
    other = page(
        "leaderboard", whole, by="arithmetic", task="sort_letters", metric="avg", show="pass@2"
    )  # those of other pages
    assert other.selectbox(key="by").value == "arithmetic" and other.selectbox(key="show").value == "pass@2"
    reasoning = table(page("leaderboard", whole, families="no such family"))  # ignored
    assert "arithmetic avg@4" in reasoning.columns


def test_rows_selected_are_in_the_url_and_lead_on(whole: Path, page: Page) -> None:
    keys = [row.key("arithmetic") for row in rows_in(whole, "arithmetic")]
    app = page("leaderboard", whole, by="arithmetic", runs=[keys[0], "runs/../../etc"])
    assert app.query_params["runs"] in (keys[0], [keys[0]])
    links = [e.proto.page for e in app.get("page_link")]
    assert len(links) == 2  # pass@k and samples; one row has nothing to be compared with
    app = page("leaderboard", whole, by="arithmetic", runs=keys[:2])
    urls = [str(e.proto) for e in app.get("page_link")]
    assert len(urls) == 4 and "compare" in urls[0] and all("task=arithmetic" in url for url in urls)
    assert sum("runs=" in url for url in urls) == 2 and sum("run=" in url for url in urls) == 2


def test_ranked_by_goes_along_with_the_rows_unless_it_was_chosen(tree: Path, page: Page) -> None:
    app = page("leaderboard", tree)
    assert app.selectbox(key="by").value == "sort_letters[40/200]"
    app = app.toggle(key="during").set_value(True).run()
    assert app.selectbox(key="by").value == "sort_letters[10/200]" and "by" not in app.query_params
    assert "10 of 200 questions" in " ".join(c.value for c in app.caption)
    app = app.toggle(key="during").set_value(False).run()
    assert app.selectbox(key="by").value == "sort_letters[40/200]"
    app = app.selectbox(key="by").set_value("arithmetic[40/200]").run().toggle(key="during").set_value(True).run()
    assert app.selectbox(key="by").value == "arithmetic[40/200]"


def test_rows_with_two_tasks_in_common_are_ranked_by_their_mean(whole: Path, page: Page) -> None:
    app = page("leaderboard", whole, find="oracle")
    assert app.selectbox(key="by").value == MACRO


def test_an_empty_folder_says_how_to_begin(empty: Path, page: Page) -> None:
    app = page("leaderboard", empty)
    assert "no evaluation" in app.info[0].value and "evalsuite run" in app.code[0].value


def test_one_run_needs_no_other(whole: Path, page: Page) -> None:
    import shutil

    for folder in [*(whole / "runs").iterdir()][1:]:
        shutil.rmtree(folder)
    shutil.rmtree(whole / "train")
    app = page("leaderboard", whole)
    assert not app.exception and len(table(app)) == 1


def test_broken_runs_are_named_with_their_reason(broken: Path, page: Page) -> None:
    app = page("leaderboard", broken)
    assert not app.exception
    shown = table(app)
    assert "run.json cannot be read" in shown["remarks"].str.cat(sep=" ")
    assert {"broken", "running", "dreaming"} <= set(shown["status"])
    assert {"no-json", "bare"} <= set(shown["model"])
