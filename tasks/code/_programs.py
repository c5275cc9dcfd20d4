"""Random Python programs that read like a person's, with inputs and their outputs: what the three generated code families ask
about.

The same ones for a seed on every machine and Python: only `random.Random` draws, no set is iterated over, no text is hashed,
no float occurs. Levels 1 to 5 grow in moves (1-2, 2, 3, 3-4, 5-6), in what a move may be (one-liners; a simple loop; nested
conditions, branches and numbers on the side; nested loops, rows and a helper function; one or two of those) and in parameters (2,
from level 4 on 3). A program is kept if every move does something on the inputs drawn: what it gives varies and is not what
it took, and the result is neither nearly constant nor an argument, nor too long to write down.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ._programs_grammar import Draft, Unfit, Var, indent, takes
from ._programs_idioms import CONDITIONS
from ._programs_names import BRANCH, ELEMENT

TRIES = 8  # of one move, before the whole program is given up
DRAWS = 24  # inputs that a program is tried on
LONGEST = 150  # characters of an output
TRIVIAL = frozenset(("0", "1", "-1", "''", "[]", "{}", "['']"))  # outputs that would make a guess good
NOUNS = (
    "apple river stone candle garden window silver market bridge orange pepper violin castle meadow lantern rocket basket ladder "
    "copper forest anchor button cherry dragon engine feather guitar hammer island jacket kitten lemon mirror needle olive "
    "pencil quilt ribbon saddle tiger umbrella velvet walnut yellow zebra ant bee cat dog elk fox owl ram sea sun ice tea pie"
).split()


class Shape(NamedTuple):
    """A level: how many moves, up to which grade, how deep, and how many parameters and helpers."""

    moves: tuple[int, int]
    grade: int
    depth: int
    params: int
    helpers: int
    kinds: tuple[str, ...]


SHAPES = {
    1: Shape((1, 2), 1, 0, 2, 0, ("int", "phrase", "ints", "ints", "words")),
    2: Shape((2, 2), 2, 1, 2, 0, ("int", "count", "phrase", "ints", "ints", "words", "table")),
    3: Shape((3, 3), 2, 2, 2, 0, ("int", "count", "phrase", "ints", "ints", "words", "table")),
    4: Shape((3, 4), 3, 2, 3, 1, ("count", "phrase", "ints", "ints", "words", "words", "table", "rows")),
    5: Shape((5, 6), 3, 2, 3, 2, ("phrase", "ints", "ints", "words", "words", "rows")),
}


class Example(NamedTuple):
    """One call: the arguments and what it returns."""

    args: tuple[Any, ...]
    output: Any

    @property
    def arguments(self) -> str:
        """The arguments as they stand in a call."""
        return ", ".join(map(repr, self.args))


@dataclass(frozen=True)
class Program:
    """`source` defines `f`; `message` says roughly what it does; `examples` are calls of it with different arguments, none of
    which returns an argument or something `TRIVIAL`."""

    source: str
    message: str
    params: tuple[Var, ...]
    examples: tuple[Example, ...]

    def function(self) -> Callable[..., Any]:
        """`f`, made in this process: the grammar makes nothing that is not safe to run."""
        return _function(self.source)

    def digest(self) -> str:
        """Twelve hex digits that name the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]


def draw_program(rng: random.Random, level: int) -> Program | None:
    """A program of a level; None for a draw that is no good."""
    shape = SHAPES[level]
    draft = Draft(rng, shape.grade, shape.depth, shape.params, shape.helpers)
    current = draft.start(rng.choice(shape.kinds))
    inputs = _Inputs(rng)
    moves, branches, nested = rng.randint(*shape.moves), rng.randint(0, level > 1), rng.random() < 0.5
    for move in range(moves):
        last = move == moves - 1
        for _ in range(TRIES):
            trial = draft.copy()
            try:
                taken = _move(trial, current, level, last, branches)
            except Unfit:
                continue
            if last and shape.helpers and not trial.functions:
                continue
            if _alive(trial, inputs.args(trial.params), nested, DRAWS // 4 if last else DRAWS // 2):
                break
        else:
            return None
        branches -= trial.says[-1] == BRANCH
        draft, current = trial, taken
    source = _source(draft, *_returned(draft, rng.random() < 0.6), nested)
    function = _function(source)
    calls = {repr(args): Example(args, function(*args)) for args in inputs.args(draft.params)}
    examples = tuple(call for call in calls.values() if _fair(call))
    if len(examples) < DRAWS // 2:
        return None
    said = ", then ".join(draft.says)
    return Program(source, f"{said[0].upper()}{said[1:]}.", tuple(draft.params), examples)


class _Inputs:
    """The same `DRAWS` values for a parameter however often they are asked for."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.values: dict[Var, list[Any]] = {}

    def args(self, params: Sequence[Var]) -> list[tuple[Any, ...]]:
        """Arguments for a function of these parameters."""
        for param in params:
            if param not in self.values:
                self.values[param] = [_value(self.rng, param) for _ in range(DRAWS)]
        return list(zip(*(self.values[param] for param in params)))


def _move(draft: Draft, current: Var, level: int, last: bool, branches: int) -> Var:
    """Appends a move; gives the variable to go on from."""
    form = draft.rng.random()
    if level > 2 and not last and not draft.spare and form < 0.1 and current.kind not in ("int", "count"):
        draft.spare.append(draft.idiom(current, "int"))
        return current
    if level > 1 and current.kind in ELEMENT and form < 0.5:
        return draft.loop(current, last)
    if branches and takes(current)[-1] in CONDITIONS and form < 0.7:
        return draft.branch(current)
    return draft.idiom(current, last=last)


def _returned(draft: Draft, inline: bool) -> tuple[list[str], str]:
    """The moves, and what is returned; `inline` returns the last expression without giving it a name."""
    *before, last = draft.blocks
    out = draft.outs[-1].name
    if draft.spare:
        return draft.blocks, f"{out}, {draft.spare[0].name}"
    if inline and "\n" not in last and last.startswith(f"{out} = "):
        return before, last.removeprefix(f"{out} = ")
    return draft.blocks, out


def _source(draft: Draft, blocks: Sequence[str], returned: str, nested: bool) -> str:
    """The program's text: helpers inside `f` or before it."""
    helpers = [code for _, _, code in draft.functions.values()]
    inside = [f"{code}\n" for code in helpers] if nested else []
    before = [] if nested else [f"{code}\n\n\n" for code in helpers]
    body = indent("\n".join([*inside, *blocks, f"return {returned}"]))
    return "".join(before) + re.sub(
        r"^ +$", "", f"def f({', '.join(p.name for p in draft.params)}):\n{body}\n", flags=re.MULTILINE
    )


def _function(source: str, **names: Any) -> Callable[..., Any]:
    exec(compile(source, "<program>", "exec"), names)
    function: Callable[..., Any] = names["f"]
    return function


def _alive(draft: Draft, inputs: Sequence[tuple[Any, ...]], nested: bool, most: int) -> bool:
    """Whether all of the program matters: every move gives different things for different inputs (the newest at most `most`
    times the same), and seldom what an earlier one gave; every block runs, and none behind an `if` does so always."""
    everything = f"({', '.join(var.name for var in draft.outs)},)"
    lines = _source(draft, draft.blocks, everything, nested).split("\n")
    hits = [0] * (2 * len(lines))
    traced = _function(_counting(lines), _hits=hits)
    rows = [(args[0], *traced(*args)) for args in inputs]
    columns = [[repr(value) for value in column] for column in zip(*rows)]
    newest = columns.pop()
    if max(Counter(newest).values()) > most:
        return False
    if any(sum(a == b for a, b in zip(newest, earlier)) > DRAWS // 3 for earlier in columns):
        return False
    blocks = [(hits[2 * i], hits[2 * i + 1], line.split()[0]) for i, line in enumerate(lines) if line.endswith(":")]
    return all(ran and not (word == "if" and ran == met) for met, ran, word in blocks)


def _counting(lines: Sequence[str]) -> str:
    """The program with counters: `hits[2 * i]` where line i is met (an `if`), `hits[2 * i + 1]` in the block under it."""
    code = []
    for i, line in enumerate(lines):
        margin = line[: len(line) - len(line.lstrip())]
        code += [f"{margin}_hits[{2 * i}] += 1"] * line.lstrip().startswith("if ")
        code += [line] + [f"{margin}    _hits[{2 * i + 1}] += 1"] * line.endswith(":")
    return "\n".join(code)


def _fair(call: Example) -> bool:
    """Whether the output is short enough to write, and neither trivial nor an argument."""
    text = repr(call.output)
    digits = re.search(r"\d{9}", text)
    return len(text) <= LONGEST and not digits and text not in TRIVIAL and text not in map(repr, call.args)


def _value(rng: random.Random, var: Var) -> Any:
    """A value for a parameter."""
    if var.small:
        return rng.randint(2, 9)
    if var.kind == "int":
        return rng.randint(12, 9999)
    if var.kind == "count":
        return rng.randint(5, 40)
    if var.kind == "phrase":
        return " ".join(rng.choice(NOUNS) for _ in range(rng.randint(2, 3)))
    if var.kind == "ints":
        low = rng.choice((0, 1, -9))
        return [rng.randint(low, 20) for _ in range(rng.randint(5, 8))]
    if var.kind == "words":
        return [rng.choice(NOUNS) for _ in range(rng.randint(3, 6))]
    if var.kind == "table":
        return {rng.choice(NOUNS): rng.randint(1, 20) for _ in range(rng.randint(3, 5))}
    width = rng.randint(2, 4)
    return [[rng.randint(0, 12) for _ in range(width)] for _ in range(rng.randint(2, 4))]
