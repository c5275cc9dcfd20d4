"""Choices that live in the URL, and tables with their downloads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from evalsuite.leaderboard import ui


def script() -> None:
    import streamlit as st

    from evalsuite.leaderboard import ui

    labels = {"runs/a": "Alpha", "runs/b": "Beta", "runs/c": "Gamma"}
    options = [key for key in labels if key not in st.session_state.get("gone", ())]
    if st.session_state.get("elsewhere"):
        st.text("another page")
    else:
        many = ui.pick_many("Runs", options, labels, options[:1])
        one = ui.pick_one("Run", options, labels, name="run")
        st.text(f"{','.join(many)} {one}")


def shown(app: AppTest) -> str:
    assert not app.exception, [e.value for e in app.exception]
    return str(app.text[0].value)


def app(**query: Any) -> AppTest:
    test = AppTest.from_function(script)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def test_defaults_are_not_in_the_url() -> None:
    at = app()
    assert shown(at) == "runs/a runs/a" and not at.query_params


def test_the_url_says_what_is_chosen() -> None:
    at = app(runs=["runs/b", "runs/c"], run="runs/c")
    assert shown(at) == "runs/b,runs/c runs/c"
    assert at.query_params == {"runs": ["runs/b", "runs/c"], "run": "runs/c"}


@pytest.mark.parametrize("wrong", ["../../etc/passwd", "runs/z", "", "<b>"])
def test_what_is_no_key_is_not_looked_for(wrong: str) -> None:
    at = app(runs=[wrong, "runs/b"], run=wrong)
    assert shown(at) == "runs/b runs/a"


def test_a_choice_goes_to_the_url_and_back() -> None:
    at = app()
    at.multiselect[0].set_value(["runs/c"]).run()
    at.selectbox[0].set_value("runs/b").run()
    assert shown(at) == "runs/c runs/b" and at.query_params == {"runs": "runs/c", "run": "runs/b"}
    at.query_params["runs"] = ["runs/a", "runs/b"]  # as the back button does
    assert shown(at.run()) == "runs/a,runs/b runs/b"
    at.multiselect[0].set_value(["runs/a"]).run()
    assert at.query_params["runs"] == "runs/a"  # what was in the address stays there: else the back button would be caught


def test_nothing_chosen_is_a_choice() -> None:
    at = app()
    at.multiselect[0].set_value([]).run()
    assert shown(at) == "runs/a" and at.query_params["runs"] == ""
    assert shown(app(runs="")) == "runs/a"


def test_a_link_holds_the_defaults_too() -> None:
    def page() -> None:
        from evalsuite.leaderboard import ui

        ui.begin()
        ui.pick_many("Runs", ["a", "b"], {}, ["b"])
        ui.pick_one("Task", ["x", "y"], name="task")
        ui.link()

    at = AppTest.from_function(page).run()
    assert not at.query_params
    at.button[0].click().run()
    assert not at.exception and at.query_params == {"runs": "b", "task": "x"}


def test_going_back_to_no_choice_is_the_default() -> None:
    at = app()
    at.selectbox[0].set_value("runs/b").run()
    at.query_params.clear()  # as the back button does
    assert shown(at.run()) == "runs/a runs/a" and not at.query_params


def test_choices_are_kept_from_page_to_page(tree: Path, page: Callable[..., Any]) -> None:
    at = page("pass_at_k", tree)
    first = at.multiselect(key="runs").value
    assert len(first) > 2
    at.multiselect(key="runs").set_value(first[:2]).run()
    at.query_params.clear()
    at.switch_page("pages/compare.py").run()
    assert at.multiselect(key="runs").value == first[:2]


def test_an_option_that_went_away() -> None:
    at = app(runs=["runs/b", "runs/c"], run="runs/c")
    at.session_state["gone"] = ["runs/c"]
    assert shown(at.run()) == "runs/b runs/a"


def test_tables_come_with_their_downloads() -> None:
    def table() -> None:
        import pandas as pd
        import plotly.graph_objects as go

        from evalsuite.leaderboard import ui

        ui.show_table(pd.DataFrame({"a": [1, 2]}), "numbers", alt="two numbers", select="single-row")
        ui.show_figure(go.Figure(), "nothing", alt="an empty figure")

    at = AppTest.from_function(table).run()
    assert not at.exception
    assert [list(frame.value.a) for frame in at.dataframe] == [[1, 2]]
    assert len(at.get("download_button")) == 4 + 3


def test_the_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALSUITE_RESULTS", "some/where")
    assert ui.root() == Path("some/where")
    monkeypatch.delenv("EVALSUITE_RESULTS")
    assert ui.root() == Path("results")
