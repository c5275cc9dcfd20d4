"""Programs that change their arguments, so that what the test compares with changes too.

Where a test's oracle reads the very objects that it handed over, this works in plain Python, by rights of the test. It must
not work where expected values are the test's own.
"""

PROGRAMS = r"""
#: arguments-emptied every argument that can be emptied is
def ENTRY(*args, **kwargs):
    for a in args:
        if hasattr(a, "clear"): a.clear()
    return args[0] if args and isinstance(args[0], (list, dict, set)) else WRONG

#: arguments-lying elements that equal everything are put into the arguments
class Yes:
    __hash__ = lambda self: 0
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __lt__ = lambda self, other: False
def ENTRY(*args, **kwargs):
    for a in args:
        if isinstance(a, list): a[:] = [Yes() for _ in a]
        elif isinstance(a, dict): a.update(dict.fromkeys(a, Yes()))
    return args[0] if args and isinstance(args[0], (list, dict)) else Yes()

#: arguments-grown [endless] arguments grow to a hundred million elements
def ENTRY(*args, **kwargs):
    for a in args:
        if isinstance(a, list): a.extend(range(100_000_000))
    return WRONG

#: arguments-in-themselves arguments that contain themselves
def ENTRY(*args, **kwargs):
    for a in args:
        if isinstance(a, list): a.append(a)
        elif isinstance(a, dict): a["self"] = a
    return args[0] if args and isinstance(args[0], (list, dict)) else WRONG

#: arguments-deep arguments that are changed into what cannot be sent back, and returned: the test still holds the old ones
def ENTRY(*args, **kwargs):
    nested = []
    for _ in range(100_000): nested = [nested]
    for a in args:
        if isinstance(a, list): a[:] = nested
        elif isinstance(a, dict): a.update(dict.fromkeys(a, nested))
    return args[0] if args and isinstance(args[0], (list, dict)) else WRONG

#: arguments-opaque the same with an object, a function and a lock in place of elements
import threading
def ENTRY(*args, **kwargs):
    for a in args:
        if isinstance(a, list): a[:] = [object(), ENTRY, threading.Lock()]
        elif isinstance(a, dict): a.update(dict.fromkeys(a, object()))
    return args[0] if args and isinstance(args[0], (list, dict)) else WRONG

#: arguments-enlarged the same with twenty million elements
def ENTRY(*args, **kwargs):
    for a in args:
        if isinstance(a, list): a[:] = [0] * 20_000_000
        elif isinstance(a, dict): a.update(dict.fromkeys(range(3_000_000)))
    return args[0] if args and isinstance(args[0], (list, dict)) else WRONG

#: arguments-poked immutable arguments are changed through ctypes
import ctypes
def ENTRY(*args, **kwargs):
    for a in args:
        if type(a) is int: ctypes.c_uint32.from_address(id(a) + 24).value = 1
        elif type(a) is tuple and a: ctypes.py_object.from_address(id(a) + 24).value = "wrong"
    return WRONG

#: arguments-replaced iterators and callables that were handed over are used up
def ENTRY(*args, **kwargs):
    for a in args:
        if hasattr(a, "__next__"): list(a)
        elif callable(a):
            try: a()
            except Exception: pass
    return WRONG

#: candidate-replaced the entry point replaces itself, and the name that the tests use
import builtins
def ENTRY(*args, **kwargs):
    class Yes:
        __hash__ = lambda self: 0
        __eq__ = lambda self, other: True
        __ne__ = lambda self, other: False
        __call__ = lambda self, *a, **k: self
    globals()["ENTRY"] = builtins.candidate = builtins.ENTRY = Yes()
    return globals()["ENTRY"]

#: answers-changing a different answer at every call, in case one of them is right
state = [0]
def ENTRY(*args, **kwargs):
    state[0] += 1
    return [-1, "", [], {}, (), 0.0, "wrong"][state[0] % 7]
"""
