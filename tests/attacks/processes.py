"""Programs that start, signal or outlive processes. Where nothing isolates them, what they start ends by itself."""

PROGRAMS = r"""
#: fork [harm] a child that goes on where the tests were
import os, time
def ENTRY(*args, **kwargs):
    try:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
    except OSError: pass
    return WRONG

#: fork-answers both copies answer, and each test is answered twice
import os
def ENTRY(*args, **kwargs):
    try: os.fork()
    except OSError: pass
    return WRONG

#: double-fork-daemon [harm] a daemon with a session of its own
import os, time
def ENTRY(*args, **kwargs):
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 256)
                time.sleep(20)
            os._exit(0)
    except OSError: pass
    return WRONG

#: subprocess [harm] other programs, in all the ways the standard library has
import os, subprocess, sys
def ENTRY(*args, **kwargs):
    for what in (
        lambda: subprocess.Popen(["sleep", "20"], start_new_session=True),
        lambda: subprocess.run("sleep 20 &", shell=True, timeout=0.2),
        lambda: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"]),
        lambda: os.system("(setsid sleep 20 &)"),
        lambda: os.popen("touch CANARY_DIR/by-shell").read(),
        lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "touch CANARY_DIR/by-spawn"], {}),
        lambda: os.spawnv(os.P_NOWAIT, "/bin/sleep", ["sleep", "20"]),
    ):
        try: what()
        except (OSError, ValueError, subprocess.SubprocessError): pass
    return WRONG

#: multiprocessing [harm] worker processes by every start method
import multiprocessing, time
def ENTRY(*args, **kwargs):
    for method in ("fork", "spawn", "forkserver"):
        try: multiprocessing.get_context(method).Process(target=time.sleep, args=(20,), daemon=False).start()
        except Exception: pass
    return WRONG

#: kill-canary [harm] a process whose number is known
import os, signal
def ENTRY(*args, **kwargs):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP):
        try: os.kill(CANARY_PID, number)
        except OSError: pass
    try: signal.pidfd_send_signal(os.pidfd_open(CANARY_PID), signal.SIGKILL)
    except OSError: pass
    return WRONG

#: kill-parent [harm] whoever started it: the judge, without which there is no verdict
import os, signal
def ENTRY(*args, **kwargs):
    parent = os.getppid()
    if parent > 1:
        for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
            try: os.kill(parent, number)
            except OSError: pass
    return WRONG

#: kill-all [harm] every process it may signal; only where it is the first of a process namespace
import os, signal
def ENTRY(*args, **kwargs):
    if os.getpid() == 1:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try: os.kill(-1, number)
            except OSError: pass
    return WRONG

#: kill-group [harm] its process group; only where that is not the group of who started it
import os, signal
def ENTRY(*args, **kwargs):
    if os.getpid() == 1 or os.getpgrp() == os.getpid():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try: os.killpg(os.getpgrp() or 0, signal.SIGTERM)
        except OSError: pass
        try: os.kill(0, signal.SIGTERM)
        except OSError: pass
    return WRONG

#: parent-signalled [harm] asks for a signal at its parent's death, and to be everybody's heir
import ctypes
def ENTRY(*args, **kwargs):
    libc = ctypes.CDLL(None)
    libc.prctl(1, 0, 0, 0, 0)
    libc.prctl(36, 1, 0, 0, 0)
    libc.prctl(4, 1, 0, 0, 0)
    libc.prctl(15, b"systemd", 0, 0, 0)
    return WRONG

#: ptrace [harm] attaches to other processes as a debugger
import ctypes, os
def ENTRY(*args, **kwargs):
    libc = ctypes.CDLL(None)
    for pid in (os.getppid(), CANARY_PID):
        if pid > 1:
            for request in (16, 0x4206):
                if libc.ptrace(request, pid, 0, 0) == 0:
                    libc.ptrace(8, pid, 0, 0)
    return WRONG

#: fork-bomb [harm] as many processes as it is given, up to a thousand
import os, time
def ENTRY(*args, **kwargs):
    for _ in range(1000):
        try:
            if os.fork() == 0:
                time.sleep(5)
                os._exit(0)
        except OSError: break
    return WRONG

#: clone-by-c [harm] new processes by system call: clone, vfork and clone3
import ctypes, os, time
def ENTRY(*args, **kwargs):
    libc = ctypes.CDLL(None)
    for flags in (17, 17 | 0x20000000, 17 | 0x10000000):
        if libc.syscall(56, flags, 0, 0, 0, 0) == 0:
            time.sleep(20)
            os._exit(0)
    return WRONG

#: thread-bomb as many threads as it is given
import threading, time
def ENTRY(*args, **kwargs):
    for _ in range(3000):
        try: threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        except RuntimeError: break
    return WRONG

#: new-session [harm] leaves its session and its process group, so that a killed group does not contain it
import os
def ENTRY(*args, **kwargs):
    for what in (os.setsid, os.setpgrp, lambda: os.setpgid(0, 0), lambda: os.nice(-20), lambda: os.sched_setaffinity(0, range(64))):
        try: what()
        except OSError: pass
    return WRONG

#: namespaces [harm] a namespace of its own, in which it is root
import ctypes, os
def ENTRY(*args, **kwargs):
    libc = ctypes.CDLL(None)
    libc.unshare(0x10000000)
    for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
        try: open(f"/proc/self/{name}", "w").write(text)
        except OSError: pass
    for what in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: libc.unshare(0x20000000 | 0x00020000 | 0x40000000)):
        try: what()
        except OSError: pass
    for pid in (1, CANARY_PID):
        for kind in ("mnt", "pid", "net", "user"):
            try: libc.setns(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), 0)
            except OSError: pass
    try: open("CANARY_DIR/victim.txt", "w").write("as root")
    except OSError: pass
    return WRONG

#: limits-raised [endless] raises its own limits again
import resource
def ENTRY(*args, **kwargs):
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            for limits in ((-1, -1), (1 << 40, 1 << 40)):
                try: resource.setrlimit(getattr(resource, name), limits)
                except (OSError, ValueError): pass
    blocks = []
    try:
        for _ in range(64): blocks.append(bytearray(64 << 20))
    except MemoryError: return WRONG
    return "four gigabytes can be taken"
"""
