"""What a generated program may do in one move, as text: idioms by the kinds of value that they take and give, and helpers.

The kinds: `int`; `count`, an int parameter small enough to loop over; `str`; `phrase`, a str parameter with spaces; `ints`, `words` and `rows` (lists of int, of str
and of `ints`); `table` and `tally` (dicts from str and from int to int). A block is a head `takes > gives | grade | names |
what a person would say it does` over lines of code. Holes: `$in` and `$out` are the variables, `$x` is one element of `$in`
under a fitting name, `$expr` and `$cond` are drawn over `$x`, `$int` is a number (a literal, a parameter or an earlier
variable) and `$pos` one that is safe to divide by and to slice with. A hole that occurs twice is filled once.

Every idiom ends on every value of its kind, in time that grows with the value's length, and raises on none.
"""

from __future__ import annotations

from typing import NamedTuple

from ._programs_numbers import NUMBERS
from ._programs_texts import TEXTS


class Idiom(NamedTuple):
    """One block: `grade` 1 is one line, 2 a simple loop, 3 a nested one or a data structure that changes under way."""

    takes: str
    gives: str
    grade: int
    names: tuple[str, ...]
    says: str
    code: str

    @property
    def inline(self) -> str | None:
        """The expression of a block that only assigns one."""
        head, _, rest = self.code.partition("$out = ")
        return rest if not head and "\n" not in rest else None


def _blocks(text: str) -> tuple[Idiom, ...]:
    idioms = []
    for block in text.strip("\n").split("\n\n"):
        head, _, code = block.partition("\n")
        kinds, grade, names, says = (part.strip() for part in head.split("|"))
        takes, _, gives = kinds.partition(" > ")
        idioms.append(Idiom(takes, gives, int(grade), tuple(names.split()), says, code))
    return tuple(idioms)


# Functions of one element. `gives` is a kind of element: int, word, or bool for a condition. `$in` is the parameter.
HELPERS = r"""
int > int | 4 | adjust weigh | -
if $in % $pos == 0:
    return $in // $pos
return $in + $lit

int > int | 4 | clamp limit_to | -
return max($lit, min($in, $big))

int > int | 4 | digit_sum sum_digits | -
return sum(int(digit) for digit in str(abs($in)))

int > int | 4 | bounce wrap | -
rest = $in % $base
return rest if rest < $few else -rest

int > int | 4 | step advance | -
if $in > $lit:
    return $in - $pos
return $in * 2 + 1

int > bool | 4 | has_repeats repeats_digit | -
digits = str(abs($in))
return len(set(digits)) < len(digits)

int > bool | 4 | is_special is_wanted | -
return $in % $pos == 0 or $in > $big

int > bool | 4 | in_range is_close | -
return abs($in - $lit) <= $pos

word > word | 4 | mirror fold | -
return $in + $in[::-1][:$pos]

word > word | 4 | shorten compact | -
if len($in) <= $pos:
    return $in
return $in[0] + str(len($in) - 2) + $in[-1]

word > word | 4 | strip_vowels consonants | -
return "".join(ch for ch in $in if ch not in "aeiou")

word > int | 4 | count_vowels vowels_in | -
return sum(ch in "aeiou" for ch in $in)

word > int | 4 | weight worth | -
return sum(ord(ch) % $pos for ch in $in)

word > bool | 4 | is_balanced is_even | -
return (len($in) + $in.count("e")) % 2 == 0
"""

# Conditions on one element or on a whole variable, and expressions over one element: `$x`, and `$i` for its place where the
# loop counts. Further holes: `$mod` and `$rem`, a divisor and a remainder of it; `$some`, some letters; `$one`, a letter;
# `$early`, a letter from the middle of the alphabet; `$sign`, a punctuation mark; `$big`, `$few`, `$lit`, literals; `$src`,
# the text that `$x` is a character of.
CONDITIONS = {
    "int": (
        "$x % $mod == $rem",
        "$x % $mod == $rem",
        "$x % $pos != 0",
        "$x > $int",
        "$x < $int",
        "$few <= $x <= $big",
        "$x % 2 == 0 or $x > $big",
    ),
    "ch": ('$x in "$some"', '$x not in "$some"', '$x > "$early"', '$x < "$early"', "$src.count($x) > 1"),
    "word": (
        "len($x) > $few",
        "len($x) % 2 == $bit",
        '"$one" in $x',
        '$x[:1] in "$some"',
        '$x < "$early"',
        "len($x) >= $pos",
        '$x[-1:] not in "$some"',
    ),
    "str": ("len($x) % $mod == $rem", "len($x) > $big", '$x.count("$one") > 1', '$x < "$early"'),
    "ints": ("sum($x) % $mod == $rem", "len($x) > $few", "sum($x) > $big", "sum($x[::2]) > sum($x[1::2])"),
    "words": ("len($x) % 2 == $bit", '"".join($x) > "$early"', "sum(len(part) for part in $x) % $mod == $rem"),
}
EXPRESSIONS = {
    ("int", "int"): (
        "$x + $int",
        "$x - $int",
        "$int - $x",
        "$x * $pos",
        "$x // $pos",
        "$x % $pos",
        "$x * $x",
        "abs($x - $int)",
        "max($x, $int)",
        "min($x, $int)",
        "$x * $pos - $int",
        "$x + $i",
        "$x * $i",
        "$x - $i * $pos",
    ),
    ("ch", "int"): ("1", "$lit", 'ord($x) - ord("a")', "ord($x) % $pos", "$i", "$src.count($x)"),
    ("ch", "ch"): (
        "$x.upper()",
        "$x * 2",
        '$x + "$sign"',
        "chr(ord($x) + $few)",
        "$x.upper() + $x",
        "$x + str($i)",
        "$x * ($i % $pos)",
    ),
    ("word", "int"): ("len($x)", "$lit", '$x.count("$one") + 1', "len($x) % $pos", "len(set($x))", "$i + len($x)"),
    ("word", "word"): (
        "$x.upper()",
        "$x[::-1]",
        "$x[:$pos]",
        "$x[1:] + $x[:1]",
        "$x + str(len($x))",
        '$x.replace("$one", "$sign")',
        "$x.title()",
        "$x + $x[-1:]",
        "$x[$i:]",
        "$x * ($i % 2 + 1)",
    ),
}
# What a loop does to what it builds, by (kind of element, kind of result); `$acc` is the result, `$expr` is as in idioms.
UPDATES = {
    ("int", "int"): ("$acc += $expr", "$acc += $expr", "$acc -= $expr", "$acc = max($acc, $expr)", "$acc = $x - $acc"),
    ("ch", "int"): ("$acc += $expr", "$acc += $expr", "$acc -= $lit", "$acc = $acc * 2 % $big"),
    ("word", "int"): ("$acc += $expr", "$acc += $expr", "$acc -= $expr", "$acc = max($acc, $expr)"),
    ("int", "ints"): ("$acc.append($expr)", "$acc.append($expr)", "$acc.insert(0, $expr)", "$acc.append(len($acc) + $x)"),
    ("ch", "ints"): ("$acc.append($expr)", "$acc.append($expr)", "$acc.insert(0, $expr)"),
    ("word", "ints"): ("$acc.append($expr)", "$acc.append($expr)", "$acc.insert(0, $expr)"),
    ("word", "words"): ("$acc.append($expr)", "$acc.append($expr)", "$acc.insert(0, $expr)", "$acc = [$x] + $acc[:$pos]"),
    ("ch", "str"): ("$acc += $expr", "$acc += $expr", "$acc = $x + $acc", '$acc += "$sign"', "$acc = $acc[1:] + $x"),
    ("word", "str"): ("$acc += $expr", "$acc += $x[:$pos]", "$acc = $x[:1] + $acc", '$acc += "$sign"'),
    ("int", "tally"): ("$acc[$x % $pos] = $acc.get($x % $pos, 0) + $lit", "$acc[$x] = $acc.get($x, 0) + $lit"),
    ("ch", "table"): ("$acc[$x] = $acc.get($x, 0) + $expr", "$acc[$x] = $lit"),
    ("word", "table"): ("$acc[$x] = $acc.get($x, 0) + $expr", "$acc[$x[:$pos]] = len($x)"),
}

IDIOMS = _blocks(NUMBERS) + _blocks(TEXTS)
HELPER_IDIOMS = _blocks(HELPERS)
