"""Two processes with gloo: the adapter's losses and gradients are the stock GRPOTrainer's, with accumulation too."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="trl is not installed: nothing to adapt to")


@pytest.mark.slow
def test_two_ranks(tiny: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("trl_rank.py")), str(tiny), str(tmp_path)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=300) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said[0][1][-1500:] + said[1][1][-1500:]
    (line,) = [line for out, _ in said for line in out.splitlines() if line.startswith("FOUND ")]
    found = json.loads(line.removeprefix("FOUND "))
    assert len(found) == 6
    for name in ("grpo", "dr_grpo", "vespo"):
        ours, stock = found[f"{name} ours"], found[f"{name} stock"]
        assert len(ours) == 4 and all(row[1] > 1e-2 for row in ours)
        for mine, theirs in zip(ours, stock, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-5), name
