"""Programs that go on after they have answered."""

PROGRAMS = r"""
#: thread-endless a thread that is no daemon and never ends: the interpreter waits for it
import threading, time
def work():
    while True: time.sleep(0.01)
def ENTRY(*args, **kwargs):
    threading.Thread(target=work, daemon=False).start()
    return WRONG

#: thread-spinning [endless] daemon threads that take all the CPU there is
import threading
def work():
    while True: pass
def ENTRY(*args, **kwargs):
    for _ in range(8): threading.Thread(target=work, daemon=True).start()
    return WRONG

#: thread-holding a thread that holds locks of the interpreter: import lock, output's lock, logging's lock
import logging, sys, threading, time
def work():
    logging._acquireLock() if hasattr(logging, "_acquireLock") else logging._lock.acquire()
    sys.stdout.flush()
    time.sleep(1000)
def ENTRY(*args, **kwargs):
    threading.Thread(target=work, daemon=True).start()
    return WRONG

#: atexit-endless [stdin] an exit handler that never ends
import atexit, time
atexit.register(time.sleep, 1000)
print("a wrong answer", flush=True)

#: atexit-hanging the same for a function, with the answer given before
import atexit, time
atexit.register(time.sleep, 1000)
def ENTRY(*args, **kwargs):
    return WRONG

#: executor-endless a pool of threads with work for years, which the interpreter joins at its end
import concurrent.futures, time
pool = concurrent.futures.ThreadPoolExecutor(4)
def ENTRY(*args, **kwargs):
    for _ in range(8): pool.submit(time.sleep, 1000)
    return WRONG

#: timer-later a timer that acts after the verdict
import os, threading
def ENTRY(*args, **kwargs):
    threading.Timer(0.05, lambda: os._exit(0)).start()
    return WRONG

#: result-mutated-later a thread that changes the result after it was returned, hoping to hit the right one
import threading, time
result = ["wrong"]
def work():
    while True:
        result[:] = [1, 2, 3]
        result[:] = [2.5]
        time.sleep(0)
threading.Thread(target=work, daemon=True).start()
def ENTRY(*args, **kwargs):
    result[:] = ["wrong", "answer"]
    return tuple(result[:1])

#: event-loop an event loop in a thread, with tasks that never end
import asyncio, threading
def ENTRY(*args, **kwargs):
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(1000), loop)
    return WRONG

#: switch-interval [endless] the interpreter never gives another thread a turn
import sys, threading
sys.setswitchinterval(1000)
def work():
    while True: pass
def ENTRY(*args, **kwargs):
    threading.Thread(target=work, daemon=True).start()
    return WRONG

#: shutdown-hanging objects that hang when the interpreter takes them apart
import sys, time
class Sticky:
    def __del__(self): time.sleep(1000)
sys.modules["sticky"] = Sticky()
def ENTRY(*args, **kwargs):
    return WRONG
"""
