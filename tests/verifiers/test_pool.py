from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pool_helpers import item, pids, say, wait_gone
from pool_verifiers import Exact, HangingKey, Obey, Outer, Patient, Refuses, Timed, Unloadable

from evalsuite import ask
from evalsuite.errors import UnavailableError
from evalsuite.verifiers import _process
from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.pool import Pool, PoolFailure

ROOT = Path(__file__).resolve().parents[2]


# What an answer causes is worth 0, and nothing else.


@pytest.mark.parametrize("order", ["loop", "tower", "regex", "sleep", "failing_imports"])
def test_a_hang_is_killed_and_worth_nothing(two, order):
    before = two.score(Obey(), say("fine"))[0]
    score = two.score(Obey(), say(order))[0]
    assert (before.value, score.value, score.outcome) == (1.0, 0.0, "timeout")
    assert "within 1 s" in score.feedback
    assert two.score(Obey(), say("fine"))[0].value == 1.0


@pytest.mark.parametrize(("order", "why"), [("leave", "exit status 0"), ("die", "SIGKILL"), ("segfault", "SIGSEGV")])
def test_a_worker_that_dies_under_an_answer_twice_makes_it_zero(two, order, why):
    found = two.score(Obey(), {"a": item("fine"), "b": item(order), "c": item("fine")})
    assert [found[k].value for k in "abc"] == [1.0, 0.0, 1.0]
    assert found["b"].outcome == "timeout"
    assert "died" in found["b"].feedback and why in found["b"].feedback


def test_a_worker_that_dies_once_is_forgiven(two, tmp_path):
    assert two.score(Obey(scratch=str(tmp_path / "s")), say("die_once"))[0].value == 1.0


@pytest.mark.parametrize("order", ["deep", "memory", "overflow", "digits"])
def test_an_answer_too_large_for_the_verifier_is_zero(two, order):
    score = two.score(Obey(), say(order))[0]
    assert (score.value, score.outcome) == (0.0, "timeout")
    assert "too large" in score.feedback


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("quit", "SystemExit"),
        ("bug", "KeyError: 'no such thing'"),
        ("wrong_type", "not a Score"),
        ("unpicklable", "cannot be"),
        ("no_such_order", "AttributeError"),
    ],
)
def test_a_bug_is_our_failure(two, order, words):
    score = two.score(Obey(), say(order))[0]
    assert (score.value, score.outcome) == (None, "error")
    assert words in score.feedback


def test_truncated_is_decided_before_the_verifier(two):
    found = two.score(
        Exact(keyed=True), {"cut": item("1", finish_reason="length"), "open": item("<think>1"), "done": item("1")}
    )
    assert [(s.value, s.outcome) for s in found.values()] == [(0.0, "truncated"), (0.0, "truncated"), (1.0, "ok")]


def test_a_verifiers_own_deadline_goes_before_the_pools(two):
    assert two.score(Patient(), say("nap"))[0].value == 1.0


def test_a_deadline_may_follow_from_settings(two):
    assert two.score(Timed(timeout=4.0), say("nap"))[0].value == 1.0
    assert "within 0.6 s" in two.score(Timed(timeout=0.1), say("nap"))[0].feedback


def test_children_of_a_killed_verifier_die_too(two, tmp_path):
    two.score(Obey(scratch=str(tmp_path / "s")), say("child"))
    assert wait_gone([int((tmp_path / "s.child").read_text())]) == []


def test_a_first_import_is_not_charged_and_a_failing_one_does_not_help(two, tmp_path, monkeypatch):
    for name in "abc":  # 1.8 s of imports in steps, past the deadline
        (tmp_path / f"slow_{name}.py").write_text("import time; time.sleep(0.6)")
    (tmp_path / "slow_module.py").write_text("import slow_a, slow_b, slow_c\nREADY = True")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert two.score(Obey(keyed=True), say("slow_import"))[0].value == 1.0


# Keys, cache, repeats.


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.one_of(st.integers(), st.text(max_size=4), st.tuples(st.text(max_size=3), st.integers())),
        st.tuples(st.sampled_from("123"), st.sampled_from(["1", "2", "3", "<think>x</think>3", "<think>1"])),
        max_size=60,
    ),
    st.booleans(),
)
def test_results_belong_to_their_keys(two, items, keyed):
    verifier = Exact(keyed=keyed)
    found = two.score(verifier, {key: item(text, target) for key, (target, text) in items.items()})
    assert list(found) == list(items)
    for key, (target, text) in items.items():
        own = run_verifier(verifier, *item(text, target))
        assert (found[key].value, found[key].outcome, found[key].answer) == (own.value, own.outcome, own.answer)


def test_hangs_and_deaths_among_many_move_nothing():
    orders = ["fine", "bug", "die", "fine", "loop", "deep"] + ["fine"] * 60
    with Pool(workers=3, deadline=1.0) as small:
        found = small.score(Obey(), {("k", i): item(order) for i, order in enumerate(orders)})
    want = {"fine": 1.0, "bug": None, "die": 0.0, "loop": 0.0, "deep": 0.0}
    assert [found["k", i].value for i in range(len(orders))] == [want[order] for order in orders]


def test_repeated_answers_are_verified_once(tmp_path):
    log = tmp_path / "log"
    with Pool(workers=1) as one:
        found = one.score(Exact(keyed=True, log=str(log)), {i: item(str(i % 2)) for i in range(16)})
        again = one.score(Exact(keyed=True, log=str(log)), {i: item("1", target="2") for i in range(2)})
    assert [s.value for s in found.values()] == [0.0, 1.0] * 8
    assert [s.value for s in again.values()] == [0.0, 0.0]
    assert sorted(log.read_text().split()) == ["0", "1", "1"]  # another target is another question


def test_a_cut_off_answer_shares_no_entry_with_a_finished_one(tmp_path):
    with Pool(workers=1) as one:
        found = one.score(
            Exact(keyed=True),
            {"a": item("1"), "b": item("1", finish_reason="length"), "c": item("1", finish_reason="stop")},
        )
    assert [s.value for s in found.values()] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("order", ["loop", "die"])
def test_a_group_that_repeats_a_fatal_answer_pays_once(tmp_path, order):
    scratch = tmp_path / "s"
    with Pool(workers=1, deadline=1.0) as one:
        found = one.score(Obey(scratch=str(scratch), keyed=True), {i: item(f"{order}#{i}") for i in range(8)})
        later = one.score(Obey(scratch=str(scratch), keyed=True), say(order))[0]
    assert {(s.value, s.outcome) for s in (*found.values(), later)} == {(0.0, "timeout")}
    assert len(scratch.read_text().splitlines()) == (1 if order == "loop" else 2)


def test_a_starved_timeout_is_not_remembered(tmp_path):
    scratch = tmp_path / "s"
    with Pool(workers=1) as one:
        found = one.score(Obey(scratch=str(scratch), keyed=True), {i: item(f"starve_once#{i}") for i in range(4)})
        assert [score.value for _, score in one._news] == [1.0]
    assert [s.value for s in found.values()] == [0.0, 1.0, 1.0, 1.0]
    assert len(scratch.read_text().splitlines()) == 2


def test_other_workers_learn_of_a_hang(tmp_path):
    scratch = tmp_path / "s"
    verifier = Obey(scratch=str(scratch), keyed=True)
    with Pool(workers=2, deadline=1.0) as both:
        both.score(verifier, {0: item("fine"), 1: item("fine#")})
        both.score(verifier, say("loop"))
        both.score(verifier, {i: item(f"loop#{i}") for i in range(12)})
    assert sum("loop" in line for line in scratch.read_text().splitlines()) == 1


def test_a_key_that_hangs_is_a_hang(two):
    found = two.score(HangingKey(), {0: item("x"), 1: item("hang"), 2: item("y")})
    assert [(s.value, s.outcome) for s in found.values()] == [(1.0, "ok"), (0.0, "timeout"), (1.0, "ok")]


@pytest.mark.parametrize("text", ["", "\x00", "\ud800 lone", "\u202e", "1" * 1_000_000])
def test_any_text_goes_there_and_back(two, text):
    assert two.score(Exact(), {"k": item(text, target=text)})["k"].answer == text


def test_more_than_a_pipe_holds(two):
    """60 MB in batches larger than any socket buffer, to workers that answer with as much."""
    texts = {i: str(i) * 500_000 for i in range(60)}
    found = two.score(Exact(), {i: item(text, target=text) for i, text in texts.items()})
    assert all(found[i].value == 1.0 and found[i].answer == text for i, text in texts.items())


# Calls of other methods.


def test_call_runs_any_method_and_marks_failures(two):
    found = two.call(Exact(), "slow_echo", {"a": ("x", 0.0), "b": ("y", 30.0), "c": ("z", "no number")})
    assert found["a"] == "x"
    assert found["b"] == PoolFailure("timeout", "no verdict within 1 s; the verifier process was killed")
    assert found["c"].outcome == "error" and "TypeError" in found["c"].message
    sample = ask("q", id="0", target="1")
    assert two.call(Exact(), "classes", {0: (sample, ["a", None, "b", "a"])}) == {0: [0, None, 1, 0]}
    assert two.call(Exact(), "gold", {0: (sample,)}) == {0: "1"}


def test_nothing_to_do_starts_nothing():
    with Pool(workers=2) as idle:
        assert idle.score(Exact(), {}) == {}
        assert pids(idle) == []


# Workers.


def test_workers_start_light_and_leave_the_environment_alone():
    with Pool(workers=1) as one:
        _, modules, safe, path = one.call(Exact(), "whoami", {0: ()})[0]
    assert not {"numpy", "sympy", "torch", "asyncio", "cloudpickle"} & set(modules)
    assert safe
    assert path == os.environ.get("PYTHONPATH")


def test_warm_starts_all_workers_and_loads():
    with Pool(workers=2) as small:
        small.warm(Exact())
        started = pids(small)
        assert len(started) == 2
        assert small.score(Exact(), {i: item("1") for i in range(4)})[3].value == 1.0
        assert sorted(pids(small)) == sorted(started)


def test_a_verifier_called_by_another_runs_in_the_same_process(two):
    score = two.score(Outer(), say("1"))[0]
    assert score.value == 1.0
    assert int(score.answer) in pids(two)


@pytest.mark.parametrize(
    ("verifier", "words"), [(Unloadable(), "before it had loaded verifier 'unloadable'"), (Refuses(), "could not be loaded")]
)
def test_a_verifier_that_cannot_be_loaded_is_our_failure(two, verifier, words):
    found = two.score(verifier, {0: item("1"), 1: item("2")})
    assert [s.outcome for s in found.values()] == ["error", "error"]
    assert all(words in s.feedback for s in found.values())


def test_no_interpreter_is_an_error_that_names_the_command(monkeypatch):
    monkeypatch.setattr(_process.sys, "executable", "/no/such/python")
    with Pool(workers=1) as broken, pytest.raises(UnavailableError, match="/no/such/python"):
        broken.score(Exact(), say("1"))


def test_a_worker_killed_while_idle_is_replaced():
    with Pool(workers=1) as one:
        one.score(Exact(), say("1"))
        os.kill(pids(one)[0], signal.SIGKILL)
        assert wait_gone(pids(one)) == []
        assert one.score(Exact(), say("1"))[0].value == 1.0


def test_what_a_verifier_prints_is_not_a_result(capfd, two):
    assert two.score(Obey(), say("shout"))[0].value == 1.0
    captured = capfd.readouterr()
    assert captured.out == ""
