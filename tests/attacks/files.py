"""Programs that write where they must not: outside their own directory, or more than they may."""

PROGRAMS = r"""
#: overwrite [harm] opens a file of others for writing
def ENTRY(*args, **kwargs):
    try: open("CANARY_DIR/victim.txt", "w").write("overwritten")
    except OSError: pass
    return WRONG

#: append [harm] adds to it, with os.open
import os
def ENTRY(*args, **kwargs):
    try: os.write(os.open("CANARY_DIR/victim.txt", os.O_WRONLY | os.O_APPEND), b"more")
    except OSError: pass
    return WRONG

#: delete [harm] removes a file and a directory tree
import os, shutil
def ENTRY(*args, **kwargs):
    for what in (os.remove, os.unlink):
        try: what("CANARY_DIR/victim.txt")
        except OSError: pass
    shutil.rmtree("CANARY_DIR", ignore_errors=True)
    return WRONG

#: rename [harm] moves a file away, and another over it
import os
def ENTRY(*args, **kwargs):
    open("mine.txt", "w").close()
    for source, target in (("CANARY_DIR/victim.txt", "CANARY_DIR/gone.txt"), ("CANARY_DIR/victim.txt", "taken.txt"), ("mine.txt", "CANARY_DIR/victim.txt")):
        for how in (os.rename, os.replace):
            try: how(source, target)
            except OSError: pass
    return WRONG

#: truncate [harm] cuts a file without opening it
import os
def ENTRY(*args, **kwargs):
    try: os.truncate("CANARY_DIR/victim.txt", 0)
    except OSError: pass
    return WRONG

#: metadata [harm] changes mode, owner, times and attributes
import os
def ENTRY(*args, **kwargs):
    path = "CANARY_DIR/victim.txt"
    for what in (lambda: os.chmod(path, 0o777), lambda: os.utime(path, (0, 0)), lambda: os.chown(path, 65534, 65534), lambda: os.setxattr(path, "user.x", b"1"), lambda: os.chmod("CANARY_DIR", 0o777)):
        try: what()
        except OSError: pass
    return WRONG

#: symlink-escape [harm] writes through a symbolic link in its own directory
import os
def ENTRY(*args, **kwargs):
    try:
        os.symlink("CANARY_DIR/victim.txt", "link.txt")
        open("link.txt", "w").write("through the link")
    except OSError: pass
    try:
        os.symlink("CANARY_DIR", "folder")
        open("folder/new.txt", "w").close()
    except OSError: pass
    return WRONG

#: hard-link-escape [harm] gives a file of others a second name in its own directory
import os
def ENTRY(*args, **kwargs):
    try:
        os.link("CANARY_DIR/victim.txt", "hard.txt")
        open("hard.txt", "w").write("through the link")
    except OSError: pass
    return WRONG

#: new-elsewhere [harm] leaves new files, directories, fifos, sockets and links among those of others
import os, socket
def ENTRY(*args, **kwargs):
    where = "CANARY_DIR/"
    for what in (
        lambda: open(where + "new.txt", "w").close(), lambda: os.mkdir(where + "new"), lambda: os.mkfifo(where + "fifo"),
        lambda: os.symlink("/etc/passwd", where + "new-link"), lambda: os.mknod(where + "node"),
        lambda: socket.socket(socket.AF_UNIX).bind(where + "new.sock"), lambda: os.mknod(where + "null", 0o20666, os.makedev(1, 3)),
    ):
        try: what()
        except OSError: pass
    return WRONG

#: shared-directories [harm] leaves files in temporary directories, home, shared memory and the current directory's parent
import os, sys
def ENTRY(*args, **kwargs):
    for where in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/", "/etc", os.path.expanduser("~"), "..", "../..", sys.prefix, "/root", "/work"):
        try: open(os.path.join(where, "evalsuite-attack-CANARY_TAG"), "w").close()
        except OSError: pass
    return WRONG

#: poison-imports [harm] plants a module where the harness, or the next program, would import it
import os, sys, sysconfig
def ENTRY(*args, **kwargs):
    for where in {*sys.path, sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), os.path.dirname(os.__file__)}:
        for name in ("evalsuite_attack_CANARY_TAG.py", "evalsuite_attack_CANARY_TAG.pth"):
            try: open(os.path.join(where or ".", name), "w").write("# left by an attack\n")
            except OSError: pass
    return WRONG

#: next-program [harm] leaves a file in its own directory that a later program may find
import os
def ENTRY(*args, **kwargs):
    for name in ("math.py", "evalsuite-attack-CANARY_TAG", "sitecustomize.py"):
        open(name, "w").write("found = 1\n")
    os.makedirs("evalsuite-attack-CANARY_TAG.d", exist_ok=True)
    os.chmod(".", 0o000)
    return WRONG

#: proc-root [harm] writes by way of /proc: another process's root, own descriptors
import os
def ENTRY(*args, **kwargs):
    for root in ("/proc/self/root", "/proc/1/root", f"/proc/{os.getppid()}/root", "/proc/CANARY_PID/root", "/proc/CANARY_PID/cwd/.."):
        try: open(root + "CANARY_DIR/victim.txt", "w").write("by way of /proc")
        except OSError: pass
    try:
        fd = os.open("CANARY_DIR/victim.txt", os.O_RDONLY)
        open(f"/proc/self/fd/{fd}", "w").write("by way of a descriptor")
    except OSError: pass
    return WRONG

#: descriptors-inherited [harm] directories that were left open, used as a starting point
import os
def ENTRY(*args, **kwargs):
    for fd in range(3, 64):
        for path in ("CANARY_DIR/victim.txt", "." + "/.." * 20 + "CANARY_DIR/victim.txt"):
            try: os.write(os.open(path, os.O_WRONLY | os.O_TRUNC, dir_fd=fd), b"from a descriptor")
            except OSError: pass
        try: os.fchdir(fd); open("evalsuite-attack-CANARY_TAG", "w").close()
        except OSError: pass
    return WRONG

#: chroot-and-mount [harm] new roots, mounts and namespaces of its own
import ctypes, os
def ENTRY(*args, **kwargs):
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.getcwd().encode()
    for call in (
        lambda: libc.unshare(0x10000000 | 0x00020000), lambda: libc.mount(b"tmpfs", b"CANARY_DIR/home", b"tmpfs", 0, None),
        lambda: libc.mount(b"CANARY_DIR", here, None, 4096 | 16384, None), lambda: libc.mount(b"proc", here, b"proc", 0, None),
        lambda: libc.umount2(here, 2), lambda: libc.umount2(b"CANARY_DIR/home", 2), lambda: os.chroot("."),
    ):
        try: call()
        except OSError: pass
    for _ in range(40):
        try: os.chdir("..")
        except OSError: pass
    try: os.chroot(".")
    except OSError: pass
    for path in ("CANARY_DIR/victim.txt", "./CANARY_DIR/victim.txt"):
        try: open(path, "w").write("after chroot")
        except OSError: pass
    return WRONG

#: system-calls [harm] writes by system call numbers, past every Python function that could be replaced
import ctypes
def ENTRY(*args, **kwargs):
    libc = ctypes.CDLL(None, use_errno=True)
    path = ctypes.c_char_p(b"CANARY_DIR/victim.txt")
    fd = libc.syscall(2, path, 1)
    if fd >= 0: libc.syscall(1, fd, b"by number", 9)
    fd = libc.syscall(257, -100, path, 1)
    if fd >= 0: libc.syscall(1, fd, b"by number", 9)
    libc.syscall(87, path)
    libc.syscall(263, -100, path, 0)
    libc.syscall(82, path, ctypes.c_char_p(b"CANARY_DIR/moved.txt"))
    return WRONG

#: sqlite-and-friends [harm] libraries that write files for you
def ENTRY(*args, **kwargs):
    import dbm, logging, shelve, sqlite3, zipfile
    for what in (
        lambda: sqlite3.connect("CANARY_DIR/new.db").execute("create table t (x)"), lambda: shelve.open("CANARY_DIR/shelf")["x"],
        lambda: logging.FileHandler("CANARY_DIR/new.log").close(), lambda: zipfile.ZipFile("CANARY_DIR/new.zip", "w").close(),
    ):
        try: what()
        except Exception: pass
    return WRONG

#: disk-filled [endless] fills its own directory, in one file and in many
def ENTRY(*args, **kwargs):
    block = b"x" * (1 << 20)
    for i in range(16):
        try:
            with open(f"large{i}", "wb") as file:
                for _ in range(128): file.write(block)
        except OSError: pass
    for i in range(20_000):
        try: open(f"small{i}", "w").close()
        except OSError: pass
    while True: pass

#: sparse-and-deep a sparse file of a terabyte and a directory a thousand deep, which is not easily removed
import os
def ENTRY(*args, **kwargs):
    try:
        with open("sparse", "wb") as file: file.truncate(1 << 40)
    except OSError: pass
    for _ in range(1000):
        try: os.mkdir("d" * 200); os.chdir("d" * 200)
        except OSError: break
    try:
        open("unreadable", "w").close()
        os.chmod(".", 0)
    except OSError: pass
    return WRONG

#: names-unprintable files with names that clean-up code stumbles over
import os
def ENTRY(*args, **kwargs):
    for name in (b"\xff\xfe", b"a\nb", b"-rf", b" ", b"*", b"\xed\xa0\x80", b"x" * 255):
        try: os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        except OSError: pass
    try: os.symlink("loop", "loop"); os.symlink("/", "root"); os.mkfifo("fifo")
    except OSError: pass
    return WRONG
"""
