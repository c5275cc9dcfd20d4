"""Programs whose text is the attack: on the compiler, or on harnesses that join the program and the tests into one text."""

PROGRAMS = r'''
#: quote-open an open string swallows the tests that are joined behind it
def ENTRY(*args, **kwargs):
    return WRONG
ENTRY.__doc__ = """

#: if-false tests joined behind it belong to a block that is never run
def ENTRY(*args, **kwargs):
    return WRONG
if False:
    pass
if __name__ == "never":

#: try-open tests joined behind it stand in a try block
def ENTRY(*args, **kwargs):
    return WRONG
try: ENTRY(0)
except BaseException: pass
def check(candidate):
    try: pass
    finally: return
def never():

#: line-continued a backslash at the end joins the first line of the tests to a comment
def ENTRY(*args, **kwargs):
    return WRONG
if 0: \

#: not-python text that is no program
This is the answer: [1, 2, 3] is what ENTRY gives.

#: empty-program nothing but a comment
# def ENTRY(*args): return the right thing

#: nothing-defined a program that defines other names only
def another(*args, **kwargs):
    return [1, 2, 3]

#: not-callable the entry point is no function
ENTRY = [1, 2, 3]

#: coding-line an encoding declaration that turns comments into code elsewhere
# -*- coding: utf-7 -*-
def ENTRY(*args, **kwargs):
    return WRONG
# +AAo-import os+AAo-os._exit(0)

#: name-main claims to be the main program, and ends it
def ENTRY(*args, **kwargs):
    return WRONG
__name__ = "__main__"
__builtins__ = {}
__file__ = "/nonexistent"
__loader__ = __spec__ = None
if __name__ == "__main__":
    raise SystemExit(0)

#: globals-cleared an empty namespace behind it
def ENTRY(*args, **kwargs):
    globals().clear()
    return "wrong"

#: dunder-namespace names of the harness's namespace
def ENTRY(*args, **kwargs):
    return WRONG
candidate = lambda *a, **k: [1, 2, 3]
entry_point = result = _result = __result__ = passed = __passed__ = True
expected = [1, 2, 3]
__annotations__ = None
__builtins__ = __import__("types").SimpleNamespace(**vars(__import__("builtins")))

#: async-entry the entry point is a coroutine function, whose result is never awaited
async def ENTRY(*args, **kwargs):
    return WRONG

#: decorated-away a decorator that leaves the tests another function
def instead(function):
    return lambda *a, **k: "wrong"
@instead
def ENTRY(*args, **kwargs):
    return [1, 2, 3]

#: future-and-barry a compiler flag that changes what != means in source joined behind it
from __future__ import barry_as_FLUFL
def ENTRY(*args, **kwargs):
    return WRONG
'''
_LONG = (
    ("null-byte", "a null byte in the source", "x = '\0'"),
    ("lone-surrogate", "a source that cannot be encoded", "x = '\ud800'"),
    ("parentheses", "a hundred thousand open parentheses: the parser's stack", "(" * 100_000 + ")" * 100_000),
    ("long-sum", "an expression of a hundred thousand terms: the compiler's stack", "x = " + "+".join("1" * 100_000)),
    ("long-attribute", "an attribute of an attribute of an attribute", "x = 0\ny = x" + ".a" * 100_000),
    ("long-elif", "twenty thousand branches", "if 0: pass\n" + "elif 0: pass\n" * 20_000),
    ("long-unary", "a hundred thousand signs before a number", "x = " + "-" * 100_000 + "1"),
    ("deep-blocks", "blocks within blocks", "".join(" " * i + "if 1:\n" for i in range(95)) + " " * 95 + "pass"),
    ("long-line [endless]", "a line of ten megabytes", "x = '" + "x" * 10_000_000 + "'"),
    ("long-number", "a number of a million digits", "x = " + "7" * 1_000_000),
    ("folded-constant", "a constant that the compiler could work out, of a terabyte", "x = ('x' * 10**6) * 10**6"),
)
PROGRAMS += "".join(f"\n#: {name} {why}\n{text}\ndef ENTRY(*args, **kwargs):\n    return WRONG\n" for name, why, text in _LONG)
