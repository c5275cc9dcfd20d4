"""`Score`: what a completion was worth, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Outcome = Literal["ok", "no_answer", "truncated", "timeout", "error"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Score:
    """What a completion was worth.

    `value` is in [0, 1], or `None` exactly when `outcome` is `error`: something *we* broke (a verifier bug, a judge that
    cannot be reached, a request that failed). What the answer itself caused (nothing to extract, cut off or unclosed
    thinking, a program or expression past its deadline) is worth 0 with its outcome. `answer` is what was extracted,
    `feedback` words a person or a model can learn from, `parts` named components in [0, 1] or counts, `seconds` the
    verifier's wall time, `isolation` the layers that held a program that was run ("user pid net ...").

    Raises ValueError where value and outcome contradict each other.
    """

    value: float | None
    outcome: Outcome = "ok"
    answer: str | None = None
    feedback: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    isolation: str = ""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome {self.outcome!r} is not one of {', '.join(OUTCOMES)}")
        if (self.value is None) != (self.outcome == "error"):
            raise ValueError(f"value {self.value!r} with outcome {self.outcome!r}: None is for 'error', and only for it")
        if self.value is not None and not 0.0 <= self.value <= 1.0:
            raise ValueError(f"value {self.value!r} is outside [0, 1]")

    def to_dict(self) -> dict[str, Any]:
        """JSON form; fields at their default are left out."""
        row: dict[str, Any] = {"value": self.value, "outcome": self.outcome}
        if self.answer is not None:
            row["answer"] = self.answer
        if self.feedback:
            row["feedback"] = self.feedback
        if self.parts:
            row["parts"] = dict(self.parts)
        if self.seconds:
            row["seconds"] = round(self.seconds, 6)
        if self.isolation:
            row["isolation"] = self.isolation
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Score:
        """Inverse of `to_dict`."""
        return cls(**row)
