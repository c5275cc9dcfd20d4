"""The arguments in a task spec: `sort_letters@level=3:size=50`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from evalsuite.errors import UsageError


def bind(function: Callable[..., Any], name: str, arguments: str) -> functools.partial[Any]:
    """The call that `name@arguments` asks for: `level=3:size=50` by name, `3:50` by position.

    Values are converted as the function's annotations (else its defaults) say. Raises UsageError for a value that does
    not convert and for arguments that the function does not take.
    """
    import inspect

    signature = inspect.signature(function)
    takes = ", ".join(str(p.replace(annotation=p.empty)) for p in signature.parameters.values()) or "no arguments"
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in arguments.split(":") if arguments else ():
        key, equals, value = part.partition("=")
        if equals:
            named[key] = value
        else:
            positional.append(part)
    try:
        bound = signature.bind(*positional, **named)
        for key, value in bound.arguments.items():
            parameter = signature.parameters[key]
            if parameter.kind is parameter.VAR_POSITIONAL:
                bound.arguments[key] = tuple(_convert(v, parameter) for v in value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                bound.arguments[key] = {k: _convert(v, parameter) for k, v in value.items()}
            else:
                bound.arguments[key] = _convert(value, parameter)
    except (TypeError, ValueError) as error:
        raise UsageError(f"task {name}@{arguments}: {error}; it takes: {takes}") from None
    return functools.partial(function, *bound.args, **bound.kwargs)


def _convert(value: str, parameter: Any) -> Any:
    """Text as int, float, bool or str, by the annotation, else by the default's type."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        annotation = str if parameter.default in (parameter.empty, None) else type(parameter.default)
    kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    kinds = {part.strip() for part in kind.split("|")} - {"None"}
    if kinds == {"bool"}:
        if value.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"{parameter.name}={value} is not true or false")
        return value.lower() in ("true", "1", "yes")
    if kinds in ({"int"}, {"float"}):
        number = int if kinds == {"int"} else float
        try:
            return number(value)
        except ValueError:
            raise ValueError(f"{parameter.name}={value} is not {'an integer' if number is int else 'a number'}") from None
    return value
