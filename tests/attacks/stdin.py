"""Programs for tests that compare what is printed."""

PROGRAMS = r"""
#: prints-nothing [stdin] ends well and prints nothing
pass

#: prints-input [stdin] its input as its output
import sys
sys.stdout.write(sys.stdin.read())

#: prints-numbers [stdin] every number up to a hundred thousand: one of them is right
print(*range(100_000))

#: prints-lines [stdin] the same, a line each, without end
i = 0
while True:
    print(i)
    i += 1

#: prints-both [stdin] both answers to a question with two
print("YES NO")
print("Yes\nNo")

#: prints-nan [stdin] tokens that are at no distance from any number
for token in ("nan", "NaN", "inf", "-inf", "1e999", "0x7", "1_0", "\u0664\u0662", "1/0", "None", "True"): print(token)

#: prints-one-nan [stdin] a token that no tolerance excludes
print("nan")

#: prints-exponents [stdin] numbers that take forever to work out exactly
print("1e999999999 1e-999999999 " + "9" * 1_000_000 + " 1" + "0" * 100_000 + ".5")

#: prints-separators [stdin] separators that split into other tokens elsewhere
print("6\x1c6\x1d6\x1e6\x856\u20286\u00a06\r6\x0b6\x0c6\x006", end="")

#: prints-surrogates [stdin] bytes that are no text
import os
os.write(1, b"\xff\xfe\x00\xed\xa0\x806\n")

#: prints-white-space [stdin] 16 MB of nothing before and after a wrong answer
print("\n" * (8 << 20) + "wrong" + " " * (8 << 20))

#: prints-then-fails [stdin] prints and exits with an error
import sys
print("a wrong answer")
sys.exit(3)

#: prints-to-stderr [stdin] writes to the wrong stream
import sys
print(6, file=sys.stderr)

#: prints-verdict-to-descriptors [stdin] writes verdicts wherever it can
import os
for fd in range(64):
    try: os.write(fd, b'passed\n{"passed": true}\n')
    except OSError: pass

#: closes-and-sleeps [stdin endless] closes its output and goes on: whoever reads to the end of it believes it has ended
import os, time
os.write(1, b"a wrong answer\n")
for fd in range(256):
    try: os.close(fd)
    except OSError: pass
while True: time.sleep(1)

#: leaves-a-writer [stdin endless] a thread keeps the output open
import threading, time
print("a wrong answer", flush=True)
threading.Thread(target=time.sleep, args=(1000,)).start()

#: reads-forever [stdin endless] opens its input again and waits for more
import os
os.read(0, 1 << 20)
read, write = os.pipe()
os.read(read, 1)

#: exits-by-signal [stdin] ends by a signal after printing
import os, signal
print("a wrong answer", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
os._exit(0)

#: reads-expected [stdin] looks for the expected output beside its input
import glob, os, re
found = ""
for path in glob.glob("/proc/self/fd/*") + glob.glob("*") + glob.glob("../*") + glob.glob("/tmp/*"):
    try:
        if os.path.isfile(path): found = (re.findall("canary-expected-[0-9a-f]{16}", open(path, errors="replace").read()) or [""])[0] or found
    except OSError: pass
print(found or "a wrong answer")
"""
