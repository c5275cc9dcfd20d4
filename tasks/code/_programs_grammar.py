"""The grammar of generated programs: idioms, loops and branches chained over variables with fitting names.

A program is a chain of moves. Each move takes the newest variable and gives a new one, so that nothing is computed that is
not used; a number on the side is used by a later move or returned beside the result. What holds by construction: every
program ends, draws nothing at random, iterates over no set, and leaves its arguments as they were.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ._programs_idioms import CONDITIONS, EXPRESSIONS, HELPER_IDIOMS, IDIOMS, UPDATES, Idiom
from ._programs_names import BRANCH, ELEMENT, ELEMENTS, INSIDE, ITEMS, LETTERS, LITERALS, PARAMETERS, RESULTS, SMALL


class Unfit(Exception):
    """A draw that leads to no readable program."""


@dataclass(frozen=True)
class Var:
    """A variable: its kind, and what one element of it is called. A `small` parameter is an int from 2 to 9."""

    name: str
    kind: str
    item: str = ""
    small: bool = False


@dataclass
class Draft:
    """A program under way: `grade` bounds its idioms, `depth` the nesting of its loops' bodies; `params` and `helpers` how many
    it may have."""

    rng: random.Random
    grade: int
    depth: int
    most_params: int
    most_helpers: int
    params: list[Var] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)  # code of the moves
    says: list[str] = field(default_factory=list)
    outs: list[Var] = field(default_factory=list)  # what the moves gave
    spare: list[Var] = field(default_factory=list)  # numbers that nothing has used yet
    functions: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # helper: (takes, gives, code)
    names: set[str] = field(default_factory=set)

    def copy(self) -> Draft:
        """A draft that can go on on its own; both draw from the same random numbers."""
        held = {name: value.copy() for name, value in vars(self).items() if isinstance(value, list | dict | set)}
        return dataclasses.replace(self, **held)

    def fresh(self, names: Sequence[str]) -> str:
        """One of `names` that is not in use. Raises Unfit where all are."""
        free = [name for name in names if name not in self.names and name not in INSIDE]
        if not free:
            raise Unfit
        self.names.add(name := self.rng.choice(free))
        return name

    def start(self, kind: str) -> Var:
        """The first parameter."""
        name, _, item = self.rng.choice(PARAMETERS[kind]).partition("/")
        self.names |= {name, item}
        self.params.append(Var(name, kind, item))
        return self.params[0]

    def parameter(self) -> str | None:
        """A small parameter: a new one where there may be more, else one that there is."""
        if len(self.params) < self.most_params and self.rng.random() < 0.6:
            self.params.append(Var(self.fresh(SMALL), "int", small=True))
            return self.params[-1].name
        known = [p.name for p in self.params if p.small]
        return self.rng.choice(known) if known else None

    @property
    def wants_helper(self) -> float:
        """How likely a place where a helper can be called gets it."""
        return 0.3 if self.functions else 0.7

    def item(self, source: Var) -> str:
        """What one element of `source` is called."""
        if source.item:
            return source.item
        free = [name for name in ITEMS[source.kind] if name not in self.names]
        return free[0] if free else "element"

    def helper(self, takes: str, gives: str) -> str | None:
        """The name of a helper function, a new one where there may be more."""
        known = [name for name, (t, g, _) in self.functions.items() if (t, g) == (takes, gives)]
        options = [idiom for idiom in HELPER_IDIOMS if (idiom.takes, idiom.gives) == (takes, gives)]
        full = len(self.functions) >= self.most_helpers
        if known and (full or self.rng.random() < 0.5):
            return self.rng.choice(known)
        if full or not options:
            return None
        idiom = self.rng.choice(options)
        name = self.fresh(idiom.names)
        free = [n for n in (("word", "text", "w") if takes == "word" else ("value", "x", "number")) if n not in self.names]
        if not free:
            raise Unfit
        body = self.fill(idiom.code, {"in": free[0]}, plain=True)
        self.functions[name] = (takes, gives, f"def {name}({free[0]}):\n{indent(body)}")
        return name

    def condition(self, kind: str, x: str, source: str) -> str:
        """A condition on an element `x` of `source`, or on a variable, of that kind."""
        if self.rng.random() < self.wants_helper and (name := self.helper(kind, "bool")):
            return f"{name}({x})"
        options = [o for o in CONDITIONS[kind] if source or "$src" not in o]
        return self.fill(self.rng.choice(options), {"x": x, "src": source})

    def expression(self, kind: str, goal: str, holes: dict[str, str]) -> str:
        """An expression over the element `$x`, and over its place where there is `$i`."""
        if self.rng.random() < self.wants_helper and (name := self.helper(kind, goal)):
            return f"{name}({holes['x']})"
        options = [o for o in EXPRESSIONS[kind, goal] if all(h in holes or f"${h}" not in o for h in ("i", "src"))]
        return self.fill(self.rng.choice(options), {h: v for h, v in holes.items() if h in ("x", "i", "src")})

    def fill(self, code: str, holes: dict[str, str], kind: str = "int", goal: str = "", plain: bool = False) -> str:
        """`code` with its holes filled, each name once: `kind` is that of an element, `goal` that of `$expr`; `plain` code
        has literals only."""

        def value(match: re.Match[str]) -> str:
            if (hole := match.group(1)) not in holes:
                holes[hole] = self._hole(hole.rstrip("0123456789"), holes, kind, goal or kind, plain)
            return holes[hole]

        return re.sub(r"\$(\w+)", value, code)

    def _hole(self, hole: str, holes: dict[str, str], kind: str, goal: str, plain: bool) -> str:
        rng = self.rng
        if hole == "cond":
            return self.condition(kind, holes["x"], holes.get("src", ""))
        if hole == "expr":
            return self.expression(kind, goal, holes)
        if hole in LETTERS:
            return rng.choice(LETTERS[hole])
        if hole == "mod":
            holes["rem"] = str(rng.randrange(mod := rng.randint(2, 5)))
            return str(mod)
        if hole == "int" and not plain and self.spare and rng.random() < 0.6:
            return self.spare.pop().name
        if hole in ("int", "pos") and not plain and rng.random() < 0.3 and (name := self.parameter()):
            return name
        return str(rng.randint(*LITERALS[hole]))

    # Moves: each appends its code and gives the new variable.

    def idiom(self, source: Var, goal: str | None = None, last: bool = False) -> Var:
        """A move out of the table; all kinds of result are alike likely, but for a number before the last move."""
        fit = takes(source)
        fits = [i for i in IDIOMS if i.takes in fit and i.grade <= self.grade and goal in (None, i.gives)]
        if not fits:
            raise Unfit
        kinds = sorted({i.gives for i in fits})
        if not (last or goal or kinds == ["int"]) and self.rng.random() < 0.8:
            kinds = [kind for kind in kinds if kind != "int"]  # little can be done to one number
        kind = self.rng.choice(kinds)
        chosen = self.rng.choice([i for i in fits if i.gives == kind])
        out = self.fresh(chosen.names)
        return self.add(self.code(chosen, source, out), result(out, kind, source), chosen.says)

    def code(self, idiom: Idiom, source: Var, out: str) -> str:
        """The code of an idiom."""
        kind = ELEMENT.get(source.kind, "int")
        holes = {"in": source.name, "out": out}
        holes |= {"x": self.item(source)} if source.kind in ITEMS else {}
        holes |= {"src": source.name} if kind == "ch" else {}
        return self.fill(idiom.code, holes, kind)

    def loop(self, source: Var, last: bool) -> Var:
        """A loop over the elements of `source` whose body is drawn from statements that nest."""
        kind = ELEMENT[source.kind]
        goal = self.rng.choice([g for k, g in UPDATES if k == kind and (last or g != "int")])
        names, starts, says = RESULTS[goal]
        out, x = self.fresh(names), self.item(source)
        holes = {"x": x, "acc": out} | ({"src": source.name} if kind == "ch" else {})
        head = f"for {x} in {source.name}:"
        if self.rng.random() < 0.3:
            holes["i"] = "i"
            head = f"for i, {x} in enumerate({source.name}):"
        body = self.body(kind, goal, holes, self.depth)
        if not re.search(rf"\b{x}\b", body):
            raise Unfit  # a loop that only counts
        if "i" in holes and not re.search(r"\bi\b", body):
            head = f"for {x} in {source.name}:"
        code = f"{out} = {self.rng.choice(starts)}\n{head}\n{indent(body)}"
        return self.add(code, result(out, goal, source), f"goes through {ELEMENTS[kind]} and {says}")

    def body(self, kind: str, goal: str, holes: dict[str, str], depth: int) -> str:
        """Statements: updates of the result, behind conditions as far as `depth` allows."""

        def update() -> str:
            added = kind if goal in ("str", "words") else "int"
            return self.fill(self.rng.choice(UPDATES[kind, goal]), dict(holes), kind, added)

        def condition() -> str:
            return self.condition(kind, holes["x"], holes.get("src", ""))

        if not depth or self.rng.random() < 0.15:
            return update()
        then = self.body(kind, goal, holes, depth - 1)
        form = self.rng.random()
        if form < 0.2:
            return f"if {condition()}:\n    continue\n{then}"
        code = f"if {condition()}:\n{indent(then)}"
        if depth > 1 and form < 0.4:
            code += f"\nelif {condition()}:\n{indent(update())}"
        if form < 0.85:
            other = self.body(kind, goal, holes, depth - 1)
            if indent(other) in code:
                raise Unfit
            chained = all(line.startswith(("    ", "if ", "elif ", "else:")) for line in other.split("\n"))
            code += f"\nel{other}" if chained else f"\nelse:\n{indent(other)}"
        return code

    def branch(self, source: Var) -> Var:
        """`if` over a whole value: two ways to go on from it."""
        kind = takes(source)[-1]
        fits = [i for i in IDIOMS if i.takes == i.gives == kind and i.inline]
        if kind not in CONDITIONS or len(fits) < 2:
            raise Unfit
        one, two = self.rng.sample(fits, 2)
        out = self.fresh(one.names)
        condition = self.condition(kind, source.name, "")
        code = f"if {condition}:\n{indent(self.code(one, source, out))}\nelse:\n{indent(self.code(two, source, out))}"
        return self.add(code, result(out, kind, source), BRANCH)

    def add(self, code: str, out: Var, says: str) -> Var:
        """Appends a move."""
        self.blocks.append(code)
        self.outs.append(out)
        self.says.append(says)
        return out


def indent(code: str) -> str:
    """`code` four spaces further in."""
    return "\n".join(f"    {line}" for line in code.split("\n"))


def result(name: str, kind: str, source: Var) -> Var:
    """A variable made from `source`, whose elements keep their name where they are of the same kind."""
    return Var(name, kind, source.item if kind in takes(source) else "")


def takes(source: Var) -> tuple[str, ...]:
    """The kinds of idiom that fit a variable."""
    return {"count": ("count", "int"), "phrase": ("phrase", "str")}.get(source.kind, (source.kind,))
