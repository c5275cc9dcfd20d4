"""Programs that take, or return, more memory than there is."""

PROGRAMS = r"""
#: list-growing [endless] a list that grows until something gives
def ENTRY(*args, **kwargs):
    grown = []
    while True: grown.append([0] * 10_000)

#: bytes-huge one allocation of a terabyte, and one of 16 GB that is written to
def ENTRY(*args, **kwargs):
    try: return bytes(1 << 40)
    except MemoryError: return len(bytearray(b"x") * (16 << 30))

#: memory-error-swallowed [endless] takes memory again whenever it is refused
def ENTRY(*args, **kwargs):
    kept = []
    while True:
        try: kept.append(bytearray(1 << 24))
        except MemoryError: pass

#: list-doubling [endless] a list that contains itself twice, and again
def ENTRY(*args, **kwargs):
    grown = [0]
    for _ in range(40): grown = grown + grown
    return grown

#: mapped [endless] anonymous memory of 64 GB, touched page by page
import mmap
def ENTRY(*args, **kwargs):
    area = mmap.mmap(-1, 64 << 30)
    for i in range(0, 64 << 30, 4096): area[i] = 1
    return WRONG

#: memory-files files in memory, which no limit on address space counts
import os
def ENTRY(*args, **kwargs):
    block, taken = bytes(1 << 20), 0
    for i in range(64):
        try:
            fd = os.memfd_create(f"m{i}")
            for _ in range(64): taken += os.write(fd, block)
        except OSError: pass
    return "four gigabytes can be taken" if taken >= 4 << 30 else WRONG

#: pipes-and-sockets memory of the kernel: full pipes and socket buffers
import os, socket
def ENTRY(*args, **kwargs):
    for _ in range(1000):
        try:
            for fd in (os.pipe()[1], socket.socketpair()[0].detach()):
                os.set_blocking(fd, False)
                os.write(fd, bytes(1 << 20))
        except OSError: break
    return WRONG

#: power-tower [endless] an integer with a billion digits
def ENTRY(*args, **kwargs):
    return 10 ** 10 ** 9

#: big-int-result [endless] an integer with a million digits, which cannot be shown in decimal
def ENTRY(*args, **kwargs):
    return 7 ** 1_200_000

#: big-int-argument-of-str [endless] turns the guard against long decimals off first
import sys
def ENTRY(*args, **kwargs):
    sys.set_int_max_str_digits(0)
    return [7 ** 300_000] * 10

#: string-result [endless] a string of a gigabyte as the answer
def ENTRY(*args, **kwargs):
    return "wrong " * 170_000_000

#: bytes-result [endless] 400 MB of bytes in a list as the answer
def ENTRY(*args, **kwargs):
    return [b"x" * (40 << 20) for _ in range(10)]

#: list-result [endless] ten million numbers as the answer
def ENTRY(*args, **kwargs):
    return list(range(10_000_000))

#: deep-result [endless] a list nested a million deep as the answer: comparing, showing or freeing it overflows a stack
def ENTRY(*args, **kwargs):
    nested = []
    for _ in range(1_000_000): nested = [nested]
    return nested

#: deep-mixed-result [endless] tuples in dicts in lists, fifty thousand deep
def ENTRY(*args, **kwargs):
    nested = ()
    for _ in range(50_000): nested = [{"a": (nested,)}]
    return nested

#: self-containing a list that contains itself, as the answer
def ENTRY(*args, **kwargs):
    loop = [1, 2]
    loop.append(loop)
    return loop

#: self-containing-dict dicts that contain each other
def ENTRY(*args, **kwargs):
    one, two = {}, {}
    one["a"], two["a"] = two, one
    return one

#: billion-laughs [endless] a small graph of shared lists that is huge when written out <XML's billion laughs>
def ENTRY(*args, **kwargs):
    shared = ["wrong"] * 2
    for _ in range(60): shared = [shared, shared]
    return shared

#: frozenset-laughs [endless] shared frozen sets, whose hash and comparison are exponential
def ENTRY(*args, **kwargs):
    shared = frozenset()
    for _ in range(60): shared = frozenset([(shared, 1), (shared, 2)])
    return shared

#: hash-collisions [endless] a dict of integers that all hash alike
def ENTRY(*args, **kwargs):
    modulus = (1 << 61) - 1
    return {i * modulus: 0 for i in range(1, 20_000)}

#: surrogates strings that cannot be encoded
def ENTRY(*args, **kwargs):
    return ["\ud800" * 1000, {"\udfff": "\x00"}, "canary-expected\ud8ff"]

#: range-and-repeat results that are small here and endless when written out
import itertools
def ENTRY(*args, **kwargs):
    return [range(10 ** 15), itertools.repeat("wrong"), map(str, itertools.count()), itertools.cycle([1])]

#: leak-between-tests [endless] keeps 100 MB for every call
kept = []
def ENTRY(*args, **kwargs):
    kept.append(bytearray(100 << 20))
    return WRONG
"""
