"""The filters of both architectures, run by an interpreter of the few instructions that they use."""

from __future__ import annotations

import errno
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("seccomp is Linux's", allow_module_level=True)

from evalsuite.sandbox.isolation.seccomp import program

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, EPERM, ENOSYS, KILL = "allow", "EPERM", "ENOSYS", "kill"
ACTIONS = {0x7FFF0000: ALLOW, 0x50000 | errno.EPERM: EPERM, 0x50000 | errno.ENOSYS: ENOSYS, 0x80000000: KILL}


def run(steps, number, *arguments, arch):
    data = {0: number, 4: arch} | {16 + 8 * i: value & 0xFFFFFFFF for i, value in enumerate(arguments)}
    at, loaded = 0, 0
    while True:
        code, true, false, k = steps[at]
        at += 1
        if code == 0x06:
            return ACTIONS[k]
        if code == 0x20:
            loaded = data.get(k, 0)
        elif code == 0x54:
            loaded &= k
        else:
            holds = {0x15: loaded == k, 0x35: loaded >= k, 0x45: bool(loaded & k)}[code]
            at += true if holds else false


CASES = [  # x86_64, aarch64, arguments, what a program of one process gets, of several
    ("read", 0, 63, (), ALLOW, ALLOW),
    ("getpid", 39, 172, (), ALLOW, ALLOW),
    ("futex", 202, 98, (), ALLOW, ALLOW),
    ("a call of the future", 5000, 5000, (), ALLOW, ALLOW),
    ("socket", 41, 198, (1, 1), EPERM, EPERM),
    ("sendto", 44, 206, (), ALLOW, ALLOW),
    ("socketpair stream", 53, 199, (1, 0x80001), ALLOW, ALLOW),
    ("socketpair datagram", 53, 199, (1, 2), EPERM, EPERM),
    ("socketpair raw", 53, 199, (1, 3), EPERM, EPERM),
    ("socketpair inet", 53, 199, (2, 1), EPERM, EPERM),
    ("ptrace", 101, 117, (), EPERM, EPERM),
    ("io_uring_setup", 425, 425, (), EPERM, EPERM),
    ("mount", 165, 40, (), EPERM, EPERM),
    ("umount2", 166, 39, (), EPERM, EPERM),
    ("unshare", 272, 97, (), EPERM, EPERM),
    ("setresuid", 117, 147, (), EPERM, EPERM),
    ("memfd_create", 319, 279, (), EPERM, EPERM),
    ("clone3", 435, 435, (), ENOSYS, ENOSYS),
    ("clone of a thread", 56, 220, (0x3D0F00,), ALLOW, ALLOW),
    ("clone of a process", 56, 220, (0x1200011,), EPERM, ALLOW),
    ("clone of a namespace", 56, 220, (0x10000011,), EPERM, EPERM),
    ("clone of a thread and a namespace", 56, 220, (0x3D0F00 | 0x02000000,), EPERM, EPERM),
    ("execve", 59, 221, (), EPERM, ALLOW),
    ("execveat", 322, 281, (), EPERM, ALLOW),
    ("prctl PDEATHSIG", 157, 167, (1, 0), EPERM, EPERM),
    ("prctl PDEATHSIG, high half set", 157, 167, (1 | 1 << 32, 0), EPERM, EPERM),
    ("prctl DUMPABLE", 157, 167, (4, 1), EPERM, EPERM),
    ("prctl NAME", 157, 167, (15, 0), ALLOW, ALLOW),
    ("ioctl TIOCSTI", 16, 29, (0, 0x5412), EPERM, EPERM),
    ("ioctl TIOCLINUX", 16, 29, (0, 0x541C), EPERM, EPERM),
    ("ioctl TCGETS", 16, 29, (0, 0x5401), ALLOW, ALLOW),
    ("kill of the group", 62, 129, (0, 9), EPERM, EPERM),
    ("kill", 62, 129, (1, 9), ALLOW, ALLOW),
    ("setpriority of the group", 141, 140, (1, 0, 19), EPERM, EPERM),
    ("setpriority", 141, 140, (0, 0, 19), ALLOW, ALLOW),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_what_becomes_of_a_call(case):
    _, x86_64, aarch64, arguments, one, several = case
    for machine, number in (("x86_64", x86_64), ("aarch64", aarch64)):
        for one_process, expected in ((True, one), (False, several)):
            assert run(program(machine, one_process), number, *arguments, arch=ARCH[machine]) == expected, machine


def test_calls_of_x86_64_alone():
    steps = program("x86_64", True)
    assert [run(steps, n, arch=ARCH["x86_64"]) for n in (57, 58, 172, 173)] == [EPERM] * 4  # fork, vfork, iopl, ioperm
    assert [run(program("x86_64", False), n, arch=ARCH["x86_64"]) for n in (57, 58)] == [ALLOW] * 2
    assert [run(steps, n, arch=ARCH["x86_64"]) for n in (0x40000000, 0x40000029, 0xFFFFFFFF)] == [EPERM] * 3  # x32


@pytest.mark.parametrize("machine", ARCH)
def test_another_architecture_ends_the_process(machine):
    assert run(program(machine, True), 0, arch=0x40000003) == KILL  # i386


@pytest.mark.parametrize("machine", ARCH)
def test_filters_are_small(machine):
    """The kernel tries a new filter with every number it has, so that length would cost each program."""
    assert len(program(machine, True)) < 256


def test_every_number_is_decided_as_listed():
    """The search tree against a plain look-up, for each number and around the borders."""
    from evalsuite.sandbox.isolation import seccomp

    for column, machine in enumerate(ARCH):
        refused = set(seccomp._numbers(seccomp._REFUSED, column).values())
        examined = set(seccomp._numbers(seccomp._EXAMINED, column).values())
        steps = program(machine, False)
        for number in (*range(1024), 0x3FFFFFFF):
            if number not in examined:
                assert run(steps, number, arch=ARCH[machine]) == (EPERM if number in refused else ALLOW), (machine, number)
