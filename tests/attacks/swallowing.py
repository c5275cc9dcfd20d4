"""Programs that let no exception and no signal through: not the one that says that they failed, nor the one that ends them."""

PROGRAMS = r"""
#: loop-without-exceptions [endless] a loop that catches everything
import time
def ENTRY(*args, **kwargs):
    while True:
        try: time.sleep(10)
        except BaseException: continue

#: signals-ignored [endless] every signal that can be ignored is
import signal
for number in signal.valid_signals():
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
def ENTRY(*args, **kwargs):
    while True: pass

#: signals-handled [endless] every signal that can be handled is, by going on
import signal
def ENTRY(*args, **kwargs):
    for number in signal.valid_signals():
        try: signal.signal(number, lambda *a: None)
        except (OSError, ValueError): pass
    while True: signal.pause()

#: signals-blocked [endless] every signal that can be blocked is
import signal
def ENTRY(*args, **kwargs):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True: pass

#: alarm-cancelled [endless] cancels the timers of a harness that counts on SIGALRM
import signal
def ENTRY(*args, **kwargs):
    while True:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)

#: timeout-caught [endless] catches the exception that a time limit raises
def ENTRY(*args, **kwargs):
    while True:
        try:
            while True: pass
        except (TimeoutError, KeyboardInterrupt, Exception): pass

#: finally-return a return in finally drops whatever was raised
def ENTRY(*args, **kwargs):
    try: raise ValueError("negative")
    finally: return WRONG

#: suppressed everything in a context manager that says that exceptions are handled
class Calm:
    __enter__ = lambda self: self
    __exit__ = lambda self, *error: True
def ENTRY(*args, **kwargs):
    with Calm():
        raise AssertionError
    return WRONG

#: hooks-silenced hooks for uncaught, unraisable and threads' exceptions, and breakpoints
import os, sys, threading
sys.excepthook = sys.unraisablehook = threading.excepthook = sys.breakpointhook = lambda *a: os._exit(0)
sys.displayhook = lambda value: print("passed")
class Bad:
    def __del__(self): raise ValueError
def ENTRY(*args, **kwargs):
    Bad()
    breakpoint()
    return WRONG

#: del-resurrected an object that cannot be let go of, and does its work when one tries
kept = []
class Phoenix(list):
    def __del__(self):
        kept.append(self)
        self[:] = [1, 2, 3]
def ENTRY(*args, **kwargs):
    return Phoenix(["wrong"])

#: generator-stubborn [endless] a generator that cannot be closed
def ENTRY(*args, **kwargs):
    while True:
        try: yield "wrong"
        except GeneratorExit: pass

#: exit-refused SystemExit is caught, and the loop around the program left
import sys
def ENTRY(*args, **kwargs):
    try: sys.exit(1)
    except SystemExit: return WRONG

#: audit-hooked an audit hook that stops the harness from whatever it does next
import sys
def ENTRY(*args, **kwargs):
    def hook(event, details):
        if event.split(".")[0] in ("open", "socket", "os", "compile", "exec", "marshal", "pickle"): raise RuntimeError("no")
    sys.addaudithook(hook)
    return WRONG
"""
