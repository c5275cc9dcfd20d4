"""Reads which option a reply chose. The order of the places to look is that of `ChoiceVerifier`; see there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from evalsuite.verifiers.choice.marks import MARK, mark, plain
from evalsuite.verifiers.slots import Slot, answer_tags, boxes, strung

_TAIL = 20_000  # characters at the end of a reply that are searched for phrases; slots are found anywhere
_LINE = 1000  # characters behind a letter that are searched for its rivals; bounds the time for a text full of letters
_BESIDE = 400  # characters behind a choice in which another may be offered beside it

_FILLER = (
    r"(?:(?:the|an?|either|both|between|one of|options?|choices?|letters?|answers?|correct|right|best|final|likely|most|indeed|therefore|"
    r"thus|then|still|actually|[a-z]{2,12}ly|that|it|it[’']s|is|are|would be|should be|must be|to be|with|only)\b[\s:\"'“,]*){0,6}"
)
_IS = r"(?:(?:\bis\b|\bare\b|\bwas\b|\bbe\b|\bes\b|\best\b|\bist\b|\b[éè]\b|=|:|->|=>|→|应该是|应为|为|是|は|은|는)\s*:?)"
_NAME = r"(?:\b(?:answers?|ans|option|choice|response|selection|solution|match|pick|conclusion|respuesta|réponse|antwort|resposta|risposta|ответ)\b|答案|正确选项|正解|答え|정답)"
_LEAD = rf"{_NAME}[\"'”]?(?P<middle>[^.:\n!?⟦]{{0,80}}?){_IS}"
_END = r"(?=[\s)\"'”]*(?:[.,;!]|$|\n))"
_VERB = (
    r"\b(?:choose|chose|choosing|pick|picked|select|selected|selecting|go(?:ing)? (?:with|for)|went with|opt(?:ed|ing)? for|vote for|"
    r"settle on|lean(?:ing)? towards?|guess|say|conclude|think|believe|suspect)\b"
)
_PREDICATE = r"\s+(?:is|are|was|has|have|can|could|would|will|does|do|seems?|looks?|contains?|says?)\b"
_CORRECT = re.compile(
    rf"{MARK}(?:\s+(?:is|are|would be|must be|should be|seems(?: to be)?|appears(?: to be)?|looks)\s+(?P<also>(?:also|equally|too)\s+)?"
    r"(?:(?:both|all|therefore|indeed|thus|[a-z]+ly)\s+)?(?:the\s+)?(?:(?:only|most|one|single|best|final)\s+){0,2}"
    r"(?:correct|right|best|answer|appropriate|likely|closest|(?<=most )(?:accurate|suitable|plausible|reasonable|consistent|fitting|logical|precise))\b"
    r"|\s+(?:best|correctly|(?:most\s+)?accurately)\s+(?:describes|explains|represents|matches|fits|captures|answers|reflects|illustrates|states)\b"
    r"|\s*(?:选项)?\s*[也都]?[是为]?[最唯]?一?(?:正确|合适|对的)(?!的?吗))"
)
# Between two statements on one line that stand on end: "The answer is A and the answer is B".
_ON_END = re.compile(
    r"[^\S\n]*[,;.)/|&]?[^\S\n]*(?:(?:and|or|also|maybe|perhaps|alternatively),?[^\S\n]+)*(?:(?:the|my|another|an)[^\S\n]+)?"
    r"(?:(?:correct|right|best|final|other)[^\S\n]+)?"
)
_CLAUSE = re.compile(
    r"(?:^|[.!?:;,(\n⟧]\s*|\b(?:so|thus|therefore|hence|that|and|or|both|option|choice|answer|letter|means|only|think|believe)\s+|[。，；：]\s*|(?:选项|因此|所以|故|那么|和|或)\s*)$"
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
        rf"(?:{_NAME}|\bone\b)\s+(?:among|amongst|between|from|of|out of)\s+(?:(?:options?|choices?|the|and|or|[,&/]|⟦[a-z][)*]?⟧)\s*){{1,24}}"
        rf"(?:is|would be|must be|should be)\s+{_FILLER}{MARK}",
        rf"\bthe\s+(?:only\s+)?(?:correct|right|best|better|closest|most [a-z]+)\s+(?:one|statement|letter)\s+(?:is|must be|would be)\s+{_FILLER}{MARK}{_END}",
        rf"\b(?:that|which|this)\s+(?:only\s+)?leaves\s+(?:us\s+)?{_FILLER}{MARK}{_END}",
        r"(?m:^[^\S\n]*⟦([a-z])\*⟧[\s.]*$)",
    )
)
_BOLD = re.compile(r"(?m)^(?P<before>.*?)⟦([a-z])\*⟧(?!\s*[:)])")
_TEXT_SLOT = re.compile(rf"{_LEAD}\s*(?P<text>\S[^\n]{{0,400}})")
_NEGATED = re.compile(
    r"\b(?:not|never|cannot|neither|incorrect|wrong|false|eliminated?|eliminating|exclud\w+|without|no|(?<!at )least)\b|n[’']t\b|ruled? out"
)
_DENIED = re.compile(
    r"(?:\b(?:incorrect|wrong|other|false|bad|eliminated|excluded|unlikely|worst|not|never|cannot|least\s+[a-z]+)|n[’']t)\s+"
    r"(?:(?:the|an?|be|is|correct|right|best|final|really|actually)\s+){0,3}$"
)
# Whose opinion follows: "some would say", "many people think that the".
_OTHERS = re.compile(
    r"\b(?:some|others?|many|people|someone|somebody|they|students|critics|one\s+(?:might|may|could))\b"
    r"(?:\s+(?:would|might|may|could|will|people|students|readers|of|them|also|often|initially|wrongly))*"
    r"(?:\s+(?:say|argue|claim|think|believe|suggest|feel|insist)s?)?(?:\s+(?:that|the|correct|right|best|it|answer|option|choice))*\s*$"
)
_SOFT = r"(?:(?:maybe|possibly|perhaps|probably|option|choice|even|either|also|then|answer|the|could be|might be|else)\s+){0,4}"
_JOIN = re.compile(
    r"[\s.)]*(?:(?:[,;/|&+、或和与及∨∪]|\band/or\b|\band\b|\bto\b|\\lor\b|\\vee\b|\\cup\b)[\s(]*(?:(?:and|or|&)\s+)?"
    + _SOFT
    + rf"{MARK}"
    rf"|,?\s*\(?\s*\bor\b[\s,]+(?:[a-z’'-]+,?\s+){{0,3}}?{MARK}"
    rf"|[,;.]?\s*\(?(?:though|although|but|however|alternatively)\b[^\n⟦.]{{0,40}}?\b(?:could|might|may|maybe|possibly|perhaps|also|equally)\b[^\n⟦.]{{0,30}}{MARK}"
    rf")|[^\S\n]*(?:[–—-][^\S\n]*)?{MARK}|\s*{MARK}(?=\s*(?:$|⟦|\n))"
)
_JOINED_BEFORE = re.compile(rf"{MARK}[\s)]*(?:[,/&、或和与及]|\bor\b|\band\b)[\s,(]*(?:or\s+|and\s+)?{_SOFT}$")
_REASON = re.compile(r"\b(?:because|since|whereas|while|unlike)\b")
_REJECTED = re.compile(
    r"\s*(?:is|are|was|were|can|both|all|being)\b[^.\n⟦]{0,30}(?:wrong|incorrect|not|n[’']t|false|eliminated|ruled|out\b|excluded|distract)"
)
# Another option offered beside the one that was chosen: "alternatively, C", "it could also be C", "C is also possible".
_RIGHT = r"(?:possible|plausible|right|correct|valid|acceptable|reasonable|defensible|true|fine|answer|option|choice)\b"
_RIVAL = re.compile(
    rf"(?:\balternatively\b[\s,:]*{_FILLER}{MARK}(?=[\s)]*(?:[.,;!(]|$|\n|\b(?:is|could|might|may|would)\b))"
    rf"|\b(?:could|might|may)\s+(?:(?:also|equally|just|as|well|even|possibly|perhaps)\s+)*be\s+{_FILLER}{MARK}"
    rf"|{MARK}\s+(?:(?:is|seems|looks|would be)\s+(?:(?:also|equally|just|as|perhaps|maybe|possibly|too)\s+)+|(?:could|might|may)\s+"
    rf"(?:(?:also|equally|just|as|well|even|possibly|perhaps)\s+)*(?:be\s+)?)(?:(?:an?|the|as|be|another|also)\s+)*{_RIGHT}"
    rf"|\bbut\s+(?:option\s+)?{MARK}\s+is\s+(?:an?\s+)?(?:possible|plausible|defensible)\b"
    rf"|[;,.]\s*(?:(?:and|but|or)\s+)?(?:if\b[^.;\n⟦]{{0,60}}(?:,\s*(?:then\s+)?|\b(?:is|be|then)\s+)|(?:otherwise|else),?\s+(?:it\s+is\s+)?){MARK}{_END}"
    rf"|[,.]\s*or\s+{_SOFT}{MARK}{_END})(?![^.\n]{{0,60}}\b(?:but|however|yet|except|only if)\b)"
)
_LABEL = re.compile(
    r"\s*(?:[-•]\s*)?(?:(?:option|choice|answer)\s+)?(?:⟦([a-z])\)⟧(?!\s*\?)[\s.:,-]*|⟦([a-z])\*?⟧(?:\s*[.):]+\s*|\s+[-–—]\s+|,?\s+(?P<reason>because|since|as|not|rather than|instead of)\b|\s*$))"
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
    if letters := _phrases(marked, options):
        return Said(letters)
    if letters := _reply(tail, marked, options):
        chosen = re.search("|".join(f"⟦{letter.lower()}[)*]?⟧" for letter in letters), marked)
        return Said(letters | (_rivals(marked, chosen.end()) if chosen else frozenset()))
    if letters := _ending(marked):
        return Said(letters)
    return unread


def _slots(text: str, slots: list[Slot], options: Sequence[str]) -> Said:
    """The last slot, together with those that are strung to it on the same line ("\\boxed{A} or \\boxed{B}")."""
    joined = strung(text, slots)
    said = _slot(slots[-1].content, options)
    letters = said.letters.union(*(_slot(slot.content, options).letters for slot in joined))
    letters |= _rivals(mark(text[slots[-1].end :][:_BESIDE]), 0) if letters else frozenset()
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
    if lead and re.match(r"[\s)\]\"']*\?", marked[lead.end() : lead.end() + 10]):
        return Said(frozenset(), content)
    if lead:
        return Said(_labelled(marked, lead.end(), lead.group(1), options), content)
    letters = _phrases(marked, options)
    found = frozenset(m.upper() for m in re.findall(MARK, marked))
    return Said(letters or (found if len(found) > 1 else frozenset()), content)


def _labelled(marked: str, end: int, letter: str, options: Sequence[str]) -> frozenset[str]:
    """A letter whose text or rivals may follow on its line: the letter, or all letters that are claimed there."""
    line = marked[end : end + _LINE].partition("\n")[0]
    text = plain(line.lstrip(" .):-–—,"))
    own = options[ord(letter) - 97] if ord(letter) - 97 < len(options) else ""
    if own and text == own:
        return frozenset(letter.upper())
    letters = _joined(marked, end, letter)
    # Labels further on in the line make it a list, unless they stand in the option's own text or in the reasons; the text
    # of another option contradicts the letter.
    named = set(re.findall(r"\b[a-z]\b", own)) if own in text else set()
    labels = re.findall(r"⟦([a-z])\)⟧|(?<!not )(?<!than )(?<!option )⟦([a-z])⟧[.):]\s", _REASON.split(line, maxsplit=1)[0])
    letters |= {m.upper() for pair in labels for m in pair if m and m not in named}
    other = [chr(65 + i) for i, option in enumerate(options) if len(option) > 1 and option == text]
    return letters | frozenset(other)


def _joined(marked: str, end: int, letter: str) -> frozenset[str]:
    """The letter and those that are joined to it behind it by "or", "and", commas, or nothing at all."""
    letters, position = {letter}, end
    while position - end < _LINE and (join := _JOIN.match(marked, position)):
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
            if letter := option_of(text, options) or _headed(text, options):
                claims.append(_Claim(m.start(), m.start("text") + len(text), frozenset(letter)))
    if not claims:
        return frozenset()
    claims.sort(key=lambda claim: claim.end)
    last = claims[-1].letters
    together = close = last
    for earlier, later in zip(claims[-2::-1], claims[:0:-1], strict=True):
        # Statements on end: two on one line contradict each other, three anywhere are spam ("Answer: A Answer: B ...").
        between = marked[earlier.end : later.start]
        if later.end - earlier.end > 60:
            break
        close |= earlier.letters
        if together >= later.letters and _ON_END.fullmatch(between):
            together |= earlier.letters
    letters = close if len(close) > 2 else together
    return letters | _rivals(marked, claims[-1].end)


def _rivals(marked: str, start: int) -> frozenset[str]:
    """Options that are offered as well, soon behind a choice that ends at `start`."""
    offers = _RIVAL.finditer(marked[start : start + _BESIDE])
    return frozenset(next(g for g in m.groups() if g).upper() for m in offers)


def _headed(text: str, options: Sequence[str]) -> str | None:
    """The letter A where it stands before its option's text like an article ("A Paris"), and so was not marked."""
    bare = re.match(r"a\s+(?=\S)", text)
    return "A" if bare and options[0] and plain(text[bare.end() :]) == options[0] else None


def _denied(marked: str, start: int, middle: str | None) -> bool:
    """Whether the words before or inside a phrase say that it is not the answer, or that others think so."""
    before = marked[max(0, start - 40) : start]
    return bool(_DENIED.search(before) or _OTHERS.search(before) or _NEGATED.search(middle or ""))


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
    letter = where[1].group(1) or where[1].group(2)
    if where[1]["reason"]:  # "B, not A", "B because A is too small"
        return frozenset(letter.upper())
    return _labelled(lines[where[0]], where[1].end(), letter, options)


def _ending(marked: str) -> frozenset[str]:
    """A last sentence that ends in the only option letter it has: "A close look shows B." """
    lines = [line for line in marked.split("\n") if line.strip()]
    if not lines:
        return frozenset()
    sentence = re.split(r"(?<=[.!?])\s+", lines[-1].strip())[-1]
    ends = _ENDS.search(sentence)
    letters = frozenset(m.upper() for m in re.findall(MARK, sentence))
    if not ends or ends["cited"] or len(letters) != 1 or _NEGATED.search(sentence) or _OTHERS.search(sentence[: ends.start()]):
        return frozenset()
    return letters
