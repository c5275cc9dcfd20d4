"""The validity page: flags, concerns, overlap with training, dates, duplicates, and the page itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("streamlit")

from evalsuite.errors import UsageError
from evalsuite.leaderboard.catalog import Catalog, read_catalog
from evalsuite.leaderboard.data import dates, duplicates, overlap, questions, validity
from evalsuite.leaderboard.data.results import results_frame
from evalsuite.leaderboard.plots.validity import sides
from evalsuite.metrics import aggregate

TASK = "sort_letters"


def standalone(catalog: Catalog) -> tuple[str, str]:
    """The evaluation of a checkpoint under runs/, and the training run that made it."""
    return next((key, run.training) for key, run in catalog.runs.items() if run.training and not run.during)


def train_on(results: Path, training: str, digests: list[str]) -> Catalog:
    """The catalog after a training run's prompts were changed to these."""
    rows = [json.dumps({"task": TASK, "id": str(i), "digest": digest}) + "\n" for i, digest in enumerate(digests)]
    (results / training / "prompts.jsonl").write_text("".join(rows))
    return read_catalog(results)


def change_questions(results: Path, key: str, **columns: list[Any]) -> None:
    """Replace columns of a run's questions of TASK."""
    path = results / key / "questions" / f"{TASK}.parquet"
    table = pq.read_table(path)
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        import pyarrow as pa

        table = table.set_column(at, field, pa.array(values, type=field.type))
    pq.write_table(table, path)


def test_no_flag_where_training_and_evaluation_are_apart(tree: Path) -> None:
    assert validity.flags(read_catalog(tree)) == {}


def test_a_model_trained_on_its_questions_is_flagged_and_the_one_before_is_not(copy: Path) -> None:
    catalog = read_catalog(copy)
    key, training = standalone(catalog)
    digests = questions.columns(catalog.runs[key], TASK, ["digest"])["digest"]
    catalog = train_on(copy, training, digests)
    flags = validity.flags(catalog)
    assert flags[key] == (f"trained on the test: 10 of the 10 questions of {TASK} are prompts of {catalog.labels[training]}",)
    # Evaluations on the way asked the same questions: those after the first update are flagged too, that at step 0 is not.
    assert {catalog.runs[k].step for k in flags} == {2, 4}
    assert {catalog.runs[k].training for k in flags} == {training}
    catalog = train_on(copy, training, digests[:9])  # nine tenths are a concern, and no flag
    assert validity.flags(catalog) == {}
    found, _ = overlap.overlaps(catalog, overlap.all_prompts(catalog)[0])
    frame = validity.concerns(catalog, results_frame(catalog), {}, found)
    row = frame[(frame["key"] == key) & (frame["concern"] == "trained on a part")].iloc[0]
    assert row["seen"].startswith("9 of 10 questions") and "unseen" in row["do"]


def test_equal_hashes_of_the_questions_are_enough(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = read_catalog(copy)
    key, training = standalone(catalog)
    path = copy / training / "run.json"
    manifest = json.loads(path.read_text())
    for task in manifest["tasks"].values():
        task["identity"]["data"] = questions.data_of(catalog.runs[key], TASK)
    path.write_text(json.dumps(manifest))
    monkeypatch.setattr(validity, "prompts", lambda training: pytest.fail("read a file"))
    catalog = read_catalog(copy)
    catalog = Catalog(catalog.root, {key: catalog.runs[key]}, catalog.trainings)
    assert list(validity.flags(catalog)) == [key]


def test_flags_read_each_set_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr(
        validity, "columns", lambda run, task, names: read.append(run.key) or questions.columns(run, task, names)
    )
    validity.flags(read_catalog(copy))
    assert len(read) == 2  # two training runs, one set of questions, seven evaluations


def test_overlaps_are_known_or_possible(copy: Path) -> None:
    catalog = read_catalog(copy)
    key, training = standalone(catalog)
    digests = questions.columns(catalog.runs[key], TASK, ["digest"])["digest"]
    catalog = train_on(copy, training, [*digests[:4], "other"])
    foreign = Path(shutil.copytree(copy / key, copy / "runs" / "foreign"))
    manifest = json.loads((foreign / "run.json").read_text())
    manifest["environment"]["folder"] = "/somewhere/else"
    manifest["model"]["weights"] = (
        "0123456789abcdef"  # the tree's model learned nothing: its weights are those that training began with
    )
    (foreign / "run.json").write_text(json.dumps(manifest))
    catalog = read_catalog(copy)
    frame, problems = overlap.overlaps(catalog, overlap.all_prompts(catalog)[0])
    assert problems == []
    assert frame["training"].unique().tolist() == [training]
    row = frame.iloc[0]
    assert (row["shared"], row["questions"], row["share"]) == (4, 10, pytest.approx(0.4))
    assert key in row["known"] and row["possible"] == ("runs/foreign",)
    assert all(catalog.runs[k].step != 0 for k in row["known"])
    # What training began with, and a script, were not made by it.
    manifest["model"]["weights"] = catalog.trainings[training].manifest["identity"]["model"]
    (foreign / "run.json").write_text(json.dumps(manifest))
    catalog = read_catalog(copy)
    frame, _ = overlap.overlaps(catalog, overlap.all_prompts(catalog)[0])
    assert frame["possible"].tolist() == [()] * len(frame)


def test_seen_and_unseen_are_aggregates_of_their_questions(copy: Path) -> None:
    catalog = read_catalog(copy)
    key = next(k for k, r in catalog.runs.items() if "0.6" in k and len(r.tasks) == 2)
    cols = questions.columns(catalog.runs[key], TASK, ["digest", "sum", "n"])
    values = np.array(cols["sum"]) / np.array(cols["n"])
    frame, problems = overlap.sides(catalog, [key], TASK, frozenset(cols["digest"][:15]))
    row = frame.iloc[0]
    expected = aggregate(values[:15], samples_per_question=4), aggregate(values[15:], samples_per_question=4)
    assert problems == [] and (row["n_seen"], row["n_unseen"]) == (15, 25)
    for name, a in zip(("seen", "unseen"), expected):
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((a.value, a.low, a.high))
    assert row["difference"] == pytest.approx(expected[0].value - expected[1].value)
    fig = sides(frame, "seen", "unseen")
    assert [t.name for t in fig.data] == ["seen (n = 15)", "unseen (n = 25)"] and fig.data[0].x[0] == pytest.approx(
        100 * expected[0].value
    )


@given(st.lists(st.integers(0, 1), min_size=6, max_size=40), st.lists(st.integers(0, 1), min_size=6, max_size=40))
def test_the_unpaired_difference_is_mover(a: list[int], b: list[int]) -> None:
    one, two = aggregate(a), aggregate(b)
    found = questions.unpaired(one, two)
    # Newcombe 1998, method 10, in general form (Zou and Donner 2008, equations 1 and 2).
    assert found.value == pytest.approx(two.value - one.value)
    assert found.low == pytest.approx(found.value - np.hypot(two.value - two.low, one.high - one.value))
    assert found.high == pytest.approx(found.value + np.hypot(two.high - two.value, one.value - one.low))
    mirrored = questions.unpaired(two, one)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    told = questions.apart(found, "b", "a")
    assert ("higher" in told) == (found.low > 0) and ("lower" in told) == (found.high < 0)


def test_prompts_that_cannot_be_read_are_named(copy: Path) -> None:
    catalog = read_catalog(copy)
    first, second = (catalog.trainings[key] for key in catalog.trainings)
    (first.path / "prompts.jsonl").write_text('{"task": "t"}\n')
    (second.path / "prompts.jsonl").unlink()
    found, problems = overlap.all_prompts(catalog)
    assert found == {} and len(problems) == 2 and all("prompts.jsonl" in why for _, why in problems)
    assert validity.flags(catalog) == {}
    with pytest.raises(UsageError, match="no questions"):
        questions.columns(next(iter(catalog.runs.values())), "no_such_task", ["id"])


def concern_kinds(catalog: Catalog, key: str) -> dict[str, str]:
    frame = validity.concerns(catalog, results_frame(catalog), {}, overlap.overlaps(catalog, {})[0])
    return dict(zip(*(frame[frame["key"] == key][column] for column in ("concern", "seen"))))


def test_concerns_of_a_run(copy: Path) -> None:
    catalog = read_catalog(copy)
    key = next(k for k in catalog.runs if k.startswith("runs/scripted-oracle"))
    assert concern_kinds(catalog, key) == {"partial data": "40 of 200 questions"} or "partial data" in concern_kinds(
        catalog, key
    )
    results, manifest = copy / key / "results.json", copy / key / "run.json"
    found = json.loads(results.read_text())
    task = found["evalsuite"]["tasks"][TASK]
    task |= {"coverage": 0.9, "truncated": 0.06}
    next(iter(task["metrics"].values())).update(low=None, high=None, n_clusters=3)
    other = found["evalsuite"]["tasks"]["arithmetic"]
    next(iter(other["metrics"].values())).update(n_clusters=8)
    results.write_text(json.dumps(found))
    told = json.loads(manifest.read_text())
    told["environment"]["unsafe_code"] = True
    manifest.write_text(json.dumps(told))
    kinds = concern_kinds(read_catalog(copy), key)
    assert kinds["missing samples"].startswith("10.0%") and kinds["truncated"].startswith("6.0%")
    assert (
        "3 independent" in kinds["no interval"]
        and "8 independent" in kinds["few units"]
        and "isolation" in kinds["unsafe code"]
    )


def test_concerns_of_broken_runs(broken: Path) -> None:
    catalog = read_catalog(broken)
    assert "run.json cannot be read" in concern_kinds(catalog, "runs/no-json")["broken"]
    assert concern_kinds(catalog, "runs/running")["not finished"].startswith("running")
    assert "dreaming" in concern_kinds(catalog, "runs/stranger")["not finished"]


@pytest.mark.parametrize(
    ("text", "month"),
    [("2024-08-03", "2024-08"), ("2024-08", "2024-08"), (" 2024-08-03T10:00:00Z", "2024-08"), ("2024", None), ("2024-13-01", None), (20240803, None), ("soon", None)],
)  # fmt: skip
def test_months(text: Any, month: str | None) -> None:
    assert dates.month(text) == month


def test_the_date_field_is_named_so_and_mostly_dates() -> None:
    assert dates.date_field([{"contest_date": "2024-01-02", "level": "2024-01"}, {"contest_date": "2024-02"}]) == "contest_date"
    assert dates.date_field([{"release_date": "2024-01"}, {}]) is None  # half of them is not most
    assert dates.date_field([{"candidate": "2024-01", "updated": "2024-01"}]) is None
    assert dates.date_field([]) is None


def test_windows_split_the_questions_at_a_month(copy: Path) -> None:
    catalog = read_catalog(copy)
    key = next(k for k, r in catalog.runs.items() if "0.6" in k and len(r.tasks) == 2)
    metadata = [json.dumps({"metadata": {"date": f"2024-{1 + i // 10:02d}-05"}}) for i in range(39)] + ["{}"]
    change_questions(copy, key, metadata=metadata)
    cols = questions.columns(catalog.runs[key], TASK, ["sum", "n"])
    values = np.array(cols["sum"]) / np.array(cols["n"])
    frame, problems = dates.windows(catalog, TASK, "2024-03", [key])
    row = frame.iloc[0]
    assert problems == [] and (row["n_before"], row["n_after"], row["undated"]) == (20, 19, 1)
    assert (row["before"], row["after"]) == pytest.approx((values[:20].mean(), values[20:39].mean()))
    assert row["difference"] == pytest.approx(row["after"] - row["before"]) and "after" in row["reading"]
    alone = Catalog(catalog.root, {key: catalog.runs[key]}, {})
    assert dates.dated(alone) == ({TASK: ["2024-01", "2024-02", "2024-03", "2024-04"]}, [])


def test_duplicates_within_and_across_tasks(copy: Path) -> None:
    catalog = read_catalog(copy)
    key = next(k for k, r in catalog.runs.items() if len(r.tasks) == 2)
    run = catalog.runs[key]
    assert not len(duplicates.duplicates(run)[0])
    mine, other = (questions.columns(run, task, ["digest", "problem"]) for task in (TASK, "arithmetic"))
    digests = [mine["digest"][0], mine["digest"][0], other["digest"][5], *mine["digest"][3:]]
    texts = [
        mine["problem"][0],
        mine["problem"][0],
        mine["problem"][2],
        "What is SHOWN?",
        " what is\nshown? ",
        *mine["problem"][5:],
    ]
    change_questions(copy, key, digest=digests, problem=texts)
    frame, problems = duplicates.duplicates(run)
    assert problems == [] and frame["kind"].tolist() == ["same content", "same content", "same text"]
    assert frame["tasks"].tolist() == [TASK, f"{TASK}, arithmetic", TASK] and frame["copies"].tolist() == [2, 2, 2]
    (run.path / "questions" / "arithmetic.parquet").write_bytes(b"PAR1")
    assert [task for task, _ in duplicates.duplicates(run)[1]] == ["arithmetic"]


def test_near_duplicates_share_half_of_the_shorter_ones_13_grams() -> None:
    words = [f"w{i}" for i in range(40)]
    base, near, far = " ".join(words), " ".join([*words[:30], "x"]), " ".join([*words[:13], *(f"v{i}" for i in range(20))])
    texts = {("t", "a"): base, ("t", "b"): near, ("t", "c"): far, ("t", "d"): "too short"}
    # near has 19 13-grams, of which 18 are in base; far has 21, of which 1 is.
    assert duplicates.near_pairs(texts) == [(("t", "a"), ("t", "b"))]
    template = " ".join(words[:13])
    assert duplicates.near_pairs({("t", str(i)): f"{template} {i}" for i in range(duplicates.COMMON + 1)}) == []
    assert duplicates.normalised("  X +\t1 \uff21") == "x + 1 a" != duplicates.normalised("x - 1 a")


# The page itself.


def test_the_page(tree: Path, page: Callable[..., Any]) -> None:
    app = page("validity", tree)
    assert not app.exception
    assert [s.value for s in app.subheader] == [
        "Concerns",
        "Trained on what it is asked",
        "Before and after a cutoff",
        "Duplicate questions",
    ]
    few = len(app.dataframe[0].value)
    assert app.toggle(key="during").value is False
    app.toggle(key="during").set_value(True).run()
    assert len(app.dataframe[0].value) > few


def test_the_page_names_what_was_seen_in_training(copy: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(copy)
    key, training = standalone(catalog)
    train_on(copy, training, questions.columns(catalog.runs[key], TASK, ["digest"])["digest"][:6])
    data = questions.data_of(catalog.runs[key], TASK)
    for of in catalog.runs.values():
        if questions.data_of(of, TASK) == data:
            change_questions(copy, of.key, metadata=[json.dumps({"contest_date": f"2024-0{1 + i % 3}-01"}) for i in range(10)])
    app = page("validity", copy, cutoff="2024-03")
    assert not app.exception
    frames = [d.value for d in app.dataframe]
    assert (frames[0]["concern"] == "trained on a part").any()
    assert frames[1]["share (%)"].tolist() == ["60.0"] and frames[2]["n seen"].tolist() == [6]
    assert app.select_slider(key="cutoff").value == "2024-03"
    assert [f["n after"].tolist() for f in frames if "n after" in f] == [[3]]


def test_empty_and_broken(empty: Path, broken: Path, page: Callable[..., Any]) -> None:
    app = page("validity", empty)
    assert not app.exception and "evalsuite run" in app.code[0].value
    app = page("validity", broken)
    assert not app.exception
    concerns = app.dataframe[0].value
    assert {"broken", "not finished"} <= set(concerns["concern"])
    app = page("validity", broken, run="runs/bad-parquet")
    assert not app.exception and any(
        "reason" in d.value and d.value["reason"].str.contains("cannot be read").any() for d in app.dataframe
    )
