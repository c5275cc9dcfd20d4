"""The calls that `import evalsuite` offers on their own."""

from __future__ import annotations

from typing import Any

from evalsuite.verifiers import make
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask
from evalsuite.words.score import Score

_SAMPLE_FIELDS = frozenset({"id", "choices", "tests", "tools", "metadata", "privileged"})


def score(verifier: str, *, target: Any, text: str, problem: str = "", **fields: Any) -> Score:
    """Score one answer: `score("math", target="1/2", text="so \\\\boxed{0.5}")`.

    `verifier` is a name of `evalsuite.verifiers.VERIFIERS`. `problem` and the fields of a Sample (`choices`, `tests`,
    `metadata`, ...) go into the sample, every other keyword is a setting of the verifier. Runs in the default pool, so a
    hang ends at its deadline. Raises UsageError for an unknown verifier or setting.
    """
    known = {name: fields.pop(name) for name in _SAMPLE_FIELDS & fields.keys()}
    sample = ask(problem, target=target, **{"id": "0"} | known)
    return make(verifier, **fields)(sample, Completion(text=text))
