"""Pages of samples: filtered, sorted and counted without loading their texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa

from evalsuite.errors import UsageError

from ..catalog import Run
from .samples import PARQUET, Source, columns, database, named, questions_of, samples_of, scan
from .slices import ids

SIZE = 50  # rows of a page
START = 160  # characters of a text that a page shows
COLUMNS = ("run", "id", "i", "verdict", "value", "answer", "target", "tokens", "text")
VERDICTS = ("right", "wrong", "graded", "no_answer", "truncated", "timeout", "error")
ORDERS = ("as in the run", "hardest first", "longest first")
FIELDS = ("prompt", "answer", "response")  # what a text is looked for in
_VERDICT = """CASE WHEN value IS NULL THEN 'error' WHEN outcome <> 'ok' THEN outcome
 WHEN value = 1 THEN 'right' WHEN value = 0 THEN 'wrong' ELSE 'graded' END"""
# The texts of a prompt, without roles and JSON.
_SAID = "CASE WHEN json_valid(prompt) THEN array_to_string(json_extract_string(prompt, '$[*][1]'), chr(10)) ELSE prompt END"
_SORTED = {
    "as in the run": "place NULLS LAST, id, run, i",
    "hardest first": "hardness NULLS LAST, place NULLS LAST, id, run, i",
    "longest first": "tokens DESC NULLS LAST, place NULLS LAST, id, run, i",
}


@dataclass(frozen=True)
class Wanted:
    """Which samples: of these verdicts, of questions with these metadata values, with this text in one of these FIELDS.

    Empty is no condition. `text` is literal, and upper and lower case are the same.
    """

    verdicts: tuple[str, ...] = ()
    slices: tuple[tuple[str, str], ...] = ()
    text: str = ""
    fields: tuple[str, ...] = FIELDS


@dataclass(frozen=True)
class Page:
    """Rows of a page with COLUMNS (`run` is a key), how many samples there are in all, the position of the first row, and why a run
    is not among them, by key."""

    rows: pd.DataFrame
    total: int
    start: int
    problems: Mapping[str, str]


class Place(NamedTuple):
    """A sample: key of its run, id of its question, number."""

    run: str
    id: str
    i: int


@dataclass(frozen=True)
class _Found:
    """SQL that begins with the tables `everything` and `hit`, its parameters, an ORDER BY for `hit`; the runs that are in them."""

    sql: str
    sorted: str
    parameters: Sequence[Any]
    runs: Sequence[Run]
    sources: Sequence[Source]
    problems: Mapping[str, str]


def verdict(value: float | None, outcome: str | None) -> str:
    """One of VERDICTS: an outcome that is not `ok`, else what the value says."""
    if value is None:
        return "error"
    if outcome not in (None, "ok"):
        return str(outcome)
    return "right" if value == 1 else "wrong" if value == 0 else "graded"


def page(runs: Sequence[Run], task: str, wanted: Wanted, order: str = ORDERS[0], start: int = 0, size: int = SIZE) -> Page:
    """`size` samples of `task` from position `start`, over the `runs` together; the last ones where `start` lies beyond them.

    `order` is one of ORDERS: `as in the run` is the order of the questions, `hardest first` goes by the mean value of a question's
    samples in these runs, `longest first` by completion tokens.
    """
    with database() as db:
        found = _found(db, runs, task, wanted, order)
        if not found.runs:
            return Page(pd.DataFrame(columns=list(COLUMNS)), 0, 0, found.problems)
        sql = (
            f"{found.sql} SELECT run, id, i, verdict, value, tokens, row, (SELECT count(*) FROM hit) FROM hit {found.sorted} "
            "LIMIT ? OFFSET ?"
        )
        keys = db.execute(sql, [*found.parameters, size, start]).fetchall()
        if not keys and start:
            total = db.execute(f"{found.sql} SELECT count(*) FROM hit", found.parameters).fetchall()[0][0]
            start = max(0, total - 1) // size * size
            keys = db.execute(sql, [*found.parameters, size, start]).fetchall()
        texts = _texts(db, found.sources, keys)
    rows = [
        (found.runs[run].key, id, i, verdict, value, *texts[run, row][:2], tokens, texts[run, row][2])
        for run, id, i, verdict, value, tokens, row, _ in keys
    ]
    return Page(pd.DataFrame(rows, columns=list(COLUMNS)), keys[0][-1] if keys else 0, start, found.problems)


def around(
    runs: Sequence[Run], task: str, wanted: Wanted, order: str, key: str, id: str, i: int
) -> tuple[int, tuple[Place | None, Place | None]] | None:
    """Position from 0 of a sample in what `page` pages through, and the samples before and after it; None where it is not among them."""
    with database() as db:
        found = _found(db, runs, task, wanted, order)
        number = next((n for n, run in enumerate(found.runs) if run.key == key), None)
        if number is None:
            return None
        rows = db.execute(
            f"{found.sql}, ranked AS (SELECT run, id, i, row_number() OVER ({found.sorted}) AS n FROM hit), "
            "here AS (SELECT n FROM ranked WHERE run = ? AND id = ? AND i = ?) "
            "SELECT ranked.n - here.n, here.n, run, id, i FROM ranked, here WHERE abs(ranked.n - here.n) <= 1",
            [*found.parameters, number, id, i],
        ).fetchall()
    places = {at: Place(found.runs[run].key, id, i) for at, _, run, id, i in rows}
    return (rows[0][1] - 1, (places.get(-1), places.get(1))) if rows else None


def _found(db: duckdb.DuckDBPyConnection, runs: Sequence[Run], task: str, wanted: Wanted, order: str) -> _Found:
    parts: list[str] = []
    parameters: list[Any] = []
    there: list[Run] = []
    sources: list[Source] = []
    problems: dict[str, str] = {}
    for run in runs:
        try:
            source = samples_of(run, task)
            sql, given = _matching(db, run, task, source, wanted, len(there))
        except UsageError as error:
            problems[run.key] = str(error)
            continue
        parts.append(sql)
        parameters += given
        there.append(run)
        sources.append(source)
    hits = "SELECT * FROM everything WHERE hit"
    if order == "hardest first":
        hits = f"SELECT * FROM ({hits}) JOIN (SELECT id, avg(value) AS hardness FROM everything GROUP BY id) USING (id)"
    sql = f"WITH everything AS MATERIALIZED ({' UNION ALL '.join(parts)}), hit AS MATERIALIZED ({hits})"
    return _Found(sql, f"ORDER BY {_SORTED[order]}", parameters, there, sources, problems)


def _matching(
    db: duckdb.DuckDBPyConnection, run: Run, task: str, source: Source, wanted: Wanted, number: int
) -> tuple[str, list[Any]]:
    """SQL for one run's samples as run, id, i, value, verdict, tokens, row, place (position of the question), hit; and its parameters."""
    has = set(columns(source))
    samples, parameters = scan(db, source, f"samples_{number}")
    asked = questions_of(run, task)
    order, of_order = ("(SELECT NULL AS id, NULL AS place)", []) if asked is None else (
        f"(SELECT id, file_row_number AS place FROM {PARQUET})",
        [named(asked)],
    )  # fmt: skip
    conditions: list[str] = ["true"]
    given: list[Any] = []
    if wanted.verdicts:
        conditions.append(f"list_contains(?, {_VERDICT})")
        given.append(list(wanted.verdicts))
    if wanted.slices:
        db.register(f"slice_{number}", pa.table({"id": ids(run, task, wanted.slices)}))
        conditions.append(f"s.id IN (SELECT id FROM slice_{number})")
    if wanted.text:
        looked = {"answer": ["answer"], "response": ["text", "reasoning"]}
        places = [c for f in wanted.fields for c in looked.get(f, ()) if c in has]
        either = [f"contains(lower({c}), lower(?))" for c in places]
        given += [wanted.text] * len(places)
        if "prompt" in wanted.fields and asked is not None and "prompt" in columns(asked):
            either.append(f"s.id IN (SELECT id FROM {PARQUET} WHERE contains(lower({_SAID}), lower(?)))")
            given += [named(asked), wanted.text]
        conditions.append(f"({' OR '.join(either) or 'false'})")
    tokens = "completion_tokens" if "completion_tokens" in has else "NULL::INTEGER"
    sql = (
        f"SELECT {number} AS run, s.id, i, value, {_VERDICT} AS verdict, {tokens} AS tokens, file_row_number AS row, place, "
        f"({' AND '.join(conditions)}) AS hit FROM {samples} AS s LEFT JOIN {order} AS q ON q.id = s.id"
    )
    return sql, [*given, *parameters, *of_order]


def _texts(
    db: duckdb.DuckDBPyConnection, sources: Sequence[Source], keys: Sequence[tuple[Any, ...]]
) -> dict[tuple[int, int], tuple[str | None, str | None, str | None]]:
    """Answer, target and start of the text by (number of the run, row)."""
    found = {}
    for number in {key[0] for key in keys}:
        has = set(columns(sources[number]))
        rows = ", ".join(str(int(key[6])) for key in keys if key[0] == number)
        answer, target, text = (c if c in has else "NULL" for c in ("answer", "target", "text"))
        sql, parameters = scan(db, sources[number], f"texts_{number}")
        for row, *texts in db.execute(
            f"SELECT file_row_number, {answer}, {target}, substr({text}, 1, {START}) FROM {sql} WHERE file_row_number IN ({rows})",
            parameters,
        ).fetchall():
            found[number, row] = (texts[0], _plain(texts[1]), texts[2])
    return found


def _plain(target: str | None) -> str | None:
    """A target that is a text, without the quotes of JSON."""
    try:
        read = json.loads(target or "")
    except ValueError:
        return target
    return read if isinstance(read, str) else target
