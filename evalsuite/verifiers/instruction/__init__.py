"""`InstructionVerifier`: verifiable instructions (IFEval) at prompt and instruction level, strict and loose."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.instruction.checks import CHECKS
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

__all__ = ["CHECKS", "InstructionVerifier", "instructions_of", "loose_variants"]

_ARGUMENTS = {name: set(inspect.signature(check).parameters) - {"response"} for name, check in CHECKS.items()}


@dataclass(frozen=True)
class InstructionVerifier(Verifier):
    """IFEval (Zhou et al. 2023, arXiv 2311.07911): does the response follow every instruction of its prompt?

    `sample.tests` is `{"instructions": [{"id": "punctuation:no_comma", "kwargs": {...}}, ...]}`; arguments that are None
    are dropped, since the hub's copy fills every one. The value is prompt-level strict accuracy (all followed). `parts`
    holds the other three of the four official numbers: `prompt_loose`, `inst_strict` and `inst_loose` (fractions). The
    instruction-level numbers of a benchmark are micro-averages: sum `inst_strict_count` and `inst_loose_count` over
    prompts and divide by the sum of `inst_count`.
    """

    name: ClassVar[str] = "instruction"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """Strict on the response as it is, loose on the best of its eight variants. ValueError: unknown instruction."""
        wanted = instructions_of(sample)
        response = completion.answer_text
        if not response.strip():
            return Score(
                0.0, "no_answer", feedback="the reply is empty", parts=_parts([False] * len(wanted), [False] * len(wanted))
            )
        variants = loose_variants(response)
        strict = [CHECKS[name](response, **kwargs) for name, kwargs in wanted]
        loose = [
            ok or any(v.strip() and CHECKS[name](v, **kwargs) for v in variants[1:])
            for ok, (name, kwargs) in zip(strict, wanted, strict=True)
        ]
        failed = [_in_words(name, kwargs) for ok, (name, kwargs) in zip(strict, wanted, strict=True) if not ok]
        feedback = "not followed: " + "; ".join(failed) if failed else ""
        return Score(float(all(strict)), "ok", None, feedback[:2000], _parts(strict, loose))

    def gold(self, sample: Sample) -> None:
        """No response can be written down from the instructions alone."""
        return None

    def key(self, sample: Sample, completion: Completion) -> Hashable:
        """(instructions, the whole response)."""
        return repr(instructions_of(sample)), completion.answer_text


def instructions_of(sample: Sample) -> list[tuple[str, dict[str, Any]]]:
    """(id, arguments) of each instruction. Raises ValueError for an unknown id or arguments that its check does not take."""
    rows = (sample.tests or {}).get("instructions") or ()
    if not rows:
        raise ValueError(f"sample {sample.id!r} has no instructions: tests['instructions'] is missing or empty")
    wanted: list[tuple[str, dict[str, Any]]] = []
    for row in rows:
        name, kwargs = row["id"], {k: v for k, v in (row.get("kwargs") or {}).items() if v is not None}
        if name not in CHECKS:
            raise ValueError(f"sample {sample.id!r}: no instruction {name!r}; there are {', '.join(CHECKS)}")
        if set(kwargs) != _ARGUMENTS[name]:
            raise ValueError(f"sample {sample.id!r}: {name} takes {sorted(_ARGUMENTS[name])}, not {sorted(kwargs)}")
        wanted.append((name, kwargs))
    return wanted


def loose_variants(response: str) -> tuple[str, ...]:
    """The eight responses of the loose criterion: with and without the first line, the last line and every `*`."""
    lines = response.split("\n")
    cut = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return tuple(dict.fromkeys([*cut, *(text.replace("*", "") for text in cut)]))


def _parts(strict: list[bool], loose: list[bool]) -> dict[str, float]:
    n = len(strict)
    return {
        "inst_strict": sum(strict) / n,
        "prompt_loose": float(all(loose)),
        "inst_loose": sum(loose) / n,
        "inst_strict_count": float(sum(strict)),
        "inst_loose_count": float(sum(loose)),
        "inst_count": float(n),
    }


def _in_words(name: str, kwargs: dict[str, Any]) -> str:
    """One failed instruction for a reader: `number words (relation at least, num words 300)`."""
    what = name.partition(":")[2].replace("_", " ")
    given = ", ".join(
        f"{k.replace('_', ' ')} {v!r}" if isinstance(v, list) else f"{k.replace('_', ' ')} {v}" for k, v in kwargs.items()
    )
    return f"{what} ({given[:200]})" if given else what
