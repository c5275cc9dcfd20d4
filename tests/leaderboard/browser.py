"""A server over a results folder and a headless Chromium that looks at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BUSY = "[data-testid=stStatusWidget], [data-testid=stSkeleton]"


def chromium() -> str | None:
    """The browser on the PATH, if there is one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextlib.contextmanager
def server(results: Path) -> Iterator[str]:
    """The address of `evalsuite leaderboard` over `results`, once it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "evalsuite.cli", "leaderboard", "--results", str(results), "--no-browser", "--port", own_port()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    try:
        assert process.stdout is not None
        url = next(word for word in process.stdout.readline().split() if word.startswith("http"))
        wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def own_port() -> str:
    """A free port that no other test is about to take, as the first free one from 8501 on would be."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


def wait_for(url: str, seconds: float = 60) -> None:
    """Until a Streamlit server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
            return
        time.sleep(0.1)


@dataclass
class Look:
    """One browser page: what it received since `mark()`, and what went wrong in it."""

    page: Any
    url: str
    received: int = 0
    wrong: list[str] = field(default_factory=list)

    def mark(self) -> None:
        """Count from here."""
        self.received = 0

    def open(self, path: str = "") -> None:
        """Go to a page and wait until it has settled."""
        self.page.goto(self.url + path)
        self.settle()

    def settle(self, seconds: float = 30) -> None:
        """Wait until the script has run and nothing new has come for a while."""
        self.page.wait_for_selector("[data-testid=stApp]", timeout=1000 * seconds)
        end, quiet = time.monotonic() + seconds, 0
        before = -1
        while time.monotonic() < end and quiet < 4:
            self.page.wait_for_timeout(150)
            state = self.page.get_attribute("[data-testid=stApp]", "data-test-script-state")
            still = state in (None, "notRunning") and self.received == before
            quiet, before = (quiet + 1 if still else 0), self.received

    def texts(self, selector: str) -> list[str]:
        """Texts of the elements."""
        return list(self.page.locator(selector).all_inner_texts())


@contextlib.contextmanager
def looking(url: str, *, dark: bool = False, width: int = 1400, height: int = 1000) -> Iterator[Look]:
    """A page in a fresh browser, with the theme that the system would ask for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        page = context.new_page()
        look = Look(page, url)

        def frame(payload: Any) -> None:
            look.received += len(payload)

        page.on("websocket", lambda socket: socket.on("framereceived", frame))
        page.on("pageerror", lambda error: look.wrong.append(str(error)))
        page.on("console", lambda said: look.wrong.append(said.text) if _tells(said) else None)
        page.on("request", lambda asked: look.wrong.append(f"asked {asked.url}") if _outside(asked.url, url) else None)
        page.on("response", lambda got: look.wrong.append(f"{got.status} {got.url}") if _missing(got) else None)
        try:
            yield look
        finally:
            browser.close()


def _tells(said: Any) -> bool:
    """An error on the console; what could not be loaded is told by its answer."""
    return said.type == "error" and "Failed to load resource" not in said.text


def _outside(asked: str, url: str) -> bool:
    """Nothing comes from anywhere else."""
    return not asked.startswith((url, "data:", "blob:"))


def _missing(got: Any) -> bool:
    """An error from the server. Streamlit looks for its own address below a page's path first, where there is none."""
    return got.status >= 400 and not got.url.endswith(("/_stcore/host-config", "/_stcore/health"))
