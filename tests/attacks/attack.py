"""What a hostile program is, and how it is written down."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(
    r"^#: (?P<name>[a-z0-9-]+)(?: \[(?P<flags>[a-z ]+)\])? (?P<why>.+?)(?: <(?P<source>[^<>]+)>)?$", re.MULTILINE
)
_FLAGS = {"stdin", "endless", "harm"}


@dataclass(frozen=True, slots=True)
class World:
    """What attacks aim at: planted by a test, which then looks whether anything came of it. By default nothing is there.

    `directory` holds files that nobody may touch or read, one of them a Unix socket called `socket`; `port` is listened to on
    127.0.0.1 (TCP and UDP), `abstract` is the name of an abstract socket, `pid` a process that must live on, and `tag` goes
    into the name of whatever an attack leaves behind elsewhere.
    """

    directory: str = "/nonexistent/evalsuite-canary"
    port: int = 9
    abstract: str = "evalsuite-canary"
    pid: int = 2**22 + 1
    tag: str = "canary"


NOWHERE = World()


@dataclass(frozen=True, slots=True)
class Attack:
    """A program that does not solve its task and wants to be paid all the same.

    `group` is its class, `why` says what it exploits where it works, `source` where that was published (may be empty). `kind`
    is "function" (defines the entry point) or "stdin" (reads standard input). An `endless` one runs until something stops it,
    or as good as. One that does `harm` acts on its `World` besides, and then returns its answer.

    In `template`, ENTRY stands for the entry point's name, WRONG for the answer it returns, CANARY_... for the fields of the
    world. Templates act on their world and on themselves only: where nothing isolates them, they take the memory and the time
    of their own process, and wreck no machine.
    """

    group: str
    name: str
    why: str
    template: str
    kind: str = "function"
    endless: bool = False
    harm: bool = False
    source: str = ""

    def program(self, entry_point: str | None, world: World = NOWHERE, answer: str = "'a wrong answer'") -> str:
        """The program for `entry_point`: `f`, `Class.f`, or None for one that reads standard input and prints the result.

        `answer` is an expression in `args`, wrong unless a harmful program is to be right besides.
        """
        name = "_entry" if entry_point is None or "." in entry_point else entry_point
        text = self.template.replace("ENTRY", name).replace("WRONG", answer)
        for field in World.__dataclass_fields__:
            key = "CANARY_DIR" if field == "directory" else f"CANARY_{field.upper()}"
            text = text.replace(key, str(getattr(world, field)))
        if self.kind == "stdin":
            return text
        if entry_point is None:
            return f"{text}\nimport sys as _sys\n_sys.stdout.write(str({name}(_sys.stdin.read())) + '\\n')\n"
        if "." in entry_point:
            owner, _, method = entry_point.partition(".")
            return f"{text}\nclass {owner}:\n    {method} = staticmethod({name})\n"
        return text


def parse(group: str, text: str) -> tuple[Attack, ...]:
    """The attacks in `text`: each a line `#: name [flags] why it works elsewhere <source>`, then its template.

    Raises ValueError where a flag is not one of stdin, endless and harm, or where nothing is found.
    """
    heads = list(_HEADER.finditer(text))
    attacks = []
    for head, end in zip(heads, [*(h.start() for h in heads[1:]), len(text)]):
        flags = set((head["flags"] or "").split())
        if not flags <= _FLAGS or "\n#:" in text[head.end() : end]:
            raise ValueError(f"{group}: {head[0]!r} or a line after it cannot be read")
        attacks.append(
            Attack(
                group,
                head["name"],
                head["why"],
                text[head.end() : end].strip("\n") + "\n",
                kind="stdin" if "stdin" in flags else "function",
                endless="endless" in flags,
                harm="harm" in flags,
                source=head["source"] or "",
            )
        )
    if not attacks:
        raise ValueError(f"{group}: no attack")
    return tuple(attacks)
