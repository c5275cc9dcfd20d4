"""Reads which option a reply chose. The order of the places to look is that of `ChoiceVerifier`; see there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from evalsuite.verifiers.choice.marks import MARK, mark, plain
from evalsuite.verifiers.slots import Slot, answer_tags, boxes

_TAIL = 20_000  # characters at the end of a reply that are searched for phrases; slots are found anywhere

_FILLER = (
    r"(?:(?:the|an?|either|both|between|one of|options?|choices?|letters?|answers?|correct|right|best|final|likely|most|indeed|therefore|"
    r"thus|then|still|actually|[a-z]{2,12}ly|that|it|it[’']s|is|are|would be|should be|must be|to be|with|only)\b[\s:\"'“,]*){0,6}"
)
_IS = r"(?:(?:\bis\b|\bare\b|\bwas\b|\bbe\b|\bes\b|\best\b|\bist\b|\bé\b|=|:|->|=>|→|应该是|应为|为|是|は|은|는)\s*:?)"
_NAME = r"(?:\b(?:answers?|ans|option|choice|response|selection|solution|match|pick|conclusion|respuesta|réponse|antwort|resposta|risposta|ответ)\b|答案|正确选项|正解|答え|정답)"
_LEAD = rf"{_NAME}[\"'”]?(?P<middle>[^.:\n!?⟦]{{0,80}}?){_IS}"
_END = r"(?=[\s)\"'”]*(?:[.,;!]|$|\n))"
_VERB = (
    r"\b(?:choose|chose|choosing|pick|picked|select|selected|selecting|go(?:ing)? (?:with|for)|went with|opt(?:ed|ing)? for|vote for|"
    r"settle on|lean(?:ing)? towards?|guess|say|conclude|think|believe|suspect)\b"
)
_PREDICATE = r"\s+(?:is|are|was|has|have|can|could|would|will|does|do|seems?|looks?|contains?|says?)\b"
_CORRECT = re.compile(
    rf"{MARK}\s+(?:is|are|would be|must be|should be|seems(?: to be)?|appears(?: to be)?|looks)\s+(?P<also>(?:also|equally|too)\s+)?"
    r"(?:(?:both|all|therefore|indeed|thus|[a-z]+ly)\s+)?(?:the\s+)?(?:(?:only|most|one|single|best|final)\s+){0,2}"
    r"(?:correct|right|best|answer|appropriate|likely|closest)\b"
)
_CLAUSE = re.compile(
    r"(?:^|[.!?:;,(\n⟧]\s*|\b(?:so|thus|therefore|hence|that|and|or|both|option|choice|answer|letter|means|only|think|believe)\s+)$"
)
_PHRASES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_LEAD}[\s\"'“]*{_FILLER}[\s\"'“]*(?:{MARK}|(?P<small>[a-z])(?=[)\]]|[\s.\"']*(?:$|\n)))",
        rf"\bans(?:wers?|\.)?\s+{MARK}{_END}",
        rf"{_VERB}[\s:\"'“]*{_FILLER}[\s\"'“]*{MARK}(?!{_PREDICATE})",
        rf"\b(?:it|this|that|which)(?:[’']s|\s+(?:is|was|must be|has to be|should be|would be|can only be))\s+{_FILLER}{MARK}{_END}",
        rf"\b(?:so|thus|therefore|hence|actually|rather|instead|finally|wait|no)\b[,:]?\s*{_FILLER}{MARK}(?=[\s)]*(?:[.!]|$|\n))",
        rf"\bnot\s+(?:option\s+)?⟦[a-z][)*]?⟧[,;:]?\s+(?:but|it[’']?s|it is)\s+(?:rather\s+)?{_FILLER}{MARK}",
        rf"选(?!项)择?\s*:?\s*{MARK}",
        r"(?m:^[^\S\n]*⟦([a-z])\*⟧[\s.]*$)",
    )
)
_BOLD = re.compile(r"(?m)^(?P<before>.*?)⟦([a-z])\*⟧(?!\s*[:)])")
_TEXT_SLOT = re.compile(rf"{_LEAD}\s*(?P<text>\S[^\n]{{0,400}})")
_NEGATED = re.compile(
    r"\b(?:not|never|cannot|neither|incorrect|wrong|false|eliminated?|eliminating|exclud\w+|without|no)\b|n[’']t\b|ruled? out"
)
_DENIED = re.compile(
    r"(?:\b(?:incorrect|wrong|other|false|bad|eliminated|excluded|unlikely|worst|not|never|cannot)|n[’']t)\s+"
    r"(?:(?:the|an?|be|is|correct|right|best|final|really|actually)\s+){0,3}$"
)
_SOFT = r"(?:(?:maybe|possibly|perhaps|probably|option|choice|even|either|also|then|answer|the|could be|might be|else)\s+){0,4}"
_JOIN = re.compile(
    r"[\s.)]*(?:(?:[,;/|&+、或和与及]|\band/or\b|\band\b|\\lor\b|\\vee\b|\\cup\b)[\s(]*(?:(?:and|or|&)\s+)?"
    + _SOFT
    + rf"{MARK}"
    rf"|,?\s*\(?\s*\bor\b\s+(?:[a-z’'-]+,?\s+){{0,3}}?{MARK}"
    rf"|[,;.]?\s*\(?(?:though|although|but|however|alternatively)\b[^\n⟦.]{{0,40}}?\b(?:could|might|may|maybe|possibly|perhaps|also|equally)\b[^\n⟦.]{{0,30}}{MARK}"
    rf")|\s*{MARK}"
)
_JOINED_BEFORE = re.compile(rf"{MARK}[\s)]*(?:[,/&、或和与及]|\bor\b|\band\b)[\s,(]*(?:or\s+|and\s+)?{_SOFT}$")
_REJECTED = re.compile(
    r"\s*(?:is|are|was|were|can|both|all|being)\b[^.\n⟦]{0,30}(?:wrong|incorrect|not|n[’']t|false|eliminated|ruled|out\b|excluded|distract)"
)
_LABEL = re.compile(
    r"\s*(?:[-•]\s*)?(?:(?:option|choice|answer)\s+)?(?:⟦([a-z])\)⟧[\s.:,-]*|⟦([a-z])\*?⟧(?:\s*[.):]+\s*|\s+[-–—]\s+|,?\s+(?:because|since|as)\b|\s*$))"
)
_ENDS = re.compile(
    r"(?:\b(?:is|be|it[’']s|that[’']s|shows?|showing|indicates?|suggests?|gives?|supports?|confirms?|matches|means|get|with|to|option|choice|"
    r"answer|letter|so|thus|therefore|hence|probably|likely|definitely|clearly)|[,:=→-])\s*⟦([a-z])\*?⟧[\s.!)\"”]*$|(?P<cited>\b(?:figure|fig\.?|panel|equation|eq\.?|step|part|section|table)\s*)?⟦([a-z])\)⟧[\s.!\"”]*$"
)


class Said(NamedTuple):
    """What a reply chose: option letters (several are a hedge) or, without letters, the `text` of a slot nobody can read."""

    letters: frozenset[str]
    text: str = ""


@lru_cache(maxsize=1024)
def option_texts(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Comparable texts of the options, without labels of their own ("(A) mug" and "mug" alike)."""
    texts = []
    for i, choice in enumerate(choices):
        marked = mark(choice)
        label = _LABEL.match(marked)
        own = label and (label.group(1) or label.group(2)) == chr(97 + i) and label.end() < len(marked)
        texts.append(plain(marked[label.end() :] if label and own else marked))
    return tuple(texts)


def option_of(text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option whose text this is, or None."""
    hits = [i for i, option in enumerate(options) if option and option == plain(mark(text))]
    return chr(65 + hits[0]) if len(hits) == 1 else None


def read(text: str, choices: tuple[str, ...] = ()) -> Said | None:
    """What `text` chose, None where it chose nothing. Linear time; only the end of a very long reply is searched."""
    options = option_texts(choices)
    unread: Said | None = None
    for slots in (boxes(text), answer_tags(text)):
        slots = [slot for slot in slots[-50:] if slot.content.strip()]
        if slots:
            said = _slots(text, slots, options)
            if said.letters:
                return said
            unread = unread or said
    tail = text[-_TAIL:]
    marked = mark(tail)
    if letters := _phrases(marked, options) or _reply(tail, marked, options) or _ending(marked):
        return Said(letters)
    return unread


def _slots(text: str, slots: list[Slot], options: Sequence[str]) -> Said:
    """The last slot, together with those that are strung to it on the same line ("\\boxed{A} or \\boxed{B}")."""
    said = _slot(slots[-1].content, options)
    letters = said.letters
    for earlier, later in zip(slots[-2::-1], slots[:0:-1], strict=False):
        if not re.fullmatch(
            r"[^\S\n]*(?:[,;/|&+.$]|\bor\b|\band\b|\\text\{ ?(?:or|and) ?\}|\\lor)?[^\S\n]*\$*", text[earlier.end : later.start]
        ):
            break
        letters |= _slot(earlier.content, options).letters
    everything = frozenset().union(*(_slot(slot.content, options).letters for slot in slots))
    # A box for each of several options is no choice; two may be a correction.
    letters = everything if len(everything) > 2 else letters
    return Said(letters, "" if letters else said.text)


def _slot(content: str, options: Sequence[str]) -> Said:
    """What stands in an explicit slot: a letter, a labelled option, an option's text, or a hedge between letters."""
    content = content.strip()[:2000]
    run = re.fullmatch(r"[A-Z]{2,}", content)
    limit = len(options) or 10
    if letter := option_of(content, options):
        return Said(frozenset(letter))
    if run and all(ord(c) - 65 < limit for c in content):
        return Said(frozenset(content))
    marked = mark(content)
    small = re.fullmatch(
        r"[\s(\[]*([a-z])(?:\s*[)\].:]\s*\S.*|[\s)\].:]*)|([a-z](?:\s*(?:,|/|&|\bor\b|\band\b)\s*[a-z])+)", marked, re.DOTALL
    )
    if small and "⟦" not in marked:
        return Said(frozenset(re.sub(r"\b(?:or|and)\b|[^a-z]", "", small.group(1) or small.group(2)).upper()))
    lead = re.match(rf"[\s\"'“(]*{_FILLER}[\s\"'“(]*{MARK}", marked)
    if lead:
        return Said(_labelled(marked, lead.end(), lead.group(1), options), content)
    letters = _phrases(marked, options)
    found = frozenset(m.upper() for m in re.findall(MARK, marked))
    return Said(letters or (found if len(found) > 1 else frozenset()), content)


def _labelled(marked: str, end: int, letter: str, options: Sequence[str]) -> frozenset[str]:
    """A letter whose text or rivals may follow on its line: the letter, or all letters that are claimed there."""
    line = marked[end:].partition("\n")[0]
    text = plain(line.lstrip(" .):-–—,"))
    own = options[ord(letter) - 97] if ord(letter) - 97 < len(options) else ""
    if own and text == own:
        return frozenset(letter.upper())
    letters = _joined(marked, end, letter)
    # Labels further on in the line make it a list; the text of another option contradicts the letter.
    letters |= (
        {m.upper() for m in re.findall(r"⟦([a-z])\)⟧|⟦([a-z])⟧[.):]\s", line) for m in m if m}
        if not own or own not in text
        else set()
    )
    other = [chr(65 + i) for i, option in enumerate(options) if len(option) > 1 and option == text]
    return letters | frozenset(other)


def _joined(marked: str, end: int, letter: str) -> frozenset[str]:
    """The letter and those that are joined to it behind it by "or", "and", commas, or nothing at all."""
    letters, position = {letter}, end
    while join := _JOIN.match(marked, position):
        letters.add(next(g for g in join.groups() if g))
        position = join.end()
    # "C, A and B are wrong": the others are a clause of their own.
    if len(letters) > 1 and _REJECTED.match(marked, position):
        letters = {letter}
    return frozenset(m.upper() for m in letters)


class _Claim(NamedTuple):
    """A phrase at `marked[start:end]` that names these letters."""

    start: int
    end: int
    letters: frozenset[str]


def _phrases(marked: str, options: Sequence[str]) -> frozenset[str]:
    """Letters of the last explicit phrase, empty where there is none."""
    claims: list[_Claim] = []
    for pattern in _PHRASES:
        for m in pattern.finditer(marked):
            groups = m.groupdict()
            asked = re.match(r"[\s)]*\?", marked[m.end() : m.end() + 10])
            if asked or _denied(marked, m.start(), groups.get("middle")):
                continue
            letter = next(g for g in reversed(m.groups()) if g and len(g) == 1)
            letters = frozenset(letter.upper()) if groups.get("small") else _labelled(marked, m.end(), letter, options)
            claims.append(_Claim(m.start(), m.end(), letters))
    claims += _statements(marked) + _bold(marked)
    for m in _TEXT_SLOT.finditer(marked) if options else ():
        if _denied(marked, m.start(), m["middle"]):
            continue
        for text in (m["text"], re.split(r"(?<=[a-z0-9)”\"])\.(?:\s|$)", m["text"])[0]):
            if letter := option_of(text, options):
                claims.append(_Claim(m.start(), m.start("text") + len(text), frozenset(letter)))
    if not claims:
        return frozenset()
    claims.sort(key=lambda claim: claim.end)
    last = claims[-1].letters
    strung = close = last
    for earlier, later in zip(claims[-2::-1], claims[:0:-1], strict=True):
        # Statements on end: two on one line contradict each other, three anywhere are spam ("Answer: A Answer: B ...").
        between = marked[earlier.end : later.start]
        if later.end - earlier.end > 60:
            break
        close |= earlier.letters
        if strung >= later.letters and re.fullmatch(r"[^\S\n]*[,;.)/|&]?[^\S\n]*", between):
            strung |= earlier.letters
    return close if len(close) > 2 else strung


def _denied(marked: str, start: int, middle: str | None) -> bool:
    """Whether the words before or inside a phrase say that it is not the answer."""
    return bool(_DENIED.search(marked[max(0, start - 40) : start]) or _NEGATED.search(middle or ""))


def _statements(marked: str) -> list[_Claim]:
    """Sentences like "B is the correct answer" and "A and C are both correct". Two that name different letters contradict each other."""
    found: list[_Claim] = []
    for m in _CORRECT.finditer(marked):
        before = marked[max(0, m.start() - 120) : m.start()]
        letters = {m.group(1)}
        while joined := _JOINED_BEFORE.search(before):
            letters.add(joined.group(1))
            before = before[: joined.start()]
        if _CLAUSE.search(before):
            found.append(_Claim(m.start(), m.end(), frozenset(x.upper() for x in letters)))
    every = frozenset[str]().union(*(claim.letters for claim in found))
    return [claim._replace(letters=every) for claim in found]


def _bold(marked: str) -> list[_Claim]:
    """A bold letter inside a line, where all such letters agree; at the start of a line it is a label."""
    found = [m for m in _BOLD.finditer(marked) if re.search(r"[a-z]", m["before"]) and not _NEGATED.search(m["before"][-30:])]
    if len({m.group(2) for m in found}) != 1:
        return []
    return [_Claim(m.end(), m.end(), frozenset(m.group(2).upper())) for m in found]


def _reply(text: str, marked: str, options: Sequence[str]) -> frozenset[str]:
    """The whole reply, or its first or last line, is a letter or begins with an option's label."""
    if letter := option_of(text, options):
        return frozenset(letter)
    lines = [line for line in marked.split("\n") if line.strip()]
    if len(lines) == 1 and (whole := re.match(rf"[\s\"'“]*(?:either\s+|both\s+)?{MARK}", marked)):
        letters = _joined(marked, whole.end(), whole.group(1))
        if len(letters) > 1 or not marked[whole.end() :].strip(" .)\"'”\n"):
            return letters
    run = re.fullmatch(r"\s*([A-Z]{2,})[\s.]*", text)
    if run and all(ord(c) - 65 < (len(options) or 10) for c in run.group(1)):
        return frozenset(run.group(1))
    alone = [re.fullmatch(rf"[\s\"'“]*(?:option\s+|answer\s+)?{MARK}[\s.):\"'”]*", line) for line in lines]
    if lines and len({m.group(1) for m in alone if m}) == 1 and (only := alone[-1] or alone[0]):
        return frozenset(only.group(1).upper())
    labels = [(i, m) for i, line in enumerate(lines) if (m := _LABEL.match(line))]
    letters_seen = [m.group(1) or m.group(2) for _, m in labels]
    if not labels:
        return frozenset()
    # Lines with different labels restate the options; a last line that repeats one of them is the choice.
    if len(set(letters_seen)) == 1:
        where = next((x for x in (labels[-1], labels[0]) if x[0] in (0, len(lines) - 1)), None)
    else:
        where = labels[-1] if labels[-1][0] == len(lines) - 1 and letters_seen[-1] in letters_seen[:-1] else None
    if where is None:
        return frozenset()
    return _labelled(lines[where[0]], where[1].end(), where[1].group(1) or where[1].group(2), options)


def _ending(marked: str) -> frozenset[str]:
    """A last sentence that ends in the only option letter it has: "A close look shows B." """
    lines = [line for line in marked.split("\n") if line.strip()]
    if not lines:
        return frozenset()
    sentence = re.split(r"(?<=[.!?])\s+", lines[-1].strip())[-1]
    ends = _ENDS.search(sentence)
    letters = frozenset(m.upper() for m in re.findall(MARK, sentence))
    if not ends or ends["cited"] or len(letters) != 1 or _NEGATED.search(sentence):
        return frozenset()
    return letters
