"""Stop strings end a sample only after thinking; the incremental watch agrees with a search in the whole text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.models import stopping
from evalsuite.models.stopping import StopWatch, checked, find


@pytest.mark.parametrize(
    ("text", "stop", "opened", "at"),
    [
        ("answer\n\nmore", ("\n\n",), False, 6),
        ("<think>a\n\nb</think>c\n\nd", ("\n\n",), False, 20),
        ("a\n\nb</think>c\n\nd", ("\n\n",), True, 13),
        ("a\n\nb", ("\n\n",), True, None),
        ("<think>never\n\nclosed", ("\n\n",), False, None),
        ("x Question: y", ("Q:", "Question:"), False, 2),
        ("one</s>two", ("</s>", "one"), False, 0),
        ("preamble\nthen <think>x</think>", ("\n",), False, 8),
        ("<|channel|>analysis<|message|>a\n<|channel|>final<|message|>b\nc", ("\n",), False, 60),
        ("a\n<THINK>b\n</Think>c\nd", ("\n",), True, 20),
        ("anything", (), False, None),
    ],
)
def test_find(text: str, stop: tuple[str, ...], opened: bool, at: int | None) -> None:
    assert find(text, stop, opened) == at


def _characters(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


@given(
    st.lists(
        st.sampled_from(
            ["a", "b", "\n", " ", "<think>", "</think>", "[THINK]", "ab", "</seed:think>", "<seed:think>", "</Think>"]
        ),
        max_size=40,
    ).map("".join),
    st.lists(st.sampled_from(["\n\n", "ab", "b ", " ", "aa"]), min_size=1, max_size=3, unique=True),
    st.booleans(),
)
def test_watch_fires_where_the_whole_text_first_has_a_stop(text: str, stop: list[str], opened: bool) -> None:
    watch = StopWatch(_characters, stop, opened, {})
    tokens: list[int] = []
    fired = None
    for character in text:
        tokens.append(ord(character))
        if watch(tokens):
            fired = len(tokens)
            break
    prefixes = (n for n in range(1, len(text) + 1) if find(text[:n], stop, opened) is not None)
    assert fired == next(prefixes, None)


def test_watch_waits_for_the_rest_of_a_character() -> None:
    def decode(ids: Sequence[int]) -> str:
        return bytes(ids).decode("utf-8", "replace")

    watch = StopWatch(decode, ("é",), False, {})
    data = list("aé".encode())
    assert [watch(data[: n + 1]) for n in range(3)] == [False, False, True]


def test_watch_looks_up_ordinary_tokens_only() -> None:
    calls = []

    def decode(ids: Sequence[int]) -> str:
        calls.append(len(ids))
        return _characters(ids)

    watch = StopWatch(decode, ("\n",), False, {})
    tokens: list[int] = []
    for character in "abc" * 100:
        tokens.append(ord(character))
        assert not watch(tokens)
    assert calls == [1, 1, 1]


def test_watch_reads_new_characters_only(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []

    class Counting:
        def __init__(self, pattern: Any) -> None:
            self.pattern = pattern

        def finditer(self, text: str, start: int) -> Any:
            searched.append(len(text) - start)
            return self.pattern.finditer(text, start)

    monkeypatch.setattr(stopping, "_MARK", Counting(stopping._MARK))
    watch = StopWatch(_characters, ("Human: ",), False, {})  # its end makes every token a candidate
    monkeypatch.setattr(watch._search, "_pattern", Counting(watch._search._pattern))
    text = "Human says: Human:: " * 50 + "Human: "
    fired = [watch([ord(c) for c in text[: n + 1]]) for n in range(len(text))]
    assert fired == [False] * (len(text) - 1) + [True]
    assert max(searched) <= 1 + stopping._BACK


def test_an_empty_stop_string_is_refused() -> None:
    assert checked(["a", " "]) == ("a", " ")
    with pytest.raises(UsageError, match="stop string is empty"):
        checked(("a", ""))
