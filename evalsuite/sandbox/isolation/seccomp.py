"""A seccomp filter over system calls: everything is allowed but what is named here. See seccomp(2)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

from evalsuite.sandbox.isolation._libc import syscall

# Refused with EPERM. Numbers on x86_64 and aarch64; one number where both have the same, "-" where there is none.
_REFUSED = """
socket 41 198, connect 42 203, accept 43 202, accept4 288 242, bind 49 200, listen 50 201,
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440, process_mrelease 448,
pidfd_getfd 438, kcmp 312 272, bpf 321 280, perf_event_open 298 241, userfaultfd 323 282,
io_uring_setup 425, io_uring_enter 426, io_uring_register 427, add_key 248 217, request_key 249 218, keyctl 250 219,
mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, open_tree 428, move_mount 429, fsopen 430, fsconfig 431,
fsmount 432, fspick 433, mount_setattr 442, statmount 457, listmount 458, open_tree_attr 467, unshare 272 97, setns 308 268,
reboot 169 142, kexec_load 246 104, kexec_file_load 320 294, init_module 175 105, delete_module 176 106,
finit_module 313 273, swapon 167 224, swapoff 168 225, acct 163 89, quotactl 179 60, quotactl_fd 443, syslog 103 116,
iopl 172 -, ioperm 173 -, modify_ldt 154 -, uselib 134 -, personality 135 92, vhangup 153 58, nfsservctl 180 42,
name_to_handle_at 303 264, open_by_handle_at 304 265, lookup_dcookie 212 18,
fanotify_init 300 262, fanotify_mark 301 263, inotify_add_watch 254 27,
setsid 112 157, setpgid 109 154, ioprio_set 251 30,
setuid 105 146, setreuid 113 145, setresuid 117 147,
shmget 29 194, msgget 68 186, semget 64 190, mq_open 240 180, memfd_create 319 279, memfd_secret 447
"""
# The last but one line: with its real user id back, a program of root would be exempt from RLIMIT_NPROC. The last one:
# memory that no limit counts. The line of setsid: it keeps to the process group that it is killed with.

_EXECUTED = "execve 59 221, execveat 322 281, fork 57 -, vfork 58 -"  # refused where a program is one process
_EXAMINED = "clone 56 220, clone3 435, socketpair 53 199, prctl 157 167, ioctl 16 29, kill 62 129, setpriority 141 140"

_ARCHITECTURES = {"x86_64": (0xC000003E, 0, 317), "aarch64": (0xC00000B7, 1, 277)}  # AUDIT_ARCH_*, column, seccomp's number
_X32 = 0x40000000  # bit of the numbers of x86_64's other ABI

_KILL, _REFUSE, _NO_SUCH, _ALLOW = 0x80000000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x7FFF0000
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020000  # any CLONE_NEW*: time namespaces are for clone3 and unshare alone
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PRIO_PGRP = 1
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE = 1, 1, 0xF
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4  # no speculation barriers, which would slow the program down before Linux 5.16

Step = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def _argument(index: int) -> Step:
    """Load the low half of an argument: the kernel too ignores the rest of an int."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _return(action: int) -> Step:
    return (_RETURN, 0, 0, action)


def _unless(index: int, *values: int) -> list[Step]:
    """Refuse where the argument is one of `values`."""
    tests = [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(index), *tests, _return(_ALLOW), _return(_REFUSE)]


def _examine(one_process: bool) -> dict[str, list[Step]]:
    """What happens to the calls whose arguments decide; every block ends the filter."""
    if one_process:
        clone = [(_ANY_BIT, 2, 0, _CLONE_NEW), (_ANY_BIT, 0, 1, _CLONE_THREAD), _return(_ALLOW), _return(_REFUSE)]
    else:
        clone = [(_ANY_BIT, 1, 0, _CLONE_NEW), _return(_ALLOW), _return(_REFUSE)]
    return {
        "clone": [_argument(0), *clone],
        "clone3": [_return(_NO_SUCH)],  # its flags are out of reach; the C library falls back to clone
        # A datagram socket of a pair can still send to any socket of the machine that has a path.
        "socketpair": [
            _argument(0),
            (_EQUAL, 0, 4, _AF_UNIX),
            _argument(1),
            (_AND, 0, 0, _SOCK_TYPE),
            (_EQUAL, 0, 1, _SOCK_STREAM),
            _return(_ALLOW),
            _return(_REFUSE),
        ],
        "prctl": _unless(0, _PR_SET_PDEATHSIG, _PR_SET_DUMPABLE),  # it dies with its judge and leaves no core dump
        "ioctl": _unless(1, _TIOCSTI, _TIOCLINUX),  # no typing into a terminal
        # The judge may be in the same process group, which no pid namespace separates.
        "kill": _unless(0, 0),
        "setpriority": _unless(0, _PRIO_PGRP),
    }


def _numbers(table: str, column: int) -> dict[str, int]:
    rows = (row.split() for row in table.split(","))
    found = {name: numbers[min(column, len(numbers) - 1)] for name, *numbers in rows}
    return {name: int(number) for name, number in found.items() if number != "-"}


def _search(segments: list[tuple[int, list[Step]]]) -> list[Step]:
    """A binary search for the last segment that begins at or below the loaded number. Jumps reach 255 steps."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    low, high = _search(segments[:middle]), _search(segments[middle:])
    return [(_AT_LEAST, len(low), 0, segments[middle][0]), *low, *high]


def program(machine: str, one_process: bool) -> list[Step]:
    """The filter for "x86_64" or "aarch64"."""
    arch, column, _ = _ARCHITECTURES[machine]
    blocks = {number: [_return(_REFUSE)] for number in _numbers(_REFUSED, column).values()}
    if one_process:
        blocks |= {number: [_return(_REFUSE)] for number in _numbers(_EXECUTED, column).values()}
    examined = _numbers(_EXAMINED, column)
    blocks |= {examined[name]: block for name, block in _examine(one_process).items()}
    segments = [(0, [_return(_ALLOW)])]
    for number in sorted(blocks):
        if segments[-1][0] == number:
            segments.pop()  # directly after the one before
        if segments[-1][1] != blocks[number]:
            segments.append((number, blocks[number]))
        segments.append((number + 1, [_return(_ALLOW)]))
    if machine == "x86_64":
        segments.append((_X32, [_return(_REFUSE)]))
    return [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, arch), _return(_KILL), (_LOAD, 0, 0, _NUMBER), *_search(segments)]


class Seccomp:
    """The filters of this machine. `missing` says why there are none, or is None."""

    def __init__(self) -> None:
        machine = os.uname().machine
        self.missing: str | None = None
        if machine not in _ARCHITECTURES or sys.maxsize < 1 << 32:
            self.missing = f"there is no filter for {machine}, {'64' if sys.maxsize > 1 << 32 else '32'} bits"
            return
        self._call = _ARCHITECTURES[machine][2]
        self._filters = {one: _Filter(program(machine, one)) for one in (True, False)}

    def apply(self, one_process: bool) -> None:
        """Filter this process for good. Needs no_new_privs. Raises OSError."""
        address = ctypes.addressof(self._filters[one_process].header)
        syscall("seccomp", self._call, _SET_MODE_FILTER, _SPEC_ALLOW, address)


class _Filter:
    """A struct sock_fprog and what it points to."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
        self.header = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(self._steps)))
