"""A small parser for one mathematical expression in the notation of `normalize.clean`: text in, tuple tree out. No `eval`.

Nodes: `("n", Fraction)`, `("s", name)`, `("+", *terms)`, `("*", *factors)`, `("/", a, b)`, `("^", base, exponent)`,
`("!", a)`, `("f", name, *arguments)`. Sums, products, limits and integrals are functions too, of their bounds and operand:
`("f", "sum", variable, lower, upper, operand)`. Anything it does not know (words, say) raises `Unreadable`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from evalsuite.verifiers.math.normalize import TEXT_CLOSE, TEXT_OPEN
from evalsuite.verifiers.math.notation import ACCENTS, CALLS, NAMES, OPERATORS, Node, names_of, replaced, split_digits

MOST_TOKENS, DEEPEST = 400, 40


_NOTHING: Node = ("s", "#")


class Unreadable(ValueError):
    """The text is not an expression this parser knows."""


_TRIG = {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth"}
_ARC = {"arcsin", "arccos", "arctan", "asin", "acos", "atan", "arccot"}
_FUNCTIONS = _TRIG | _ARC | {"ln", "log", "lg", "exp", "abs", "floor", "ceil", "gcd", "lcm", "max", "min"}
_GREEK = set(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega Gamma Delta Theta "
    "Lambda Xi Pi Sigma Phi Psi Omega ell hbar mho imath jmath partial nabla Re Im".split()
)
_TOKEN = re.compile(
    rf"\s*(?:(?P<num>(?:[1-9]\d{{0,2}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)|\\(?P<cmd>[A-Za-z]+)|(?P<name>{NAMES})(?![a-z])|"
    rf"{TEXT_OPEN}(?P<text>[^{TEXT_CLOSE}]*){TEXT_CLOSE}|(?P<sym>[A-Za-zℝ\ue010-\ue01f])|(?P<op>[-+*/^_=!(){{}}\[\]|,%°'∞])|(?P<bad>\S))"
)


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The tree of `text`. Raises Unreadable."""
    parser = _Parser(split_digits(text))
    node = parser.sum(0)
    if parser.at < len(parser.tokens):
        raise Unreadable(text)
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.bars = 0
        self.trig = 0
        self.integral = 0
        # \sqrt3 and \sqrt 13: digits after a bare root are its argument.
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup
            if kind is None:
                break
            if kind == "bad" or len(self.tokens) >= MOST_TOKENS:
                raise Unreadable(text[:80])
            token = match.group(kind)
            if kind in ("cmd", "name"):
                kind = "fn"
            self.tokens.append((kind, token))
        if not self.tokens:
            raise Unreadable("empty")

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, token: str) -> bool:
        if self.peek() == ("op", token):
            self.at += 1
            return True
        return False

    def need(self, token: str) -> None:
        if not self.take(token):
            raise Unreadable(f"expected {token}")

    def sum(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise Unreadable("nested too deep")
        terms = []
        sign = self.sign()
        while True:
            term = self.product(depth)
            terms.append(("*", ("n", Fraction(-1)), term) if sign < 0 else term)
            if self.peek() not in (("op", "+"), ("op", "-")):
                return terms[0] if len(terms) == 1 else ("+", *terms)
            sign = self.sign()

    def sign(self) -> int:
        sign = 1
        while self.peek() in (("op", "+"), ("op", "-")):
            sign = -sign if self.peek()[1] == "-" else sign
            self.at += 1
        return sign

    def product(self, depth: int) -> Node:
        node = self.power(depth)
        while True:
            kind, token = self.peek()
            if (kind, token) == ("op", "*"):
                self.at += 1
                sign = self.sign()
                factor = self.power(depth)
                node = ("*", node, factor) if sign > 0 else ("*", ("n", Fraction(-1)), node, factor)
            elif (kind, token) == ("op", "/"):
                self.at += 1
                sign = self.sign()
                below = self.power(depth)
                node = ("/", node, below if sign > 0 else ("*", ("n", Fraction(-1)), below))
            elif self.starts_factor(kind, token) or (
                kind == "num"
                and (
                    self.tokens[self.at - 1][0] == "sym"
                    or self.tokens[self.at - 1][1] in (")", "}")
                    or self.tokens[self.at - 2][1] == "^"  # 2^6 3^5
                )
            ):
                node = self.juxtaposed(node, depth)
            else:
                return node

    def starts_factor(self, kind: str, token: str) -> bool:
        if kind in ("fn", "sym", "text"):
            return not (kind == "fn" and token in ("rfloor", "rceil"))
        return kind == "op" and (token in "({[∞" or (token == "|" and not self.bars))

    def juxtaposed(self, node: Node, depth: int) -> Node:
        mixed = (
            node[0] == "n"
            and node[1].denominator == 1
            and self.tokens[self.at - 1][0] == "num"
            and self.peek() == ("fn", "frac")
        )
        factor = self.power(depth)
        if mixed and factor[0] == "/" and factor[1][0] == factor[2][0] == "n" and 0 < factor[1][1] < factor[2][1]:
            return ("n", node[1] + factor[1][1] / factor[2][1])
        return ("*", node, factor)

    def power(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise Unreadable("nested too deep")
        node = self.atom(depth + 1)
        while True:
            kind, token = self.peek()
            if kind != "op":
                return node
            if token == "!":
                self.at += 1
                node = ("!", node)
            elif token == "%":
                self.at += 1
                node = ("/", node, ("n", Fraction(100)))
            elif token == "°":
                self.at += 1
                if self.trig:
                    node = ("*", node, ("s", "\\pi"), ("n", Fraction(1, 180)))
            elif token == "^":
                self.at += 1
                node = ("^", node, self.exponent(depth + 1))
            else:
                return node

    def exponent(self, depth: int) -> Node:
        if self.take("{"):
            node = self.sum(depth)
            self.need("}")
            return node
        sign = self.sign()
        node = self.atom(depth)
        if self.take("^"):
            node = ("^", node, self.exponent(depth + 1))
        return node if sign > 0 else ("*", ("n", Fraction(-1)), node)

    def group(self, depth: int) -> Node:
        """A braced argument, or the single token that stands for it."""
        if self.take("{"):
            node = self.sum(depth)
            self.need("}")
            return node
        return self.atom(depth)

    def atom(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise Unreadable("nested too deep")
        kind, token = self.peek()
        self.at += 1
        if kind == "num":
            return ("n", _literal(token))
        if kind == "sym":
            return self.named(token)
        if kind == "text":
            if len(token.strip()) != 1 or not token.strip().isalpha():
                raise Unreadable(token)
            return self.named(token.strip())
        if kind == "op" and token in "([{":
            node = self.sum(depth)
            self.need({"(": ")", "[": "]", "{": "}"}[token])
            return node
        if kind == "op" and token == "|":
            self.bars += 1
            node = self.sum(depth)
            self.bars -= 1
            self.need("|")
            return ("f", "abs", node)
        if kind == "op" and token == "∞":
            return ("s", "∞")
        if kind == "fn":
            return self.command(token, depth)
        raise Unreadable(token or "end")

    def named(self, name: str) -> Node:
        if name in CALLS.values():
            return self.applied(name)
        if name == "d" and self.integral and self.peek()[0] in ("sym", "fn"):
            self.at += 1
            return ("s", "d" + self.tokens[self.at - 1][1])
        if self.take("_"):
            name += "_" + self.raw()
        while self.take("'"):
            name += "'"
        # I(0), f(2): the value of a function at a number, not a product.
        following = self.tokens[self.at : self.at + 3]
        if [k for k, _ in following] == ["op", "num", "op"] and following[0][1] + following[2][1] == "()":
            name += f"({following[1][1]})"
            self.at += 3
        return ("s", name)

    def applied(self, name: str) -> Node:
        """The value of a function that is only known by its letter."""
        while self.take("'"):
            name += "'"
        if self.take("^"):
            self.exponent(0)
            name += "^-1"
        self.need("(")
        arguments = [self.sum(1)]
        while self.take(","):
            arguments.append(self.sum(1))
        self.need(")")
        return ("f", name, *arguments)

    def operator(self, name: str, depth: int) -> Node:
        """A sum, product, limit or integral with what it is applied to: the product that follows."""
        variable, lower, upper = _NOTHING, _NOTHING, _NOTHING
        for _ in range(2):
            if self.take("_"):
                following = [t for _, t in self.tokens[self.at : self.at + 3]]
                if name in ("sum", "prod") and len(following) == 3 and following[0] == "{" and following[2] == "=":
                    variable, self.at = ("s", following[1]), self.at + 3
                    lower = self.sum(depth)
                    self.need("}")
                elif name == "int":
                    lower = self.group(depth)
                else:
                    lower = ("s", "where " + self.raw())
            elif self.take("^"):
                upper = self.exponent(depth + 1)
        self.integral += name == "int"
        operand = self.product(depth + 1)
        self.integral -= name == "int"
        if variable is not _NOTHING and not any(variable[1] in n.partition("_")[2] for n in names_of(operand)):
            bound = ("s", f"#{sum(n[0] == '#' for n in names_of(operand))}")
            variable, operand = bound, replaced(operand, variable[1], bound)
        return ("f", name, variable, replaced(lower, "∞", ("s", "oo")), replaced(upper, "∞", ("s", "oo")), operand)

    def raw(self) -> str:
        """A subscript, as plain text: part of a name."""
        if not self.take("{"):
            self.at += 1
            return self.tokens[self.at - 1][1].strip() if self.at <= len(self.tokens) else ""
        out: list[str] = []
        depth = 1
        while self.at < len(self.tokens):
            token = self.tokens[self.at][1]
            self.at += 1
            depth += (token == "{") - (token == "}")
            if not depth:
                return "".join(out).strip()
            out.append(token.strip())
        raise Unreadable("open subscript")

    def command(self, name: str, depth: int) -> Node:
        if name == "pi":
            return ("s", "\\pi")
        if name in ("frac", "binom"):
            above = self.group(depth)
            below = self.group(depth)
            return ("/", above, below) if name == "frac" else ("f", "binom", above, below)
        if name in ("sqrt", "cbrt"):
            index: Node = ("n", Fraction(3 if name == "cbrt" else 2))
            if self.take("["):
                index = self.sum(depth)
                self.need("]")
            return ("^", self.group(depth), ("/", ("n", Fraction(1)), index))
        if name in ("lfloor", "lceil"):
            node = self.sum(depth)
            if self.peek() != ("fn", "r" + name[1:]):
                raise Unreadable(name)
            self.at += 1
            return ("f", name[1:], node)
        if name in OPERATORS:
            return self.operator(name, depth)
        if name in ACCENTS or name == "vec":
            inner = self.group(depth) if name != "vec" else ("s", self.raw())
            return self.named(f"{inner[1]}\\{name}") if inner[0] == "s" else ("f", name, inner)
        if name in _FUNCTIONS:
            return self.call(name, depth)
        if name in _GREEK:
            return self.named("\\" + name)
        raise Unreadable(name)

    def call(self, name: str, depth: int) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        for _ in range(2):
            if name in ("log", "lg") and self.take("_"):
                base = self.group(depth)
            elif self.take("^"):
                exponent = self.exponent(depth)
        self.trig += name in _TRIG
        if self.peek() in (("op", "("), ("op", "{"), ("op", "[")):
            closing = {"(": ")", "{": "}", "[": "]"}[self.peek()[1]]
            self.at += 1
            arguments = [self.sum(depth)]
            while self.take(","):
                arguments.append(self.sum(depth))
            self.need(closing)
        else:
            sign = self.sign()
            node = self.power(depth)
            while (
                self.starts_factor(*self.peek())
                and not (self.peek()[0] == "fn" and self.peek()[1] in _FUNCTIONS)
                and self.peek()[1] not in ("(", "[")
            ):
                node = self.juxtaposed(node, depth)
            arguments = [node if sign > 0 else ("*", ("n", Fraction(-1)), node)]
        self.trig -= name in _TRIG
        inverse = (("n", Fraction(-1)), ("*", ("n", Fraction(-1)), ("n", Fraction(1))))
        if name in _TRIG and exponent in inverse:
            name, exponent = "arc" + name, None
        node = _function(name, base, arguments)
        return node if exponent is None else ("^", node, exponent)


def _function(name: str, base: Node | None, arguments: list[Node]) -> Node:
    if len(arguments) > 1 and name not in ("gcd", "lcm", "max", "min"):
        raise Unreadable(name)
    if name == "exp":
        return ("^", ("s", "e"), arguments[0])
    if name in ("log", "ln", "lg"):
        log = ("f", "ln", arguments[0])
        base = ("n", Fraction(10)) if name == "lg" and base is None else base
        return log if base is None else ("/", log, ("f", "ln", base))
    short = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
    return ("f", short.get(name, name), *arguments)


def _literal(token: str) -> Fraction:
    mantissa, _, exponent = token.replace(",", "").lower().partition("e")
    if len(mantissa) > 400 or (len(exponent) > 6 or (exponent and abs(int(exponent)) > 400)):
        raise Unreadable("literal too long")
    return Fraction(mantissa) * Fraction(10) ** int(exponent or 0)
