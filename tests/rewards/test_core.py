"""`Reward`: which question a row is, keyed Scores from any thread, and the same values as a run's log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from obedient import Obedient

import evalsuite
from evalsuite import Completion, Image, Message, Prompt, Sample, Shot, Task, ask
from evalsuite.errors import RequestError, UnavailableError, UsageError
from evalsuite.plan import Settings, make_plans
from evalsuite.rewards.core import Reward
from evalsuite.runlog import read_rows
from evalsuite.verifiers import make
from evalsuite.words.score import Score

ORDERS = ("hang", "fork", "die", "10^{10^{10}}" * 9999, "x" * 5_000_000, "\ud800 \udfff")  # nothing that may score or break


def obedient(name: str = "toy", n: int = 8, scratch: str = "") -> Task:
    samples = [ask(f"{name} {i}?", id=str(i), target=str(i)) for i in range(n)]
    return Task(name=name, samples=samples, prompt=Prompt(name="p", system="Be brief."), verifier=Obedient(scratch=scratch))


def said(*texts: str, task: str = "toy") -> dict[int, tuple[str, str, Completion]]:
    return {i: (task, "3", Completion(text)) for i, text in enumerate(texts)}


@contextlib.contextmanager
def toys(deadline: float = 2.0, scratch: str = "") -> Iterator[Reward]:
    """A reward of two such tasks with a pool of its own."""
    reward = evalsuite.reward(obedient(scratch=scratch), obedient("other"), deadline=deadline)
    try:
        yield reward
    finally:
        reward.close()


# Which question is it?


def test_a_question_is_found_by_task_and_id_or_by_its_prompt() -> None:
    reward = evalsuite.reward(obedient("a"), obedient("b"))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "b 3?"}]
    blocks = [messages[0], {"role": "user", "content": [{"type": "text", "text": "b 3?"}]}]
    own = [Message("system", "Be brief."), Message("user", "b 3?")]
    for task, sample_id, prompt in (
        ("b", "3", None),
        ("b", 3, "?"),
        (None, None, messages),
        (None, "0", blocks),
        ("c", "3", own),
    ):
        name, sample = reward.find(task, sample_id, prompt)  # type: ignore[arg-type]
        assert (name, sample.id, sample.problem) == ("b", "3", "b 3?")
    assert reward.find(None, None, "Be brief.\n\nb 3?")[0] == "b", "the text form"
    assert evalsuite.reward(obedient("a")).find(None, "3")[1].id == "3", "one task, no prompt: an id will do"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("a", "77", None), "task 'a' has no sample '77' here. The tasks of this reward are a, b; .* `task` and `id`"),
        (("zz", "3", None), "task 'zz' has no sample '3'"),
        (("a", "77", "who?"), "task 'a' has no sample '77' here; 'who\\?' is no question's prompt"),
        ((None, "3", None), "id '3' came without a task. The tasks"),
        ((None, "3", "who?"), "id '3' came without a task; 'who\\?' is no question's prompt"),
        (("a", None, None), "task 'a' came without an id"),
        ((None, None, None), "neither task and id nor a prompt"),
        ((None, None, "x" * 500), "'xxx.*\\.\\.\\.' is no question's prompt"),
        ((None, None, []), "is no question's prompt"),
    ],
)
def test_a_row_that_no_task_knows_says_what_was_tried(row: tuple[Any, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        evalsuite.reward(obedient("a"), obedient("b")).find(*row)


def test_a_prompt_that_several_questions_have_names_none() -> None:
    def task(name: str, *samples: Sample) -> Task:
        return Task(name=name, samples=samples, prompt=Prompt(name="p"), verifier=Obedient())

    image = [Sample(id=str(i), messages=(Message("user", (Image(f"{i}.png"), "what?")),), target="x") for i in range(2)]
    with pytest.raises(UsageError, match="is the prompt of 2 questions"):
        evalsuite.reward(task("images", *image)).find(None, None, "what?")
    with pytest.raises(UsageError, match="is the prompt of 2 questions"):
        evalsuite.reward(task("one", ask("1?", id="a", target="1")), task("two", ask("1?", id="a", target="1"))).find(
            None, None, "1?"
        )
    twice = evalsuite.reward(task("same", ask("1?", id="a", target="1"), ask("1?", id="b", target="1")))
    assert twice.find(None, None, "1?")[1].target == "1", "the same question under two ids"


# Values.


def test_weights_multiply_and_none_stays_none() -> None:
    reward = evalsuite.reward(obedient("a"), obedient("b"), weights={"b": -2.5})
    assert (reward.value("a", Score(0.5)), reward.value("b", Score(0.5))) == (0.5, -1.25)
    assert reward.value("b", Score(None, "error")) is None
    assert (reward.__name__, reward.tasks) == ("a+b", ("a", "b"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": {"b": 1}}, "weights for b: the tasks of this reward are a"),
        ({"weights": {"a": float("nan")}}, "weight of a: nan: a finite number"),
        ({"weights": {"a": 10**400}}, "weight of a: 1000.*: a finite number"),
        ({"weights": {"a": "2"}}, "weight of a: '2': a finite number"),
        ({"weights": {"a": True}}, "weight of a: True: a finite number"),
        ({"weights": [1]}, "weights \\[1\\]: a mapping"),
        ({"deadline": 0}, "deadline 0: seconds above 0"),
        ({"deadline": "3"}, "deadline '3': seconds above 0"),
        ({"batch_seconds": -1}, "batch_seconds -1: seconds above 0"),
        ({"max_errors": 5}, "max_errors 5: a share from 0 to 1"),
        ({"limit": 0}, "limit 0: a count"),
        ({"limit": "all"}, "limit 'all': a count"),
        ({"data_dir": "/no/such"}, "data_dir '/no/such': there is no such folder"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        evalsuite.reward(obedient("a"), **changes)


def test_no_task_is_refused_and_a_lock_file_is_obeyed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="which tasks"):
        evalsuite.reward()
    lock = tmp_path / "tasks.lock"
    lock.write_text(json.dumps({"sort_letters": {"sha256": "0" * 64}}))
    with pytest.raises(UsageError, match=r"generates other samples than .* pins"):
        evalsuite.reward("sort_letters", lock=lock)


def test_the_order_of_a_tasks_arguments_does_not_matter() -> None:
    name, other = "sort_letters@level=1:size=4", "sort_letters@size=4:level=1"
    reward = evalsuite.reward(name, weights={name: 2})
    sample = reward.plans[name].samples[0]
    assert reward.find(other, sample.id) == (name, sample)
    scores = reward.score({0: (other, sample.id, Completion(str(sample.target)))})
    assert reward.value(other, scores[0]) == 2.0


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ((None, "3", Completion("3")), "task None is not here; the tasks of this reward are toy"),
        (("?", "3", Completion("3")), "task '\\?' is not here"),
        (("toy", "3", "3"), r"toy 3: evalsuite.Completion\(TEXT\) is needed, not str"),
    ],
)
def test_items_of_the_wrong_kind_are_refused(item: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        evalsuite.reward(obedient()).score({0: item})


def test_a_verifier_failure_is_none_and_never_a_zero() -> None:
    with toys() as reward:
        scores = reward.score(said("3", "bug", "4", ""))
        assert [reward.value("toy", s) for s in scores.values()] == [1.0, None, 0.0, 0.0]
        assert "a verifier's own mistake" in scores[1].feedback and scores[3].outcome == "no_answer"


def test_a_timeout_for_want_of_processor_time_has_a_second_try(tmp_path: Path) -> None:
    scratch = str(tmp_path / "starved")
    with toys(scratch=scratch) as reward:
        scores = reward.score(said("starve_once", "3", "starve"))
        assert [s.outcome for s in scores.values()] == ["ok", "ok", "timeout"], "its second verdict counts"
        assert [s.parts.get("retried") for s in scores.values()] == [1.0, None, 1.0]


# The time of a batch.


def test_what_a_batch_has_no_time_for_is_none_and_the_pool_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalsuite.verifiers.pool._cores", lambda: 2)
    reward = evalsuite.reward(obedient(), obedient("other"), deadline=3.0, batch_seconds=1.5)
    good, hang = Completion("3"), Completion("hang")
    try:
        reward.score({0: ("toy", "3", good)})  # the workers have started
        items = {0: ("toy", "3", good), 1: ("other", "3", Completion("no"))}
        items |= {i: ("toy", "3", hang) for i in range(2, 8)} | {9: ("other", "3", good)}
        with ThreadPoolExecutor(1) as thread:  # not the main one
            began = time.monotonic()
            scores = thread.submit(reward.score, items).result()
            assert 1.4 < time.monotonic() - began < 2.9, "not the deadline of what hangs"
        assert list(scores) == list(items)
        assert [scores[0].value, scores[1].value] == [1.0, 0.0]
        for late in list(items)[2:]:
            assert (scores[late].value, scores[late].outcome) == (None, "error")
            assert scores[late].feedback == "not scored within 1.5 s, the time of its whole batch"
        reward.batch_seconds = 60.0
        again = reward.score({i: ("toy", str(i), Completion(str(i))) for i in range(8)})
        assert [score.value for score in again.values()] == [1.0] * 8
    finally:
        reward.close()


def test_a_batch_with_time_enough_has_the_same_scores_and_errors() -> None:
    with toys() as plain:
        reward = Reward(list(plain.plans.values()), pool=plain._pool, batch_seconds=60)
        items = {str(i): (("toy", "other")[i % 2], "3", Completion(t)) for i, t in enumerate(["3", "", "bug", "4"] * 5)}
        assert {k: (s.value, s.outcome) for k, s in reward.score(items).items()} == {
            k: (s.value, s.outcome) for k, s in plain.score(items).items()
        }
        plain.close()
        with pytest.raises(RuntimeError, match="closed"):
            reward.score(items)


# Any thread, hostile completions, keys.


def hostile_batch(n: int, seed: int) -> tuple[dict[str, tuple[str, str, Completion]], dict[str, float]]:
    """`n` completions of two tasks, six of them hostile at places that depend on `seed`, and what each is worth."""
    items, worth = {}, {}
    for i in range(n):
        key, task, target = f"{seed}/{i}", ("toy", "other")[i % 2], str(i % 8)
        place = (i + seed) % (n // 6 or 1)
        order = ORDERS[(i // (n // 6)) % 6] if place == 0 else None
        items[key] = (task, target, Completion(order or (target if i % 3 else "wrong")))
        worth[key] = 1.0 if order is None and i % 3 else 0.0
    return items, worth


def check_hostile(n: int, deadline: float) -> None:
    with toys(deadline=deadline) as reward:
        reward.score(said("3"))  # the workers have started
        batches = [hostile_batch(n, seed) for seed in range(3)]

        async def from_a_loop() -> dict[str, Score]:
            return await asyncio.get_running_loop().run_in_executor(None, reward.score, batches[2][0])

        began = time.monotonic()
        with ThreadPoolExecutor(2) as threads:
            others = [threads.submit(reward.score, batches[1][0]), threads.submit(asyncio.run, from_a_loop())]
            found = [reward.score(batches[0][0]), *(f.result() for f in others)]
        took = time.monotonic() - began
        for scores, (items, worth) in zip(found, batches):
            assert list(scores) == list(items), "keyed, in order"
            assert {key: score.value for key, score in scores.items()} == worth
        hangs = sum(c.text in ("hang", "fork") for items, _ in batches for _, _, c in items.values())
        workers = reward._pool.workers  # type: ignore[union-attr]
        assert took < (hangs // workers + 1) * deadline + 10, f"{took:.1f} s for {hangs} hangs"


def test_hostile_completions_from_three_threads_return_within_the_deadline() -> None:
    check_hostile(66, deadline=1.0)


@pytest.mark.slow
def test_256_completions_with_hostile_ones_from_three_threads() -> None:
    check_hostile(256, deadline=2.0)


def test_programs_and_formulas_that_hang_return_within_the_deadline(isolated: None) -> None:
    """The six strings on which TRL's own accuracy reward hangs outside the main thread, and programs that hang or fork."""
    formulas = ["10^{10^{10}}", "9^{9^{9^{9}}}", r"\frac{10^{10^9}}{3}", r"\sum_{k=1}^{10^9}\sin(k^2)", "1000000!!!"]
    formulas.append(r"\int_0^1 \frac{\sin(x^x)}{\log(1+x^{1/3})} dx")
    programs = ["while True: pass", "import os\nwhile True: os.fork()", "def f(x):\n    return x + 1"]
    tests = {"code": ["assert f(1) == 2"], "entry_point": "f"}
    reward = evalsuite.reward(
        Task(name="math", samples=[ask("?", id="0", target="5")], prompt=Prompt(name="p"), verifier=make("math")),
        Task(name="code", samples=[ask("?", id="0", tests=tests)], prompt=Prompt(name="p"), verifier=make("code", timeout=1)),
    )
    items = {text: ("math", "0", Completion(f"\\boxed{{{text}}}")) for text in [*formulas, "5"]}
    items |= {text: ("code", "0", Completion(f"```python\n{text}\n```")) for text in programs}
    found: list[dict[str, Score]] = []
    thread = threading.Thread(target=lambda: found.append(reward.score(items)))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert [k for k, score in found[0].items() if score.value == 1] == ["5", programs[2]]
    assert None not in {score.value for score in found[0].values()}


def test_a_pickled_reward_scores_in_another_pool() -> None:
    reward = evalsuite.reward("sort_letters", "arithmetic", weights={"arithmetic": 2}, limit=4, batch_seconds=9, max_errors=0)
    reward.__name__ = "mine"
    again = pickle.loads(pickle.dumps(reward))
    assert (again.__name__, again.weights, again.tasks) == ("mine", reward.weights, reward.tasks)
    assert (again.batch_seconds, again.max_errors) == (9, 0)
    sample = again.find("arithmetic", "l1-s0-0000")[1]
    assert again.score({0: ("arithmetic", sample.id, Completion(sample.target))})[0].value == 1.0


# Judged tasks.


class Judge:
    """Says yes, or fails, and keeps the threads that it was asked in."""

    name, concurrency, one_by_one = "judge", 4, True

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.threads, self.closed = error, set[str](), False

    def identity(self) -> dict[str, Any]:
        return {"backend": "fake"}

    def environment(self) -> dict[str, Any]:
        return {}

    def prepare(self, task: object, samples: object) -> None:
        pass

    async def generate(self, request: Any) -> list[Completion]:
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        return [Completion("Verdict: yes", finish_reason="stop")]

    async def close(self) -> None:
        self.closed = True


def judged() -> Task:
    samples = [ask("Who?", id="0", target="Ada")]
    return Task(name="judged", samples=samples, prompt=Prompt(name="p"), verifier=make("judge"))


def test_a_judge_is_asked_on_one_loop_from_all_threads() -> None:
    judge = Judge()
    reward = evalsuite.reward(judged(), judge=judge)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda i: reward.score({i: ("judged", "0", Completion(f"Ada {i}"))}), range(8)))
    assert [score[i].value for i, score in enumerate(found)] == [1.0] * 8
    assert judge.threads == {"evalsuite-judge"}
    reward.close()
    assert judge.closed and "evalsuite-judge" not in {t.name for t in threading.enumerate()}


def test_a_judge_that_fails_is_none_and_one_that_is_not_there_ends_the_batch() -> None:
    item = {0: ("judged", "0", Completion("Ada Lovelace"))}
    assert evalsuite.reward(judged(), judge=Judge(RequestError("busy"))).score(item)[0].value is None
    with pytest.raises(UnavailableError, match="gone"):
        evalsuite.reward(judged(), judge=Judge(UnavailableError("gone"))).score(item)
    with pytest.raises(UsageError, match="judged: scored by a judge model, and none was given"):
        evalsuite.reward(judged())


def test_a_judge_that_takes_too_long_for_a_batch_leaves_none() -> None:
    class Slow(Judge):
        async def generate(self, request: Any) -> list[Completion]:
            await asyncio.sleep(0.0 if "quick" in str(request.messages) else 60)
            return [Completion("Verdict: yes", finish_reason="stop")]

    reward = evalsuite.reward(judged(), judge=Slow(), batch_seconds=2)
    try:
        scores = reward.score({text: ("judged", "0", Completion(text)) for text in ("quick", "slow")})
        assert [score.value for score in scores.values()] == [1.0, None]
    finally:
        reward.close()


# The number you train on is the number you report.


class Trainer:
    """What a reward function can see of TRL's trainer: it is the object of `log_extra`."""

    eos_token_ids, max_completion_length = [1], 4

    def log_extra(self, column: str, values: list[Any]) -> None:
        assert len(values) == 10


def test_a_runs_log_and_the_reward_agree_value_for_value(tmp_path: Path, isolated: None) -> None:
    """Four kinds of answer, good, bad, empty, unclosed and cut off: `score(log) == reward(batch)`."""
    tests = {"code": ["assert f(1) == 2", "assert f(2) == 3"], "entry_point": "f"}
    texts = {
        "math": ("\\boxed{\\frac{1}{2}}", "0.5", "so \\boxed{1/3}", "", "<think>\\boxed{0.5}"),
        "choice": ("The answer is (B).", "B", "A", "A or B", "<think>B"),
        "code": (
            "```python\ndef f(x): return x + 1\n```",
            "def f(x): return x + 1",
            "```python\ndef f(x): return 2\n```",
            "",
            "no",
        ),
        "exact": ("yes", " yes\n", "no", "", "<think>hm</think>yes"),
    }
    fields: dict[str, dict[str, Any]] = {
        "math": {"target": "1/2"},
        "choice": {"target": "B", "choices": ("cat", "dog")},
        "code": {"tests": tests},
        "exact": {"target": "yes"},
    }
    shot = Shot("How?", "So.")
    tasks = [
        Task(
            name=name,
            samples=[ask(f"{name}?", id="0", **fields[name])],
            prompt=Prompt(name="p"),
            verifier=make(name),
            fewshot=(shot,),
            num_fewshot=1,
        )
        for name in texts
    ]
    rows = [
        {"task": n, "id": "0", "completions": [*t, *t], "finish_reason": ["stop"] * 5 + ["length"] * 5}
        for n, t in texts.items()
    ]
    recorded = tmp_path / "said.jsonl"
    recorded.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = evalsuite.run(f"replay:{recorded}", tasks, repeats=10, output=tmp_path / "runs")
    assert result.exit_code == 0
    reward = evalsuite.reward(*tasks)
    for task in tasks:
        log = sorted(read_rows(Path(result.path), task.name), key=lambda row: row["i"])
        batch = reward(
            prompts=["?"] * 10,
            completions=[row["completion"]["text"] for row in log],
            completion_ids=[[9] * 4 if row["completion"]["finish_reason"] == "length" else [9, 1] for row in log],
            task=[task.name] * 10,
            id=["0"] * 10,
            log_extra=Trainer().log_extra,
        )
        assert batch == [row["score"]["value"] for row in log]
        assert batch[:2] == [1.0, 1.0] and batch[5:] == [0.0] * 5 and 0.0 in batch[:5], task.name
    plans, _ = make_plans(tasks, Settings())
    prompt = [{"role": m.role, "content": m.text} for m in plans[0].render(plans[0].samples[0]).messages]
    assert len(prompt) == 3 and reward.find(None, None, prompt)[0] == "math", "the prompt with its worked example"
