"""Landlock: which files may be opened, and how. See landlock(7) and the kernel's userspace-api/landlock."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import struct
from collections.abc import Sequence

from evalsuite.sandbox.isolation._libc import syscall, why

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION = 1  # flag of landlock_create_ruleset
_PATH_BENEATH = 1
_LOG_SAME_EXEC_OFF = 1  # ABI 7: what a program is refused does not go to the machine's audit log

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
_RIGHTS = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 4: 1 << 15}  # ABI: one past its last file right
_ALL_RIGHTS = 1 << 16  # since ABI 5
_BIND_AND_CONNECT_TCP = 3  # ABI 4
_ABSTRACT_UNIX_AND_SIGNALS = 3  # ABI 6

_DEVICES = {
    "/dev/null": _READ_FILE | _WRITE_FILE,
    "/dev/zero": _READ_FILE,
    "/dev/random": _READ_FILE,
    "/dev/urandom": _READ_FILE,
}


class _Attributes(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


def _rule(rights: int, fd: int) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("=Qi", rights, fd))  # struct landlock_path_beneath_attr, packed


class Landlock:
    """Reading `readable` (files, folders), the usual devices, everything but executing and special files in `scratch`.

    Descriptors and structures are made here, once; `apply` makes the ruleset, since the inode of `scratch` is a new one
    each time. `missing` says why there is no landlock, or is None.
    """

    def __init__(self, scratch: str, readable: Sequence[str]) -> None:
        self.missing: str | None = None
        self._scratch = scratch
        self._fds: list[int] = []
        self._rules: list[ctypes.Array[ctypes.c_char]] = []
        try:
            self._abi = syscall("landlock", _CREATE_RULESET, 0, 0, _VERSION)
        except OSError as error:
            self.missing = {
                errno.ENOSYS: "the kernel has no landlock (Linux 5.13 or newer, CONFIG_SECURITY_LANDLOCK)",
                errno.EOPNOTSUPP: "landlock is not among the kernel's lsm= at boot",
            }.get(error.errno or 0, why(error))
            return
        handled = _RIGHTS.get(self._abi, _ALL_RIGHTS) - 1
        self._attributes = _Attributes(handled, _BIND_AND_CONNECT_TCP, _ABSTRACT_UNIX_AND_SIGNALS)
        self._size = 8 if self._abi < 4 else 16 if self._abi < 6 else 24
        self._own = handled & ~(_EXECUTE | _MAKE_CHAR | _MAKE_SOCK | _MAKE_FIFO | _MAKE_BLOCK)
        for path in readable:
            self._allow(path, _READ_FILE | _READ_DIR)
        for path, rights in _DEVICES.items():
            self._allow(path, rights)

    def _allow(self, path: str, rights: int) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            self._fds.append(fd)
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= ~_READ_DIR
            self._rules.append(_rule(rights, fd))

    def apply(self) -> None:
        """Restrict this process for good. Needs no_new_privs. Raises OSError."""
        ruleset = syscall("landlock_create_ruleset", _CREATE_RULESET, ctypes.addressof(self._attributes), self._size, 0)
        try:
            for rule in self._rules:
                syscall("landlock_add_rule", _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
            fd = os.open(self._scratch, os.O_PATH | os.O_CLOEXEC)
            try:
                own = _rule(self._own, fd)
                syscall("landlock_add_rule", _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(own), 0)
            finally:
                os.close(fd)
            syscall("landlock_restrict_self", _RESTRICT_SELF, ruleset, _LOG_SAME_EXEC_OFF if self._abi >= 7 else 0)
        finally:
            os.close(ruleset)

    def close(self) -> None:
        """Close the descriptors; `apply` is over."""
        while self._fds:
            os.close(self._fds.pop())
