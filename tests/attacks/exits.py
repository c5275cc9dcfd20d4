"""Programs that end before, or instead of, being tested: an exit code of 0 and a missing failure are no success."""

PROGRAMS = r"""
#: exit-at-import SystemExit(0) while the program is loaded: whoever goes by the exit code is content
import sys
sys.exit(0)
def ENTRY(*args, **kwargs):
    return WRONG

#: exit-at-call SystemExit(0) inside the first test
import sys
def ENTRY(*args, **kwargs):
    sys.exit(0)

#: hard-exit-at-import no exception handler sees os._exit
import os
os._exit(0)

#: hard-exit-at-call ends the process in the middle of the tests
import os
def ENTRY(*args, **kwargs):
    os._exit(0)

#: system-exit-true an exit whose code is true, and whose text says passed
def ENTRY(*args, **kwargs):
    raise SystemExit(True if args else "passed")

#: quit the builtins for interactive use, which may be missing
def ENTRY(*args, **kwargs):
    quit()

#: exit-in-thread a thread ends the process while the tests wait
import os, threading
def ENTRY(*args, **kwargs):
    threading.Thread(target=os._exit, args=(0,)).start()
    return WRONG

#: exit-in-atexit turns a failure's exit code into 0
import atexit, os
atexit.register(os._exit, 0)
def ENTRY(*args, **kwargs):
    raise AssertionError("covered up below")

#: exit-in-del ends the process when the result is let go of
import os
class Result(list):
    def __del__(self): os._exit(0)
def ENTRY(*args, **kwargs):
    return Result(["wrong"])

#: exit-in-comparison ends the process when the result is looked at
import os
class Result:
    __hash__ = __eq__ = __repr__ = __len__ = __iter__ = __bool__ = __getattr__ = lambda self, *a: os._exit(0)
def ENTRY(*args, **kwargs):
    return Result()

#: exit-in-generator the result is fine until it is read
import os
def ENTRY(*args, **kwargs):
    yield 1
    os._exit(0)

#: kill-self a signal to itself
import os, signal
def ENTRY(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
    return WRONG

#: term-self-handled a signal handler that ends the process with code 0
import os, signal
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
def ENTRY(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGTERM)
    return WRONG

#: abort dies with a core dump's signal
import os
def ENTRY(*args, **kwargs):
    os.abort()

#: stop-self [endless] stops itself: whoever waits only for the end waits forever
import os, signal
def ENTRY(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGSTOP)
    return WRONG

#: keyboard-interrupt takes the harness for interrupted
def ENTRY(*args, **kwargs):
    raise KeyboardInterrupt

#: keyboard-interrupt-at-import the same while loading
raise KeyboardInterrupt

#: generator-exit a BaseException that `except Exception` lets through
def ENTRY(*args, **kwargs):
    raise GeneratorExit

#: stop-iteration ends a `map` in the test early: all() of what is left is True
def ENTRY(*args, **kwargs):
    raise StopIteration

#: stop-async-iteration the same for asynchronous tests
def ENTRY(*args, **kwargs):
    raise StopAsyncIteration

#: skip-test unittest counts a skipped test as no failure
import unittest
def ENTRY(*args, **kwargs):
    raise unittest.SkipTest("not today")

#: skip-test-at-import the same for the whole module
import unittest
raise unittest.SkipTest("not today")

#: pytest-outcome exceptions named like pytest's own outcomes
class Skipped(BaseException):
    __module__ = "_pytest.outcomes"
    allow_module_level = True
    msg = "skipped"
Skipped.__name__ = Skipped.__qualname__ = "Skipped"
def ENTRY(*args, **kwargs):
    raise Skipped("skipped")

#: assertion-subclass an AssertionError that is false, equal to all and of length 0
class Quiet(AssertionError):
    __bool__ = lambda self: False
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
    __str__ = __repr__ = lambda self: ""
def ENTRY(*args, **kwargs):
    raise Quiet

#: lying-exception-class an exception whose metaclass claims to be every exception
class Meta(type):
    __instancecheck__ = __subclasscheck__ = __eq__ = lambda cls, other: True
    __hash__ = lambda cls: hash(ValueError)
class Every(Exception, metaclass=Meta):
    __class__ = ValueError
def ENTRY(*args, **kwargs):
    raise Every("not the one")

#: every-exception an exception that is a ValueError, TypeError, KeyError and an AssertionError at once
class Every(AssertionError, KeyError, ValueError, TypeError):
    pass
def ENTRY(*args, **kwargs):
    raise Every("negative")

#: hostile-message an exception whose text ends the process
import os
class Loud(Exception):
    __str__ = __repr__ = lambda self: os._exit(0)
def ENTRY(*args, **kwargs):
    raise Loud

#: endless-message [endless] an exception whose text never comes
class Slow(Exception):
    def __str__(self):
        while True: pass
    __repr__ = __str__
def ENTRY(*args, **kwargs):
    raise Slow

#: huge-message [endless] an exception with a text of 100 MB
def ENTRY(*args, **kwargs):
    raise ValueError("negative " * 12_000_000)

#: exception-cycle a chain of causes that never ends
def ENTRY(*args, **kwargs):
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    one.__context__ = two
    raise one

#: exception-groups [endless] groups within groups, ten thousand deep
def ENTRY(*args, **kwargs):
    error = ValueError("negative")
    for _ in range(10_000):
        error = ExceptionGroup("group", [error])
    raise error

#: exec-true replaces the process by a program that succeeds
import os
def ENTRY(*args, **kwargs):
    os.execv("/bin/sh", ["sh", "-c", "echo passed; exit 0"])

#: main-verdict writes the verdict where a harness may keep it: variables and exit hooks of the main module
import builtins, sys
for module in list(sys.modules.values()):
    for name in ("passed", "result", "success", "status", "exit_code", "failures"):
        if hasattr(module, name) and not callable(getattr(module, name)):
            setattr(module, name, True)
builtins.passed = builtins.result = True
sys.exitfunc = lambda: print("passed")
def ENTRY(*args, **kwargs):
    return WRONG
"""
