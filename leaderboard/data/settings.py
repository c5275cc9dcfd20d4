"""Which numbers of a column can be compared: a letter for each way its runs were set up, and what the letters stand for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from evalsuite.comparison.fingerprint import mismatches

from .board import Row


def letters(rows: Sequence[Row], column: str) -> dict[str, str]:
    """A letter for each fingerprint in a column, A for that of most rows (of equally many: the newest); '?' for one not recorded."""
    seen: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if f := _fingerprint(row, column):
            seen[f].append(row.cells[column].run.started)
    order = sorted(seen, key=lambda f: (len(seen[f]), max(seen[f])), reverse=True)
    return {"": "?"} | {f: chr(65 + i) if i < 26 else f for i, f in enumerate(order)}


def differences(rows: Sequence[Row], column: str) -> dict[str, str]:
    """What the fingerprints in a column differ in from that of most rows, in words: by fingerprint, '' for the majority's."""
    example = {f: row.cells[column] for row in reversed(rows) if (f := _fingerprint(row, column))}
    order = [f for f in letters(rows, column) if f]
    if not order:
        return {}
    usual = example[order[0]]
    told = {f: mismatches(usual.run.manifest, example[f].run.manifest, usual.task) for f in order}
    return {f: "; ".join(f"{field}: {words}" for field, words in fields.items()) for f, fields in told.items()}


def differing(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """A line for every letter but A of every column: `task`, `settings` (the letter), `differs from A in`, `rows`."""
    told = []
    for column in columns:
        letter = letters(rows, column)
        for fingerprint, words in differences(rows, column).items():
            if words:
                names = [row.name for row in rows if _fingerprint(row, column) == fingerprint]
                told.append(
                    {"task": column, "settings": letter[fingerprint], "differs from A in": words, "rows": ", ".join(names)}
                )
    return pd.DataFrame(told)


def _fingerprint(row: Row, column: str) -> str:
    cell = row.cells.get(column)
    return cell.fingerprint if cell is not None and cell.value is not None else ""
