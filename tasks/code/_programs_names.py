"""The names and the small values that generated programs use."""

from __future__ import annotations

# What one element of a kind is: a number, a word or a character.
ELEMENT = {"ints": "int", "words": "word", "str": "ch", "phrase": "ch"}
PARAMETERS = {  # kind: names, each with the name of one element
    "int": ("n", "number", "value", "amount"),
    "count": ("n", "limit", "size"),
    "phrase": ("text/ch", "phrase/letter", "line/ch", "message/char", "sentence/letter"),
    "ints": ("numbers/n", "values/value", "scores/score", "prices/price", "heights/height", "readings/reading"),
    "words": ("words/word", "names/name", "tags/tag", "items/item"),
    "table": ("stock", "prices", "points", "ages"),
    "rows": ("grid/cell", "matrix/value", "board/cell"),
}
ITEMS = {
    "ints": ("n", "value", "x"),
    "words": ("word", "item", "part"),
    "str": ("ch", "char", "letter"),
    "phrase": ("ch",),
    "rows": ("x", "cell"),
}
SMALL = ("k", "step", "limit", "size", "width", "offset", "bound")  # further parameters: ints from 2 to 9
RESULTS = {  # kind that a loop builds: (names, starting value, what a person would say)
    "int": (("total", "result", "score", "balance"), ("0", "0", "1", "10"), "keeps a score"),
    "ints": (("result", "collected", "found", "output"), ("[]",), "builds a list"),
    "words": (("result", "collected", "chosen", "output"), ("[]",), "builds a list"),
    "str": (("result", "built", "output"), ('""',), "builds a text"),
    "tally": (("groups", "sums", "counts"), ("{}",), "fills a table"),
    "table": (("counts", "sums", "seen"), ("{}",), "fills a table"),
}
BRANCH = "goes one of two ways"
ELEMENTS = {"int": "the numbers", "ch": "the characters", "word": "the words"}
LETTERS = {"some": ("aeiou", "aeo", "rst", "nlt", "aceg", "stlnr"), "one": "aeinorst", "early": "fhkmp", "sign": "-*.#"}
LITERALS = {"pos": (2, 5), "int": (2, 12), "lit": (2, 9), "few": (2, 4), "big": (8, 14), "base": (3, 8), "bit": (0, 1)}
# Names that idioms and helpers use inside: no variable may have one.
INSIDE = frozenset(
    "a b current d count column cut digit digits divisors first i j key last left other place part previous rank rest row run "
    "second side taken".split()
)
