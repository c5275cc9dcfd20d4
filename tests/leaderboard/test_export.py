"""Tables and figures as files."""

from __future__ import annotations

import io
import shutil

import pandas as pd
import plotly.graph_objects as go
import pytest

from evalsuite.errors import UnavailableError
from evalsuite.leaderboard.export import figure_bytes, file_name, table_bytes

FRAME = pd.DataFrame(
    {"run": ["a|b", "x_y & 50% <b>"], "value": [0.612345, None], "n": [3, 4], "note": ["two\nlines", "=SUM(A1)"]}
)


def test_csv_keeps_values_and_runs_no_formula() -> None:
    back = pd.read_csv(io.BytesIO(table_bytes(FRAME, "csv")))
    assert list(back.value[:1]) == [0.612345] and back.value.isna()[1]
    assert list(back.note) == ["two\nlines", "'=SUM(A1)"]
    signed = pd.DataFrame({"d": ["+1.2 [0.1, 2.3]", "-3", "-cmd|x", "@x"]})
    assert list(pd.read_csv(io.BytesIO(table_bytes(signed, "csv")), dtype=str).d) == ["+1.2 [0.1, 2.3]", "-3", "'-cmd|x", "'@x"]


@pytest.mark.parametrize("text", ["-2+3+cmd|' /C calc'!A0", "+1+cmd|x", "  =1+1", "\t=1", " @x", "\r=1", "-1 [0, 1]+cmd|x"])
def test_no_formula_passes_as_a_number(text: str) -> None:
    back = pd.read_csv(io.BytesIO(table_bytes(pd.DataFrame({text: [text]}), "csv")), dtype=str)
    assert [*back.columns, *back[back.columns[0]]] == [f"'{text}"] * 2


def test_a_carriage_return_begins_no_row() -> None:
    assert table_bytes(pd.DataFrame({"a": ["x\r=1"]}), "csv") == b'a\r\n"x\r=1"\r\n'


@pytest.mark.parametrize("text", ["-3", "+1.25", "-1e-05", "-1,234", "-0.5 [-1.2, +0.3]", "a = b", "61.3 [57.0, 65.4]"])
def test_numbers_and_intervals_are_no_formulas(text: str) -> None:
    assert list(pd.read_csv(io.BytesIO(table_bytes(pd.DataFrame({"d": [text]}), "csv")), dtype=str).d) == [text]


def test_parquet_comes_back_equal() -> None:
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(table_bytes(FRAME, "parquet"))), FRAME, check_dtype=False)
    mixed = pd.DataFrame({"x": pd.Series([1, "a", None], dtype=object)})
    assert list(pd.read_parquet(io.BytesIO(table_bytes(mixed, "parquet"))).x) == ["1", "a", ""]


def test_markdown_is_one_line_per_row() -> None:
    assert table_bytes(FRAME, "md").decode().splitlines() == [
        "| run | value | n | note |",
        "|---|---:|---:|---|",
        "| a&#124;b | 0.6123 | 3 | two lines |",
        "| x&#95;y &#38; 50% &#60;b&#62; |  | 4 | =SUM(A1) |",
    ]


def test_markdown_holds_no_markup_of_others_and_numbers_as_they_are() -> None:
    frame = pd.DataFrame({"![h](http://x)": ["![p](http://e.example/p.png)", "<img src=x>", "+1.2 [0.1, 2.3]", "x" * 900]})
    told = table_bytes(frame, "md").decode()
    assert not any(mark in told for mark in ("![", "](", "<img", "http://"))
    assert "| +1.2 [0.1, 2.3] |" in told and "x" * 900 in told


def test_latex_escapes() -> None:
    lines = table_bytes(FRAME, "tex").decode().splitlines()
    assert lines[0] == r"\begin{tabular}{lrrl}"
    assert lines[5] == r"x\_y \& 50\% <b> &  & 4 & =SUM(A1) \\"


def test_html_needs_no_network() -> None:
    page = figure_bytes(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])), "html").decode()
    assert "Plotly.newPlot" in page and 'src="http' not in page


def test_images_or_the_reason() -> None:
    fig = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
    if not any(shutil.which(name) for name in ("chromium", "google-chrome", "chrome")):
        with pytest.raises(UnavailableError, match="Chrome"):
            figure_bytes(fig, "png")
        pytest.skip("no Chrome or Chromium on the PATH: images were not made")
    assert figure_bytes(fig, "png").startswith(b"\x89PNG")
    assert b"<svg" in figure_bytes(fig, "svg")[:500]


def test_names_of_files() -> None:
    assert file_name("pass@k: a/b", "csv") == "evalsuite-pass-k-a-b.csv"
    assert file_name("../..", "png") == "evalsuite-..-...png"
    with pytest.raises(ValueError, match="csv"):
        table_bytes(FRAME, "xlsx")
    with pytest.raises(ValueError, match="png"):
        figure_bytes(go.Figure(), "gif")
