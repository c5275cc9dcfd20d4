"""APPS and CodeContests: records of the published schemas, made up here, become samples whose references pass."""

from __future__ import annotations

import json

import pytest

from evalsuite.errors import UsageError
from evalsuite.registry import load_task
from evalsuite.sources import Where, load

pytestmark = pytest.mark.usefixtures("isolated")

STDIN = {
    "problem_id": 0,
    "question": "Add two numbers.",
    "solutions": json.dumps(["a, b = map(float, input().split())\nprint(a + b)", "print(0)"]),
    "input_output": json.dumps({"inputs": ["1 2\n", ["0.5 0.25", ""]], "outputs": ["3\n", ["0.75"]]}),
    "difficulty": "introductory",
    "url": "https://example.org/0",
    "starter_code": "",
}
METHOD = {
    **STDIN,
    "problem_id": 1,
    "question": "Both.",
    "solutions": json.dumps(["class Solution:\n    def both(self, a, b):\n        return (a, b)"]),
    "input_output": json.dumps({"fn_name": "both", "inputs": [[1, 2], [[3], "x"]], "outputs": [[[1, 2]], [[3], "x"]]}),
    "difficulty": "interview",
    "starter_code": "class Solution:\n    def both(self, a: int, b: int):\n        ",
}
FUNCTION = {
    **STDIN,
    "problem_id": 2,
    "solutions": json.dumps(["def double(n):\n    return Counter({n: 2})[n] * n"]),
    "input_output": json.dumps({"fn_name": "double", "inputs": [[2]], "outputs": [[4]]}),
    "starter_code": "def double(n):\n\t",
}
UNTESTED = {**STDIN, "problem_id": 3, "solutions": "", "input_output": ""}

CONTEST = {
    "name": "1_A. Yes",
    "description": "Say yes and a third.",
    "public_tests": {"input": ["1\n"], "output": ["YES\n\n0.3333333\n"]},
    "private_tests": {"input": ["2\n"], "output": ["YES 0.6666667"]},
    "generated_tests": {"input": ["3\n"], "output": ["Yes\n1\n"]},
    "source": 2,
    "difficulty": 7,
    "solutions": {"language": [2, 1, 3, 3], "solution": ["int main;", "print 1", "print('yes', int(input()) / 3)", "print(1)"]},
    "cf_rating": 800,
    "time_limit": {"seconds": 1, "nanos": 500000000},
    "input_file": "",
    "output_file": "",
}


@pytest.fixture
def loaded(tmp_path):
    """`loaded(spec, file, *records)`: a task and what it loads from that file of a data folder."""

    def make(spec, file, *records):
        path = tmp_path / file
        path.parent.mkdir()
        if path.suffix == ".parquet":
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(records)), path)
        else:
            path.write_text("".join(json.dumps(r) + "\n" for r in records))
        task = load_task(spec)
        return task, load(task, Where(data_dir=tmp_path, offline=True))

    return make


def test_apps_references_pass_and_others_do_not(loaded, score):
    task, found = loaded("apps", "apps/test.jsonl", STDIN, METHOD, FUNCTION, UNTESTED)
    assert (found.label("apps"), found.skipped) == ("apps[3/5000]", 1)
    stdin, method, function = found.samples
    for sample in found.samples:
        result = score(task, sample, task.verifier.gold(sample))
        assert (result.value, result.parts["passed"]) == (1.0, 1.0), result.feedback
    assert score(task, method, "```python\nclass Solution:\n    def both(self, a, b): return [b, a]\n```").value == 0.0
    assert score(task, function, "```python\ndef double(n): return [[4]]\n```").value == 0.0
    assert function.tests["seconds_per_test"] == stdin.tests["seconds_per_test"] == 4.0


def test_apps_counts_all_tests_and_is_all_or_nothing(loaded, score):
    first = {**STDIN, "input_output": json.dumps({"inputs": ["1", "2", "3", "4"], "outputs": ["0", "4", "6", "8"]})}
    task, found = loaded("apps", "apps/test.jsonl", first)
    result = score(task, found.samples[0], "```python\nprint(2 * int(input()))\n```")
    assert (result.value, result.parts["passed"], result.parts["tests"]) == (0.0, 0.75, 4)


def test_apps_by_difficulty(loaded):
    task, found = loaded("apps@interview", "apps/test.jsonl", STDIN, METHOD, FUNCTION)
    assert [s.id for s in found.samples] == ["1"]
    assert found.label("apps@interview") == "apps@interview[1/3000]"
    text = task.prompt.render(found.samples[0]).plain
    assert text == f"\nQUESTION:\nBoth.\n{METHOD['starter_code']}\nUse Call-Based format\nANSWER:\n"


@pytest.mark.parametrize(
    "file", ["code_contests/test.parquet", "code_contests/test.jsonl", "code_contests/test-00000-of-00001.parquet"]
)
def test_code_contests(loaded, score, file):
    files = {**CONTEST, "name": "2_B", "input_file": "in.txt"}
    task, found = loaded("code_contests", file, CONTEST, files)
    (sample,) = found.samples
    assert (sample.id, found.skipped, found.size) == ("2:1_A. Yes", 1, 165)
    assert sample.tests["inputs"] == ["1\n", "2\n", "3\n"]
    assert sample.tests["seconds_per_test"] == 10.0
    assert sample.privileged == {"reference": "print('yes', int(input()) / 3)"}
    assert score(task, sample, task.verifier.gold(sample)).value == 1.0
    assert score(task, sample, "```python\nprint('yes', 0.3333333)\n```").value == 0.0


def test_code_contests_without_a_limit_or_a_python_solution(loaded):
    plain = {**CONTEST, "time_limit": None, "solutions": {"language": [2], "solution": ["x"]}, "private_tests": None}
    _, found = loaded(
        "code_contests@valid", "code_contests/valid.jsonl", plain, {**plain, "source": 1, "time_limit": {"seconds": 12}}
    )
    assert [s.tests["seconds_per_test"] for s in found.samples] == [10.0, 12.0]
    assert [dict(s.privileged) for s in found.samples] == [{}, {}]
    assert found.samples[0].tests["inputs"] == ["1\n", "3\n"]


@pytest.mark.parametrize("spec", ["apps@easy", "apps@introductory:train", "code_contests@dev"])
def test_other_parts_are_usage_errors(spec):
    with pytest.raises(UsageError, match="there are"):
        load_task(spec)
