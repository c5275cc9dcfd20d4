"""Subsets, units, families, agreement beyond chance: what stands beside the numbers. And names that are hostile."""

from __future__ import annotations

import html
import math
import re

import numpy as np
import pytest
from markdown_it import MarkdownIt

from evalsuite.comparison.many import Comparison, compare_runs
from evalsuite.comparison.methods import Method
from evalsuite.comparison.sentences import Units
from evalsuite.table import markdown

RNG = np.random.default_rng(8)
A, B = (RNG.random((100, 4)) < 0.5 for _ in "ab")
GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NASTY = (
    "a|b", "a\\|b", "a\\\\|b", "\\", "`", "``x`", "<b>x</b>", "<!-- x", "@octocat", "#12", "GH-3", "org/repo#1",
    "[x](http://evil.example)", "https://evil.example", "**b**", "a\nb\r\n\r\nc", "\x1b[31mred", "</code><b>", "\u202egnp", "x`|<",
)  # fmt: skip


def of(*runs, **options) -> Comparison:
    return compare_runs([Method(name="", runs=(run,)) for run in runs], **options)


def line(text: str, beginning: str) -> str:
    return next(x for x in text.splitlines() if x.startswith(beginning))


def test_the_difference_that_would_have_been_found_is_that_of_the_corrected_test(make) -> None:
    tasks_a, tasks_b = ({f"t{i}": np.roll(x, i, axis=0) for i in range(5)} for x in (A, B))
    found = of(make("a", **tasks_a), make("b", **tasks_b))
    d = found.contrasts[0].rows[0].difference
    assert d.p > 0.05
    says = line(str(found), "- `t0`, avg@4:")
    wanted = f"one of {100 * d.detectable(0.05 / 5):.2f} points would have been found with 80 % power, with all 5 comparisons counted."
    assert says.endswith(wanted) and d.detectable(0.01) > d.mde
    assert line(str(found), "| `t0`").endswith(f"{100 * d.mde:.2f} |")
    assert "- MDE: the smallest true difference that one comparison alone, at two-sided 5 %, finds with 80 % power." in str(
        found
    )
    alone = str(of(make("c", **tasks_a), make("d", **tasks_b), correction="none"))
    wanted = f"one of {100 * d.mde:.2f} points would have been found with 80 % power."
    assert line(alone, "- `t0`, avg@4:").endswith(wanted)
    o = found.contrasts[0].overall[0]
    assert f"one of {100 * o.mde:.2f} points would have been found with 80 % power." in line(str(found), "- mean of 5 tasks")


def test_the_verdict_names_the_questions_that_it_is_on(make) -> None:
    high = A | (RNG.random((100, 4)) < 0.7)
    better = str(of(make("a", t=A), make("b", t=high[:70]), allow=("data",)))
    assert line(better, "- `t`, avg@4: B is better").endswith("points on the 70 of 100 questions that both have a value for.")
    b = B.astype(float)
    b[:10] = np.nan
    text = str(of(make("c", t=A), make("d", t=b[:70]), allow=("data",)))
    assert "told from noise on the 60 of 100 questions that both have a value for; one of" in text
    assert "(bounds without sampling noise)." in line(text, "- `t` avg@4: 30 questions")
    whole = str(of(make("e", t=A), make("f", t=B)))
    assert "that both have" not in whole
    two = str(of(make("g", s=A, t=A), make("h", s=B, t=B[:70]), allow=("data",)))
    assert "on the 170 of 200 questions that both have" in line(two, "- mean of 2 tasks")


def test_methods_name_the_questions_too(make) -> None:
    runs = [make(f"r{i}", t=(RNG.random((100, 4)) < 0.5)[: 100 - 10 * (i == 3)]) for i in range(4)]
    methods = [Method(name="m", runs=tuple(runs[:2])), Method(name="n", runs=tuple(runs[2:]))]
    says = line(str(compare_runs(methods, allow=("data",))), "- `t`, avg@4:")
    assert "on the 90 of 100 questions that all runs have a value for" in says


def test_counts_print_as_numbers(make, rollup) -> None:
    one = RNG.integers(0, 9, 100).astype(float)
    two = one + RNG.integers(2, 5, 100)
    two[:5] = np.nan
    runs = [make(n, t=rollup(A.astype(float), **{"part:steps": v})) for n, v in zip("ab", (one, two))]
    found = of(*runs, metrics=("part:steps",))
    d = found.contrasts[0].rows[0].difference
    text = str(found)
    row = line(text, "| `t` ")
    assert f"| {d.mean_a:.4g} | {d.mean_b:.4g} |" in row and f"{d.value:+.4g}" in row and "%" not in row
    assert f"B is better than A by {d.low:.4g} to {d.high:.4g} on the 95 of 100" in text
    assert "there are no bounds" in text and "whatever they were worth" not in text
    assert "- Differences are in points; values that are no shares, and theirs, are plain numbers, for" in text
    moved = text.split("moved most:")[1].split("\n\n")[1]
    assert "%" not in moved


def test_units() -> None:
    assert (Units(True).value(0.25), Units(False).value(2.5), Units(False).value(math.nan)) == ("25.00 %", "2.5", "-")
    assert (Units(False).difference(-1.25), Units(False).difference(1.25, False), Units(False).difference(0.0)) == (
        "-1.25", "1.25", "0",
    )  # fmt: skip
    assert Units(False).interval(-1, 2) == "[-1, +2]" and Units(False).interval(math.nan, math.nan) == "-"


def test_runs_that_share_samples_are_noticed(make) -> None:
    b = A.copy()
    b[:3] = ~b[:3]
    assert "the two runs agree more than independent draws would" in str(of(make("a", t=A), make("b", t=b)))
    assert "agree more than" not in str(of(make("c", t=A[:, :1]), make("d", t=b[:, :1])))  # nothing to hold it against


def test_independent_runs_of_one_model_are_hardly_ever_suspected(make) -> None:
    """All between questions is sampling noise: the hardest case."""
    said = 0
    for i in range(100):
        a, b = (RNG.random((20 + i, 4)) < 0.5 for _ in "ab")
        said += "agree more than" in str(of(make(f"a{i}", t=a), make(f"b{i}", t=b)))
    assert said <= 4


def test_tasks_and_means_are_families_of_their_own(make) -> None:
    apart = "over all rows of tasks, and over the means over tasks apart from them (holm)"
    assert apart in str(of(make("a", s=A, t=A), make("b", s=B, t=B)))
    several = str(of(make("c", t=A), make("d", t=B), make("e", t=B[::-1])))
    assert "P-values are corrected over all rows (holm); intervals are not." in several
    assert "corrected" not in str(of(make("f", s=A, t=A), make("g", s=B, t=B), correction="none"))


@pytest.mark.parametrize("text", NASTY)
def test_hostile_names_change_no_structure(make, rollup, text: str) -> None:
    def page(name: str, folder: str) -> str:
        tables = [rollup(x.astype(float), id=[f"{name}{i}" for i in range(len(x))]) for x in (A, B[:90], B)]
        a, b, c = (make(f"{folder}{i}", model=name, t=table) for i, table in enumerate(tables))
        for i, run in enumerate((a, b, c)):
            run.manifest["tasks"]["t"]["label"] = name
            run.manifest["environment"]["packages"]["numpy"] = f"{name}{i}"
            run.manifest["tasks"]["t"]["identity"]["sampling"] = {"stop": f"{name}{i}"}
            run.manifest["status"], run.manifest["stopped"] = "failed", ""
        methods = [Method(name=f"{name}1", runs=(a, b)), Method(name=f"{name}2", runs=(c,))]
        return f"{of(a, b, c, allow=('all',))}\n\n{compare_runs(methods, allow=('all',))}"

    def tree(page: str) -> list[str]:
        return re.findall(r"</?\w+", GITHUB.render(page))

    nasty, tame = page(text, "n"), page("x", "x")
    assert tree(nasty) == tree(tame) and len(nasty.splitlines()) == len(tame.splitlines())
    outside = html.unescape(re.sub(r"(?s)<code>.*?</code>", "", GITHUB.render(nasty)))
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]|://|octocat|evil", outside.replace("avg@", ""))
    assert "\x1b" not in nasty and "\u202e" not in nasty


def test_ordinary_names_read_well_in_a_terminal(make, rollup) -> None:
    run = [make(n, t=rollup(x.astype(float), id=[f"mmlu_pro/{i}" for i in range(100)])) for n, x in zip("ab", (A, B))]
    for r in run:
        r.manifest["tasks"]["t"]["label"] = "my_task[100/300]"
    text = str(of(*run))
    assert "| `my_task[100/300]` |" in text and "| `mmlu_pro/" in text and "&#" not in text


@pytest.mark.parametrize(
    ("cell", "seen"),
    [("a|b", "a|b"), ("a\\|b", "a\\|b"), ("a\\\\|b", "a\\\\|b"), ("|", "|"), ("\\", "\\"), ("x\r\ny|", "x y|")],
)
def test_a_cell_of_a_table_is_one_cell(cell: str, seen: str) -> None:
    """As GitHub reads it: a backslash takes what follows it, and cells end at a bar that is not taken."""
    row = markdown(["h", "i"], [[cell, "z"]]).split("\n")[-1]
    cells = re.findall(r"(?:\\.|[^|\\])+", row)
    assert len(cells) == 2 and cells[1].strip() == "z"
    rendered = re.findall("<td>(.*?)</td>", GITHUB.render(markdown(["h", "i"], [[cell, "z"]])))
    assert rendered == [seen, "z"]
