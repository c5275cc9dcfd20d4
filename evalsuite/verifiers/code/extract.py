"""From an answer to the program in it: fenced blocks, the continuation of a given prefix, or the bare program."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from functools import lru_cache
from typing import NamedTuple

PYTHON = frozenset({"python", "py", "python3"})

_FENCE = re.compile(r"([ \t]*)(`{3,}+(?=[^`]*$)|~{3,}+)(.*)", re.DOTALL)
_LATE = re.compile(r"[^`~]*[^`~\s]()[ \t]*(`{3,}|~{3,})([ \t]*(?:python3?|py)[ \t]*)", re.IGNORECASE)  # <answer>```python
_TAG = re.compile(r"[\s{.]*([\w+#-]*)")  # python, {python}, {.python .numberLines}, python title="a.py", python:a.py
_LAST_DEF = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_LONGEST = 1_000_000  # characters; what is longer is parsed by nobody here
_CUTS = 25  # parses spent on finding where a continuation stops being Python


class Block(NamedTuple):
    """A fenced block: its language in lower case (empty without one) and its lines, the fence's indentation removed."""

    tag: str
    text: str


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text, in order, without the empty ones.

    As CommonMark has it: backticks or tildes, at least three; a block ends at a fence of its own kind that is at least as
    long, has no tag and is indented at most 3 columns more than the first (so that the fences in a docstring do not end
    it). A block that is never closed reaches to the end of the text. Unlike there, the first fence may be indented at will,
    and one that is tagged python may stand at the end of a line of text.
    """
    found: list[Block] = []
    fence, tag, indent = "", "", 0
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        match = _FENCE.fullmatch(line)
        if not fence:
            match = match or _LATE.fullmatch(line)
            if match:
                fence, tag, indent, lines = match[2], _tag(match[3]), len(match[1]), []
        elif match and match[2].startswith(fence) and not match[3].strip() and len(match[1]) <= indent + 3:
            found.append(Block(tag, "\n".join(lines)))
            fence = ""
        else:
            lines.append(line[:indent].lstrip(" \t") + line[indent:])
    if fence:
        found.append(Block(tag, "\n".join(lines)))
    return [block for block in found if block.text.strip()]


@lru_cache(maxsize=4)  # a verifier asks twice: for its key and for its Score
def program(text: str, entry_point: str | None = None, prefix: str | None = None) -> str | None:
    """The program that an answer gives; None where there is none. Never raises.

    The last block tagged python (py, python3), else the last without a tag; a block in another language is none, and where
    there are only such, there is no answer. One exception: where the last block does not bind `entry_point` (`name` or
    `Class.method`), as usage, tests and output do not, it is the last one that does.

    With a `prefix` the answer may continue it, as `join` says: an answer that starts with an indented line and reads on as
    the function's body is that, whatever follows it; else the chosen block, or the text itself where there is no block.

    Without either, the text itself where all of it is Python and does something; `[BEGIN]` and `[DONE]` around it (the
    marks of the MBPP paper) are taken off.
    """
    text = text.replace("\r\n", "\n")
    indented = text[: len(text) - len(text.lstrip())][-1:] in (" ", "\t")
    if prefix is not None and indented and (joined := join(prefix, text, entry_point)) is not None:
        return joined
    found = blocks(text)
    chosen = _choose(found, entry_point)
    if chosen is not None:
        return chosen if prefix is None else join(prefix, chosen, entry_point, whole=True)
    if found:
        return None
    if prefix is not None:
        return join(prefix, text, entry_point)
    bare = text.rpartition("[BEGIN]")[2].partition("[DONE]")[0].strip()
    tree, _ = _parse(bare)
    return bare if tree is not None and any(map(_does_something, tree.body)) else None


def join(prefix: str, text: str, entry_point: str | None = None, *, whole: bool = False) -> str | None:
    """The program of a prefix (imports, helpers and the head of a function) and an answer to it.

    In this order: the complete function, where `text` defines it at column 0: then what the prefix has before it and the
    text, or the text alone where only that compiles (`from __future__`); the body: both, one after the other, and
    where that does not compile, with the indentation given back to the body's first line, or to all of it.

    `entry_point` defaults to the last definition in the prefix. `whole` says that the text was delimited: then it is taken
    as it is, even where nothing of that compiles. Otherwise lines at its end that break the parse or are mere words (a base
    model runs on into prose) are cut off, and None is returned where nothing is left that adds to the function.
    """
    name = entry_point or next((m[1] for m in reversed(list(_LAST_DEF.finditer(prefix)))), "")
    outer, inner = name.partition(".")[0], name.rpartition(".")[2]
    defined = _definition_of(outer)
    at = prefix.count("\n")
    margin = next((m[1] for m in reversed(list(re.finditer(r"^([ \t]+)\S", prefix, re.MULTILINE)))), "    ")
    start = prefix + "\n" if whole and not prefix.endswith("\n") else prefix
    bodies = [start + text, start + margin + text.lstrip(), start + textwrap.indent(text, margin)]
    complete: list[str] = []
    if name and defined.search(text):
        stubs = list(defined.finditer(prefix))
        complete = [(prefix[: stubs[-1].start()] if stubs else prefix) + text, text]
    for source in complete:
        if (found := _longest(source, inner, 0, whole)) is not None:
            return found
    if _parse(bodies[0])[0] is not None:
        return bodies[0] if whole else _longest(bodies[0], inner, at)
    for source in bodies[1:]:
        if (found := _longest(source, inner, at, whole)) is not None:
            return found
    if whole:
        return (complete or bodies)[0]
    for source, past in (*((source, 0) for source in complete[:1]), (bodies[0], at), (bodies[1], at)):
        if (found := _longest(source, inner, past, cuts=_CUTS)) is not None:
            return found
    return None


def _definition_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"^(?:async[ \t]+def|def|class)[ \t]+{re.escape(name)}\b", re.MULTILINE)


def _tag(info: str) -> str:
    match = _TAG.match(info)
    return match[1].lower() if match else ""


def _choose(found: list[Block], entry_point: str | None) -> str | None:
    named = [b.text for b in found if b.tag in PYTHON] or [b.text for b in found if not b.tag]
    if not named:
        return None
    if entry_point and len(named) > 1:
        name = re.escape(entry_point.partition(".")[0])
        bound = re.compile(
            rf"^[ \t]*(?:(?:async[ \t]+def|def|class)[ \t]+{name}\b|{name}[ \t]*(?::[^=\n]+)?=[^=]"
            rf"|(?:from[ \t]+(?!solution\b)[\w.]+[ \t]+)?import\b[^\n]*\b{name}\b)",
            re.MULTILINE,
        )
        return next((text for text in reversed(named) if bound.search(text)), named[-1])
    return named[-1]


def _longest(source: str, name: str, past: int, whole: bool = False, cuts: int = 1) -> str | None:
    """The longest run of lines from the start that compiles, if the function in it reaches past line `past`.

    At most `cuts` parses are spent: with one, all of it must compile. Words at the end that happen to be Python (`That is
    all`) go too, unless it is `whole`.
    """
    lines = source.split("\n")
    for _ in range(cuts):
        if len(lines) <= past:
            return None
        tree, wrong = _parse("\n".join(lines))
        if tree is None:
            del lines[min(wrong, len(lines)) - 1 :]  # the error lies at or after the line that no longer fits
            continue
        while not whole and tree.body and tree.body[-1].col_offset == 0 and not _does_something(tree.body[-1]):
            del lines[tree.body.pop().lineno - 1 :]
        return "\n".join(lines) if _defines(tree, name, past) else None
    return None


def _defines(tree: ast.Module, name: str, past: int) -> bool:
    """Whether the function (or class) of that name, or without a name any statement, has something after line `past`."""
    if not name:
        return bool(tree.body) and (tree.body[-1].end_lineno or 0) > past
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(n, kinds) and n.name == name and (n.end_lineno or 0) > past for n in ast.walk(tree))


def _does_something(node: ast.stmt) -> bool:
    """Not a bare name, a constant or an annotation: single words and `Answer: yes` are Python too."""
    return isinstance(node.value, ast.Call) if isinstance(node, ast.Expr) else not isinstance(node, ast.AnnAssign)


def _parse(source: str) -> tuple[ast.Module | None, int]:
    """The syntax tree of a program that compiles, else None and the line, from 1, of the first error."""
    if len(source) > _LONGEST:
        return None, 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `"\d"` and `x is 1` are the model's affair
        try:
            tree = ast.parse(source)
            compile(tree, "<answer>", "exec", dont_inherit=True)  # a `return` outside a function is found only here
        except SyntaxError as error:
            return None, max(1, error.lineno or source.count("\n") + 1)
        except (ValueError, RecursionError, MemoryError, OverflowError):  # null bytes, half surrogates, too deep
            return None, 1
    return tree, 0
