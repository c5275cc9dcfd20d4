"""`evalsuite.metrics` as it is used from outside: its names, what importing it costs, and its page of documentation."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evalsuite import metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def blocks() -> list[tuple[str, str]]:
    """Language and text of the fenced blocks of the page."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_page_prints_what_it_says() -> None:
    """Python blocks run in order, in one namespace; a text block is what the block before it prints."""
    namespace: dict[str, object] = {}
    printed, compared = "", 0
    for language, text in blocks():
        if language == "text":
            assert printed == text
            compared += 1
            continue
        assert language == "python"
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(text, namespace)
        printed = out.getvalue()
    assert compared >= 8


def test_the_page_names_everything() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in metrics.__all__ if not re.search(rf"\b{name}\b", text) and name[0].islower()] == []


def test_names() -> None:
    assert sorted(metrics.__all__) == metrics.__all__
    for name in metrics.__all__:
        thing = getattr(metrics, name)
        assert callable(thing) and not inspect.ismodule(thing)
        assert thing.__module__.startswith("evalsuite.metrics.")
        assert inspect.getdoc(thing), f"{name} has no docstring"


@pytest.mark.parametrize("name", ["aggregate", "bootstrap", "pilot", "power", "seeds"])
def test_a_function_named_like_its_module_hides_neither(name: str) -> None:
    module = importlib.import_module(f"evalsuite.metrics.{name}")
    assert inspect.ismodule(module)
    assert getattr(metrics, name) is getattr(module, name)


def fresh(code: str) -> list[str]:
    """What `code` prints as JSON in a fresh interpreter."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_importing_it_takes_numpy_and_nothing_else() -> None:
    loaded = fresh(
        "import sys, json; before = set(sys.modules); import evalsuite.metrics; "
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    assert set(loaded) - set(sys.stdlib_module_names) - {"evalsuite", "numpy"} <= {name for name in loaded if name[0] == "_"}
    assert "asyncio" not in loaded


@pytest.mark.parametrize(
    "order",
    [
        "import evalsuite",
        "import evalsuite.metrics.power",
        "from evalsuite.metrics.aggregate import Aggregate; import evalsuite",
    ],
)
def test_it_is_an_attribute_of_the_package(order: str) -> None:
    assert fresh(f"import json; {order}; print(json.dumps([evalsuite.metrics.aggregate([1.0, 0.0]).value]))") == [0.5]
