"""Tables and figures as files: CSV, Parquet, Markdown, LaTeX; PNG, SVG, HTML."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from evalsuite.errors import UnavailableError
from evalsuite.escape import prose

TABLES = {"CSV": "csv", "Parquet": "parquet", "Markdown": "md", "LaTeX": "tex"}
READ = ("md", "tex")  # for people, the others are for programs
FIGURES = {"PNG": "png", "SVG": "svg", "HTML": "html"}
_NUMBER = r"[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?"
_VALUE = re.compile(rf"{_NUMBER}( \[{_NUMBER}, {_NUMBER}\])?")  # a number, or one with its interval
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def table_bytes(frame: pd.DataFrame, form: str) -> bytes:
    """A table as one of TABLES' endings. CSV and Parquet keep the values; Markdown and LaTeX (booktabs) are for reading."""
    if form == "csv":
        plain = frame.map(_unformula).rename(columns=_unformula)
        # RFC 4180; else a bare carriage return in a text would not be quoted, and would begin a row.
        return plain.to_csv(index=False, lineterminator="\r\n").encode("utf-8", "replace")
    if form == "parquet":
        buffer = io.BytesIO()
        _plain_columns(frame).to_parquet(buffer, index=False)
        return buffer.getvalue()
    if form == "md":
        return _markdown(frame).encode()
    if form == "tex":
        return _latex(frame).encode("utf-8", "replace")
    raise ValueError(f"{form}: one of {', '.join(TABLES.values())}")


def figure_bytes(fig: go.Figure, form: str) -> bytes:
    """A figure as one of FIGURES' endings. HTML is one file that needs no network; PNG and SVG need kaleido and a Chrome or Chromium.

    Raises UnavailableError where these are missing.
    """
    if form == "html":
        return bytes(fig.to_html(include_plotlyjs=True, full_html=True), "utf-8")
    if form not in FIGURES.values():
        raise ValueError(f"{form}: one of {', '.join(FIGURES.values())}")
    import plotly.io as pio

    # On paper: the pages' clear background would be black in some viewers.
    paper = pio.from_json(fig.to_json())
    paper.update_layout(paper_bgcolor="white", plot_bgcolor="white", font={"color": "#222222"})
    try:
        return bytes(paper.to_image(format=form, width=1000, height=paper.layout.height or 500, scale=2))
    except Exception as error:
        raise UnavailableError(
            f"no {form.upper()}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}. It needs kaleido "
            "(pip install 'evalsuite[ui]') and Chrome or Chromium on the PATH; HTML needs neither"
        ) from error


def file_name(name: str, ending: str) -> str:
    """`name` as the name of a file."""
    return f"evalsuite-{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-') or 'table'}.{ending}"


def _markdown(frame: pd.DataFrame) -> str:
    def line(cells: Iterator[str]) -> str:
        return f"| {' | '.join(cells)} |\n"

    def cell(value: Any) -> str:
        text = _text(value)
        return text if _VALUE.fullmatch(text) else prose(text, max(len(text), 1))

    rule = f"|{'|'.join('---:' if frame[c].dtype.kind in 'fiu' else '---' for c in frame.columns)}|\n"
    rows = frame.itertuples(index=False, name=None)
    return line(cell(c) for c in frame.columns) + rule + "".join(line(map(cell, row)) for row in rows)


def _latex(frame: pd.DataFrame) -> str:
    def cell(value: Any) -> str:
        text = re.sub(r"\s+", " ", _text(value))
        return "".join(_LATEX.get(c, c) for c in text)

    align = "".join("r" if frame[c].dtype.kind in "fiu" else "l" for c in frame.columns)
    lines = [f"\\begin{{tabular}}{{{align}}}", "\\toprule", " & ".join(map(cell, frame.columns)) + " \\\\", "\\midrule"]
    lines += [" & ".join(map(cell, row)) + " \\\\" for row in frame.itertuples(index=False, name=None)]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def _unformula(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula, made one that it shows; numbers and intervals stay."""
    risky = isinstance(value, str) and re.match(r"\s*[=@+-]|[\t\r]", value) and not _VALUE.fullmatch(value)
    return f"'{value}" if risky else value


def _plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of mixed objects as texts, which Parquet wants."""
    mixed = [c for c in frame.columns if frame[c].dtype == object and len({type(v) for v in frame[c].dropna()}) > 1]
    return frame.assign(**{c: frame[c].map(_text) for c in mixed}) if mixed else frame
