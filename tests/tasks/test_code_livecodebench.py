"""LiveCodeBench: records become samples, windows select by date, and the verifier agrees with recorded rewards."""

from __future__ import annotations

import base64
import json
import pickle
import zlib

import pytest

from evalsuite import Completion
from evalsuite.errors import UsageError
from evalsuite.registry import load_task
from evalsuite.sandbox.packed import unpacked
from evalsuite.sources import Where, load
from evalsuite.tasks.code import livecodebench
from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.code import CodeVerifier, extract
from evalsuite.words.sample import ask

pytestmark = pytest.mark.usefixtures("isolated")


def record(**fields):
    hidden = [{"input": "3 4\n", "output": "7\n", "testtype": "stdin"}]
    return {
        "question_title": "Add two",
        "question_content": "Add two numbers.",
        "platform": "atcoder",
        "question_id": "abc001_a",
        "contest_id": "abc001",
        "contest_date": "2024-08-10T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
        "private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(json.dumps(hidden)))).decode(),
        "metadata": "{}",
        **fields,
    }


FUNCTIONAL = record(
    question_title="find-the-peaks",
    platform="leetcode",
    question_id="2951",
    starter_code="class Solution:\n    def peaks(self, xs: List[int]) -> List[int]:\n        ",
    public_test_cases=json.dumps([{"input": "[1, 3, 2]\n1", "output": "[1]", "testtype": "functional"}]),
    private_test_cases=json.dumps([{"input": "[1]\n2", "output": "[]", "testtype": "functional"}]),
    metadata='{"func_name": "peaks"}',
)


@pytest.fixture
def samples(tmp_path):
    """`samples(spec, *records)`: what a task makes of these records, one in each local file test.jsonl, test2.jsonl ..."""

    def make(spec, *records):
        task = load_task(spec)
        folder = tmp_path / "livecodebench"
        folder.mkdir()
        for number, row in enumerate(records, 1):
            file = f"test{number}.jsonl" if 1 < number <= len(task.samples.files) else "test.jsonl"
            with open(folder / file, "a") as stream:
                stream.write(json.dumps(row) + "\n")
        return task, load(task, Where(data_dir=tmp_path, offline=True))

    return make


def test_a_program_that_reads_stdin(samples):
    task, found = samples("livecodebench@v1", record())
    (sample,) = found.samples
    tests = unpacked(sample.tests)
    assert (tests["inputs"], tests["outputs"]) == (["1 2\n", "3 4\n"], ["3\n", "7\n"])
    assert "entry_point" not in tests
    assert tests["seconds_per_test"] == 6.0
    assert dict(sample.metadata) == {"platform": "atcoder", "contest_date": "2024-08-10T00:00:00", "difficulty": "easy"}
    assert sample.id == "abc001_a"
    system, user = task.prompt.render(sample).messages
    assert system.text.startswith("You are an expert Python programmer.")
    assert user.text.startswith("### Question:\nAdd two numbers.\n\n### Format: Read the inputs from stdin")
    assert user.text.endswith("```python\n# YOUR CODE HERE\n```\n\n### Answer: (use the provided format with backticks)\n\n")


def test_a_method_to_write(samples):
    task, found = samples("livecodebench@v1", FUNCTIONAL)
    (sample,) = found.samples
    tests = unpacked(sample.tests)
    assert tests["entry_point"] == "Solution.peaks"
    assert (tests["inputs"], tests["outputs"]) == ([[[1, 3, 2], 1], [[1], 2]], [[1], []])
    assert sample.metadata["errata"] == "several answers"
    assert f"```python\n{FUNCTIONAL['starter_code']}\n```" in task.prompt.render(sample).messages[-1].text


def test_both_kinds_run(samples):
    _, found = samples("livecodebench@v1", record(), FUNCTIONAL)
    stdin, function = found.samples
    peaks = "class Solution:\n    def peaks(self, xs: List[int], n: int):\n        return {}"
    answers = [
        (stdin, "a, b = map(int, input().split())\nprint(a + b)", 1.0),
        (stdin, "print(reduce(add, map(int, input().split())))", 1.0),
        (stdin, "print(3)", 0.0),
        (function, peaks.format("tuple(i for i in range(1, len(xs) - 1) if xs[i - 1] < xs[i] > xs[i + 1])"), 1.0),
        (function, peaks.format("[1]"), 0.0),
    ]
    for sample, program, value in answers:
        score = run_verifier(CodeVerifier(), sample, Completion(f"```python\n{program}\n```"))
        assert score.value == value, (program, score.feedback)


def test_files_of_a_release_in_order(samples, tmp_path):
    _, found = samples("livecodebench@v3", *(record(question_id=str(i)) for i in range(3)))
    assert [s.id for s in found.samples] == ["0", "1", "2"]
    (tmp_path / "livecodebench" / "test10.jsonl").write_text("not one of them")
    assert len(load(load_task("livecodebench@v2"), Where(data_dir=tmp_path, offline=True)).samples) == 2
    with pytest.raises(UsageError, match=r"livecodebench \(without test4.jsonl\); hub dataset"):
        load(load_task("livecodebench@v4"), Where(data_dir=tmp_path, offline=True))


def test_releases_are_the_first_files():
    for release, size in livecodebench.SIZES.items():
        source = load_task(f"livecodebench@{release}").samples
        assert source.size == size
        assert (
            source.files
            == ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl")[: int(release[1])]
        )


@pytest.mark.parametrize(
    ("window", "dates"),
    [
        ("2024-08..2024-09", ["2024-08-01T00:00:00", "2024-09-30T23:00:00"]),
        ("2024-08-02..2024-09-30", ["2024-09-30T23:00:00"]),
        ("2024-07-31..2024-08-01", ["2024-07-31T12:00:00", "2024-08-01T00:00:00"]),
        ("2024-10..2024-10", ["2024-10-01"]),
    ],
)
def test_both_ends_of_a_window_count(samples, window, dates):
    all_dates = ["2024-07-31T12:00:00", "2024-08-01T00:00:00", "2024-09-30T23:00:00", "2024-10-01"]
    task, found = samples(f"livecodebench@v1:{window}", *(record(question_id=d, contest_date=d) for d in all_dates))
    assert [s.metadata["contest_date"] for s in found.samples] == dates
    assert found.label(task.name) == task.name  # complete: the window is the set


@pytest.mark.parametrize("spec", ["v7", "release_v6", "v6:2024", "v6:2024-09..2024-08", "v6:2024-13..2025-01", "v6:2024-08.."])
def test_other_releases_and_windows_are_usage_errors(spec):
    with pytest.raises(UsageError, match="livecodebench"):
        load_task(f"livecodebench@{spec}")


def test_seventeen_problems_are_flagged():
    assert len(livecodebench._FLAGS) == 17
    assert livecodebench.read(record(question_id="abc337_e"))["errata"] == "interactive"
    assert livecodebench.read(record(question_title="Most Frequent IDs"))["errata"] == "faulty tests"


def test_recorded_rewards_of_nemo_gym(data_dir):
    """Five answers of gpt-4.1 to problems with tests; NVIDIA's verifier, LiveCodeBench's checker, gave 0, 1, 0, 0, 0."""
    folder = data_dir / "nemo_gym" / "code_gen"
    examples, rollouts = (
        [json.loads(line) for line in (folder / name).read_text().splitlines()]
        for name in ("example.jsonl", "example_rollouts.jsonl")
    )

    def question(row):
        return row["responses_create_params"]["input"][0]["content"]

    tests = {question(row): row["verifier_metadata"]["unit_tests"] for row in examples}
    scores = []
    for row in rollouts:
        text = "".join(part["text"] for item in row["response"]["output"] for part in item["content"])
        sample = ask(question(row), id="0", tests={**tests[question(row)], "seconds_per_test": 10.0})
        scores.append(run_verifier(CodeVerifier(timeout=60.0), sample, Completion(text)))
    assert [s.value for s in scores] == [row["reward"] for row in rollouts] == [0, 1, 0, 0, 0]
    assert [s.answer.strip() for s in scores] == [row["extracted_model_code"].strip() for row in rollouts]


def test_recorded_answers_give_the_recorded_programs(data_dir):
    """The last fenced block of o1-mini's answers is what upstream took out, 100 of 100."""
    rows = json.loads((data_dir / "livecodebench" / "O1-Mini_codegeneration_eval_all.first100.json").read_text())
    assert [extract.program(row["output_list"][0]).strip() for row in rows] == [row["code_list"][0].strip() for row in rows]
