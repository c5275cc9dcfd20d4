"""The order of the questions: proportions, epochs, and going on from a cursor alone."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import small
from test_loop import curve, go

from evalsuite.errors import UsageError
from evalsuite.plan import Plan, Settings, make_plans
from evalsuite.trainers.prompts import Prompts, turns

WEIGHTS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def plans(*sizes: int) -> list[Plan]:
    """Tasks a, b, c, ... of so many questions."""
    named = zip("abcdefgh", sizes, strict=False)
    return make_plans([dataclasses.replace(small(n=size), name=name) for name, size in named], Settings())[0]


def drawn(prompts: Prompts, n: int) -> list[tuple[str, str]]:
    return [(question.plan.name, question.sample.id) for question in prompts.take(n)]


def test_the_turns_of_three_to_one_and_of_three_to_two() -> None:
    assert [i for i, _ in itertools.islice(turns([3, 1]), 8)] == [0, 0, 0, 1, 0, 0, 0, 1]
    assert list(itertools.islice(turns([3, 2]), 5)) == [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1)]
    assert list(itertools.islice(turns([1]), 3)) == [(0, 0), (0, 1), (0, 2)]


@given(WEIGHTS, st.integers(0, 300))
def test_every_stretch_has_the_shares(weights: list[int], first: int) -> None:
    period = sum(weights)
    order = list(itertools.islice(turns(weights), first + period + 5))
    assert list(itertools.islice(turns(weights, first), period + 5)) == order[first:]
    for i, w in enumerate(weights):
        assert [before for turn, before in order if turn == i] == list(range(sum(turn == i for turn, _ in order)))
        had, apart = 0, [Fraction(0)]  # from its share, after each draw
        for n, (turn, _) in enumerate(order, 1):
            had += turn == i
            apart.append(had - Fraction(n * w, period))
        assert all(abs(gap) < 1 for gap in apart)
        assert len(weights) > 2 or max(apart) - min(apart) < 1  # any stretch between two draws
        assert apart[period] == 0


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=4), st.integers(0, 60), st.integers(0, 3))
def test_a_cursor_is_all_there_is_to_go_on(tasks: list[tuple[int, int]], cut: int, seed: int) -> None:
    given_plans = plans(*(size for size, _ in tasks))
    mix = {plan.name: weight / 4 for plan, (_, weight) in zip(given_plans, tasks, strict=True)}
    whole, parts, resumed = (Prompts(given_plans, seed, mix) for _ in range(3))
    expected = drawn(whole, 80)
    assert drawn(parts, cut) == expected[:cut] and parts.cursor == cut
    resumed.cursor = cut
    assert drawn(resumed, 80 - cut) == expected[cut:] and resumed.cursor == 80
    whole.cursor = 0
    assert drawn(whole, 80) == expected
    for plan in given_plans:
        ids = [sample for task, sample in expected if task == plan.name]
        epochs = [ids[i : i + len(plan.samples)] for i in range(0, len(ids), len(plan.samples))]
        assert all(len(set(epoch)) == len(epoch) for epoch in epochs)


def test_an_epoch_ends_when_every_question_came() -> None:
    tasks = plans(12, 2)
    assert len(Prompts(tasks, 0)) == 14
    prompts = Prompts(tasks, 0, {"a": 3, "b": 1})
    assert len(prompts) == 16
    taken = drawn(prompts, 16)
    assert len({question for question in taken if question[0] == "a"}) == 12
    assert Counter(task for task, _ in taken) == {"a": 12, "b": 4}
    assert len(Prompts(tasks, 0, {"a": 1, "b": 3})) == 48


def test_seeds_and_tasks_have_orders_of_their_own_and_only_the_proportions_count() -> None:
    tasks = plans(12, 12)
    taken = drawn(Prompts(tasks, 0, {"a": 1, "b": 1}), 24)
    assert taken != drawn(Prompts(tasks, 1, {"a": 1, "b": 1}), 24)
    assert [i for task, i in taken if task == "a"] != [i for task, i in taken if task == "b"]
    assert drawn(Prompts(tasks, 0, {"b": 0.7, "a": 2.1}), 24) == drawn(Prompts(tasks, 0, {"a": 3, "b": 1}), 24)
    assert drawn(Prompts(tasks, 0, {"a": 1e300, "b": 1e-300}), 40) == drawn(Prompts(tasks, 0, {"a": 10**9, "b": 1}), 40)


def test_without_a_mix_all_questions_are_shuffled_together() -> None:
    prompts = Prompts(plans(5, 3), 7)
    everything = [*(("a", str(i)) for i in range(5)), *(("b", str(i)) for i in range(3))]
    order = [i for epoch in range(3) for i in random.Random(f"7/{epoch}").sample(range(8), 8)]
    assert drawn(prompts, 24) == [everything[i] for i in order]
    prompts.cursor = 11
    assert drawn(prompts, 6) == [everything[i] for i in order[11:17]]


def test_a_task_without_questions_is_refused() -> None:
    empty = dataclasses.replace(plans(2)[0], samples=())
    with pytest.raises(UsageError, match="no questions to train on"):
        Prompts([empty], 0)
    with pytest.raises(UsageError, match="no questions to train on"):
        Prompts([*plans(2), dataclasses.replace(empty, name="b")], 0, {"a": 1, "b": 1})


def test_a_run_with_a_mix_goes_on_in_the_middle_and_is_a_run_of_its_own(tiny: Path, tmp_path: Path) -> None:
    tasks = [dataclasses.replace(small(n=n), name=name) for name, n in (("a", 7), ("b", 3))]
    settings = {"rollout.prompts": 3, "rollout.updates": 2}
    mix = {"a": 5, "b": 2}
    whole = go(tiny, tmp_path / "whole", steps=5, tasks=tasks, settings=settings, mix=mix)
    go(tiny, tmp_path / "parts", steps=3, tasks=tasks, settings=settings, mix=mix)
    parts = go(tiny, tmp_path / "parts", steps=5, tasks=tasks, settings=settings, mix=mix)
    assert curve(parts.path) == curve(whole.path)
    assert whole.history[0]["epoch"] == pytest.approx(6 / 11)  # b is through after ceil(3 * 7 / 2) draws
    plain = go(tiny, tmp_path / "plain", steps=1, tasks=tasks, settings=settings)
    assert plain.path.name != whole.path.name
    with pytest.raises(UsageError, match="mix a=1: one weight above 0 for each of a, b"):
        go(tiny, tmp_path / "wrong", tasks=tasks, mix={"a": 1})
    assert not (tmp_path / "wrong").exists()
