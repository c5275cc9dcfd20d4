"""What the pages rely on in run.json and results.json. A run that has something else is listed as broken, with the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Each:
    """An object of any names, all of whose values have one shape."""

    of: Shape


Shape = str | Each | Mapping[str, Any]  # one of _KINDS, such an object, or an object with the shapes of fields that it may have

_KINDS: Mapping[str, Callable[[Any], bool]] = {  # a number that is not known is null
    "text": lambda v: isinstance(v, str),
    "finite number": lambda v: v is None or (isinstance(v, int | float) and abs(v) < 1e300),
    "count": lambda v: v is None or (type(v) is int and 0 <= v < 2**53),
    "list of texts": lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v),
}
MANIFEST: Mapping[str, Shape] = {
    "model": {},
    "environment": {},
    "identity": {"tasks": Each({}), "settings": {}},
    "settings": {},
    "recipe": {},
    "tasks": Each(
        {
            "label": "text",
            "identity": {"data": "text", "prompt": {}, "verifier": {"name": "text"}},
            "metrics": "list of texts",
            **dict.fromkeys(("repeats", "n_questions", "full_size"), "count"),
        }
    ),
}
RESULTS: Shape = Each(
    {
        "label": "text",
        "metrics": Each(
            {
                **dict.fromkeys(("value", "low", "high"), "finite number"),
                **dict.fromkeys(("n_questions", "n_clusters"), "count"),
            }
        ),
        "unsteady": "list of texts",
        **dict.fromkeys(("repeats", "n_questions", "errors", "prompt_tokens", "completion_tokens"), "count"),
        **dict.fromkeys(("coverage", "no_answer", "truncated", "mean_tokens", "cost", "chance"), "finite number"),
    }
)


def wrong(value: Any, shape: Shape, name: str) -> str:
    """The first field of `value` that has another shape, as `tasks.gsm8k.repeats is no count`; '' where there is none."""
    if isinstance(shape, str):
        return "" if _KINDS[shape](value) else f"{name} is no {shape}"
    if not isinstance(value, dict):
        return f"{name} is no object"
    shapes = dict.fromkeys(value, shape.of) if isinstance(shape, Each) else shape
    return next(filter(None, (wrong(value[k], of, f"{name}.{k}") for k, of in shapes.items() if k in value)), "")
