"""The leaderboard over 1 million samples in 50 runs: `make bench-leaderboard`.

Measures, for a fresh server and a fresh browser, the time from opening the address until the first view stands; the server's time for
a page that is shown again; the bytes over the websocket for opening each page; and the points of the largest trace. Fails above
2 s, 100 ms, 1 MB and 2,000 points. The browser is a Chromium on the PATH; without one only the server's part is measured.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))

from browser import chromium, looking, server
from results_folder import make

from evalsuite.leaderboard.pagelist import PAGES
from evalsuite.leaderboard.serve import APP, RESULTS

FIRST_VIEW, WARM, SENT, POINTS = 2.0, 0.100, 1_000_000, 2_000


def main() -> int:
    logging.disable(logging.WARNING)
    over: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        results = Path(os.environ.get("BENCH_RESULTS", folder))
        if not (results / "runs").exists():
            make(results)
        if chromium():
            sent = in_a_browser(results, over)
        else:
            print("no Chromium on the PATH: first view and bytes not measured")
            sent = {}
        on_the_server(results, sent, over)
    print("\n".join(f"ABOVE THE BAR: {text}" for text in over) or "all within their bars")
    return bool(over)


def in_a_browser(results: Path, over: list[str]) -> dict[str, int]:
    """First view of a fresh server, three times; then the bytes of every page."""
    times = []
    for _ in range(3):
        with server(results) as url, looking(url) as look:
            started = time.perf_counter()
            look.page.goto(url)
            look.page.wait_for_selector("[data-testid=stDataFrame]", timeout=60_000)
            times.append(time.perf_counter() - started)
    print(f"first view, cold: {min(times):.2f} to {max(times):.2f} s (bar {FIRST_VIEW})")
    if statistics.median(times) > FIRST_VIEW:
        over.append(f"first view {statistics.median(times):.2f} s")
    sent = {}
    with server(results) as url, looking(url) as look:
        look.open()
        for *_, path in PAGES:
            look.mark()
            look.open(f"/{path}")
            sent[path] = look.received
    return sent


def on_the_server(results: Path, sent: dict[str, int], over: list[str]) -> None:
    """Every page once cold and five times warm, in one process."""
    from streamlit.testing.v1 import AppTest

    os.environ[RESULTS] = str(results)
    print(f"{'page':12s} {'cold s':>8s} {'warm ms':>8s} {'sent kB':>8s} {'points':>8s}")
    for file, _, _, path in PAGES:
        app = AppTest.from_file(str(APP), default_timeout=120)
        app.switch_page(f"pages/{file}")
        cold = timed(app)
        warm = statistics.median(timed(app) for _ in range(5))
        assert not app.exception, [e.value for e in app.exception]
        points = max((largest(json.loads(chart.proto.spec)) for chart in app.get("plotly_chart")), default=0)
        print(f"{path:12s} {cold:8.2f} {1000 * warm:8.0f} {sent.get(path, 0) / 1000:8.0f} {points:8d}")
        for what, value, bar in (("warm", warm, WARM), ("sent", sent.get(path, 0), SENT), ("points", points, POINTS)):
            if value > bar:
                over.append(f"{path}: {what} {value:g} (bar {bar:g})")


def timed(app: Any) -> float:
    started = time.perf_counter()
    app.run()
    return time.perf_counter() - started


def largest(spec: dict[str, Any]) -> int:
    """Points of the largest trace. Plotly sends arrays as base64 with their type."""

    def length(x: Any) -> int:
        if isinstance(x, dict) and "bdata" in x:
            return len(base64.b64decode(x["bdata"])) // int(x["dtype"][1:])
        return len(x) if isinstance(x, list) else 0

    return max((length(trace.get(axis)) for trace in spec["data"] for axis in ("x", "y")), default=0)


if __name__ == "__main__":
    sys.exit(main())
