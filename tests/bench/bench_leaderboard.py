"""The leaderboard over 1 million samples in 50 runs: `make bench-leaderboard`.

Measures the server's time for the first view in a fresh process, imports included, and (in CPU seconds) for a page that is shown again; the bytes over
the websocket for opening each page; and the points of the largest trace. Fails above 2 s, 100 ms, 1 MB and 2,000 points. With a
Chromium on the PATH also the time until the first view stands in a fresh browser before a fresh server, side by side with an app
of Streamlit that shows one table of 50 rows: what the browser itself needs.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))

from browser import chromium, looking, server, wait_for
from results_folder import make

from evalsuite.leaderboard.pagelist import PAGES
from evalsuite.leaderboard.serve import APP, RESULTS, free_port

FIRST_VIEW, WARM, SENT, POINTS = 2.0, 0.100, 1_000_000, 2_000


def main() -> int:
    logging.disable(logging.WARNING)
    over: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        results = Path(os.environ.get("BENCH_RESULTS", folder))
        if not (results / "runs").exists():
            make(results)
        if chromium():
            sent = in_a_browser(results)
        else:
            print("no Chromium on the PATH: bytes not measured")
            sent = {}
        on_the_server(results, sent, over)
    print("\n".join(f"ABOVE THE BAR: {text}" for text in over) or "all within their bars")
    return bool(over)


def in_a_browser(results: Path) -> dict[str, int]:
    """First view of a fresh server beside an empty app's, three times in turns; then the bytes of every page."""
    ours, empty = [], []
    for _ in range(3):
        with server(results) as url:
            ours.append(first_view(url))
        with plain_app() as url:
            empty.append(first_view(url))
    print(
        f"first view in a fresh browser: {min(ours):.2f} to {max(ours):.2f} s; a Streamlit app with one table {min(empty):.2f} to "
        f"{max(empty):.2f} s; ratio of medians {statistics.median(ours) / statistics.median(empty):.2f}"
    )
    sent = {}
    with server(results) as url, looking(url) as look:
        look.open()
        for *_, path in PAGES:
            look.mark()
            look.open(f"/{path}")
            sent[path] = look.received
    return sent


def first_view(url: str) -> float:
    """Seconds from opening the address until a table stands."""
    with looking(url) as look:
        started = time.perf_counter()
        look.page.goto(url)
        look.page.wait_for_selector("[data-testid=stDataFrame]", timeout=60_000)
        return time.perf_counter() - started


@contextlib.contextmanager
def plain_app() -> Iterator[str]:
    """The address of an app that shows one table."""
    port = free_port("127.0.0.1", None)
    flags = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write("import pandas as pd, streamlit as st\nst.dataframe(pd.DataFrame({'a': range(50)}))\n")
        file.flush()
        command = [sys.executable, "-m", "streamlit", "run", file.name, *flags, "--browser.gatherUsageStats", "false"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def on_the_server(results: Path, sent: dict[str, int], over: list[str]) -> None:
    """Every page once cold and five times warm, in one process."""
    from streamlit.testing.v1 import AppTest

    os.environ[RESULTS] = str(results)
    print(f"{'page':12s} {'cold s':>8s} {'warm ms':>8s} {'sent kB':>8s} {'points':>8s}")
    for file, _, _, path in PAGES:
        app = AppTest.from_file(str(APP), default_timeout=120)
        app.switch_page(f"pages/{file}")
        cold = timed(app)
        warm = statistics.median(timed(app, time.process_time) for _ in range(5))
        assert not app.exception, [e.value for e in app.exception]
        points = max((largest(json.loads(chart.proto.spec)) for chart in app.get("plotly_chart")), default=0)
        print(f"{path:12s} {cold:8.2f} {1000 * warm:8.0f} {sent.get(path, 0) / 1000:8.0f} {points:8d}")
        if path == PAGES[0][3] and cold > FIRST_VIEW:
            over.append(f"first view {cold:.2f} s (bar {FIRST_VIEW})")
        for what, value, bar in (("warm", warm, WARM), ("sent", sent.get(path, 0), SENT), ("points", points, POINTS)):
            if value > bar:
                over.append(f"{path}: {what} {value:g} (bar {bar:g})")


def timed(app: Any, clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    app.run()
    return clock() - started


def largest(spec: dict[str, Any]) -> int:
    """Points of the largest trace. Plotly sends arrays as base64 with their type."""

    def length(x: Any) -> int:
        if isinstance(x, dict) and "bdata" in x:
            return len(base64.b64decode(x["bdata"])) // int(x["dtype"][1:])
        return len(x) if isinstance(x, list) else 0

    return max((length(trace.get(axis)) for trace in spec["data"] for axis in ("x", "y")), default=0)


if __name__ == "__main__":
    sys.exit(main())
