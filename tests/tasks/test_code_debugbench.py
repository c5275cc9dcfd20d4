"""DebugBench: tests out of LeetCode's examples, and how they agree with LeetCode's judge."""

from __future__ import annotations

import collections
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite import sandbox
from evalsuite.tasks.code import debugbench
from evalsuite.tasks.code._leetcode import example_tests

pytestmark = pytest.mark.usefixtures("isolated")

CALL = "Input: n = 12, k = 3\nOutput: 3\nExplanation: Factors are 1, 2, 3."
METHOD = "class Solution:\n    def {}:\n        {}"


def examples_of(signature, *examples, description="", body="pass"):
    return example_tests(examples, METHOD.format(signature, body), description)


def passes(tests, program):
    score = sandbox.run(program, tests)
    assert score.outcome == "ok", score.feedback
    return score.value == 1.0


def test_arguments_and_output():
    tests = examples_of("kth(self, n: int, k: int) -> int", CALL)
    assert (tests["inputs"], tests["outputs"], tests["entry_point"]) == ([[12, 3]], [3], "call_kth")


@pytest.mark.parametrize(
    ("example", "values", "output"),
    [
        ('Input: s = "a, b = [1", t = "x\\"y"\nOutput: "z"', ["a, b = [1", 'x"y'], "z"),
        ("Input: a = [[1,2],[]], b = null\r\nOutput: [1.00000,-2.50000]\r\nExplanation: x", [[[1, 2], []], None], [1.0, -2.5]),
        ("Input: a = 00000000000000000000000000001011, b = 1\nOutput: 3 (0011)", [11, 1], 3),
        ('Input: ["a"], true\nOutput: false', [["a"], True], False),
    ],
)
def test_values_are_read(example, values, output):
    tests = examples_of("f(self, s, t)", example)
    assert (tests["inputs"], tests["outputs"]) == ([values], [output])


@pytest.mark.parametrize(
    "example",
    [
        "Input: a = x, b = 1\nOutput: 3",
        "Input: a = 1 b = 2\nOutput: 3",
        "Input: a = 1, b = 2\nOutput: three",
        "Input: a = 1, b = 2\nOutput: 3 or 4",
        "Input: a = 1\nOutput: 3",
        "Input:\nOutput: 3",
        "a = 1, b = 2 gives 3",
    ],
)
def test_what_cannot_be_read_gives_no_tests(example):
    assert examples_of("f(self, a, b)", example) is None
    assert len(examples_of("f(self, a, b)", "Input: a = 1, b = 2\nOutput: 3", "no example")["inputs"]) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(st.lists(json_values, min_size=1, max_size=4), json_values, st.booleans())
def test_any_json_is_read(values, output, named):
    given_values = ", ".join(f"{f'v{i} = ' if named else ''}{json.dumps(value)}" for i, value in enumerate(values))
    tests = examples_of(
        "f(self, *)".replace("*", ", ".join("abcd"[: len(values)])), f"Input: {given_values}\nOutput: {json.dumps(output)}"
    )
    assert (tests["inputs"], tests["outputs"]) == ([values], [output])


@given(
    st.text(alphabet='Input:Ou\n []{},="a1_.', max_size=60), st.text(alphabet="class Solution:\n def f(self,a)", max_size=40)
)
def test_no_text_is_an_error(text, oracle):
    example_tests([text, "Input: " + text, text + "\nOutput: " + text], oracle, text)


@pytest.mark.parametrize(
    ("methods", "entry"),
    [
        ("def help(self, a): pass\n    def main(self, a): return self.help(a)", "main"),
        ("def main(self, a): return self.help(a)\n    def help(self, a): pass", "main"),
        ("def main(self, a: int): pass\n    def other(self, a): pass", "main"),
        ("def other(self, b: int): pass\n    def main(self, a: int): pass\n    def last(self, c: int): pass", "main"),
        ("def main(self, a, deep=True): return self.main(a, deep)\n    def other(self, a, b): pass", "main"),
    ],
)
def test_the_method_that_leetcode_calls(methods, entry):
    tests = example_tests(["Input: a = 1\nOutput: 1"], f"class Solution:\n    {methods}", "")
    assert tests["entry_point"] == f"call_{entry}"


def test_linked_lists_and_trees():
    lists = examples_of(
        "f(self, head: Optional[ListNode], root: TreeNode, many: List[Optional[ListNode]]) -> Optional[ListNode]",
        "Input: head = [1,2], root = [3,null,4], many = [[5],[]]\nOutput: [1,2,3,4,5]",
        "Input: head = [], root = [], many = []\nOutput: []",
    )
    program = METHOD.format(
        "f(self, head, root, many)",
        """
        values = []
        while head: values.append(head.val); head = head.next
        if root: values += [root.val, root.right.val]; assert root.left is None
        for node in many:
            if node: values.append(node.val)
        first = None
        for value in reversed(values): first = ListNode(value, first)
        return first""",
    )
    assert passes(lists, program)
    assert not passes(lists, program.replace("first = ListNode(value, first)", "first = ListNode(value)"))
    endless = METHOD.format("f(self, head, root, many)", "node = ListNode(1); node.next = node; return node")
    assert not passes(lists, endless)
    tree = examples_of(
        "f(self, root: Optional[TreeNode]) -> Optional[TreeNode]",
        "Input: root = [4,2,7,1,null,6]\nOutput: [4,7,2,null,6,null,1]",
    )
    mirror = "if root: root.left, root.right = self.f(root.right), self.f(root.left)\n        return root"
    assert passes(tree, METHOD.format("f(self, root)", mirror))
    assert not passes(tree, METHOD.format("f(self, root)", "return root"))


def test_arguments_changed_in_place():
    tests = examples_of("f(self, nums: List[int]) -> None", "Input: nums = [2,0,1]\nOutput: [0,1,2]")
    assert passes(tests, METHOD.format("f(self, nums)", "nums.sort()"))
    assert not passes(tests, METHOD.format("f(self, nums)", "return sorted(nums)"))
    shorter = examples_of("f(self, nums: List[int]) -> int", "Input: nums = [1,1,2]\nOutput: 2, nums = [1,2,_]")
    assert passes(shorter, METHOD.format("f(self, nums)", "nums[1] = 2; return 2"))
    assert not passes(shorter, METHOD.format("f(self, nums)", "return 2"))


def test_order_counts_unless_the_statement_says_otherwise():
    example, signature = "Input: n = 2\nOutput: [[2,1],[1]]", "f(self, n: int) -> List[List[int]]"
    program = METHOD.format("f(self, n)", "return [[1], [2, 1]]")
    assert not passes(examples_of(signature, example), program)
    assert passes(examples_of(signature, example, description="Return the answer in any order."), program)


def test_classes_to_design():
    tests = example_tests(
        ['Input\n["Box", "put", "get", "get"]\n[[2], [5], [0], [1]]\nOutput\n[null, null, 5, -1]\n\nExplanation\nBox box;'],
        "class Box: pass",
        "",
    )
    box = "class Box:\n    def __init__(self, n): self.items = []\n    def put(self, x): self.items.append(x)\n"
    assert passes(tests, box + "    def get(self, i): return self.items[i] if i < len(self.items) else -1")
    assert not passes(tests, box + "    def get(self, i): return 5")


def test_floats_none_and_usual_imports():
    tests = examples_of("f(self, x: float) -> List[float]", "Input: x = 2\nOutput: [0.33333]", "Input: x = 0\nOutput: []")
    assert passes(tests, METHOD.format("f(self, x: float) -> List[float]", "if x.is_integer() and x: return (1 / 3,)"))
    assert passes(
        tests, METHOD.format("f(self, x)", "return [pow(3, -1)] if gcd(int(x), inf is inf) and Counter([x])[2.0] else []")
    )
    assert not passes(tests, METHOD.format("f(self, x)", "return [0.3334] if x else []"))


def test_records_of_the_hub_and_of_the_repository():
    right, bug = METHOD.format("kth(self, n: int, k: int) -> int", "return k"), "class Solution: pass"
    common = {"slug": "kth-factor", "examples": [CALL], "buggy_code": bug, "level": "easy"}
    ours = debugbench.read({**common, "description": "Kth factor.", "oracle_code": right})
    hub = debugbench.read(
        {**common, "question": "Kth factor.", "solution": right, "language": "python3", "category": "logic error"}
    )
    assert ours["problem"] == hub["problem"] == f"Kth factor.\nImplementation\n{bug}"
    assert ours["reference"] == hub["reference"] == right
    assert hub["category"] == "logic error"
    assert debugbench.read({**common, "question": "", "solution": right, "language": "cpp"}) is None
    design = {**common, "examples": ['Input\n["Box"]\n[[]]\nOutput\n[null]'], "description": ""}
    assert debugbench.read({**design, "oracle_code": "class Box:\n    pass"})["inputs"] == [[["Box"], [[]]]]
    assert debugbench.read({**design, "oracle_code": "class Box { };"}) is None
    assert debugbench.read({**common, "slug": "linked-list-cycle", "description": "", "oracle_code": right}) is None


def test_coverage_of_the_local_files(from_data):
    _, loaded = from_data("debugbench")
    assert (loaded.label("debugbench"), len(loaded.samples), loaded.skipped) == ("debugbench[151/1414]", 151, 20)


def test_solutions_pass_and_bugs_fail(from_data):
    """Every 6th of the 151: all of them have been run, as all 1,414."""
    _, loaded = from_data("debugbench")
    for sample in loaded.samples[::6]:
        assert passes(sample.tests, sample.privileged["reference"]), sample.id
        bug = sample.problem.rpartition("\nImplementation\n")[2]
        assert sandbox.run(bug, sample.tests).value == 0.0, sample.id


def test_recorded_repairs(data_dir):
    """49 repairs by gpt-4 with the verdict of LeetCode's judge: no right one fails here, 1 of 3 wrong ones passes."""
    rows = json.loads((data_dir / "debugbench" / "recorded" / "gpt-4_debug_python3_colon_missing.json").read_text())
    verdicts = collections.Counter()
    for row in rows:
        sample = debugbench.read(row)
        if sample is not None:
            tests = {key: sample[key] for key in debugbench.SOURCE.tests}
            verdicts[row["test_result_bool"], sandbox.run(row["fixed_code"], tests).value] += 1
    assert verdicts == {(True, 1.0): 44, (False, 0.0): 2, (False, 1.0): 1}
