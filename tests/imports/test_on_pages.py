"""Imported runs in the leaderboard: it reads them as any others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalsuite.imports import find, import_run

DATA = Path(__file__).parent / "data"

pytest.importorskip("streamlit")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two evaluations and a training run, all imported."""
    folder = tmp_path_factory.mktemp("imported")
    for kind, found in find(DATA):
        import_run(kind, found, folder)
    return folder


def test_the_catalog_and_its_numbers(results: Path) -> None:
    from evalsuite.leaderboard.catalog import read_catalog
    from evalsuite.leaderboard.data.results import results_frame

    catalog = read_catalog(results)
    assert len(catalog.runs) == 2 and len(catalog.trainings) == 1
    assert not [r.problem for r in (*catalog.runs.values(), *catalog.trainings.values()) if r.problem]
    frame = results_frame(catalog)
    first = frame[frame["first"]]
    assert sorted(zip(first["metric"], first["value"].round(4), first["repeats"])) == [("avg", 1.0, 1), ("avg@2", 0.6667, 2)]
    assert (first["fingerprint"].str.len() == 6).all() and (first["model"] == "mockllm/model").all()


@pytest.mark.parametrize("name", ["leaderboard", "samples", "training"])
def test_pages_show_them(results: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.testing.v1 import AppTest

    monkeypatch.setenv("EVALSUITE_RESULTS", str(results))
    app: Any = AppTest.from_file(str(Path(__file__).resolve().parents[2] / "leaderboard" / "app.py"), default_timeout=60)
    app.switch_page(f"pages/{name}.py")
    app.run()
    assert not app.exception and not app.error
    assert len(app.dataframe) > 0
