"""`evalsuite leaderboard --static OUT`: the pages as a folder of HTML that needs no server.

Every page is run once as it stands, and what it shows is written down; so a static page cannot say anything else than the live one.
"""

from __future__ import annotations

import hashlib
import html
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from evalsuite import __version__
from evalsuite.errors import EvalsuiteError, IncompleteError, UsageError
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import read_rollup

from .catalog import Catalog, read_catalog
from .markup import Markup
from .pagelist import PAGES
from .serve import APP, RESULTS, STATIC

MARK = "evalsuite-static"  # a file that says whose folder it is
PAIRS = 20  # comparisons of two runs
MOST = 400  # pages of samples
PATIENCE = 600  # seconds for one page


@dataclass(frozen=True)
class Target:
    """One file to write: a page with a query."""

    page: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    title: str = ""

    @property
    def above(self) -> dict[str, Sequence[str]]:
        """The query of the page that links to it: a question is reached from its run and task, all else from the bare page."""
        return {k: v for k, v in self.query.items() if k != "question"} if "question" in self.query else {}

    @property
    def file(self) -> str:
        """Its name."""
        if not self.query:
            return "index.html" if self.page == PAGES[0][3] else f"{self.page}.html"
        told = repr(sorted((k, list(v)) for k, v in self.query.items()))
        return f"{self.page}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.html"


def write(results: Path, out: Path, *, samples: int = 5) -> str:
    """Write all pages over `results` into `out`, with the first `samples` questions of every run and task; returns what to say.

    An `out` that an earlier call made is replaced, in one step and at the end. Raises UsageError where it holds something else or
    cannot be written, and IncompleteError, once all others are written, where a page could not be made: its file says why.
    """
    out = out.resolve()
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).exists())):
        raise UsageError(f"--static {out}: there is something else already; name a new folder")
    catalog = read_catalog(results)
    targets, left_out = _targets(catalog, samples)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        _sweep(out)
        beside.mkdir(parents=True)
        (beside / MARK).touch()
        _plotly(beside / "plotly.min.js")
        for name in ("style.css", "page.js", "icon.png"):
            shutil.copy(Path(__file__).with_name("site") / name, beside / name)
        with _quiet():
            broken = _pages(targets, results, beside)
        shutil.rmtree(out, ignore_errors=True)
        beside.rename(out)
    except OSError as error:
        raise UsageError(f"--static {out}: {error}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if broken:
        raise IncompleteError(
            f"{out / 'index.html'}: {len(broken)} of {len(targets)} pages could not be made: {', '.join(broken)}"
        )
    said = (
        f"{out / 'index.html'}: {len(targets)} pages, {len(catalog.runs)} evaluations, {len(catalog.trainings)} training runs"
    )
    return said + (f"; left out: the samples of {left_out} runs x tasks, of which there are too many" if left_out else "")


def _targets(catalog: Catalog, samples: int) -> tuple[list[Target], int]:
    """Every page as it opens, pairs of runs, every training run, and single questions; and how many runs x tasks are left out."""
    found = [Target(url) for *_, url in PAGES]
    runs = [run for run in catalog.runs.values() if run.summary and not run.during and not run.problem]
    labels = catalog.labels
    for run in [run for run in runs[:-1] if set(run.tasks) & set(runs[-1].tasks)][:PAIRS]:
        found.append(Target("compare", {"runs": [runs[-1].key, run.key]}, f"{labels[runs[-1].key]}, {labels[run.key]}"))
    found += [Target("training", {"trainings": [key]}, labels[key]) for key in catalog.trainings]
    pairs = [(run, task) for run in runs for task in run.tasks]
    end = len(found) + MOST
    for number, (run, task) in enumerate(pairs):
        if len(found) >= end:
            return found, len(pairs) - number
        name = f"{labels[run.key]}, {task}"
        found.append(Target("samples", {"run": [run.key], "task": [task]}, name))
        try:
            ids = read_rollup(RunDir(run.path), task).ids[:samples]
        except EvalsuiteError:
            continue  # the page itself says what is wrong with it
        found += [Target("samples", {"run": [run.key], "task": [task], "question": [id]}, f"{name}, {id}") for id in ids]
    return found, 0


def _sweep(out: Path) -> None:
    """Remove what a killed call left beside `out`."""
    for left in out.parent.glob(f".{out.name}.*"):
        pid = left.name.rpartition(".")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and (left / MARK).exists():
            shutil.rmtree(left, ignore_errors=True)


def _pages(targets: Sequence[Target], results: Path, out: Path) -> list[str]:
    """Write the pages; returns the files of those that could not be made."""
    from streamlit.runtime.media_file_manager import MediaFileManager
    from streamlit.testing.v1 import AppTest

    files = {_known(target.page, target.query): target.file for target in targets}
    files_of = {url: file for file, _, _, url in PAGES}
    media: dict[str, bytes] = {}
    broken: list[str] = []
    add = MediaFileManager.add

    def recorded(self: Any, path_or_data: Any, *args: Any, **kwargs: Any) -> str:
        url = add(self, path_or_data, *args, **kwargs)
        if isinstance(path_or_data, bytes):
            media[url] = path_or_data
        return url

    with (
        mock.patch.dict(os.environ, {RESULTS: str(results), STATIC: "1"}),
        mock.patch.object(MediaFileManager, "add", recorded),
    ):
        for done, target in enumerate(targets, 1):
            app = AppTest.from_file(str(APP), default_timeout=PATIENCE)
            app.switch_page(f"pages/{files_of[target.page]}")
            for name, values in target.query.items():
                app.query_params[name] = list(values)
            app.run()
            body = Markup(lambda page, query: files.get(_known(page, query)), media).block(app.main)
            if app.exception:
                broken.append(target.file)
                why = html.escape("; ".join(str(error.value) for error in app.exception), quote=False)
                body += f'<div class="note error"><p>This page could not be made: {why}</p></div>'
            text = _page(target, body + _more(target, targets))
            (out / target.file).write_text(text, encoding="utf-8", errors="replace")
            media.clear()
            if done % 10 == 0 or done == len(targets):
                print(f"leaderboard: {done}/{len(targets)} pages", file=sys.stderr, flush=True)
    return broken


def _known(page: str, query: Mapping[str, Sequence[str]]) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """A page and its query, in one form whatever their order."""
    return page.strip("/") or PAGES[0][3], tuple(sorted((k, tuple(sorted(v))) for k, v in query.items()))


def _more(target: Target, targets: Sequence[Target]) -> str:
    """Links to what lies below a page: its pairs, runs, tasks and questions."""
    below = [t for t in targets if t.page == target.page and t.above == dict(target.query) and t is not target]
    items = "".join(f'<li><a href="{t.file}">{html.escape(t.title)}</a></li>' for t in below)
    return f'<h2>More of this</h2><ul class="more">{items}</ul>' if items else ""


def _page(target: Target, body: str) -> str:
    links = "".join(
        f'<a href="{Target(url).file}"{" class=here aria-current=page" * (url == target.page)}>{html.escape(title)}</a>'
        for _, title, _, url in PAGES
    )
    title = next(t for _, t, _, url in PAGES if url == target.page)
    what = f" · {html.escape(target.title)}" if target.title else ""
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{html.escape(title)}{what} · evalsuite</title>'
        f'<link rel="icon" href="icon.png"><link rel="stylesheet" href="style.css"></head><body><nav>{links}</nav><main>{body}</main>'
        f"<footer>evalsuite {__version__}, {made}: a copy that does not change. Filters, selections and the rest of the samples are in "
        f'<code>evalsuite leaderboard</code>.</footer><script src="plotly.min.js"></script><script src="page.js"></script></body></html>\n'
    )


def _plotly(path: Path) -> None:
    from plotly.offline import get_plotlyjs

    path.write_text(get_plotlyjs(), encoding="utf-8")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Streamlit's warnings that no browser is there."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
