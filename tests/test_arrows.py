"""Imports point downward only: cli -> gate -> run -> runlog, models, verifiers, metrics, sources, registry -> the words."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "evalsuite"

# A folder is a room of its own name; these files at the top of evalsuite/ belong to one, every other file there to `run`: the
# loop and everything that stands on it.
ROOMS = {"words": {"__init__", "errors"}, "ground": {"cache", "escape", "files", "formats"}}
MAY_IMPORT = {
    "words": {"words"},
    "ground": {"words", "ground"},
    "metrics": {"words", "metrics"},
    "sandbox": {"words", "sandbox"},
    "verifiers": {"words", "ground", "sandbox", "verifiers"},
    "runlog": {"words", "ground", "runlog"},
    "sources": {"words", "ground", "sources"},
    "models": {"words", "ground", "models", "runlog"},
    "registry": {"words", "ground", "sources", "verifiers", "registry"},
    "baseline": {"words", "ground", "runlog", "baseline"},
    "comparison": {"words", "ground", "metrics", "runlog", "verifiers", "comparison", "run"},
    "imports": {"words", "ground", "metrics", "runlog", "run", "imports"},
    "rewards": {"words", "ground", "sources", "verifiers", "models", "registry", "run", "rewards"},
}
ABOVE_THE_RUN = {"gate", "rewards", "imports", "cli"}  # what only the command line may import
ON_TOP = ("evalsuite.tasks", "evalsuite.trainers", "evalsuite.leaderboard", "evalsuite.attacks")
FILES = sorted(LIBRARY.rglob("*.py"))


def room(module: str) -> str:
    """The room of a module given by its dotted name inside evalsuite ('' is the package itself)."""
    if module == "models.base":
        return "words"  # the protocol `Model`, which who runs a judge needs to name
    head = module.split(".")[0] or "__init__"
    if (LIBRARY / head).is_dir():
        return head
    return next((name for name, members in ROOMS.items() if head in members), "run")


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`: a type is no dependency."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                yield from run_time_nodes(other)
            continue
        yield node
        yield from run_time_nodes(node)


def imported(path: Path) -> set[str]:
    """Dotted names of everything `path` imports at run time, inside functions too; relative ones keep their dots."""
    names: set[str] = set()
    for node in run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from evalsuite import registry` imports a module; `from evalsuite.words.sample import Sample` a name of one.
            inside = module == "evalsuite" or module.startswith("evalsuite.")
            for alias in node.names:
                below = ROOT / (module.replace(".", "/") + "/" + alias.name)
                is_module = inside and (below.is_dir() or below.with_suffix(".py").is_file())
                names.add(f"{module}.{alias.name}" if is_module else module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_library_imports_point_downward(path: Path) -> None:
    here = room(".".join(path.relative_to(LIBRARY).with_suffix("").parts))
    for name in imported(path):
        assert not name.startswith("."), f"{path.name} imports relatively: {name}"
        assert not name.startswith(ON_TOP), f"{path.name} imports {name}: tasks are reached through the registry only"
        if name == "evalsuite" or name.startswith("evalsuite."):
            there = room(name.removeprefix("evalsuite").lstrip("."))
            assert there not in ABOVE_THE_RUN or here in (there, "cli"), (
                f"{path.name} imports {name}: only the command line may"
            )
            allowed = MAY_IMPORT.get(here)
            assert allowed is None or there in allowed, f"{path.name} ({here}) imports {name} ({there}), which stands above it"


@pytest.mark.parametrize("path", sorted((LIBRARY / "metrics").glob("*.py")), ids=lambda p: p.name)
def test_metrics_take_numbers_and_nothing_else(path: Path) -> None:
    outside = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names) - {"evalsuite"}
    assert outside <= {"numpy"}


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_tasks_import_the_library_absolutely_and_siblings_relatively(path: Path) -> None:
    for name in imported(path):
        assert name.split(".")[0] != "tasks", f"{path.name} imports {name}: it is installed as evalsuite.tasks"
        assert not name.startswith(("evalsuite.tasks", "evalsuite.cli")), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "trainers").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_trainers_stand_on_the_library_and_below_the_command_line(path: Path) -> None:
    objective = path.parent.name == "objectives"
    for name in imported(path):
        assert not name.startswith(("trainers", "evalsuite.trainers", "evalsuite.cli", "evalsuite.gate")), (
            f"{path.name}: {name}"
        )
        if objective and not name.startswith((".", "evalsuite.errors")):
            assert name.split(".")[0] in sys.stdlib_module_names | {"torch"}, (
                f"{path.name} is no pure function of tensors: {name}"
            )


@pytest.mark.parametrize("path", sorted((ROOT / "leaderboard").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_leaderboard_reads_files_and_its_data_and_plots_know_no_page(path: Path) -> None:
    pure = path.parent.name in ("data", "plots")
    for name in imported(path):
        assert not name.startswith(("leaderboard", "evalsuite.trainers", "evalsuite.cli", "evalsuite.models")), (
            f"{path.name}: {name}"
        )
        assert not (pure and name.split(".")[0] == "streamlit"), f"{path.name} is no pure function: {name}"


def test_a_task_type_is_no_dependency_but_an_import_in_a_function_is(tmp_path: Path) -> None:
    file = tmp_path / "probe.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nfrom evalsuite import registry, Sample\n"
        "if TYPE_CHECKING:\n    import evalsuite.cli\ndef f():\n    from evalsuite.models import base\n    import torch\n"
    )
    assert imported(file) == {"typing", "evalsuite", "evalsuite.registry", "evalsuite.models.base", "torch"}


def lint(code: str, name: str) -> str:
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251,TID253", "--stdin-filename", name, "-"]
    return subprocess.run(command, input=code, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_the_linter_bans_what_the_design_bans() -> None:
    for package in ("tasks", "trainers", "leaderboard"):
        assert f"evalsuite.{package}" in lint(f"import {package}\n", "evalsuite/probe.py")
    for package in ("torch", "transformers", "datasets", "sympy", "math_verify", "aiohttp", "rich"):
        assert "TID253" in lint(f"import {package}\n", "evalsuite/probe.py")
        assert "All checks passed" in lint(f"def f():\n    import {package}\n    return {package}\n", "evalsuite/probe.py")
    assert "development dependency" in lint("def f():\n    import scipy\n    return scipy\n", "evalsuite/probe.py")


def test_the_tree_keeps_the_bans() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251,TID253", "evalsuite", "tasks"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
