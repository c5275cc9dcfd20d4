"""Programs that print: without end, in the harness's own words, or over the descriptors of others."""

PROGRAMS = r"""
#: print-forever [endless] prints without end
def ENTRY(*args, **kwargs):
    while True: print("wrong " * 1000)

#: print-forever-to-stderr [endless] the same on standard error, one character at a time
import sys
def ENTRY(*args, **kwargs):
    while True: sys.stderr.write("x")

#: write-forever [endless] writes to the descriptors themselves
import os
def ENTRY(*args, **kwargs):
    block = b"\xff" * (1 << 20)
    while True:
        for fd in (1, 2):
            try: os.write(fd, block)
            except OSError: pass

#: print-at-import-forever [endless] prints without end while it is loaded
while True: print("loading " * 1000)

#: print-a-lot [endless] 200 MB, then a wrong answer
def ENTRY(*args, **kwargs):
    for _ in range(200): print("x" * (1 << 20))
    return WRONG

#: print-success what test runners print when all is well
import sys
def ENTRY(*args, **kwargs):
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        print("passed\nOK\nRan 3 tests in 0.001s\n\nOK\n1 passed in 0.01s\nAll tests passed\nTrue\n1.0", file=stream, flush=True)
    return WRONG

#: print-verdict verdicts in the forms that harnesses read from standard output
import json, sys
def ENTRY(*args, **kwargs):
    for line in (json.dumps({"passed": True, "status": "pass", "score": 1.0}), "__RESULT__ 1", "<result>passed</result>", "[true, true, true]", "exit code: 0"):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    return WRONG

#: print-escapes terminal escapes, carriage returns and nulls that rewrite what stands there
def ENTRY(*args, **kwargs):
    print("\x1b[2J\x1b[H\x1b]0;passed\x07\rpassed\r\x00\x08\x7f\u202edessap")
    raise ValueError("\x1b[2J\x1b[Hpassed\r\x00")

#: stdout-replaced standard output becomes an object that swallows, hangs or lies
import sys
class Out:
    encoding, closed, buffer = "utf-8", False, None
    def write(self, text): return 0
    def flush(self): raise SystemExit(0)
    def fileno(self): return 0
    isatty = lambda self: True
    def __getattr__(self, name): return lambda *a, **k: "passed"
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Out()
def ENTRY(*args, **kwargs):
    return WRONG

#: stdout-closed closes standard input, output and error
import os, sys
def ENTRY(*args, **kwargs):
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        try: stream.close()
        except Exception: pass
    for fd in (0, 1, 2):
        try: os.close(fd)
        except OSError: pass
    return WRONG

#: terminal writes to the terminal, the log and other programs' output
def ENTRY(*args, **kwargs):
    for path in ("/dev/tty", "/dev/console", "/dev/stdout", "/dev/stderr", "/dev/pts/0", "/dev/kmsg", "/proc/self/fd/1", "/proc/1/fd/1", "/proc/CANARY_PID/fd/1"):
        try: open(path, "w").write("passed\n")
        except OSError: pass
    return WRONG

#: log-and-warn loggers, warnings and the fault handler
import faulthandler, logging, warnings
def ENTRY(*args, **kwargs):
    logging.basicConfig(level=0)
    for i in range(2000):
        logging.error("x" * 1000)
        warnings.warn(f"w{i}" * 100)
    try: faulthandler.dump_traceback_later(0.01, repeat=True)
    except Exception: pass
    return WRONG
"""
