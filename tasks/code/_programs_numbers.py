"""Idioms over numbers, lists of numbers, rows of them and dicts from numbers; `_programs_idioms.py` says how to read them."""

from __future__ import annotations

NUMBERS = r"""
ints > ints | 1 | kept chosen filtered | keeps some of the numbers
$out = [$x for $x in $in if $cond]

ints > ints | 1 | changed adjusted mapped | changes every number
$out = [$expr for $x in $in]

ints > ints | 1 | changed adjusted mapped | keeps some of the numbers and changes them
$out = [$expr for $x in $in if $cond]

ints > ints | 1 | ordered ranked | sorts the numbers
$out = sorted($in, key=lambda $x: abs($x - $int))

ints > ints | 1 | ordered ranked | sorts the numbers
$out = sorted($in, key=lambda $x: ($x % $pos, $x))

ints > ints | 1 | rotated turned | moves the numbers around
$out = $in[$pos:] + $in[:$pos]

ints > ints | 1 | unique distinct | sorts the different numbers
$out = sorted(set($in), reverse=True)

ints > ints | 1 | gaps steps | compares neighbours
$out = [b - a for a, b in zip($in, $in[1:])]

ints > ints | 1 | weighted scaled | weights the numbers by their places
$out = [$x * i for i, $x in enumerate($in, start=$pos)]

ints > ints | 1 | mirrored folded | combines the numbers with their mirror image
$out = [a + b for a, b in zip($in, reversed($in))]

ints > ints | 2 | chunks parts | adds up pieces of the list
$out = []
for i in range(0, len($in), $pos):
    $out.append(sum($in[i:i + $pos]))

ints > ints | 2 | running partial | keeps a running result
$out = []
current = 0
for $x in $in:
    current += $expr
    $out.append(current)

ints > ints | 2 | running partial | keeps a running result
$out = []
current = 0
for $x in $in:
    if $cond:
        current = 0
    current += $x
    $out.append(current)

ints > ints | 2 | swapped paired | swaps neighbours
$out = list($in)
for i in range(0, len($out) - 1, 2):
    $out[i], $out[i + 1] = $out[i + 1], $out[i]

ints > ints | 2 | front_first arranged | moves some of the numbers to the front
$out = []
for $x in $in:
    if $cond:
        $out.insert(0, $x)
    else:
        $out.append($x)

ints > ints | 2 | windows spans | looks through a sliding window
$out = [max($in[i:i + $pos]) - min($in[i:i + $pos]) for i in range(len($in))]

ints > ints | 3 | stack pile | keeps a stack
$out = []
for $x in $in:
    while $out and $out[-1] > $x:
        $out.pop()
    $out.append($x)

ints > ints | 3 | merged collapsed | merges neighbours
$out = []
for $x in $in:
    if $out and ($out[-1] + $x) % $pos == 0:
        $out[-1] += $x
    else:
        $out.append($x)

ints > ints | 3 | ranks places | counts smaller numbers
$out = []
for $x in $in:
    rank = 0
    for other in $in:
        if other < $x:
            rank += 1
    $out.append(rank * $pos + $x)

ints > ints | 3 | pairs combined | looks at pairs
$out = []
for i, a in enumerate($in):
    for b in $in[i + 1:]:
        if (a + b) % $pos == 0:
            $out.append(a * b)

ints > int | 1 | total subtotal | adds up something about the numbers
$out = sum($expr for $x in $in)

ints > int | 1 | total subtotal | adds up some of the numbers
$out = sum($x for $x in $in if $cond)

ints > int | 1 | spread reach | measures a range
$out = max($in, default=0) - min($in, default=0) + $int

ints > int | 1 | balance difference | weighs one half of the numbers against the other
$out = sum($in[::2]) - sum($in[1::2])

ints > int | 2 | longest streak | finds the longest run
$out = 0
run = 0
for $x in $in:
    run = run + 1 if $cond else 0
    $out = max($out, run)

ints > int | 2 | encoded packed | folds the numbers into one
$out = 0
for $x in $in:
    $out = ($out * $pos + $x) % 1000

ints > int | 2 | score rating | adds or subtracts, number by number
$out = 0
for i, $x in enumerate($in):
    if i % $pos == 0:
        $out += $expr
    else:
        $out -= $x

ints > int | 3 | inversions crossings | looks at pairs
$out = 0
for i, a in enumerate($in):
    for b in $in[i + 1:]:
        if a > b:
            $out += a - b

ints > words | 1 | labels marks | gives every number a label
$out = ["low" if $x < $int else "high" for $x in $in]

ints > words | 1 | labels marks | labels some of the numbers
$out = [f"{$x}:{$x % $pos}" for $x in $in if $cond]

ints > words | 2 | labels marks | gives every number a label
$out = []
for $x in $in:
    if $cond:
        $out.append("yes")
    elif $x % $pos == 0:
        $out.append("maybe")
    else:
        $out.append(str($x))

ints > str | 1 | joined line | writes the numbers in one line
$out = "-".join(str($expr) for $x in $in)

ints > str | 1 | letters code | turns numbers into letters
$out = "".join(chr(ord("a") + $x % 26) for $x in $in)

ints > str | 1 | pattern marks | draws a pattern
$out = "".join("x" if $cond else "." for $x in $in)

ints > tally | 2 | groups buckets | groups the numbers by remainder
$out = {}
for $x in $in:
    key = $x % $pos
    $out[key] = $out.get(key, 0) + $expr

ints > table | 2 | split sides | adds up two kinds of numbers
$out = {"left": 0, "right": 0}
for $x in $in:
    side = "left" if $cond else "right"
    $out[side] += $x

tally > ints | 1 | products weights | combines keys with their values
$out = [key * count for key, count in sorted($in.items())]

tally > ints | 1 | order ranking | orders the keys by their values
$out = sorted($in, key=lambda key: (-$in[key], key))

tally > words | 1 | lines entries | writes down every entry
$out = [f"{key}x{count}" for key, count in sorted($in.items())]

tally > int | 1 | checksum signature | combines keys with their values
$out = sum((key + 1) * count for key, count in $in.items())

tally > tally | 1 | lifted moved | changes the entries
$out = {key + $int: count for key, count in $in.items() if count > $pos}

rows > rows | 1 | columns flipped | turns rows into columns
$out = [list(column) for column in zip(*$in)]

rows > rows | 1 | ordered ranked | sorts the rows
$out = sorted($in, key=lambda row: (max(row, default=0), sum(row)))

rows > rows | 1 | mirrored turned | reverses the rows
$out = [row[::-1] for row in $in]

rows > rows | 1 | changed adjusted | changes the numbers in the rows
$out = [[$expr for $x in row if $cond] for row in $in]

rows > rows | 2 | shifted moved | rotates the rows
$out = []
for i, row in enumerate($in):
    cut = i % $pos
    $out.append(row[cut:] + row[:cut])

rows > ints | 1 | sums totals | adds up rows
$out = [sum(row) for row in $in]

rows > ints | 1 | sums totals | adds up columns
$out = [sum(column) * $pos for column in zip(*$in)]

rows > ints | 1 | flat cells | puts all numbers into one list
$out = [$x for row in $in for $x in row if $cond]

rows > ints | 1 | diagonal corners | walks along a diagonal
$out = [row[i] for i, row in enumerate($in) if i < len(row)]

rows > int | 3 | total balance | adds and subtracts cells
$out = 0
for i, row in enumerate($in):
    for j, $x in enumerate(row):
        if (i + j) % $pos == 0:
            $out += $expr
        else:
            $out -= $x

rows > int | 3 | steps path_sum | walks down through the rows
$out = 0
place = 0
for row in $in:
    if row:
        place = (place + row[place % len(row)]) % len(row)
        $out += row[place]

int > int | 1 | changed adjusted | calculates with the number
$out = abs($in - $int) * $pos

int > int | 1 | changed adjusted | calculates with the number
$out = $in * $pos + $in // $pos

int > int | 1 | mixed remainder | calculates with the number
$out = ($in * $in + $int) % 97

int > int | 1 | digit_sum digit_total | adds up digits
$out = sum(int(digit) for digit in str(abs($in)))

int > int | 1 | reversed_digits backwards | turns the digits around
$out = int(str(abs($in))[::-1]) + $int

int > int | 2 | product factor | goes through the digits
$out = 1
for digit in str(abs($in)):
    if digit != "0":
        $out *= int(digit)

int > int | 2 | halvings steps | counts steps of a rule
$out = 0
rest = abs($in)
while rest > $pos:
    rest = rest // 2 if rest % 2 == 0 else rest - 1
    $out += 1

int > ints | 1 | figures parts | takes the number apart
$out = [int(digit) * $pos for digit in str(abs($in))]

int > ints | 2 | figures places | writes the number in another base
$out = []
rest = abs($in)
while rest:
    $out.append(rest % $base)
    rest //= $base

int > ints | 2 | path orbit | follows a rule step by step
$out = [abs($in)]
while $out[-1] > 1 and len($out) < 8:
    last = $out[-1]
    $out.append(last // 2 if last % 2 == 0 else 3 * last + 1)

int > str | 1 | bits binary | writes the number in binary
$out = bin(abs($in))[2:].zfill($pos)

int > str | 1 | line padded | writes the number in another form
$out = f"{$in}{$in % $pos}".rjust(6, "*")

int > str | 1 | line written | writes the number in another form
$out = f"{$in // $pos}:{$in % $pos}"

int > str | 2 | text spelled | writes the number in another form
$out = ""
for digit in str(abs($in)):
    $out += digit if int(digit) % 2 == 0 else "*"

count > ints | 1 | powers squares | makes a list of numbers
$out = [i * i % $base for i in range(1, $in + 1)]

count > ints | 1 | multiples found | makes a list of numbers
$out = [i for i in range($in) if i % $pos == 1 or i % 7 == 0]

count > ints | 2 | sequence terms | builds a sequence
$out = [1, $pos]
while $out[-1] < $in * 5:
    $out.append($out[-1] + $out[-2])

count > ints | 3 | primes survivors | collects numbers that have few divisors
$out = []
for i in range(2, $in + 1):
    divisors = [d for d in range(1, i + 1) if i % d == 0]
    if len(divisors) <= $pos:
        $out.append(i)

count > int | 2 | total position | repeats a calculation
$out = 0
for i in range($in):
    if $out % $pos == 0:
        $out += i
    else:
        $out -= 1

count > words | 2 | lines spoken | counts up and says something
$out = []
for i in range($in, $in + $base):
    if i % $pos == 0:
        $out.append("fizz")
    else:
        $out.append(str(i))

count > rows | 3 | grid board | fills a grid
$out = []
for i in range($in % 3 + 2):
    $out.append([(i * $pos + j * $in) % 10 for j in range(3)])
"""
