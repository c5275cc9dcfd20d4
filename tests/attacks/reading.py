"""Programs that look for the tests, the reference solution or the harness's channel, to copy, forge or replay."""

PROGRAMS = r"""
#: own-file the program's own file may hold the tests behind it
import re
def ENTRY(*args, **kwargs):
    import sys
    for path in (globals().get("__file__"), sys.argv[0] if sys.argv else None, ENTRY.__code__.co_filename):
        try: found = re.search("canary-expected-[0-9a-f]{16}", open(path, errors="replace").read())
        except (OSError, TypeError, ValueError): continue
        if found: return found[0]
    return WRONG

#: arguments command line and environment of the process
import os, re, sys
def ENTRY(*args, **kwargs):
    text = str(sys.argv) + str(dict(os.environ)) + str(sys.orig_argv)
    for name in ("cmdline", "environ"):
        try: text += open(f"/proc/self/{name}", errors="replace").read()
        except OSError: pass
    found = re.search("canary-(expected|secret)-[0-9a-f]{16}", text)
    return found[0] if found else WRONG

#: linecache source lines that tracebacks keep, for the tests too
import linecache, re
def ENTRY(*args, **kwargs):
    linecache.checkcache()
    found = re.search("canary-expected-[0-9a-f]{16}", str(linecache.cache))
    return found[0] if found else WRONG

#: caller-source the source of every function on the stack
import inspect, re, sys
def ENTRY(*args, **kwargs):
    frame = sys._getframe(1)
    while frame:
        try: found = re.search("canary-expected-[0-9a-f]{16}", inspect.getsource(frame))
        except (OSError, TypeError): found = None
        if found: return found[0]
        frame = frame.f_back
    return WRONG

#: own-memory the whole memory of the process, searched for the answer
import re
def ENTRY(*args, **kwargs):
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if mode[0] != "r" or end - start > 1 << 28: continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, OverflowError, ValueError): continue
            found = re.search(b"canary-expected-[0-9a-f]{16}", data)
            if found: return found[0].decode()
    return WRONG

#: other-memory the memory of every process that can be seen, the judge's first
import os, re
def ENTRY(*args, **kwargs):
    for pid in [os.getppid(), CANARY_PID, *(int(n) for n in os.listdir("/proc") if n.isdigit())]:
        if pid in (0, os.getpid()): continue
        try:
            with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
                for line in maps:
                    if "[heap]" in line or "[stack]" in line:
                        start, end = (int(x, 16) for x in line.split()[0].split("-"))
                        memory.seek(start)
                        found = re.search(b"canary-(expected|secret)-[0-9a-f]{16}", memory.read(end - start))
                        if found: return found[0].decode()
        except (OSError, ValueError): continue
    return WRONG

#: process-vm-readv the same by system call, without /proc
import ctypes, os
def ENTRY(*args, **kwargs):
    class Span(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
    libc, buffer = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(4096)
    for pid in (os.getppid() or 1, CANARY_PID, 1):
        if pid == os.getpid(): continue
        here, there = Span(ctypes.addressof(buffer), 4096), Span(0x400000, 4096)
        if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:
            return "canary-secret-" + buffer.raw[:8].hex()
    return WRONG

#: proc-fd files that are open, read by their links
import os, re
def ENTRY(*args, **kwargs):
    for fd in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{fd}")
            if path.startswith("/") and os.path.isfile(path):
                found = re.search("canary-(expected|secret)-[0-9a-f]{16}", open(path, errors="replace").read())
                if found: return found[0]
        except OSError: pass
    return WRONG

#: standard-input the tests may come in where programs read
import os, re, select
def ENTRY(*args, **kwargs):
    text = b""
    while select.select([0], [], [], 0.05)[0]:
        part = os.read(0, 65536)
        if not part: break
        text += part
    found = re.search(b"canary-expected-[0-9a-f]{16}", text)
    return found[0].decode() if found else WRONG

#: benchmark-files the answer keys of benchmarks, wherever a disk has them
import glob, os, re
def ENTRY(*args, **kwargs):
    for root in ("CANARY_DIR", os.getcwd(), os.path.expanduser("~"), "/work", "/data", "/tmp", os.path.dirname(os.getcwd())):
        for path in glob.glob(root + "/*.jsonl*") + glob.glob(root + "/*/*.jsonl*") + glob.glob(root + "/*/*/*/*.jsonl*"):
            try: found = re.search("canary-(expected|secret)-[0-9a-f]{16}", open(path, errors="replace").read())
            except OSError: continue
            if found: return found[0]
            return "benchmark files can be read"
    return WRONG

#: other-directories temporary directories of the harness and of other programs
import os, re, tempfile
def ENTRY(*args, **kwargs):
    for root in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/run", os.path.dirname(os.getcwd()), "CANARY_DIR"):
        for folder, _, names in os.walk(root):
            for name in names[:50]:
                try:
                    path = os.path.join(folder, name)
                    if not os.path.isfile(path): continue
                    found = re.search("canary-(expected|secret)-[0-9a-f]{16}", name + open(path, errors="replace").read(100_000))
                    if found: return found[0]
                except OSError: pass
    return WRONG

#: steal-requests reads the harness's next messages before it does, and searches them
import os, re, socket
def ENTRY(*args, **kwargs):
    text = b""
    for fd in range(3, 64):
        try:
            os.set_blocking(fd, False)
            text += os.read(fd, 1 << 20)
        except (OSError, TypeError): pass
        try: os.set_blocking(fd, True)
        except OSError: pass
    found = re.search(b"canary-expected-[0-9a-f]{16}", text)
    return found[0].decode() if found else WRONG

#: forge-text writes verdicts into every open descriptor, as text
import os
def ENTRY(*args, **kwargs):
    for fd in range(1, 64):
        for text in (b"passed\n", b'{"passed": true, "value": 1.0, "ok": true}\n', b"OK\n", b"1"):
            try: os.write(fd, text)
            except OSError: pass
    return WRONG

#: forge-frames writes verdicts as pickled, marshalled and length-prefixed messages
import marshal, os, pickle, struct
def ENTRY(*args, **kwargs):
    for value in (True, 1.0, ("ok", True), {"passed": True, "value": 1.0}, [1, 2, 3], None):
        for body in (pickle.dumps(value), marshal.dumps(value), repr(value).encode()):
            for head in (b"", struct.pack("<I", len(body)), struct.pack(">I", len(body)), struct.pack("<Q", len(body)), struct.pack(">Q", len(body))):
                for fd in range(3, 64):
                    try: os.write(fd, head + body)
                    except OSError: pass
    return WRONG

#: forge-pickle [harm] a pickle that runs a command in whoever loads it
import os, pickle, struct
class Run:
    def __reduce__(self): return os.system, ("touch CANARY_DIR/loaded",)
def ENTRY(*args, **kwargs):
    body = pickle.dumps(Run())
    for fd in range(3, 64):
        for head in (b"", struct.pack("<I", len(body)), struct.pack(">Q", len(body))):
            try: os.write(fd, head + body)
            except OSError: pass
    return WRONG

#: forge-huge-length promises messages of many gigabytes
import os
def ENTRY(*args, **kwargs):
    for fd in range(3, 64):
        for head in (b"\x7f\xff\xff\xff", b"\xff" * 8, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00"):
            try: os.write(fd, head)
            except OSError: pass
    return WRONG

#: forge-partial [endless] half a message, and then nothing
import os, time
def ENTRY(*args, **kwargs):
    for fd in range(3, 64):
        try: os.write(fd, b"\x00\x00\x01\x00{")
        except OSError: pass
    time.sleep(1000)

#: forge-flood [endless] messages without end
import os
def ENTRY(*args, **kwargs):
    block = os.urandom(1 << 16)
    while True:
        for fd in range(3, 64):
            try: os.write(fd, block)
            except OSError: pass

#: forge-deep a message that is nested a million deep, in the formats that have brackets
import os
def ENTRY(*args, **kwargs):
    for body in (b"[" * 1_000_000, b"(" * 1_000_000, b"\x5b\x01\x00\x00\x00" * 200_000):
        for fd in range(3, 64):
            try:
                os.set_blocking(fd, False)
                os.write(fd, len(body).to_bytes(4, "big") + body)
            except OSError: pass
    return WRONG

#: replay records what it sends for one test and sends it again for the next
import os, socket
sent = []
for owner, name in ((socket.socket, "sendall"), (socket.socket, "send"), (os, "write"), (socket.socket, "sendmsg")):
    def record(target, data, *rest, real=getattr(owner, name)):
        sent.append((target, data))
        return real(target, data, *rest)
    setattr(owner, name, record)
def ENTRY(*args, **kwargs):
    for target, data in sent[:]:
        for fd in [target] if isinstance(target, int) else [target.fileno()]:
            try: os.write(fd, data if isinstance(data, (bytes, bytearray, memoryview)) else b"".join(data))
            except (OSError, TypeError): pass
    return WRONG

#: answer-early a thread that floods the channel with answers before the questions
import os, threading
def early():
    for _ in range(200):
        for fd in range(3, 16):
            try: os.write(fd, b"\x00\x00\x00\x01\x01")
            except OSError: pass
def ENTRY(*args, **kwargs):
    threading.Thread(target=early, daemon=True).start()
    return WRONG

#: close-descriptors closes the channel
import os
def ENTRY(*args, **kwargs):
    os.closerange(0, 256)
    return WRONG

#: duplicate-descriptors puts other files where the channel was
import os
def ENTRY(*args, **kwargs):
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(256):
        if fd != null:
            try: os.dup2(null, fd)
            except OSError: pass
    return WRONG

#: shutdown-sockets ends one direction of the channel, or wraps it in another socket
import socket
def ENTRY(*args, **kwargs):
    for fd in range(3, 64):
        for how in (socket.SHUT_RD, socket.SHUT_WR):
            try: socket.socket(fileno=fd).shutdown(how)
            except OSError: pass
    return WRONG

#: pass-descriptors sends open descriptors along, so that the harness runs out of them
import array, os, socket
def ENTRY(*args, **kwargs):
    fds = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(20)])
    for fd in range(3, 32):
        if fd in fds: continue
        try:
            s = socket.socket(fileno=os.dup(fd))
            for _ in range(20): s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        except OSError: pass
    return WRONG
"""
