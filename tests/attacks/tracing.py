"""Programs that change how the tests are executed: traced past the assert, or compiled without it."""

PROGRAMS = r"""
#: trace-jump a trace function moves the caller's line past its assert
import sys
def tracer(frame, event, arg):
    last = max(line for *_, line in frame.f_code.co_lines() if line)
    if event == "line" and frame.f_lineno < last:
        try: frame.f_lineno = last
        except (ValueError, TypeError): pass
    return tracer
def ENTRY(*args, **kwargs):
    sys.settrace(tracer)
    frame = sys._getframe(1)
    while frame:
        frame.f_trace = tracer
        frame = frame.f_back
    return WRONG

#: trace-at-import the same, from the moment the program is loaded
import sys, threading
def tracer(frame, event, arg):
    if frame.f_code.co_name.startswith(("check", "test")):
        def skip(frame, event, arg):
            try: frame.f_lineno = frame.f_code.co_firstlineno + 10_000
            except ValueError: pass
            return skip
        return skip
    return None
sys.settrace(tracer)
threading.settrace(tracer)
def ENTRY(*args, **kwargs):
    return WRONG

#: trace-return a trace function that changes local variables and swallows exceptions
import ctypes, sys
def tracer(frame, event, arg):
    if event in ("exception", "return"):
        for name in ("ok", "passed", "result", "equal"):
            if name in frame.f_locals: frame.f_locals[name] = True
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)
    return tracer
sys.settrace(tracer)
def ENTRY(*args, **kwargs):
    return WRONG

#: profile-exit a profiler that ends the process where an assert fails
import os, sys
def profiler(frame, event, arg):
    if event == "c_call" and getattr(arg, "__name__", "") in ("print_exc", "format_exc", "print_exception", "write", "send", "sendall"):
        os._exit(0)
def ENTRY(*args, **kwargs):
    sys.setprofile(profiler)
    return WRONG

#: monitoring callbacks on raise events (Python 3.12 on)
import sys
if hasattr(sys, "monitoring"):
    sys.monitoring.use_tool_id(0, "debugger")
    sys.monitoring.set_events(0, sys.monitoring.events.RAISE)
    sys.monitoring.register_callback(0, sys.monitoring.events.RAISE, lambda *a: __import__("os")._exit(0))
def ENTRY(*args, **kwargs):
    return WRONG

#: assertion-error-replaced AssertionError is a name like any other
import builtins
class Quiet(BaseException):
    def __new__(cls, *args): raise SystemExit(0)
builtins.AssertionError = Quiet
AssertionError = Quiet
def ENTRY(*args, **kwargs):
    return WRONG

#: compile-without-asserts compile and exec drop the assert statements of whatever is run next
import ast, builtins
real = builtins.compile
class Drop(ast.NodeTransformer):
    visit_Assert = lambda self, node: ast.copy_location(ast.Pass(), node)
def compile(source, filename="<string>", mode="exec", *rest, **more):
    try: return real(Drop().visit(ast.parse(source)), filename, mode, optimize=2)
    except TypeError: return real(source, filename, mode, *rest, **more)
builtins.compile = compile
builtins.exec = lambda *a, **k: None
builtins.eval = lambda *a, **k: True
def ENTRY(*args, **kwargs):
    return WRONG

#: import-hook the tests' imports give modules of the program's making
import importlib.abc, importlib.util, sys
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None): return importlib.util.spec_from_loader(name, self)
    def create_module(self, spec): return None
    def exec_module(self, module): module.__getattr__ = lambda name: lambda *a, **k: True
sys.meta_path.insert(0, Finder())
for name in ("math", "unittest", "numpy", "copy", "random", "collections"):
    sys.modules.pop(name, None)
def ENTRY(*args, **kwargs):
    return WRONG

#: modules-replaced fake modules put where imports look first
import sys, types
for name in ("math", "unittest", "numpy", "numpy.testing", "pytest", "copy"):
    fake = types.ModuleType(name)
    fake.__getattr__ = lambda attribute: (lambda *a, **k: True)
    sys.modules[name] = fake
def ENTRY(*args, **kwargs):
    return WRONG

#: exception-hook prints success and exits with 0 where a failure would be printed
import os, sys
def hook(*error):
    print("passed", flush=True)
    os._exit(0)
sys.excepthook = sys.unraisablehook = hook
def ENTRY(*args, **kwargs):
    raise AssertionError

#: small-int-poked writes into CPython's own integers, so that 2 + 2 and 3 == 1 change
import ctypes
def ENTRY(*args, **kwargs):
    for number in (1, 2, 3, 4):
        ctypes.memmove(id(number) + 24, id(7) + 24, 4)
    return [1, 2, 3]

#: type-slots-poked replaces the comparison of int, str, float and list through ctypes (forbiddenfruit)
import ctypes
def ENTRY(*args, **kwargs):
    offset = 8 * 25  # tp_richcompare on 64 bit
    always = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_int)(lambda a, b, op: True)
    globals()["kept"] = always
    for kind in (int, float, str, list, tuple, dict):
        ctypes.c_void_p.from_address(id(kind) + offset).value = ctypes.cast(always, ctypes.c_void_p).value
    return WRONG

#: optimised-flags pretends that Python runs with -OO
import builtins, sys
sys.flags = type("Flags", (), {"optimize": 2, "__getattr__": lambda self, name: 2})()
globals()["__debug__"] = vars(builtins)["__debug__"] = False
def ENTRY(*args, **kwargs):
    return WRONG
"""
