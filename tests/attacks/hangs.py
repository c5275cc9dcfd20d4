"""Programs that do not come back: in Python, in C, while loading, and only when their result is looked at."""

PROGRAMS = r"""
#: loop [endless] a loop without end
def ENTRY(*args, **kwargs):
    while True: pass

#: loop-at-import [endless] a loop without end while it is loaded
while True: pass

#: sleep [endless] takes no CPU at all
import time
def ENTRY(*args, **kwargs):
    time.sleep(10_000)

#: read-input [endless] waits for someone to type
import os
def ENTRY(*args, **kwargs):
    read, _ = os.pipe()
    try: input()
    except EOFError: pass
    os.read(read, 1)

#: lock [endless] waits for itself
import threading
def ENTRY(*args, **kwargs):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

#: queue [endless] waits for a message that nobody sends
import queue
def ENTRY(*args, **kwargs):
    queue.Queue().get()

#: regex [endless] a regular expression that takes exponential time, in C
import re
def ENTRY(*args, **kwargs):
    return re.match("(a+)+$", "a" * 100 + "b")

#: big-power [endless] arithmetic that holds the interpreter for hours
def ENTRY(*args, **kwargs):
    return pow(3, 10 ** 12)

#: big-sum [endless] a loop in C
def ENTRY(*args, **kwargs):
    return sum(range(10 ** 13))

#: contains [endless] a search in C in an endless iterator
import itertools
def ENTRY(*args, **kwargs):
    return "wrong" in itertools.count()

#: constant-folded [endless] an expression that hangs the compiler of some versions
def ENTRY(*args, **kwargs):
    return len(str((1 << 400_000_000) ** 9))

#: generator-endless [endless] a generator that never ends, as the answer
def ENTRY(*args, **kwargs):
    while True: yield 1

#: generator-stuck [endless] a generator that gives one value and then hangs
def ENTRY(*args, **kwargs):
    yield 1
    while True: pass

#: iterator-stuck [endless] an object whose every method hangs
class Stuck:
    def hang(self, *a):
        while True: pass
    __iter__ = __len__ = __eq__ = __hash__ = __repr__ = __bool__ = __getitem__ = __del__ = hang
def ENTRY(*args, **kwargs):
    return Stuck()

#: list-subclass-stuck [endless] a list whose methods hang when it is copied or shown
class Stuck(list):
    def hang(self, *a):
        while True: pass
    __iter__ = __len__ = __eq__ = __repr__ = __getitem__ = __reduce_ex__ = __copy__ = hang
def ENTRY(*args, **kwargs):
    return Stuck(["wrong"])

#: module-getattr [endless] the entry point does not exist, and looking for it hangs
def __getattr__(name):
    while True: pass
class Space(dict):
    def __missing__(self, key):
        while True: pass
def ENTRY(*args, **kwargs):
    return eval("answer", Space())

#: metaclass-stuck [endless] an entry point that hangs when it is looked at, not when it is called
class Meta(type):
    def __getattribute__(cls, name):
        if name in ("__mro__", "__dict__", "__class__"): return type.__getattribute__(cls, name)
        while True: pass
class ENTRY(metaclass=Meta):
    def __new__(cls, *args, **kwargs): return WRONG

#: just-in-time [endless] every call takes almost as long as a whole test may
import time
def ENTRY(*args, **kwargs):
    time.sleep(0.6)
    return WRONG

#: callback-stuck [endless] a signal handler that never returns
import os, signal
def forever(*a):
    while True: pass
def ENTRY(*args, **kwargs):
    signal.signal(signal.SIGUSR1, forever)
    os.kill(os.getpid(), signal.SIGUSR1)
    return WRONG
"""
