"""Programs that recurse until Python, or the C stack below it, gives up; and those that crash outright."""

PROGRAMS = r"""
#: recursion-endless calls itself
def ENTRY(*args, **kwargs):
    return ENTRY(*args, **kwargs)

#: recursion-unlimited [endless] the same without Python's limit
import sys
sys.setrecursionlimit(10 ** 9)
def ENTRY(*args, **kwargs):
    return ENTRY(*args, **kwargs)

#: recursion-in-c [endless] recursion through C code, without Python's limit: a real overflow of the stack
import sys
sys.setrecursionlimit(10 ** 9)
class Deep:
    def __repr__(self): return repr([self])
def ENTRY(*args, **kwargs):
    return repr(Deep())

#: recursion-in-comparison [endless] a comparison that compares again
import sys
sys.setrecursionlimit(10 ** 9)
class Deep(list):
    def __eq__(self, other): return [self] == [Deep()]
def ENTRY(*args, **kwargs):
    return sorted([Deep(), Deep()], key=lambda d: d == 1)

#: recursion-in-thread [endless] overflows the small stack of a thread
import sys, threading
def ENTRY(*args, **kwargs):
    sys.setrecursionlimit(10 ** 9)
    threading.stack_size(1 << 16)
    def deep(n): return deep(n + 1)
    thread = threading.Thread(target=deep, args=(0,))
    thread.start()
    thread.join()
    return WRONG

#: recursion-swallowed [endless] catches its own RecursionError and goes on: exponential time
def ENTRY(*args, **kwargs):
    try: ENTRY()
    except RecursionError: pass
    try: ENTRY()
    finally: return ENTRY()

#: getattr-endless attribute look-up that looks up attributes
class Deep:
    def __getattr__(self, name): return getattr(self, name + "x")
def ENTRY(*args, **kwargs):
    return Deep().answer

#: null-dereference reads address 0
import ctypes
def ENTRY(*args, **kwargs):
    return ctypes.string_at(0)

#: crash-at-import the same while it is loaded
import ctypes
ctypes.string_at(1)

#: code-object-crash a code object with invalid bytecode
import types
def ENTRY(*args, **kwargs):
    code = ENTRY.__code__.replace(co_code=b"\xff\x7f" * 64, co_stacksize=0, co_consts=())
    return types.FunctionType(code, {})()

#: refcount-crash takes references away from None and True
import ctypes
def ENTRY(*args, **kwargs):
    for thing in (None, True, (), "", 0, 1):
        ctypes.c_long.from_address(id(thing)).value = 1
    del args, kwargs
    return [None] * 1000

#: faulthandler-segv the standard library's own crash
import faulthandler
def ENTRY(*args, **kwargs):
    import ctypes, signal
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    faulthandler._sigsegv()

#: segv-handled [endless] a handler for SIGSEGV returns into the fault, without end
import ctypes, signal, os
signal.signal(signal.SIGSEGV, lambda *a: os._exit(0))
def ENTRY(*args, **kwargs):
    return ctypes.string_at(0)

#: deep-parse [endless] texts that the standard library's parsers recurse on
import ast, json
def ENTRY(*args, **kwargs):
    for parse, text in ((json.loads, "[" * 100_000), (ast.literal_eval, "(" * 100_000), (eval, "-" * 100_000 + "1"), (compile, "x" + ".x" * 100_000)):
        try: parse(text, "x", "eval") if parse is compile else parse(text)
        except (RecursionError, SyntaxError, ValueError, MemoryError): pass
    return WRONG

#: deep-exception [endless] an exception that passes through a hundred thousand frames
import sys
def ENTRY(*args, **kwargs):
    sys.setrecursionlimit(200_000)
    def deep(n):
        if n == 0: raise ValueError("negative")
        deep(n - 1)
    deep(100_000)
"""
