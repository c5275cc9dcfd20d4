"""One file per kind of answer. Verifiers are found by name without importing the others."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.verifiers.base import ModelVerifier, Verifier, run_verifier

VERIFIERS = {
    "math": "evalsuite.verifiers.math:MathVerifier",
    "choice": "evalsuite.verifiers.choice:ChoiceVerifier",
    "code": "evalsuite.verifiers.code:CodeVerifier",
    "literal": "evalsuite.verifiers.code.literal:LiteralVerifier",
    "preimage": "evalsuite.verifiers.code.preimage:PreimageVerifier",
    "text": "evalsuite.verifiers.text:TextVerifier",
    "instruction": "evalsuite.verifiers.instruction:InstructionVerifier",
    "judge": "evalsuite.verifiers.judge:JudgeVerifier",
    "order": "evalsuite.verifiers.order:OrderVerifier",
    "exact": "evalsuite.verifiers.exact:ExactVerifier",
}

__all__ = ["VERIFIERS", "ModelVerifier", "Verifier", "make", "run_verifier"]


def make(name: str, **fields: Any) -> Verifier:
    """The verifier of that name with these settings. Raises UsageError for an unknown name or setting."""
    if name not in VERIFIERS:
        near = difflib.get_close_matches(name, VERIFIERS, n=3)
        raise UsageError(
            f"no verifier {name!r}" + (f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(VERIFIERS)}")
        )
    module, _, attribute = VERIFIERS[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)(**fields)
    except (TypeError, ValueError) as error:
        raise UsageError(f"verifier {name!r}: {error}") from None
