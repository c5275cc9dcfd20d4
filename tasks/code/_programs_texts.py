"""Idioms over text, lists of words and dicts from text; `_programs_idioms.py` says how to read them."""

from __future__ import annotations

TEXTS = r"""
str > str | 1 | flipped backwards | reverses the text
$out = $in[::-1]

str > str | 1 | rotated turned | moves the characters around
$out = $in[$pos:] + $in[:$pos]

str > str | 1 | kept filtered | keeps some of the characters
$out = "".join($x for $x in $in if $cond)

str > str | 1 | changed mapped | changes every character
$out = "".join($expr for $x in $in)

str > str | 1 | changed mapped | changes some of the characters
$out = "".join($expr if $cond else $x for $x in $in)

str > str | 1 | ordered arranged | sorts the characters
$out = "".join(sorted($in, key=lambda $x: ($in.count($x), $x)))

str > str | 1 | woven folded | takes turns from two ends of the text
$out = $in[::2] + $in[1::2][::-1]

str > str | 1 | titled shouted | changes upper and lower case
$out = $in.title().swapcase()

str > str | 2 | packed shortened | writes runs of the same character in short
$out = ""
i = 0
while i < len($in):
    j = i
    while j < len($in) and $in[j] == $in[i]:
        j += 1
    $out += $in[i] + str(j - i)
    i = j

str > str | 2 | unique distinct | drops characters that have been there
$out = ""
for $x in $in:
    if $x not in $out:
        $out += $x

str > str | 2 | arranged reshuffled | moves some of the characters to the front
$out = ""
for $x in $in:
    if $cond:
        $out = $x + $out
    else:
        $out += $x

str > str | 2 | shifted secret | shifts letters in the alphabet
$out = ""
for $x in $in:
    if $x.islower():
        $out += chr((ord($x) - ord("a") + $pos) % 26 + ord("a"))
    else:
        $out += $x

str > int | 1 | matches hits | counts characters
$out = sum(1 for $x in $in if $cond) * $pos

str > int | 1 | total weight | adds up something about the characters
$out = sum(ord($x) % $pos for $x in $in)

str > int | 2 | level depth | counts up and down
$out = 0
for $x in $in:
    if $cond:
        $out += $pos
    else:
        $out -= 1

str > int | 2 | hashed code | folds the text into a number
$out = 0
for $x in $in:
    $out = ($out * $pos + ord($x)) % 1009

phrase > words | 1 | words parts | splits the text into words
$out = $in.split()

str > words | 1 | pieces chunks | cuts the text into pieces
$out = [$in[i:i + $pos] for i in range(0, len($in), $pos)]

str > words | 2 | pieces runs | splits the text at some characters
$out = [""]
for $x in $in:
    if $cond:
        $out.append($x)
    else:
        $out[-1] += $x

str > ints | 1 | places positions | finds characters
$out = [i for i, $x in enumerate($in) if $cond]

str > ints | 1 | codes values | turns characters into numbers
$out = [(ord($x) - ord("a")) % $pos for $x in $in]

str > table | 2 | counts seen | counts characters
$out = {}
for $x in $in:
    if $cond:
        $out[$x] = $out.get($x, 0) + 1

words > words | 1 | kept chosen filtered | keeps some of the words
$out = [$x for $x in $in if $cond]

words > words | 1 | changed mapped | changes every word
$out = [$expr for $x in $in]

words > words | 1 | changed mapped | keeps some of the words and changes them
$out = [$expr for $x in $in if $cond]

words > words | 1 | ordered ranked | sorts the words
$out = sorted($in, key=lambda $x: (len($x), $x))

words > words | 1 | ordered ranked | sorts the words
$out = sorted($in, key=lambda $x: $x[::-1], reverse=True)

words > words | 1 | joined paired | joins neighbours
$out = [a[:$pos] + b for a, b in zip($in, $in[1:])]

words > words | 2 | numbered listed | numbers the words
$out = []
for i, $x in enumerate($in):
    $out.append(f"{i}{$x}" if $cond else $x)

words > words | 2 | chain linked | links words to those before them
$out = []
previous = ""
for $x in $in:
    if $x[:1] > previous[:1]:
        $out.append($x)
    else:
        $out.append(previous[:$pos] + $x[::-1])
    previous = $x

words > words | 3 | lines wrapped | fills lines with words
$out = []
for $x in $in:
    if $out and len($out[-1]) + len($x) < $big:
        $out[-1] += "_" + $x
    else:
        $out.append($x)

words > str | 1 | joined sentence | joins the words
$out = "+".join($in[::-1])

words > str | 1 | initials short | takes letters from every word
$out = "".join($x[:1] + $x[-1:] for $x in $in)

words > str | 1 | joined sentence | joins some of the words
$out = " ".join($x for $x in $in if $cond)

words > str | 2 | letters picked | takes one letter from every word
$out = ""
for i, $x in enumerate($in):
    if $x:
        $out += $x[i % len($x)]

words > int | 1 | total size | adds up something about the words
$out = sum(len($x) for $x in $in if $cond)

words > int | 2 | score points | gives points word by word
$out = 0
for i, $x in enumerate($in):
    if $cond:
        $out += len($x) * $pos
    else:
        $out -= i

words > int | 3 | shared overlap | looks at pairs of words
$out = 0
for i, first in enumerate($in):
    for second in $in[i + 1:]:
        if first[:1] == second[:1] or len(first) == len(second):
            $out += $pos

words > ints | 1 | lengths sizes | measures the words
$out = [len($x) * $pos for $x in $in]

words > ints | 1 | places positions | finds words
$out = [i for i, $x in enumerate($in) if $cond]

words > table | 1 | lengths sizes | measures the words
$out = {$x: len($x) + $int for $x in $in}

words > table | 2 | groups initials | groups the words
$out = {}
for $x in $in:
    key = $x[:1]
    $out[key] = $out.get(key, 0) + len($x)

table > table | 1 | kept chosen | keeps some of the entries
$out = {key: count for key, count in $in.items() if count > $int}

table > table | 1 | changed mapped | changes the entries
$out = {key[:$pos]: count + len(key) for key, count in $in.items()}

table > table | 2 | raised updated | changes some of the entries
$out = dict($in)
for key in sorted($in):
    if $in[key] % $pos == 0:
        $out[key] += $pos
    else:
        $out[key] -= len(key)

table > table | 2 | remaining kept_back | takes from the entries until nothing is left to take
$out = {}
left = $big
for key, count in sorted($in.items()):
    taken = min(left, count)
    left -= taken
    $out[key] = count - taken

table > words | 1 | order ranking | orders the keys by their values
$out = sorted($in, key=lambda key: (-$in[key], key))

table > words | 1 | entries lines | writes down every entry
$out = [key * (count % $pos) for key, count in sorted($in.items())]

table > str | 1 | joined line | writes the entries in one line
$out = ", ".join(f"{key}={count}" for key, count in $in.items() if count > $int)

table > ints | 1 | levels shares | takes the values
$out = [count % $pos + len(key) for key, count in sorted($in.items())]

table > int | 1 | total weight | adds up the entries
$out = sum(count * len(key) for key, count in $in.items())

table > int | 2 | score balance | adds and subtracts entries
$out = 0
for key, count in sorted($in.items()):
    if count > $int:
        $out += count
    else:
        $out -= len(key)
"""
