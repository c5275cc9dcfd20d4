"""Finding recipes without importing them, loading the one asked for, and listing them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from evalsuite.cli._recipes import listing
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.registry import index
from evalsuite.registry import recipes as registry
from evalsuite.registry.recipes import load_recipe, recipes, trainers

MINE = '''
from evalsuite.trainers import Recipe, recipe


@recipe("mine", paper="none", formula="A = r | no baseline", changes=("credit",))
class Mine(Recipe):
    """Rewards as advantages.

    More.
    """

    def credit(self, rows):
        return rows.reward


class Later(Mine):
    """Not decorated: no recipe."""
'''


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


# Listing


def test_every_recipe_file_is_listed_as_it_is_written() -> None:
    """What is read without importing is what the decorator sets."""
    folder = Path(__file__).resolve().parents[1] / "trainers" / "recipes"
    infos = recipes()
    assert {Path(info.path).stem for info in infos.values()} == {p.stem for p in folder.glob("*.py")} - {"__init__"}
    assert "grpo" in infos and infos["grpo"].changes == () and infos["grpo"].paper == "arXiv:2402.03300"
    for name, info in infos.items():
        cls = load_recipe(name)
        assert (cls.name, cls.paper, cls.formula, cls.changes) == info[:4]  # type: ignore[attr-defined]
        assert info.doc.endswith(".") and cls.__doc__.startswith(info.doc)  # type: ignore[union-attr]
        assert Path(info.path).read_text().splitlines()[info.line - 1].startswith(f"class {cls.__name__}(")
        assert set(info.changes) <= {"source", "shape", "admit", "credit", "loss", "after"}


def test_listing_imports_neither_torch_nor_a_recipe() -> None:
    code = "import sys; from evalsuite.cli._recipes import listing; print(listing()); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = out.splitlines()[-1].split()
    assert {"numpy", "torch", "transformers"}.isdisjoint(modules)
    assert not any(name.startswith("evalsuite.trainers.recipes.") for name in modules)


def test_the_table_and_its_json(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", MINE)
    head, _, *rows = listing([str(path)]).splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == ["recipe", "paper", "formula", "changes"]
    assert [c.strip() for c in rows[-1].replace("\\|", "/").strip("|").split("|")] == [
        "mine",
        "none",
        "A = r / no baseline",
        "credit",
    ]
    assert next(r for r in rows if r.startswith("| grpo ")).rstrip(" |").endswith("-")
    found = {row["name"]: row for row in json.loads(listing([str(path)], as_json=True))}
    assert found["mine"] == {
        "name": "mine",
        "paper": "none",
        "formula": "A = r | no baseline",
        "changes": ["credit"],
        "doc": "Rewards as advantages.",
        "path": str(path),
        "line": 6,
    }


def test_the_cache_follows_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", MINE)
    assert "mine" in recipes([path]) and (tmp_path / "cache" / "evalsuite" / "recipes.json").is_file()
    before = path.stat()
    path.write_text(MINE.replace('"mine"', '"ours"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert "ours" in recipes([path]) and "mine" not in recipes([path])


def test_a_file_may_hold_tasks_and_recipes(tmp_path: Path) -> None:
    both = MINE + '\nfrom evalsuite import task\n\n@task("a_task_too")\ndef made():\n    ...\n'
    path = write(tmp_path / "both.py", both)
    assert "mine" in recipes([path]) and "a_task_too" in index([path])
    assert "mine" not in index([path]) and "a_task_too" not in recipes([path])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "@recipe(NAME, paper='', formula='', changes=())\nclass A: ...",
            r"recipe file .*a\.py:1: name, paper and formula must be",
        ),
        ("@recipe('a', paper='', formula=f'{x}', changes=())\nclass A: ...", "must be literal strings"),
        ("@recipe('a', paper='', changes=())\nclass A: ...", "must be literal strings"),
        ("@recipe('a', paper='', formula='', changes='loss')\nclass A: ...", "changes a literal tuple"),
        ("@recipe('a')\nclass A(:", r"a\.py:2: invalid syntax"),
    ],
)
def test_files_that_cannot_be_listed(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipes([write(tmp_path / "a.py", body)])


def test_names_given_twice_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", MINE.replace('"mine"', '"grpo"'))
    with pytest.raises(UsageError, match=r"recipe 'grpo' is defined twice: .*grpo\.py:\d+ and .*a\.py:6; rename one"):
        recipes([path])


def test_include_paths_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--include_path .*nowhere: not there"):
        recipes([tmp_path / "nowhere"])


# Loading


def test_a_users_recipe(tmp_path: Path) -> None:
    """In a file of its own, whatever of the trainer has been imported before."""
    path = write(tmp_path / "mine.py", MINE)
    assert load_recipe("grpo").__name__ == "GRPO"
    cls = load_recipe("mine", [path])
    from evalsuite.trainers.base import Recipe

    assert cls.__name__ == "Mine" and issubclass(cls, Recipe) and cls.changes == ("credit",)
    assert cls({"credit.eps": 0.5}).settings.credit.eps == 0.5
    assert load_recipe("mine", [path]) is cls


def test_a_users_recipe_in_a_fresh_process(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", MINE)
    code = f"from evalsuite.registry.recipes import load_recipe; print(load_recipe('mine', [{str(path)!r}]).__name__)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "Mine\n"


def test_recipes_of_a_package_may_import_each_other(tmp_path: Path) -> None:
    write(tmp_path / "methods" / "__init__.py", "")
    write(tmp_path / "methods" / "base.py", MINE)
    child = """
        from evalsuite.trainers import recipe

        from .base import Mine

        @recipe("child", paper="", formula="", changes=())
        class Child(Mine):
            pass
    """
    write(tmp_path / "methods" / "child.py", child)
    cls = load_recipe("child", [tmp_path / "methods"])
    assert cls.__name__ == "Child" and load_recipe("mine", [tmp_path / "methods"]) is cls.__bases__[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MINE.replace("from evalsuite.trainers", "from no_such_module"),
            r"recipe file .*cannot be imported: ModuleNotFoundError",
        ),
        (
            "def recipe(*a, **k): return lambda c: c\n\n" + MINE.partition("\n\n\n")[2].replace("Recipe", "object"),
            "is no subclass of",
        ),
    ],
)
def test_recipe_files_that_fail(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "a.py", text)
    assert "mine" in recipes([path])
    with pytest.raises(UsageError, match=message):
        load_recipe("mine", [path])


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"no recipe 'grpoo'; did you mean .*grpo"):
        load_recipe("grpoo")
    with pytest.raises(UsageError, match="no recipe 'zzzz'; `evalsuite train --list`"):
        load_recipe("zzzz")


def test_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "their_recipes.py", MINE.replace('"mine"', '"theirs"'))
    points = [EntryPoint("a", "their_recipes", "evalsuite.recipes")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == "evalsuite.recipes" else [])
    monkeypatch.syspath_prepend(tmp_path)
    registry._installed.cache_clear()
    try:
        assert "theirs" in recipes() and "their_recipes" not in sys.modules
        assert load_recipe("theirs").__name__ == "Mine" and "grpo" in recipes()
    finally:
        registry._installed.cache_clear()


# The trainer


def test_the_trainer_is_imported_where_it_is_used() -> None:
    pytest.importorskip("accelerate")
    assert trainers().__name__ == "evalsuite.trainers"


def test_a_trainer_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("torch", "accelerate") else real(name))
    with pytest.raises(UnavailableError, match=r"not here: torch, accelerate: pip install 'evalsuite\[hf\]'") as caught:
        trainers()
    assert caught.value.exit_code == 4
