"""`LiteralVerifier`: an answer that is a Python literal, equal to the target in value and type. Nothing is ever run."""

from __future__ import annotations

import ast
import re
import reprlib
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.code.extract import blocks
from evalsuite.verifiers.slots import answer_tags, boxes, last_line, strung
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

LONGEST = 10_000  # characters of a literal
_SHOWN = 200  # characters of an answer in feedback
_LABEL = re.compile(r"(?:the )?(?:final )?(?:answer|output|input|result)(?: is)?\s*[:=]\s*", re.IGNORECASE)
_WRAPPER = re.compile(r"\\(?:text|texttt|mathtt|mathrm)\s*\{(.*)\}", re.DOTALL)
_ESCAPE = re.compile(r"(?<!\\)\\([{}_#$%&])")  # none of these is an escape in Python


class NotLiteral(ValueError):
    """A text that is no Python literal, or one that is too long or too deep. The message says why."""


@dataclass(frozen=True)
class LiteralVerifier(Verifier):
    """What a program returns, as a Python literal. `target` is the literal's text, as `repr` writes it.

    Read from the last fenced block tagged `tag`; else from the last `\\boxed{}` or closed `<answer>`; else from the last
    fenced block of any other kind; else from the last line, without a label such as `Output:`. Boxes that are strung together
    ("or", a comma, nothing) and differ are one answer, and a wrong one.

    Equal means of the same type at every level and equal there: 1, 1.0 and True are three answers, (1, 2) and [1, 2] two;
    0.0 equals -0.0; the order of a dict or a set does not matter. Answers are parsed (`ast.literal_eval`) and never run:
    `9**9**9`, `list("ab")` or a name is no literal and worth 0, as is anything of more than 10,000 characters. `parts`:
    `parsed` says whether the answer was a literal at all.
    """

    name: ClassVar[str] = "literal"
    tag: str = "output"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """1.0 for an equal literal, else 0.0. Raises ValueError for a sample whose target is none (our failure)."""
        expected = parse(_target(sample))
        answer = extract(completion.answer_text, self.tag)
        if answer is None:
            return Score(0.0, "no_answer", feedback="the reply is empty")
        try:
            given = parse(answer)
        except NotLiteral as error:
            return Score(0.0, "ok", answer[:_SHOWN], f"{error}: {answer[:_SHOWN]!r}", {"parsed": 0.0})
        if same(given, expected):
            return Score(1.0, "ok", answer, parts={"parsed": 1.0})
        why = "has the right value and the wrong type" if given == expected else "is not what the program returns"
        return Score(0.0, "ok", answer, f"{answer[:_SHOWN]} {why}", {"parsed": 1.0})

    def gold(self, sample: Sample) -> str:
        """The target in a fenced block."""
        return f"```{self.tag}\n{_target(sample)}\n```"

    def key(self, sample: Sample, completion: Completion) -> Hashable:
        """(target, extracted answer)."""
        return _target(sample), extract(completion.answer_text, self.tag)

    def classes(self, sample: Sample, answers: Sequence[str | None]) -> list[int | None]:
        """Literals that are equal are one class, other texts only where they are the same."""
        seen: dict[Hashable, int] = {}
        return [None if a is None else seen.setdefault(_class(a), len(seen)) for a in answers]


def extract(text: str, tag: str) -> str | None:
    """The text of the answer, as `LiteralVerifier` says; None where there is nothing to read."""
    found = blocks(text)
    if named := [block.text for block in found if block.tag == tag]:
        return named[-1].strip()
    if slots := boxes(text) or answer_tags(text):
        contents = [_plain(slot.content) for slot in strung(text, slots)]
        return contents[-1] if len(set(contents)) == 1 else " or ".join(contents)
    if found:
        return found[-1].text.strip()
    line = last_line(text)
    return _LABEL.sub("", line, count=1).strip().strip("`").strip() if line else None


def parse(text: str) -> Any:
    """The value of a Python literal: numbers, texts, bytes, True, False, None, and tuples, lists, dicts and sets of them.

    Raises NotLiteral for everything else.
    """
    return evaluate(expression(text))


def expression(text: str) -> ast.expr:
    """The syntax tree of one expression. Raises NotLiteral where the text is none, or is too long or too deep to tell."""
    if len(text) > LONGEST:
        raise NotLiteral(f"longer than {LONGEST} characters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `"\d"` is the model's affair
        try:
            return ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # null bytes, half surrogates; too deep for the parser
            raise NotLiteral("not a Python literal") from None


def evaluate(node: ast.expr) -> Any:
    """The value of a literal's syntax tree. Raises NotLiteral for any other tree."""
    try:
        value = ast.literal_eval(node)
        canonical(value)  # refuses `...`
    except (ValueError, TypeError, RecursionError):  # TypeError: an unhashable key
        raise NotLiteral("not a Python literal") from None
    return value


def canonical(value: Any) -> Hashable:
    """A key that two plain values share exactly if they are equal and of the same types throughout.

    Raises NotLiteral for a value that no literal writes.
    """
    kind = type(value)
    if kind in (list, tuple):
        return kind, tuple(map(canonical, value))
    if kind in (set, frozenset):
        return kind, frozenset(map(canonical, value))
    if kind is dict:
        return kind, frozenset((canonical(k), canonical(v)) for k, v in value.items())
    if kind in (int, float, complex, str, bytes, bool, type(None)):
        return kind, value
    raise NotLiteral(f"a value of type {kind.__name__}")


def same(value: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types throughout; what no literal writes equals nothing."""
    try:
        return canonical(value) == canonical(other)
    except NotLiteral:
        return False


def shown(value: Any) -> str:
    """A value in words, cut to what feedback needs."""
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 20
        self.maxstring = self.maxlong = self.maxother = 100

    def repr_int(self, x: int, level: int) -> str:
        return f"<a number of {x.bit_length()} bits>" if x.bit_length() > 400 else repr(x)


_SHORT = _Short()


def _class(answer: str) -> Hashable:
    try:
        return canonical(parse(answer))
    except NotLiteral:
        return answer


def _plain(content: str) -> str:
    """What stands in a box, without LaTeX's wrappers and escapes."""
    content = content.strip()
    if wrapped := _WRAPPER.fullmatch(content):
        content = wrapped.group(1).strip()
    return _ESCAPE.sub(r"\1", content)


def _target(sample: Sample) -> str:
    if not isinstance(sample.target, str):
        raise ValueError(f"sample {sample.id!r}: the target must be the text of a literal, not {sample.target!r}")
    return sample.target
