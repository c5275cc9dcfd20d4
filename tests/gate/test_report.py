"""The gate's Markdown, terminal table and annotations, from results written by hand."""

from __future__ import annotations

import copy
import html
import re

import pytest
from gate_results import (
    ALL,
    BASELINE_GONE,
    BUDGET,
    ERROR,
    FAILED,
    INCONCLUSIVE,
    NASTY,
    NOT_COMPARABLE,
    PASSED,
    QUARANTINED,
    VERIFIER,
    WARNED,
    hostile,
    poisoned,
    result,
    task,
)
from hypothesis import assume, example, given
from markdown_it import MarkdownIt

from evalsuite.escape import code, plain, prose
from evalsuite.gate.report import LIMIT, annotations, markdown, summary, write_step_summary

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = re.compile(r"</?(?:code|details|summary)>|<!-- evalsuite:gate:[\w.-]* -->")


def with_nasty(test):
    for text in NASTY:
        test = example(text)(test)
    return given(hostile)(test)


def seen(text: str) -> str:
    """What a reader sees of HTML."""
    return html.unescape(re.sub(r"<[^>]*>", "", text)).replace("\u200b", "")


@pytest.mark.parametrize("name", ALL)
def test_every_form_says_the_same_verdict(name):
    gate = copy.deepcopy(ALL[name])
    lines = markdown(gate, "pr").splitlines()
    assert lines[0] == "<!-- evalsuite:gate:pr -->"
    assert lines[1].startswith("### evalsuite gate `pr`: ")
    assert (f"(exit {gate['exit_code']})" in lines[1]) == (gate["exit_code"] != 0)
    assert summary(gate).splitlines()[-1] == lines[1].replace("### evalsuite gate `pr`", "gate pr")
    for row in gate["tasks"].values():
        assert any(f" {row['verdict']} " in line for line in lines if line.startswith("|"))
    if not gate["exit_code"]:
        assert not [a for a in annotations(gate) if a.startswith("::error")]
    assert gate == ALL[name]


def test_a_pass_word_by_word():
    assert markdown(PASSED, "pr") == (
        """<!-- evalsuite:gate:pr -->
### evalsuite gate `pr`: passed

Tasks: 1 PASS.

- Candidate: model `qwen-new`, run `qwen-new-3c4d`
- Baseline: `main`, model `qwen`, run `qwen-gsm8k-1a2b`, set 2026-03-01T00:00:00Z, 3 days ago
- Verifiers: 1,600 recorded verdicts verified again, 0 changed
- Spent: 1,200 samples, 250,000 of 2,000,000 tokens, 0.00 US dollars, 3.1 minutes; finished 2026-03-04T10:03:06Z

| task              | questions | samples | baseline | candidate | difference (pp)   | margin (pp) | verdict |
|-------------------|----------:|---------|----------|-----------|-------------------|-------------|---------|
| `gsm8k[300/1319]` |       300 | 8 / 4   | 61.0 %   | 60.2 %    | -0.8 [-1.9, +0.3] | 3           | PASS    |

Bounds are one-sided, alpha 0.05, valid over all looks.

<details><summary>Questions that moved</summary>

- `gsm8k[300/1319]`: 10 won, 14 lost, 276 same; most: `17` 1 -> 0.25

</details>
"""
    )
    assert annotations(PASSED) == []


def test_a_failure_names_every_cause_and_the_worst_task_comes_first():
    text = seen(GITHUB.render(markdown(FAILED, "pr")))
    for part in (
        "failed (exit 10)",
        "Tasks: 1 FAIL, 1 PASS; guards broken: 1; below the floor: 1; behind the anchor: 1.",
        "math500 FAIL: worse: at most -2.2 points (p = 0.0004)",
        "math500 guard completion_tokens broken: 210 to 250, limit +10 %",
        "math500 floor broken: 56.0 %, limit 60.0 %",
        "math500 anchor broken: -6.0 [-8.0, -4.0] points against the anchor",
        "math500 for the target population: -5.0 [-8.1, -1.9] points",
        "Anchor: v1.0",
        "truncated 0.0 % to 1.2 %",
        "evalsuite compare results/baselines/main results/runs/qwen-new-3c4d",
    ):
        assert part in text
    assert "guard truncated" not in text  # reported, not broken
    rows = [line for line in markdown(FAILED, "pr").splitlines() if line.startswith("| `")]
    assert [re.findall("`(.*?)`", row)[0] for row in rows] == ["math500", "gsm8k[300/1319]"]


def test_annotations_of_a_failure():
    assert annotations(FAILED) == [
        "::error title=evalsuite gate%3A math500::FAIL: worse: at most -2.2 points (p = 0.0004)",
        "::error title=evalsuite gate%3A math500::guard completion_tokens broken: 210 to 250, limit +10 %25",
        "::error title=evalsuite gate%3A math500::floor broken: 56.0 %25, limit 60.0 %25",
        "::error title=evalsuite gate%3A math500::anchor broken: -6.0 [-8.0, -4.0] points against the anchor",
    ]


@pytest.mark.parametrize(
    "gate, level",
    [(INCONCLUSIVE, "error"), (WARNED, "warning"), (QUARANTINED, "warning"), (NOT_COMPARABLE, "error"), (ERROR, "error")],
)
def test_annotations_are_errors_where_the_job_fails(gate, level):
    found = annotations(gate)
    assert found and all(line.startswith(f"::{level} title=evalsuite gate%3A ") for line in found)


def test_the_terminal_shows_the_same_table_and_what_would_decide():
    assert summary(INCONCLUSIVE) == (
        """\
| task            | questions | samples | baseline | candidate | difference (pp)   | margin (pp) | verdict      |
|-----------------|----------:|---------|----------|-----------|-------------------|-------------|--------------|
| gsm8k[300/1319] |       300 | 8 / 4   | 61.0 %   | 60.2 %    | -0.8 [-1.9, +0.3] | 3           | INCONCLUSIVE |

gsm8k[300/1319]: INCONCLUSIVE: between -4.0 and +1.0 points
gsm8k[300/1319]: to decide: about 12 samples per question, or 900 questions
Tasks: 1 INCONCLUSIVE.
gate pr: inconclusive (exit 11)"""
    )
    assert summary(WARNED).endswith("gate pr: inconclusive (a warning in this profile)")


def test_changed_verdicts_are_listed_up_to_twenty():
    for text in (markdown(VERIFIER, "pr"), summary(VERIFIER)):
        assert "gsm8k 17 #19: 1 -> 0" in text and "#20:" not in text and "and 5 more" in text
        assert "25 of 1600 recorded verdicts changed" in text
    assert "::error title=evalsuite gate%3A verifiers::25 of 1600 recorded verdicts changed" in annotations(VERIFIER)


def test_what_ended_a_gate_without_a_decision_is_said():
    assert "tokens: 2,000,000 used" in markdown(BUDGET, "pr") and "tokens: 2,000,000 used" in summary(BUDGET)
    assert "baseline main is interrupted" in markdown(BASELINE_GONE, "pr")
    assert summary(BASELINE_GONE).splitlines()[-2:] == ["Tasks: none.", "gate pr: could not be measured (exit 13)"]
    assert "Candidate: did not run" in markdown(ERROR, "pr")
    assert "data: revision 1 in the baseline, 2 now" in summary(NOT_COMPARABLE)
    broken = result("error", verifier={"status": "error", "checked": 0, "changed": [], "note": "no sandbox"})
    assert "verifiers: no sandbox" in summary(broken)


def test_unknown_numbers_are_dashes():
    row = next(line for line in markdown(ERROR, "pr").splitlines() if line.startswith("| `"))
    assert [cell.strip() for cell in row.split("|")[2:-2]] == ["0", "-", "-", "-", "-", "3"]


@with_nasty
def test_prose_is_its_text_and_nothing_else(text):
    shown = plain(text).replace("\u200b", "")
    block = GITHUB.render(prose(text))
    assert seen(block).strip() == shown
    assert re.findall(r"</?\w+", block) == (["<p", "</p"] if plain(text) else [])
    out = html.unescape(prose(text))
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]|://|(?i:\bwww\.)|(?i:\bgh-[0-9])", out)


@with_nasty
def test_code_is_a_code_span_of_its_text(text):
    block = GITHUB.renderInline(code(text))
    assert re.findall(r"<[^>]*>", block) == ["<code>", "</code>"]
    assert seen(block) == (plain(text, 120) or "-").replace("\u200b", "")
    assert "|" not in code(text)


def test_plain_text_is_one_short_line_without_control_characters():
    assert plain(" a\r\n\x1b[31mb\u2028c\x85\ud800 ") == "a [31mb c \ufffd"
    assert plain("x" * 600) == "x" * 497 + "..." and plain("x" * 500) == "x" * 500
    assert plain(17) == "17"


@with_nasty
def test_hostile_text_changes_no_structure(text):
    assume(plain(text))
    page = markdown(poisoned(text), text)
    page.encode()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 4 and {row.count("|") for row in rows} == {9}
    assert "<" not in OURS.sub("", page)
    tree = GITHUB.render(page)
    assert re.findall(r"</?\w+", tree) == re.findall(r"</?\w+", GITHUB.render(markdown(poisoned("x"), "x")))
    outside = html.unescape(re.sub(r"(?s)<code>.*?</code>", "", tree))
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]|://", outside)
    assert len(page) < LIMIT


@with_nasty
def test_hostile_text_stays_in_its_line_of_the_terminal_and_of_annotations(text):
    assume(plain(text))
    gate = poisoned(text)
    assert len(summary(gate).split("\n")) == len(summary(poisoned("x")).split("\n"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", summary(gate))
    found = annotations(gate)
    assert len(found) == len(annotations(poisoned("x")))
    for line in found:
        head, _, title = line.partition(" title=")
        assert head in ("::error", "::warning") and title.count("::", 0, title.index("::") + 2) == 1
        assert "," not in title.split("::")[0] and "\n" not in line and "\r" not in line
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", line)


@pytest.mark.parametrize("size", [1, 500, 100_000])
def test_the_comment_stays_below_githubs_limit_and_says_what_is_missing(size):
    text = "<|@`" * (size // 4 + 1)
    one = poisoned(text)["tasks"][text] | {"moved": [{"id": text, "a": 1.0, "b": 0.0}] * 50}
    tasks = {f"t{i}": one for i in range(100)}
    gate = poisoned(text) | {"tasks": tasks, "notes": [f"{text}{i}" for i in range(3000)]}
    page = markdown(gate, text)
    assert len(page) < LIMIT
    assert "more lines are in gate.json)" in page
    assert page.count("<details>") == page.count("</details>")
    assert "failed (exit 10)" in page and "Spent:" in page
    assert max(map(len, annotations(gate))) < 8000


def test_many_tasks_that_fit_are_all_shown():
    tasks = {f"t{i}": task(label=f"t{i}") for i in range(100)}
    page = markdown(result(tasks=tasks), "pr")
    assert all(f"| `t{i}` " in page for i in range(100)) and "more lines" not in page


def test_the_step_summary_is_appended(tmp_path, monkeypatch, capsys):
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    write_step_summary(PASSED)
    assert file.read_text() == "before\n" + markdown(PASSED, "pr") + "\n"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    write_step_summary(PASSED)
    assert "step summary cannot be written" in capsys.readouterr().err
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    write_step_summary(PASSED)
