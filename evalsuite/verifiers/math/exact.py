"""Tier one: numbers, read and compared exactly with `fractions.Fraction`. Pure Python, no parser, no tolerance.

Rules. Integers and rationals are equal or they are not. A decimal gold also accepts an exact value (3.14 for pi/... ) that
rounds to it at its own number of decimals, if the gold has at least three significant digits, and a decimal answer that is
longer by two digits or more (by one, from five digits on) and rounds to it. An exact gold accepts a decimal answer only at many digits (`stands_for`).
A percent sign may be left out or be written as a hundredth; a factor of 100 between two plain numbers is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from evalsuite.verifiers.math import units
from evalsuite.verifiers.math.normalize import TEXT_CLOSE, TEXT_OPEN
from evalsuite.verifiers.math.units import UNITS

DIGITS = 10  # significant digits from which a decimal stands for a fraction that it rounds
IRRATIONAL_DIGITS = 12  # the same for an irrational number
MOST_DIGITS = 2000  # digits of a literal
MOST_EXPONENT = 2000  # decimal exponent of a literal


@dataclass(frozen=True, slots=True)
class Number:
    """A literal: its exact `value`, `decimals` written after the point (None: an integer or a fraction), the significant
    `digits` of a decimal, a percent sign, a `unit` (canonical, "" where none or unknown), and the subscript `base`.
    """

    value: Fraction
    decimals: int | None = None
    digits: int = 0
    percent: bool = False
    unit: str = ""
    base: int | None = None


_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10)))
_ONES = {word: value for value, word in enumerate(_SMALL)}
# Words after a number that change or qualify what is claimed: such a text is not that number.
HEDGES = frozenset(
    "or and not but maybe if wrong incorrect more less fewer greater false no minus plus times divided over half hundred thousand "
    "million billion trillion dozen except than unless otherwise approximately isn isnt never perhaps possibly possible least most "
    "could for when where while whenever even odd provided assuming either neither nor below above under between to mod modulo squared cubed base remainder factorial choose percent "
    "one two three four five six seven eight nine ten zero".split()
)

_LINKS = frozenset("a an per of the in each".split())

_INT = r"(?:[1-9]\d{0,2}(?:,\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?!\d)|\d+)"
_LITERAL = re.compile(
    rf"(?P<sign>[-+]?) ?(?:"
    rf"(?P<whole>{_INT}) ?\\frac ?(?:\{{ ?(?P<n1>\d+) ?\}}|(?P<n2>\d)) ?(?:\{{ ?(?P<d1>\d+) ?\}}|(?P<d2>\d))|"
    rf"(?P<whole2>\d+) (?P<n3>\d+) ?/ ?(?P<d3>\d+)|"
    rf"\\frac ?(?:\{{ ?(?P<n4>-? ?{_INT}(?:\.\d+)?) ?\}}|(?P<n5>\d)) ?(?:\{{ ?(?P<d4>-? ?{_INT}(?:\.\d+)?) ?\}}|(?P<d5>\d))|"
    rf"(?P<n6>{_INT}(?:\.\d*)?|\.\d+) ?/ ?(?P<d6>{_INT}(?:\.\d*)?)|"
    rf"(?P<int>{_INT})?(?P<point>\.\d*)?(?P<exp>[eE][-+]?\d+| ?(?:\*|x) ?10 ?\^ ?(?:\{{ ?[-+]? ?\d+ ?\}}|[-+]?\d+| ?\( ?-?\d+ ?\)))?"
    rf")(?P<rest>.*)",
    re.S,
)
_BASE = re.compile(
    r"(?P<digits>[0-9A-Fa-f]+) ?_ ?\{? ?(?P<base>\d+|[a-z]+) ?\}?|\( ?(?P<digits2>[0-9A-F]+) ?\) ?_ ?\{? ?(?P<base2>\d+) ?\}?"
)
_HEX = re.compile(r"0[xX][0-9A-Fa-f]{1,40}")
_BASE_WORDS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "sixteen": 16,
}
_IN_BASE = re.compile(r"(?P<digits>\d+) ?(?:\(?(?:in )?base[- ]?(?P<base>\d+|[a-z]+)\)?)$")
_COMMA_DECIMAL = re.compile(r"([-+]?)(?:(0),(\d+)|(\d+),(\d{1,2}|\d{4,}))$")
_TRAIL = re.compile(r"[\s°%{}^\d/*()\\.'-]*")
_WORD = re.compile(r"[^\W\d_]+")


def _to_int(text: str) -> int:
    return int(re.sub(r"[ ,{}()]", "", text))


def _decimal(text: str) -> Fraction:
    return Fraction(re.sub(r"[ ,]", "", text).rstrip("."))


def number(text: str) -> Number | None:
    """`text` (cleaned) as a literal number with an optional unit; None if it is anything else."""
    if not text or len(text) > MOST_DIGITS + 200:
        return None
    first = text[0]
    if first == TEXT_OPEN:
        if text.count(TEXT_OPEN) == 1 and text[-1] == TEXT_CLOSE:
            return number(text[1:-1].strip())
        return None
    if not (first.isdigit() or first in "+-.\\(") or "_" in text or "base" in text:
        return _worded(text) if first.isalpha() else _based(text)
    if text[:2] in ("0x", "0X"):
        return _based(text)
    match = _LITERAL.match(text)
    if match is None:
        return None
    g = match.groupdict()
    rest = g["rest"]
    decimals, digits = None, 0
    try:
        if g["whole"] or g["whole2"]:
            n, d = int(g["n1"] or g["n2"] or g["n3"]), int(g["d1"] or g["d2"] or g["d3"])
            if n >= d and d > 0 and g["whole2"]:
                return None
            value = _to_int(g["whole"] or g["whole2"]) + Fraction(n, d)
        elif g["n4"] or g["n5"] or g["n6"]:
            value = _decimal(g["n4"] or g["n5"] or g["n6"]) / _decimal(g["d4"] or g["d5"] or g["d6"])
        elif g["int"] or (g["point"] and g["point"] != "."):
            literal = re.sub(r"[ ,]", "", g["int"] or "0") + (g["point"] or "")
            if literal.endswith("."):
                literal = literal[:-1]
            exponent = (
                int(re.sub(r"[eE*x ^{}()]|10 ?\^", "", g["exp"].replace("10", "", 1) if g["exp"][0] not in "eE" else g["exp"]))
                if g["exp"]
                else 0
            )
            if abs(exponent) > MOST_EXPONENT:
                return None
            value = Fraction(literal) * Fraction(10) ** exponent
            if "." in literal or g["exp"]:
                decimals = max(0, len(literal.partition(".")[2]) - exponent)
                digits = len(literal.replace(".", "").lstrip("0"))
        else:
            return None
    except (ZeroDivisionError, ValueError):
        return None
    if g["sign"] == "-":
        value = -value
    if not rest:
        return Number(value, decimals, digits)
    return _with_unit(value, decimals, digits, rest)


def _with_unit(value: Fraction, decimals: int | None, digits: int, rest: str) -> Number | None:
    """The literal with what follows it: percent, degree, units, a scale word. None if that is no unit."""
    tail = rest.strip()
    if tail in ("°C", "° C", "°F", "° F", "°K", "° K"):
        return Number(value, decimals, digits, unit={"C": "celsius", "F": "fahrenheit", "K": "kelvin"}[tail[-1]])
    if tail in ("%", "°"):
        return Number(value, decimals, digits, tail == "%", "degree" if tail == "°" else "")
    if len(tail) > 60 or tail[0] in "^_!/*+-=<>,;:.([{|'\\" or "=" in tail or "," in tail or "±" in tail or "≈" in tail:
        return None
    marked = TEXT_OPEN in tail
    names = [w.casefold() for w in _WORD.findall(tail)]
    if not names:
        return None
    leftover = _WORD.sub("", tail.replace(TEXT_OPEN, "").replace(TEXT_CLOSE, ""))
    if not _TRAIL.fullmatch(leftover) or len(names) > 6:
        return None
    if names[0] in _SCALES:
        value, names, decimals = value * _SCALES[names[0]], names[1:], None
    percent = bool(names) and names[0] in ("percent", "percentage", "pct", "percents")
    if percent:
        names = names[1:]
    if any(name in HEDGES for name in names) or re.search(r"(?<!\^)(?<!\^\{)\d", leftover):
        return None
    # A lone letter or an unknown short word right after a number is algebra unless it is marked as text.
    if not marked and not all(
        (name in UNITS and (len(name) > 1 or not name.isascii())) or len(name) > 3 or name in _LINKS for name in names
    ):
        return None
    unit = "" if percent else units.canonical(tail)
    return Number(value, decimals, digits, percent or "%" in leftover, unit)


def _based(text: str) -> Number | None:
    if text[:2].casefold() == "0x":
        return Number(Fraction(int(text[2:], 16)), base=16) if _HEX.fullmatch(text) else None
    text = text.replace(TEXT_OPEN, "").replace(TEXT_CLOSE, "")
    match = _BASE.fullmatch(text) or _IN_BASE.fullmatch(text)
    if match is None:
        return None
    groups = match.groupdict("")
    digits = groups["digits"] or groups.get("digits2", "")
    base = groups["base"] or groups.get("base2", "")
    radix = int(base) if base.isdigit() and len(base) < 4 else _BASE_WORDS.get(base, 0)
    if not 2 <= radix <= 36 or len(digits) > 200:
        return None
    try:
        return Number(Fraction(int(digits, radix)), base=radix)
    except ValueError:
        return None


def _worded(text: str) -> Number | None:
    """Number words up to the trillions: "twenty-one", "one hundred and five"."""
    if len(text) > 80 or "_" in text:
        return _based(text) if "_" in text else None
    total = current = 0
    seen = False
    for word in re.split(r"[\s-]+", text.casefold()):
        if word in _ONES:
            current += _ONES[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word == "hundred" and seen:
            current *= 100
        elif word in _SCALES and seen:
            total, current = total + current * _SCALES[word], 0
        elif word == "and" and seen:
            continue
        else:
            return None
        seen = True
    return Number(Fraction(total + current))


def comma_decimal(text: str) -> Number | None:
    """`1000,99` read with a decimal comma; None where the comma cannot be one."""
    match = _COMMA_DECIMAL.match(text)
    if not match or len(text) > 60:
        return None
    whole, part = match[2] or match[4], match[3] or match[5]
    value = Fraction(f"{whole}.{part}")
    if value.denominator == 1:
        return None  # 5,0 is more likely two numbers
    return Number(-value if match[1] == "-" else value, len(part), len((whole + part).lstrip("0")))


def rounds_to(value: Fraction, decimal: Fraction, decimals: int) -> bool:
    """Whether `value` rounds (half away or half to even) to `decimal` at that number of decimals."""
    return abs(value - decimal) * 2 * 10**decimals <= 1


def stands_for(answer: Number, value: Fraction, digits: int = DIGITS) -> bool:
    """Whether a decimal answer is long enough to stand for an exact value: `digits` that round it, or 14 that truncate it."""
    if answer.decimals is None or answer.digits < digits:
        return False
    return rounds_to(value, answer.value, answer.decimals) or (
        answer.digits >= 14 and abs(value - answer.value) * 10**answer.decimals <= 2
    )


def same_number(gold: Number, answer: Number) -> bool:
    """Whether the literal `answer` is the literal `gold`; see the module docstring."""
    if gold.base != answer.base and {gold.base, answer.base} != {None, 10}:
        return False
    if units.differ(gold.unit, answer.unit):
        return False
    if _same_value(gold, answer.value, answer):
        if gold.percent == answer.percent or gold.percent:
            return True
        # The answer has a percent sign that the gold lacks: dropped as a unit, unless a fraction of one is asked for.
        return abs(gold.value) > 1
    if gold.percent and not answer.percent and not answer.unit:
        return answer.value * 100 == gold.value
    if answer.percent and not gold.percent and not gold.unit:
        return answer.value == gold.value * 100 and abs(gold.value) < 10
    return False


def _same_value(gold: Number, value: Fraction, answer: Number) -> bool:
    if gold.value == value:
        return True
    if gold.decimals is None:
        return gold.value.denominator != 1 and stands_for(answer, gold.value)
    if gold.digits < 3 or gold.value.denominator == 1 or not rounds_to(value, gold.value, gold.decimals):
        return False
    if abs(value - gold.value) * 500 > abs(gold.value):
        return False
    return answer.decimals is None or answer.decimals >= gold.decimals + (1 if gold.digits >= 5 else 2)
