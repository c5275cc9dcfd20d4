"""Honest programs that use what the system offers: files, threads, memory, deep stacks, clocks, standard input."""

PROGRAMS = r"""
#: temporary-file
import tempfile
def f(text):
    with tempfile.TemporaryFile("w+") as file:
        file.write(text)
        file.seek(0)
        return file.read()
#=
assert f("abc\u00e9") == "abc\u00e9"

#: named-temporary-file
import os, tempfile
def f(text):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        return os.path.getsize(file.name)
#=
assert f("abc") == 3

#: temporary-directory
import os, pathlib, tempfile
def f(n):
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n): pathlib.Path(folder, f"{i}.txt").write_text(str(i))
        return sum(int(p.read_text()) for p in pathlib.Path(folder).glob("*.txt"))
#=
assert f(10) == 45

#: files-in-current-directory
import os
def f(text):
    os.makedirs("a/b", exist_ok=True)
    with open("a/b/c.txt", "w") as file: file.write(text)
    os.rename("a/b/c.txt", "d.txt")
    names = sorted(os.listdir("."))
    content = open("d.txt").read()
    os.remove("d.txt")
    return content, "d.txt" in names
#=
assert f("one") == ("one", True)
assert f("two") == ("two", True)

#: current-directory
import os
def f():
    here = os.getcwd()
    return os.path.isabs(here) and os.path.isdir(here)
#=
assert f() is True

#: libraries-on-disk
import csv, io, json, sqlite3, zipfile
def f(rows):
    db = sqlite3.connect("rows.db")
    db.execute("create table r (a, b)")
    db.executemany("insert into r values (?, ?)", rows)
    db.commit()
    with zipfile.ZipFile("rows.zip", "w") as z: z.writestr("rows.json", json.dumps(rows))
    out = io.StringIO()
    csv.writer(out).writerows(db.execute("select b, a from r order by b"))
    return out.getvalue().split(), json.loads(zipfile.ZipFile("rows.zip").read("rows.json"))
#=
assert f([[1, 2], [3, 1]]) == (["1,3", "2,1"], [[1, 2], [3, 1]])

#: threads-that-end
import threading
def f(n):
    total, lock = [0], threading.Lock()
    def work(i):
        with lock: total[0] += i
    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for t in threads: t.start()
    for t in threads: t.join()
    return total[0]
#=
assert f(16) == 120

#: executor
from concurrent.futures import ThreadPoolExecutor, as_completed
def f(xs):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda x: x * x, xs)), sorted(p.result() for p in as_completed([pool.submit(abs, -x) for x in xs]))
#=
assert f([1, 2, 3]) == ([1, 4, 9], [1, 2, 3])

#: queue-and-condition
import queue, threading
def f(xs):
    q, out, done = queue.Queue(), [], threading.Event()
    def consume():
        while (x := q.get()) is not None: out.append(x + 1)
        done.set()
    threading.Thread(target=consume).start()
    for x in [*xs, None]: q.put(x)
    assert done.wait(5)
    return out
#=
assert f([1, 2]) == [2, 3]

#: large-bytearray
def f(n):
    block = bytearray(300 << 20)
    block[n] = 7
    return block[n] + len(block)
#=
assert f(5) == 7 + (300 << 20)

#: large-list
def f(n):
    numbers = [i ^ 1 for i in range(n)]
    numbers.sort(reverse=True)
    return numbers[:3], len(set(numbers))
#=
assert f(3_000_000) == ([2999999, 2999998, 2999997], 3000000)

#: recursion-5000
import sys
sys.setrecursionlimit(20_000)
def f(n):
    return 0 if n == 0 else 1 + f(n - 1)
#=
assert f(5_000) == 5_000

#: recursion-50000
import sys
sys.setrecursionlimit(10 ** 6)
def depth(n, seen):
    return n if n == seen else depth(n, seen + 1)
def f(n):
    return depth(n, 0)
#=
assert f(50_000) == 50_000

#: recursion-in-a-big-thread
import sys, threading
def f(n):
    sys.setrecursionlimit(10 ** 6)
    threading.stack_size(64 << 20)
    out = []
    def depth(i): return 0 if i == 0 else 1 + depth(i - 1)
    thread = threading.Thread(target=lambda: out.append(depth(n)))
    thread.start()
    thread.join()
    return out[0]
#=
assert f(50_000) == 50_000

#: asyncio
import asyncio
def f(xs):
    async def double(x):
        await asyncio.sleep(0.001 * x)
        return 2 * x
    async def main(): return await asyncio.gather(*(double(x) for x in xs))
    return asyncio.run(main())
#=
assert f([3, 1]) == [6, 2]

#: redirected-output
import contextlib, io
def f(text):
    out = io.StringIO()
    with contextlib.redirect_stdout(out): print(text, end="!")
    return out.getvalue()
#=
assert f("hi") == "hi!"

#: printing
import sys
def f(n):
    for i in range(n): print("working on", i)
    print("done", file=sys.stderr, flush=True)
    return n
#=
assert f(2000) == 2000

#: clock-and-sleep
import datetime, time
def f():
    start = time.monotonic()
    time.sleep(0.05)
    now = datetime.datetime.now()
    return time.monotonic() - start >= 0.05 and now.year >= 2024 and datetime.date(2024, 2, 29).isoformat() == "2024-02-29"
#=
assert f() is True

#: environment-read
import getpass, os, platform, sys
def f():
    home = os.environ.get("HOME")
    os.environ["MINE"] = "1"
    return isinstance(home, (str, type(None))) and os.environ["MINE"] == "1" and bool(platform.system()) and sys.version_info >= (3, 8)
#=
assert f() is True

#: signal-and-limits
import resource, signal
def f():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 10
#=
assert f() is True

#: many-calls
def f(x):
    return x * 2
#=
assert [f(i) for i in range(2000)] == [2 * i for i in range(2000)]

#: big-arguments
def f(xs, text):
    return sum(xs), len(text), text[-3:]
#=
assert f(list(range(200_000)), "ab" * 500_000 + "end") == (19999900000, 1_000_003, "end")

#: subprocess-refused-but-handled
import os, subprocess
def f(x):
    try: subprocess.run(["true"], check=False)
    except OSError: pass
    return x
#=
assert f(3) == 3

#: reads-lines [stdin]
n = int(input())
xs = list(map(int, input().split()))
print(sum(xs), n)
#=
6 3

#: reads-everything [stdin]
import sys
def main():
    data = sys.stdin.read().split()
    sys.stdout.write(" ".join(data[1:]) + "\n")
if __name__ == "__main__":
    main()
#=
1 2 3

#: reads-buffer-in-thread [stdin]
import sys, threading
def main():
    data = sys.stdin.buffer.readlines()
    print(len(data))
    sys.exit(0)
sys.setrecursionlimit(10 ** 6)
threading.stack_size(1 << 26)
thread = threading.Thread(target=main)
thread.start()
thread.join()
#=
2

#: reads-descriptor-and-exits [stdin]
import os, sys
data = os.read(0, 1000).decode()
print(data.split()[-1])
sys.stdout.flush()
os._exit(0)
#=
3

#: opens-zero [stdin]
n, *rest = open(0).read().split("\n")
print(max(map(int, rest[0].split())), end="")
exit()
#=
3
"""
