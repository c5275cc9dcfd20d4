"""System calls that Python has no name for. Each raises OSError, whose `filename` is the call."""

from __future__ import annotations

import ctypes
import os
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, function: Any, _: tuple[Any, ...]) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function.__name__)
    return result


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_LIBC, name)
    function.restype, function.argtypes, function.errcheck = result, arguments, _checked
    return function


unshare = _function("unshare", ctypes.c_int, ctypes.c_int)
setns = _function("setns", ctypes.c_int, ctypes.c_int, ctypes.c_int)
mount = _function("mount", ctypes.c_int, *[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p)
capset = _function("capset", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_prctl = _function("prctl", ctypes.c_int, ctypes.c_int, *[ctypes.c_ulong] * 4)
_syscall = _function("syscall", ctypes.c_long, *[ctypes.c_long] * 7)


def prctl(option: int, argument: int = 0, address: int = 0) -> int:
    """prctl(2); what is not given is 0, as many options demand."""
    return int(_prctl(option, argument, address, 0, 0))


def syscall(name: str, number: int, *arguments: int) -> int:
    """syscall(2) of at most six integers or addresses. `name` is for the error."""
    try:
        return int(_syscall(number, *arguments, *(0,) * (6 - len(arguments))))
    except OSError as error:
        error.filename = name
        raise


def why(error: OSError) -> str:
    """'mount: Operation not permitted'."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
