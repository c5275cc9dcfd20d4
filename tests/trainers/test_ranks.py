"""Two processes with gloo make the updates of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rank import main

from evalsuite.trainers.journal import read_scalars


def launch(model: Path, out: Path, world: int, *steps: int, script: str = "rank.py") -> list[subprocess.Popen[str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world), "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, str(Path(__file__).with_name(script)), str(model), str(out), *map(str, steps)]
    return [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(r), "LOCAL_RANK": str(r), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for r in range(world)
    ]


def test_two_ranks_make_the_updates_of_one(tiny: Path, tmp_path: Path) -> None:
    main(str(tiny), str(tmp_path / "one"), 4)
    for process in launch(tiny, tmp_path / "two", 2, 2, 4):
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors[-1500:]
    (one,), (two,) = (list((tmp_path / name).glob("grpo-*")) for name in ("one", "two"))
    ours, theirs = ([row for row in read_scalars(folder) if "loss" in row] for folder in (two, one))
    assert [row["step"] for row in ours] == [1, 2, 3, 4]
    for a, b in zip(ours, theirs, strict=True):
        for name in ("loss", "grad_norm", "kl", "entropy", "reward", "reward_std", "num_tokens", "clip_ratio/region_mean"):
            assert a[name] == pytest.approx(b[name], rel=2e-3, abs=1e-5), (a["step"], name)
