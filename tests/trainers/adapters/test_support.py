"""What the adapters say they support: the table in the document, and the reasons against."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.trainers.adapters import trl, verl
from evalsuite.trainers.adapters.shared import staged
from evalsuite.trainers.adapters.support import table
from evalsuite.trainers.base import Recipe

DOCUMENT = Path(__file__).parents[3] / "docs" / "adapters.md"


def test_the_document_has_the_table():
    text = DOCUMENT.read_text()
    assert table() in text, "python -m evalsuite.trainers.adapters.support prints the table for docs/adapters.md"
    rows = dict(re.findall(r"^\| (\w+) \| yes \| (.*) \|$", text, re.MULTILINE))
    assert rows["vespo"] == "yes | estimator and loss" and rows["gr3"] == "yes | estimator"
    assert rows["dapo"] == "yes, with `admit.refill=0` | estimator, with `admit.refill=0`" and rows["sft"].startswith("no: ")


class Reader(Recipe):
    """Reads questions, in a function within."""

    def shape(self, rows):
        return rows.score * sum(1 for r in rows.rollouts)


class Expanding(Recipe):
    """A stage that the adapters do not know."""

    changes = ("expand", "credit")


class Roundabout(Recipe):
    """Reads questions where nobody looks."""

    def credit(self, rows):
        return list(getattr(rows, "roll" + "outs"))


@pytest.mark.parametrize("supports", [trl.supports, verl.supports], ids=["trl", "verl"])
def test_reasons(supports):
    assert supports(Recipe()) is None
    assert "rows.rollouts" in supports(Reader()) and "changes expand" in supports(Expanding())
    assert "admit.refill=0" in supports(Recipe({"admit.refill": 1}))


def test_what_was_not_foreseen_is_an_error_of_its_own():
    torch = pytest.importorskip("torch")
    two = torch.tensor([0.0, 1.0])
    columns = {"group": torch.zeros(2, dtype=torch.long), "score": two, "length": torch.ones(2), "truncated": two > 2}
    rows, advantages = staged(Recipe(), **columns)
    assert len(rows) == 2 and advantages.tolist() == pytest.approx([-0.70701, 0.70701], abs=1e-4)
    with pytest.raises(UsageError, match=r"rows\.rollouts, which only the loop"):
        staged(Roundabout(), **columns)


def test_the_snippet_runs(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With an untrained model in the place of the demo's."""
    pytest.importorskip("trl", reason="trl is not installed: the snippet is for it")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    (shell,), (python,) = ([text for language, text in blocks if language == wanted] for wanted in ("sh", "python"))
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    Path("results/demo").symlink_to(tiny)
    demo, dataset = shell.splitlines()
    assert demo.startswith("evalsuite demo") and main(dataset.split()[1:]) == 0
    found: dict = {}
    exec(python, found)
    steps = {row["step"] for row in found["trainer"].state.log_history if "eval/sort_letters/avg" in row}
    assert steps == {0, 5, 10}


def test_checkpoints_of_verl_are_watched(tiny: Path, tmp_path: Path):
    """The glob of the document names those with weights, in the order of their steps."""
    from evalsuite.models import resolve

    (pattern,) = re.findall(r"--model '(.*?)'", DOCUMENT.read_text())
    for step in (5, 20, 100):
        folder = tmp_path / f"global_step_{step}" / "actor"
        folder.mkdir(parents=True)
        if step == 100:
            (folder / "huggingface").mkdir()
        else:
            (folder / "huggingface").symlink_to(tiny)
    found = resolve(pattern.replace("checkpoints/PROJECT/EXPERIMENT", str(tmp_path)), waiting=True)
    assert [Path(ref.target).parents[1].name for ref in found] == ["global_step_5", "global_step_20"]
