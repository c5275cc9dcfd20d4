"""LeetCode's conventions: what its judge gives a program, and tests out of the examples of a problem statement.

LeetCode imports the usual modules before a program, defines `TreeNode` and `ListNode`, and converts arguments and results by
the method's annotations. `PRELUDE` does the same in the sandbox: it is run before the program, and its functions take and
return plain data. Not converted are `Node` (n-ary trees, graphs, quad trees), cyclic lists and interactive helper objects:
problems with them give no tests that a right program passes.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_MODULES = "string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys json"
# LiveCodeBench's `import_string`: builtins after the others, so that `math.pow` and `io.open` hide nothing.
IMPORTS = (
    "".join(f"from {name} import *\n" for name in [*_MODULES.split(), "builtins", "typing"])
    + "".join(f"import {name}\n" for name in _MODULES.split())
    + "sys.setrecursionlimit(50000)\n"
)

PRELUDE = (
    IMPORTS
    + '''
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next


class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val, self.left, self.right = val, left, right


def _to_nodes(values, kind):
    """A linked list, a list of them, or a tree in level order with None for a child that is not there."""
    if kind == "lists":
        return [_to_nodes(item, "list") for item in values]
    nodes = [None if value is None else (TreeNode if kind == "tree" else ListNode)(value) for value in values]
    if kind == "list":
        for node, after in zip(nodes, nodes[1:]):
            node.next = after
    else:
        children = iter(nodes[1:])
        for node in filter(None, nodes):
            node.left, node.right = next(children, None), next(children, None)
    return nodes[0] if nodes else None


def _from_nodes(root, kind):
    """The inverse, without the None at a tree's end. A list without an end is an error."""
    if kind == "lists":
        return [_from_nodes(item, "list") for item in root]
    row, values = [root] if root or kind == "tree" else [], []
    for node in row:
        values.append(node.val if node else None)
        if node and (kind == "tree" or node.next):
            row += [node.left, node.right] if kind == "tree" else [node.next]
        if len(row) > 100000:
            raise ValueError("a list or tree without an end")
    while values and values[-1] is None:
        values.pop()
    return values


def _call_method(name, kinds, kind, how, values):
    values = [value if k in ("", "array") else _to_nodes(value, k) for value, k in zip(values, kinds)]
    result = getattr(Solution(), name)(*values)
    if how == "mutates":
        return values[0]
    if how == "shortens":
        return [result, values[0][:result]]
    if kind == "array":
        result = [] if result is None else list(result) if isinstance(result, (Iterator, tuple, deque)) else result
    elif kind:
        result = _from_nodes(result, kind)
    return sorted(result, key=repr) if how == "any order" else result


def _call_class(names, arguments):
    instance = globals()[names[0]](*arguments[0])
    return [None] + [getattr(instance, name)(*values) for name, values in zip(names[1:], arguments[1:])]
'''
)

_DESIGN = re.compile(r"Input:?\s*(\[.*\])\s*\n(\[.*\])\s*\nOutput:?\s*(\[.*?\])\s*(?:\n\s*Explanation.*)?", re.S)
_CALL = re.compile(r"Input:?\s*(.*?)\s*\nOutput:?\s*(.*?)\s*(?:\n\s*(?:Explanation|Note|Constraints).*)?", re.S)
_NAME = re.compile(r"\s*,?\s*(?:([A-Za-z_]\w*)\s*=\s*)?")
_BITS = re.compile(r"[01]{32}\b")
_SHORTENED = re.compile(r"(\d+), \w+ = (\[[^_]*?)(,?_)*\]")
_ANY_ORDER = re.compile(r"\b(?:return|answer|output|result)[^.]*\bany order", re.I)


class _Method(NamedTuple):
    name: str
    annotations: tuple[str, ...]
    returns: str


def example_tests(examples: Sequence[str], oracle: str, description: str) -> dict[str, Any] | None:
    """Tests of a repaired program from a problem's examples and its right solution, or None where no example can be read.

    Keys as `evalsuite.sandbox.run` documents: `inputs`, `outputs`, `atol`, `json_values`, `entry_point`, `prelude`.
    The solution is read, not run: for its class, its method's name and the types of its arguments and result. One in another
    language gives no tests.
    """
    try:
        body = ast.parse(oracle).body
    except (SyntaxError, ValueError):
        return None
    designs = [row for row in map(_design, examples) if row]
    if designs:
        return _tests([row[:2] for row in designs], [row[2] for row in designs], PRELUDE, "_call_class")
    calls = [m for m in map(_CALL.fullmatch, (e.replace("\r", "") for e in examples)) if m]
    read = [(_arguments(m[1]), _output(m[2])) for m in calls]
    usable = [(values, output) for values, output in read if values and output is not None]
    method = _entry(body, usable[0][0]) if usable else None
    if method is None:
        return None
    how = "mutates" if method.returns == "None" else ""
    if any(shortened for _, (_, shortened) in usable):
        how = "shortens"
    elif _ANY_ORDER.search(description) and all(isinstance(output, list) for _, (output, _) in usable):
        how = "any order"
    kinds = tuple(map(_kind, method.annotations))
    call = f"_call_method({method.name!r}, {kinds!r}, {_kind(method.returns)!r}, {how!r}, values)"
    outputs = [sorted(output, key=repr) if how == "any order" else output for _, (output, _) in usable]
    return _tests(
        [[float(v) if a == "float" else v for (_, v), a in zip(values, method.annotations)] for values, _ in usable],
        outputs,
        f"{PRELUDE}\n\ndef call_{method.name}(*values):\n    return {call}\n",
        f"call_{method.name}",
    )


def _tests(inputs: list[Any], outputs: list[Any], prelude: str, entry_point: str) -> dict[str, Any]:
    data = {"inputs": inputs, "outputs": outputs, "atol": 1e-5, "json_values": True}
    return {**data, "entry_point": entry_point, "prelude": prelude}


def _design(example: str) -> list[Any] | None:
    """Names, argument lists and results of an example with a class; None for any other."""
    match = _DESIGN.fullmatch(example)
    try:
        return [json.loads(text) for text in match.groups()] if match else None
    except ValueError:
        return None


def _arguments(text: str) -> list[tuple[str, Any]] | None:
    """`n = 12, k = [3]` as names and values; None where a value is no JSON."""
    found: list[tuple[str, Any]] = []
    at = 0
    while at < len(text):
        head = _NAME.match(text, at)
        at = head.end() if head else at
        bits = _BITS.match(text, at)
        try:
            value, at = (int(bits[0], 2), bits.end()) if bits else json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            return None
        found.append((head[1] or "" if head else "", value))
        if text[at:].strip() and not text[at:].lstrip().startswith(","):
            return None
    return found


def _output(text: str) -> tuple[Any, bool] | None:
    """An example's output and whether it is a length with the shortened argument; None where it cannot be read."""
    shortened = _SHORTENED.fullmatch(text)
    try:
        if shortened:
            return [int(shortened[1]), json.loads(shortened[2] + "]")], True
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return None if text[end:].strip() and not re.fullmatch(r"\s*\([^()]*\)", text[end:]) else (value, False)


def _entry(body: list[ast.stmt], values: list[tuple[str, Any]]) -> _Method | None:
    """The method that LeetCode calls: it takes as many values, and the others do not call it; better if annotated."""
    classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == "Solution"]
    functions = [node for node in classes[-1].body if isinstance(node, ast.FunctionDef)] if classes else []
    called = {name for f in functions for name in _own(f) if name != f.name}
    fitting = []
    for function in reversed(functions):
        parameters = function.args.args[1:]
        if len(parameters) - len(function.args.defaults) <= len(values) <= len(parameters):
            parameters = parameters[: len(values)]
            annotations = tuple(_annotation(p.annotation) for p in parameters)
            agreeing = sum(p.arg == name for p, (name, _) in zip(parameters, values))
            method = _Method(function.name, annotations, _annotation(function.returns))
            fitting.append(((function.name not in called, "" not in annotations, agreeing), method))
    return max(fitting, key=lambda found: found[0], default=(None, None))[1]


def _own(function: ast.FunctionDef) -> set[str]:
    """The attributes of `self` that a method uses."""
    nodes = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    return {n.attr for n in nodes if isinstance(n.value, ast.Name) and n.value.id == "self"}


def _annotation(node: ast.expr | None) -> str:
    """An annotation as text, without quotes and `Optional`."""
    if node is None:
        return ""
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)
    return re.sub(r"Optional\[(\w+)\]", r"\1", text)


def _kind(annotation: str) -> str:
    """How values of that type are converted: nodes by name, `array` where a list is meant."""
    kinds = {"TreeNode": "tree", "ListNode": "list", "List[ListNode]": "lists"}
    return kinds.get(annotation) or ("array" if annotation.lower().startswith("list") else "")
