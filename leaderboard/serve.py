"""The server: Streamlit with our app, on this machine only unless told otherwise."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError

RESULTS = "EVALSUITE_RESULTS"  # environment variable by which the app knows the results folder: it never comes from a URL
STATIC = "EVALSUITE_STATIC"  # set while a static copy is written
PORT = 8501
NEAR = 20  # ports tried after the first one, where none was asked for
LOCAL = ("127.0.0.1", "localhost", "::1")
APP = Path(__file__).with_name("app.py")


def serve(results: Path, *, host: str = "127.0.0.1", port: int | None = None, browser: bool = True) -> None:
    """Serve `results` until interrupted; prints the address first. Without `port`, 8501 or the next free one.

    Raises UsageError for an address or a port that cannot be had.
    """
    port = free_port(host, port)
    os.environ[RESULTS] = str(results.resolve())
    shown = f"[{host}]" if ":" in host else host
    print(f"leaderboard of {results}: http://{shown}:{port}   (Ctrl-C ends it)", flush=True)
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.web import bootstrap

    # Or a shared link to a page, opened before any other, would make Streamlit take the folder `pages` for its old automatic pages.
    PagesManager.uses_pages_directory = False
    flags = options(host, port, browser)
    bootstrap.load_config_options(flags)
    bootstrap.run(str(APP), False, [], flags)


def options(host: str, port: int, browser: bool) -> dict[str, Any]:
    """Streamlit's settings. On this machine's own addresses, data goes only to requests under a name of it (DNS rebinding)."""
    settings = {
        "server.address": host,
        "server.port": port,
        "server.showEmailPrompt": False,
        "server.fileWatcherType": "none",
        "server.allowedHosts": list(dict.fromkeys((*LOCAL, host))) if _loopback(host) else None,
        "browser.serverAddress": host,  # or Streamlit asks the outside world for it, to compare it with a request's origin
        "server.maxUploadSize": 1,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "client.showErrorLinks": False,
        "logger.hideWelcomeMessage": True,
        "theme.light.primaryColor": "#0072B2",
        "theme.dark.primaryColor": "#56B4E9",
        "theme.light.paddingTop": "1rem",
        "theme.dark.paddingTop": "1rem",
    }
    if not browser:
        settings["server.headless"] = True
    return {name: value for name, value in settings.items() if value is not None}


def _loopback(host: str) -> bool:
    """An address of this machine that no other reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str, port: int | None) -> int:
    """`port`, or the first free one from 8501 on. Raises UsageError."""
    for candidate in [port] if port is not None else range(PORT, PORT + NEAR):
        try:
            with socket.create_server((host, candidate), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                return candidate
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UsageError(f"--host {host}: cannot listen there: {error.strerror or error}") from None
    taken = (
        f"--port {port} is in use; leave --port out for a free one"
        if port is not None
        else f"{NEAR} ports from {PORT} on are in use"
    )
    raise UsageError(taken)
