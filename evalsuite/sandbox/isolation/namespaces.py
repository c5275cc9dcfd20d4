"""User, pid, net, ipc and mount namespaces: nothing outside to be seen, signalled, connected to or changed."""

from __future__ import annotations

import contextlib
import ctypes
import os

from evalsuite.sandbox.isolation._libc import mount, setns, syscall, unshare, why

FLAGS = {"user": 0x10000000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x08000000, "mount": 0x00020000}

NOBODY = 65534
_INODES = 8192  # files and folders in the temporary directory: about 10 MB of kernel memory

_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_MOUNT_ATTR_RDONLY, _MS_PRIVATE = 1, 1 << 18
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8

_ROOT = ctypes.create_string_buffer(b"/")
_READ_ONLY = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, _MS_PRIVATE, 0)  # struct mount_attr

_SWITCHES = {  # what forbids user namespaces: file, the value that does
    "/proc/sys/user/max_user_namespaces": "0",
    "/proc/sys/kernel/unprivileged_userns_clone": "0",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
}


class Network:
    """A network namespace with nothing in it, made once, with a user namespace to own it.

    To make one takes longer than all other namespaces together, and locks that the whole machine shares.
    """

    def __init__(self) -> None:
        self._fds: list[int] = []
        told, tell = os.pipe()
        held, hold = os.pipe()
        uid, gid = os.geteuid(), os.getegid()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(hold)
                unshare(FLAGS["user"] | FLAGS["net"])
                map_ids(uid, gid)
                os.write(tell, b"1")
                os.read(held, 1)
            finally:
                os._exit(0)
        os.close(tell)
        os.close(held)
        with contextlib.suppress(OSError):
            if os.read(told, 1):
                for name in ("user", "net"):
                    self._fds.append(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC))
        os.close(hold)
        os.close(told)
        os.waitpid(pid, 0)

    def enter(self) -> bool:
        """Whether this process is in it now. Once; needs a single-threaded process."""
        if len(self._fds) < 2:
            return False
        try:
            setns(self._fds[0], FLAGS["user"])
            setns(self._fds[1], FLAGS["net"])
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the descriptors."""
        while self._fds:
            os.close(self._fds.pop())


def enter(network: Network | None, missing: dict[str, str]) -> None:
    """Unshare all, or each that can be; a network that is there already need not be made. Needs a single-threaded process. Reasons of failures go into `missing`."""
    flags = dict(FLAGS)
    if network and network.enter():
        del flags["net"]
    try:
        unshare(sum(flags.values()))
        return
    except OSError:
        pass  # one by one, to know which
    for layer, flag in flags.items():
        try:
            unshare(flag)
        except OSError as error:
            missing[layer] = why(error) + _forbidden()


def _forbidden() -> str:
    for path, value in _SWITCHES.items():
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            if file.read().strip() == value:
                return f" ({path} is {value})"
    return " (a container's seccomp or AppArmor profile may forbid it)"


def map_ids(uid: int, gid: int) -> None:
    """Own ids mean the same inside. Needs a dumpable process: /proc/self is root's otherwise. Raises OSError."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        except OSError as error:
            raise OSError(error.errno, error.strerror, name) from None
        finally:
            os.close(fd)


def mount_scratch(scratch: str, disk: int) -> None:
    """All mounts private and read-only, /proc hidden, `disk` bytes of memory as `scratch`. Raises OSError.

    Landlock lets chmod, utime, setxattr and stat pass; read-only mounts refuse the first three on all files, and without
    /proc the fourth tells nothing of other processes. The folder is open to all: root's real user id is another one
    here (see `Isolation.separate`), and os.access asks for that.
    """
    syscall(
        "mount_setattr",
        _MOUNT_SETATTR,
        _AT_FDCWD,
        ctypes.addressof(_ROOT),
        _AT_RECURSIVE,
        ctypes.addressof(_READ_ONLY),
        ctypes.sizeof(_READ_ONLY),
    )
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    mount(b"tmpfs", os.fsencode(scratch), b"tmpfs", flags, b"mode=777,size=%d,nr_inodes=%d" % (disk, _INODES))
    mount(b"tmpfs", b"/proc", b"tmpfs", flags | _MS_RDONLY, b"mode=555,size=4k,nr_inodes=1")
