"""Files and missing layers, tried from inside, as this user, as an ordinary one and in a user namespace of its own."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import resource
import shutil
import socket
import statistics
import sys
import tempfile
from pathlib import Path

import pytest
from isolated import READABLE, SMALL, linux, tried

from evalsuite.sandbox import isolation
from evalsuite.sandbox.isolation import LAYERS, Isolation
from evalsuite.sandbox.limits import Limits

pytestmark = linux


def test_nothing_outside_is_read(world):
    def check():
        os.symlink(world.secret, "link")
        os.symlink("/", "root")
        paths = [
            world.secret, world.base, "link", "../secret", "root/etc/passwd", "../" * 30 + "etc/passwd", "/etc/passwd", "/", "/tmp",
            "/home", "/root", "/etc", "/proc", "/proc/1/environ", "/proc/self/environ", f"/proc/{os.getppid()}/maps", "/dev",
            "/dev/mem", "/dev/tty", "/dev/shm", "/sys/kernel", __file__,
        ]  # fmt: skip
        return [str(p) for p in paths if isinstance(tried(lambda: os.open(p, os.O_RDONLY)), int)]  # noqa: B023

    assert world.run(check) == []


def test_nothing_outside_is_changed(world):
    def check():
        open("own", "w").close()
        secret, new = str(world.secret), str(world.base / "new")
        actions = [
            lambda: os.open(secret, os.O_WRONLY),
            lambda: os.open(secret, os.O_RDWR | os.O_APPEND),
            lambda: os.open(new, os.O_WRONLY | os.O_CREAT),
            lambda: os.chmod(secret, 0o777),
            lambda: os.chown(secret, -1, os.getgid()),
            lambda: os.utime(secret, (0, 0)),
            lambda: os.setxattr(secret, "user.x", b"x"),
            lambda: os.truncate(secret, 0),
            lambda: os.unlink(secret),
            lambda: os.rename(secret, "taken"),
            lambda: os.rename("own", new),
            lambda: os.link(secret, "taken"),
            lambda: os.link("own", new),
            lambda: os.symlink("own", new),
            lambda: os.mkdir(new),
            lambda: os.mkfifo(new),
            lambda: os.chmod(world.base, 0o777),
            lambda: os.rmdir(world.scratch),
        ]
        return [i for i, action in enumerate(actions) if not isinstance(tried(action), list)]

    before = os.stat(world.secret), os.stat(world.base)
    assert world.run(check) == []
    after = os.stat(world.secret), os.stat(world.base)
    for old, new in zip(before, after, strict=True):
        same = ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_ctime_ns", "st_nlink", "st_size")
        assert [getattr(old, name) for name in same] == [getattr(new, name) for name in same]
    assert world.secret.read_text() == "secret"


def test_the_scratch_folder_is_a_place_to_work(world):
    def check():
        assert os.getcwd() == str(world.scratch)
        with tempfile.TemporaryDirectory(dir=".") as folder:
            os.makedirs(f"{folder}/a/b")
            Path(folder, "a/b/file").write_text("text")
            os.rename(f"{folder}/a/b/file", f"{folder}/file")
            os.chmod(f"{folder}/file", 0o644)
            os.utime(f"{folder}/file")
            os.truncate(f"{folder}/file", 2)
            os.symlink("file", f"{folder}/link")
            assert Path(folder, "link").read_text() == "te"
        assert os.access(".", os.R_OK | os.W_OK | os.X_OK)
        with tempfile.NamedTemporaryFile(dir=".", delete=False) as file:
            file.write(b"stays")
        return os.listdir() == [os.path.basename(file.name)]

    assert world.run(check) is True
    assert os.listdir(world.scratch) == []


@pytest.mark.parametrize("act", [lambda: os.mkfifo("x"), lambda: os.mknod("x", 0o20666, os.makedev(1, 3))])
def test_no_special_files_are_made(world, act):
    assert world.run(act)[0] == "PermissionError"


def test_the_disk_is_bounded(world):
    def check():
        one = tried(lambda: Path("one").write_bytes(bytes(2 << 20)))
        sizes = [tried(lambda: Path(f"many{i}").write_bytes(bytes(300_000))) for i in range(5)]  # noqa: B023
        shutil.rmtree("deep", ignore_errors=True)
        for name in os.listdir():
            os.unlink(name)
        inodes = [tried(lambda: Path(f"inode{i}").touch()) for i in range(9000)]  # noqa: B023
        return [one, sizes[-1], inodes[-1]]

    assert world.run(check) == [["OSError", errno.EFBIG], ["OSError", errno.ENOSPC], ["OSError", errno.ENOSPC]]


def test_devices(world):
    def check():
        with open("/dev/null", "w") as null:
            null.write("gone")
        sizes = [
            len(os.read(os.open(path, os.O_RDONLY), 4)) for path in ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
        ]
        return [*sizes, tried(lambda: os.open("/dev/zero", os.O_WRONLY))[0], len(os.urandom(4))]

    assert world.run(check) == [0, 4, 4, 4, "PermissionError", 4]


def test_readable_files_are_read_and_not_executed(world):
    script = world.base / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    def check():
        return [script.read_text(), tried(lambda: script.write_text("")), tried(lambda: os.execv(script, ["x"]))]

    found = world.run(check, Limits(processes=4), readable=[str(script), "/no/such/path", "/bin"])
    assert found == ["#!/bin/sh\n", ["OSError", errno.EROFS], ["PermissionError", errno.EACCES]]


def test_an_extension_module_is_imported_late(world):
    def late(name):
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is None or not (spec.origin or "").endswith(".so"):
            return False
        return world.uid == os.getuid() or all(folder.stat().st_mode & 0o001 for folder in Path(spec.origin).parents)

    names = [n for n in ("_codecs_jp", "_codecs_kr", "_codecs_cn", "_lsprof", "audioop", "_dbm", "_curses") if late(n)]
    if not names:
        pytest.skip("this interpreter has no extension module that is not loaded and that this user can reach")
    assert world.run(lambda: importlib.import_module(names[0]).__name__) == names[0]


# Layers that are missing.


def test_detect_tries_every_layer(world):
    found = detected(world)
    assert list(found) == list(LAYERS)
    assert os.listdir(world.scratch) == []
    missing = {layer: reason for layer, reason in found.items() if reason}
    if missing:
        pytest.skip(str(missing))


def detected(world):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        world.become_user()
        os.write(writer, json.dumps(Isolation(str(world.scratch), READABLE).detect()).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as file:
        return json.load(file)


@pytest.mark.parametrize("world", ["self"], indirect=True)
def test_one_missing_layer_keeps_no_other_away(world, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted", "unshare")

    monkeypatch.setattr(isolation.namespaces, "unshare", refuse)
    monkeypatch.setattr(isolation.Landlock, "apply", refuse)
    found = world.inside(lambda: [tried(socket.socket)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[1]])
    assert set(found.missing) >= {"user", "pid", "net", "ipc", "mount", "landlock", "rlimits"}
    assert found.missing["pid"].startswith("unshare: Operation not permitted (")
    assert "not bounded" in found.missing["rlimits"]
    if "seccomp" not in found.missing:
        assert found.value == ["PermissionError", SMALL.disk]
    report = detected(world)
    assert report["user"] and report["landlock"] and not os.listdir(world.scratch)


@pytest.mark.parametrize("world", ["self"], indirect=True)
@pytest.mark.parametrize("abi", range(1, 8))
def test_every_version_of_landlock(world, abi, monkeypatch):
    """A kernel takes the rights of older ones, so that what they would be told can be tried."""
    real = isolation.landlock.syscall
    monkeypatch.setattr(
        isolation.landlock, "syscall", lambda name, *a: min(abi, real(name, *a)) if name == "landlock" else real(name, *a)
    )
    found = world.run(lambda: [tried(lambda: os.listdir("/"))[0], Path("own").write_text("x"), os.path.isdir(READABLE[0])])
    assert found == ["PermissionError", 1, True]


def test_another_system_has_no_layers(monkeypatch, tmp_path):
    monkeypatch.setattr(isolation.sys, "platform", "darwin")
    walls = Isolation(str(tmp_path), [])
    assert set(walls.separate(1)) == set(walls.confine(SMALL)) == set(walls.detect()) == set(LAYERS)
    assert "darwin" in walls.detect()["user"]


def test_what_it_costs(world, capsys):
    seconds = [world.inside(lambda: None).seconds for _ in range(10)]
    separate, confine = (statistics.median(s) * 1e3 for s in zip(*seconds, strict=True))
    with capsys.disabled():
        print(f"\n{world.user}: separate {separate:.2f} ms, confine {confine:.2f} ms (medians of 10)")
