"""The wheel holds the whole tree, installs as one package and shows every task. Needs no network."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Folder of the checkout -> where it is installed.
MAPPED = {"evalsuite": "evalsuite", "tests/attacks": "evalsuite/attacks"}
MAPPED |= {name: f"evalsuite/{name}" for name in ("tasks", "trainers", "leaderboard")}


def call(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, with nothing of this checkout on its path."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "EVALSUITE"))}
    result = subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    return result.stdout


def files_to_ship(tree: Path) -> set[str]:
    """Every file of the mapped folders of `tree`, by its path in the wheel."""
    return {
        f"{target}/{path.relative_to(tree / folder).as_posix()}"
        for folder, target in MAPPED.items()
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }


def task_names() -> set[str]:
    """Names given to `@task` in the tree, read without importing anything."""
    names = set()
    for path in (ROOT / "tasks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", []):
                if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "task":
                    names.add(ast.literal_eval(decorator.args[0]))
    return names


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for folder in MAPPED:
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source, cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_has_every_file_of_the_tree(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {name for name in names if name.startswith("evalsuite/")}
    assert code == files_to_ship(wheel.parents[1])
    assert {name.split("/")[0] for name in names - code} == {f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"}


def test_installed_in_a_clean_environment_it_lists_every_task(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    call(
        sys.executable,
        "-m",
        "pip",
        "--python",
        environment,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=tmp_path,
    )
    # The dependencies are this environment's own; a path in a .pth file does not bring its editable installs along.
    paths = {key: str(environment) for key in ("base", "platbase")}
    (Path(sysconfig.get_path("purelib", "venv", paths)) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / "bin" / "python"
    where = call(
        python, "-c", "import evalsuite.tasks; print(evalsuite.__file__); print(evalsuite.tasks.__file__)", cwd=tmp_path
    )
    assert all(Path(line).is_relative_to(environment) for line in where.split())
    listed = set(call(environment / "bin" / "evalsuite", "tasks", "list", cwd=tmp_path).replace("|", " ").split())
    assert task_names()
    assert task_names() <= listed
    assert call(python, "-c", "import importlib.util as u; print(u.find_spec('tasks'))", cwd=tmp_path).strip() == "None"
