"""Starting is free: nothing heavy is imported before it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "PIL", "accelerate", "aiohttp", "asyncio", "datasets", "huggingface_hub", "langdetect", "latex2sympy2_extended", "lm_eval",
    "math_verify", "numpy", "orjson", "pandas", "pyarrow", "rich", "scipy", "sympy", "tokenizers", "torch", "transformers", "trl", "verl", "vllm",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    """Top-level modules in memory after `code` ran in a fresh interpreter, what Python itself brings left out."""
    script = f"""
import sys, json, contextlib, io
before = set(sys.modules)
with contextlib.redirect_stdout(io.StringIO()):
    try:
        {code}
    except SystemExit as stop:
        assert not stop.code, stop.code
print(json.dumps(sorted({{name.split(".")[0] for name in set(sys.modules) - before}})))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout))


@pytest.mark.parametrize(
    "code",
    [
        "import evalsuite, evalsuite.cli",
        "from evalsuite import Sample, Score, Task, Verifier, ask, task",
        "from evalsuite.cli import main; main(['--help'])",
        "from evalsuite.cli import main; assert main(['tasks', 'list']) == 0",
        "from evalsuite.cli import main; main(['run', '--help'])",
        "from evalsuite.cli import main; main(['train', '--help'])",
        "from evalsuite.cli import main; assert main(['train', '--list']) == 0",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    loaded = modules_after(code)
    assert "evalsuite" in loaded
    assert not loaded & HEAVY


def test_the_check_sees_what_is_imported() -> None:
    assert "numpy" in modules_after("import evalsuite.metrics.reduce")
