"""The command: where it listens, what it refuses, how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.leaderboard.serve import LOCAL, free_port, options


def test_a_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port} is in use"):
            free_port("127.0.0.1", port)
        monkeypatch.setattr("evalsuite.leaderboard.serve.PORT", port)
        assert port < free_port("127.0.0.1", None) < port + 20
    with pytest.raises(UsageError, match="cannot listen"):
        free_port("192.0.2.1", None)


def test_settings() -> None:
    local = options("127.0.0.1", 9000, browser=False)
    assert local["server.address"] == "127.0.0.1" and local["server.allowedHosts"] == list(LOCAL) and local["server.headless"]
    assert not local["browser.gatherUsageStats"]
    assert "127.0.0.2" in options("127.0.0.2", 9000, browser=True)["server.allowedHosts"]
    outside = options("10.1.2.3", 9000, browser=True)
    assert "server.allowedHosts" not in outside and "server.headless" not in outside


def test_streamlit_knows_every_setting() -> None:
    from streamlit import config

    assert set(options("127.0.0.1", 1, browser=False)) <= set(config.get_config_options())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--results", "no/such"], "--results no/such: not there"),
        (["--results", __file__], "not a folder"),
        (["--port", "70000"], "--port 70000"),
        (["--prot", "1"], "did you mean --port"),
    ],
)
def test_wrong_flags(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        sys.exit(main(["leaderboard", *flags]))
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_served_on_this_machine_only_until_interrupted(tree: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "evalsuite.cli", "leaderboard", "--results", str(tree), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert "http://127.0.0.1:" in line
        url = next(word for word in line.split() if word.startswith("http"))
        assert _answers(f"{url}/_stcore/health")
        assert b"<title>" in _body(url)
        for path in ("/../run.json", "/runs", "/%2e%2e/%2e%2e/etc/passwd", "/media/x.png", "/..%2fruns"):
            body = _body(url + path)
            assert b"<title>" in body or len(body) < 100, path  # the app itself, or a refusal: never a file
    finally:
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=30)
    assert server.returncode == 0, said


def _body(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=10) as page:
            return bytes(page.read())
    except urllib.error.HTTPError as error:
        return bytes(error.read())


def _answers(url: str, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    return False
