"""The same question twice, in a task and across the tasks of a run: it counts twice, and its copies are not independent."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd

from evalsuite.errors import EvalsuiteError

from ..catalog import Run
from .questions import columns

GRAM = 13  # words, as in the overlap checks of GPT-3 (Brown et al. 2020, appendix C)
NEAR = 0.5  # share of the shorter question's 13-grams that the other has too
COMMON = 20  # questions with a 13-gram above which it is a template
COLUMNS = ("kind", "tasks", "copies", "questions", "text")

Place = tuple[str, str]  # task, id


def duplicates(run: Run, near: bool = False) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Groups of questions of a run (COLUMNS) of one kind each; and tasks that cannot be read, with the reason.

    `same content`: equal digests, so the same problem, gold, choices and tests. `same text`: the problem's text is the same in
    NFKC, lower case and white space, while something else differs (an image, choices, the gold). `near`, where asked for: pairs of
    which the shorter has at least half of its 13-grams of words in the other; 13-grams of more than COMMON questions do not count.
    """
    digests: dict[Place, str] = {}
    texts: dict[Place, str] = {}
    problems = []
    for task in run.tasks:
        try:
            found = columns(run, task, ["id", "digest", "problem"])
        except EvalsuiteError as error:
            problems.append((task, str(error)))
            continue
        for id, digest, problem in zip(found["id"], found["digest"], found["problem"]):
            digests[task, id], texts[task, id] = digest, normalised(problem or "")
    same = _alike(digests)
    alike = [group for group in _alike(texts) if len({digests[place] for place in group}) > 1 and texts[group[0]]]
    rows = [("same content", group) for group in same] + [("same text", group) for group in alike]
    if near:
        rows += [("near", pair) for pair in near_pairs(texts)]
    frame = pd.DataFrame(
        [
            (kind, ", ".join(dict.fromkeys(task for task, _ in group)), len(group), ", ".join(id for _, id in group[:6]), texts[group[0]][:200])
            for kind, group in rows
        ],
        columns=list(COLUMNS),
    )  # fmt: skip
    return frame, problems


def normalised(text: str) -> str:
    """NFKC, lower case, single spaces. Signs stay: x + 1 is not x - 1."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def near_pairs(texts: Mapping[Place, str]) -> list[tuple[Place, Place]]:
    """Pairs of questions with different normalised texts of which the shorter shares at least NEAR of its 13-grams."""
    grams = {place: _grams(text) for place, text in texts.items()}
    holders: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for place, of in grams.items():
        for gram in of:
            holders[gram].append(place)
    shared: Counter[tuple[Place, Place]] = Counter()
    for places in holders.values():
        if len(places) <= COMMON:
            shared.update((a, b) for i, a in enumerate(places) for b in places[i + 1 :])
    return [
        (a, b)
        for (a, b), n in shared.items()
        if texts[a] != texts[b] and n >= NEAR * min(len(grams[a]), len(grams[b]))
    ]  # fmt: skip


def _grams(text: str) -> set[tuple[str, ...]]:
    words: Sequence[str] = re.findall(r"\w+|[^\w\s]", text)
    return {tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)}


def _alike(values: Mapping[Place, str]) -> list[list[Place]]:
    groups: dict[str, list[Place]] = defaultdict(list)
    for place, value in values.items():
        groups[value].append(place)
    return [group for group in groups.values() if len(group) > 1]
