"""`PreimageVerifier`: an input for which a given program returns a given output. Any such input is right."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite import sandbox
from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.code.literal import NotLiteral, canonical, evaluate, expression, extract, parse, same, shown
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

_SHOWN = 200  # characters of an answer in feedback


@dataclass(frozen=True)
class PreimageVerifier(Verifier):
    """Runs the sample's program on the answer, in the sandbox, and compares what it returns with the output asked for.

    `sample.tests` is `{"program": code, "entry_point": "f", "output": the text of a literal}`; `target` is one input that
    gives it, as it would stand between the brackets of a call. The answer is read as `LiteralVerifier` reads one, from the last
    block tagged `input` on, and holds the arguments as literals: `[1, 2], 3`, `f([1, 2], 3)`, `numbers=[1, 2], k=3`, or, for
    a function of several parameters, one tuple of all arguments. Names, calls and arithmetic are no literals and worth 0.
    Outputs are equal as `literal.canonical` has it: of the same types throughout.

    An input on which the program is not done after `timeout` seconds is worth 0 with the outcome `timeout`. `parts`: `parsed`.
    """

    name: ClassVar[str] = "preimage"
    deadline: ClassVar[float | None] = 30.0  # the sandbox keeps the timeout; the first program waits for it to start
    timeout: float = 5.0

    def prepare(self) -> None:
        """Raises UnavailableError where programs cannot be isolated, unless that is confirmed."""
        sandbox.require()

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """1.0 for an input that gives the output, else 0.0. Raises UnavailableError where there is no sandbox, ValueError
        for a sample without a program or an output."""
        program, entry_point, output = _question(sample)
        answer = extract(completion.answer_text, "input")
        if answer is None:
            return Score(0.0, "no_answer", feedback="the reply is empty")
        try:
            arguments = parse_arguments(answer, entry_point, _parameters(program, entry_point))
        except NotLiteral as error:
            return Score(0.0, "ok", answer[:_SHOWN], f"{error}: {answer[:_SHOWN]!r}", {"parsed": 0.0})
        (result,) = sandbox.call(program, entry_point, [arguments], timeout=self.timeout)
        isolation = " ".join(layer for layer, missing in sandbox.layers().items() if missing is None)
        right = not result.error and same(result.value, output)
        late = result.timed_out
        said = result.error or f"returns {shown(result.value)}, not {shown(output)}"
        why = "" if right else f"{entry_point}({', '.join(map(shown, arguments))}): {said}"
        return Score(float(right), "timeout" if late else "ok", answer, why, {"parsed": 1.0}, isolation=isolation)

    def gold(self, sample: Sample) -> str | None:
        """The input that the target gives, in a fenced block."""
        return f"```input\n{sample.target}\n```" if isinstance(sample.target, str) else None

    def key(self, sample: Sample, completion: Completion) -> Hashable:
        """(program, entry point, output, extracted answer)."""
        tests = sample.tests or {}
        asked = (tests.get("program"), tests.get("entry_point"), tests.get("output"))
        return *asked, extract(completion.answer_text, "input")

    def classes(self, sample: Sample, answers: Sequence[str | None]) -> list[int | None]:
        """Inputs that are equal are one class, whether right or wrong; texts that are no inputs only where they are the same."""
        program, entry_point, _ = _question(sample)
        parameters = _parameters(program, entry_point)
        seen: dict[Hashable, int] = {}
        found: list[int | None] = []
        for answer in answers:
            key: Hashable = answer
            if answer is not None:
                try:
                    key = canonical(parse_arguments(answer, entry_point, parameters))
                except NotLiteral:
                    key = answer
            found.append(None if answer is None else seen.setdefault(key, len(seen)))
        return found


def parse_arguments(text: str, entry_point: str, parameters: Sequence[str]) -> tuple[Any, ...]:
    """The arguments that an answer gives for these parameters, in their order. Raises NotLiteral where it gives none."""
    text = text.strip()
    called = text.startswith(f"{entry_point}(") and text.endswith(")")
    call = expression(text if called else f"{entry_point}({text}\n)")
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == entry_point):
        raise NotLiteral("not arguments of a call")
    given = [evaluate(node) for node in call.args]
    named = {keyword.arg: evaluate(keyword.value) for keyword in call.keywords}
    if len(given) == 1 < len(parameters) and not named and type(given[0]) is tuple:
        given = list(given[0])
    rest = parameters[len(given) :]
    if len(given) > len(parameters) or len(named) != len(call.keywords) or named.keys() != set(rest):
        raise NotLiteral(f"not the {len(parameters)} arguments that {entry_point}({', '.join(parameters)}) takes")
    return *given, *(named[name] for name in rest)


def _parameters(program: str, entry_point: str) -> tuple[str, ...]:
    """The positional parameters of the program's function. Raises ValueError where it has none of that name."""
    for node in ast.parse(program).body:
        if isinstance(node, ast.FunctionDef) and node.name == entry_point:
            return tuple(argument.arg for argument in node.args.args)
    raise ValueError(f"the program defines no function {entry_point!r}")


def _question(sample: Sample) -> tuple[str, str, Any]:
    tests = sample.tests
    if not tests or not all(isinstance(tests.get(name), str) for name in ("program", "entry_point", "output")):
        raise ValueError(f"sample {sample.id!r}: tests must hold the texts program, entry_point and output")
    return tests["program"], tests["entry_point"], parse(tests["output"])
