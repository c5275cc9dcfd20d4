"""The gate as JUnit XML, from results written by hand."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from gate_results import (
    ALL,
    BASELINE_GONE,
    BUDGET,
    FAILED,
    INCONCLUSIVE,
    NASTY,
    PASSED,
    QUARANTINED,
    VERIFIER,
    hostile,
    poisoned,
)
from hypothesis import example, given

from evalsuite.escape import xml
from evalsuite.gate.junit import junit


def with_nasty(test):
    for text in NASTY:
        test = example(text)(test)
    return given(hostile)(test)


def cases(data: bytes) -> dict[str, tuple[str, str]]:
    """`suite/case` -> (kind, message)."""
    out = {}
    for suite in ElementTree.fromstring(data):
        for case in suite:
            kinds = [child for child in case if child.tag != "system-out"]
            name = f"{suite.get('name').removeprefix('evalsuite.gate.pr.')}/{case.get('name')}"
            out[name] = (kinds[0].tag, kinds[0].get("message")) if kinds else ("", "")
    return out


def check_schema(data: bytes) -> None:
    """What the schema of the Jenkins xUnit plugin (junit-10.xsd) asks of order and attributes, and that the counts are true."""
    root = ElementTree.fromstring(data)
    assert root.tag == "testsuites" and set(root.keys()) == {"name", "time", "tests", "failures", "errors"}
    total = dict.fromkeys(("tests", "failures", "errors"), 0)
    for suite in root:
        assert suite.tag == "testsuite"
        assert set(suite.keys()) == {"name", "tests", "failures", "errors", "skipped", "time"}
        kinds = []
        for case in suite:
            assert case.tag == "testcase" and set(case.keys()) == {"name", "classname", "time"}
            assert [child.tag for child in case] in (
                [],
                ["system-out"],
                *([k, *o] for k in KINDS for o in ([], ["system-out"])),
            )
            kinds += [child.tag for child in case if child.tag != "system-out"]
            assert all(set(child.keys()) == {"message"} for child in case if child.tag != "system-out")
        counts = {"tests": len(suite), "failures": kinds.count("failure"), "errors": kinds.count("error")}
        assert {name: int(suite.get(name)) for name in counts} == counts
        assert int(suite.get("skipped")) == kinds.count("skipped")
        total = {name: total[name] + counts[name] for name in total}
        assert re.fullmatch(r"\d+(\.\d+)?", suite.get("time"))
    assert {name: int(root.get(name)) for name in total} == total
    assert re.fullmatch(r"\d+\.\d+", root.get("time"))


KINDS = ("failure", "error", "skipped")


@pytest.mark.parametrize("samples", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_every_result_fits_the_schema_and_is_red_exactly_where_the_job_fails(name, samples):
    data = junit(ALL[name], samples)
    check_schema(data)
    red = any(kind in ("failure", "error") for kind, _ in cases(data).values())
    assert red == (ALL[name]["exit_code"] != 0)


def test_a_pass_word_by_word():
    assert junit(PASSED).decode() == (
        """<?xml version='1.0' encoding='utf-8'?>
<testsuites name="evalsuite gate pr" time="186.000" tests="2" failures="0" errors="0">
  <testsuite name="evalsuite.gate.pr.verifiers" tests="1" failures="0" errors="0" skipped="0" time="0">
    <testcase name="recorded verdicts" classname="evalsuite.gate.pr.verifiers" time="0" />
  </testsuite>
  <testsuite name="evalsuite.gate.pr.gsm8k" tests="1" failures="0" errors="0" skipped="0" time="0">
    <testcase name="avg" classname="evalsuite.gate.pr.gsm8k" time="0" />
  </testsuite>
</testsuites>
"""
    )


def test_a_failure_has_a_case_for_the_metric_and_for_every_limit():
    assert cases(junit(FAILED)) == {
        "verifiers/recorded verdicts": ("", ""),
        "gsm8k/avg": ("", ""),
        "math500/avg": ("failure", "FAIL: worse: at most -2.2 points (p = 0.0004)"),
        "math500/guard completion_tokens": ("failure", "210 to 250, limit +10 %"),
        "math500/guard truncated": ("", ""),
        "math500/floor": ("failure", "56.0 %, limit 60.0 %"),
        "math500/anchor": ("failure", "-6.0 [-8.0, -4.0] points against the anchor"),
    }
    body = ElementTree.fromstring(junit(FAILED)).find(".//failure").text
    assert body == "61.0 % -> 56.0 %, difference -5.0 [-7.8, -2.2] points, margin 3, 300 questions"


def test_a_broken_guard_that_is_not_enforced_is_skipped():
    gate = FAILED | {
        "tasks": {"m": FAILED["tasks"]["math500"] | {"guards": [FAILED["tasks"]["math500"]["guards"][0] | {"enforced": False}]}}
    }
    assert cases(junit(gate))["m/guard completion_tokens"] == ("skipped", "210 to 250, limit +10 %")


def test_an_inconclusive_task_is_skipped_and_the_gate_fails_where_the_profile_says_so():
    found = cases(junit(INCONCLUSIVE))
    assert found["gsm8k/avg"] == ("skipped", "INCONCLUSIVE: between -4.0 and +1.0 points")
    assert found["gate/verdict"] == ("failure", "inconclusive (exit 11)")
    assert "needs about 12 samples per question" in junit(INCONCLUSIVE).decode()


def test_what_no_task_carries_has_a_case_of_its_own():
    assert cases(junit(BASELINE_GONE))["gate/verdict"] == (
        "error",
        "could not be measured (exit 13); baseline main is interrupted",
    )
    kind, message = cases(junit(BUDGET))["gate/verdict"]
    assert kind == "error" and message.startswith("budget spent before a decision (exit 14); tokens: 2,000,000 used")


def test_a_quarantined_task_is_skipped_with_its_day():
    found = cases(junit(QUARANTINED))
    assert found["gsm8k/avg"][0] == "skipped" and found["gsm8k/avg"][1].startswith("quarantined until 2026-12-31; FAIL: worse")
    assert {kind for name, (kind, _) in found.items() if name.startswith("gsm8k/")} == {"skipped", ""}


def test_changed_verdicts_are_a_failure_that_lists_twenty():
    failure = ElementTree.fromstring(junit(VERIFIER)).find("testsuite/testcase/failure")
    assert failure.get("message") == "25 of 1600 recorded verdicts changed"
    lines = failure.text.split("\n")
    assert len(lines) == 21 and lines[0] == "gsm8k 17 #0: 1 -> 0" and lines[-1] == "... and 5 more"


def test_moved_questions_only_on_request():
    assert b"system-out" not in junit(PASSED)
    out = ElementTree.fromstring(junit(PASSED, samples=True)).findall(".//system-out")
    assert [node.text for node in out] == ["17: 1 -> 0.25"]


@with_nasty
def test_any_text_gives_xml_that_says_it(text):
    for samples in (False, True):
        data = junit(poisoned(text, "error"), samples)
        check_schema(data)
        suites = ElementTree.fromstring(data)
        assert len(suites) == 3 or text == "gsm8k"
        assert suites[1].get("name") == f"evalsuite.gate.{xml(text)}.{xml(text)}"


@given(hostile)
def test_xml_text_keeps_what_xml_can_hold(text):
    node = ElementTree.fromstring(f"<a>{xml(text).replace('&', '&amp;').replace('<', '&lt;')}</a>".encode())
    assert (node.text or "") == xml(text).replace("\r\n", "\n").replace("\r", "\n")
    if re.fullmatch("[\x20-\x7e\n\t]*", text):
        assert xml(text) == text
