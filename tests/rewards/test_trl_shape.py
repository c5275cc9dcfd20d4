"""TRL's calling shape without TRL: columns, completions of every form, what a trainer knows, what is logged."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from obedient import Obedient

import evalsuite
from evalsuite import Completion, Prompt, Task, ask
from evalsuite.errors import IncompleteError, UsageError
from evalsuite.rewards.core import Reward
from evalsuite.rewards.trl import from_messages
from evalsuite.verifiers import make


class Processor:
    """A chat template that ends as told."""

    pad_token_id = 2

    def __init__(self, end: str = "") -> None:
        self.end = end

    def apply_chat_template(self, messages: Any, *, tokenize: bool, add_generation_prompt: bool, **how: Any) -> str:
        assert add_generation_prompt and not tokenize and how == {"chat_template": None, "enable_thinking": True}
        return "".join(str(m["content"]) for m in messages) + self.end


class Trainer:
    """The parts of a TRL trainer that a reward function can see behind `log_extra`."""

    eos_token_ids, max_completion_length, chat_template, chat_template_kwargs = [1], 4, None, {"enable_thinking": True}
    args: Any = None

    def __init__(self, end: str = "") -> None:
        self.processing_class = Processor(end)
        self.columns: dict[str, list[Any]] = {}
        self.metrics: dict[str, float] = {}

    def log_extra(self, column: str, values: list[Any]) -> None:
        self.columns[column] = values

    def log_metric(self, name: str, value: float) -> None:
        self.metrics[name] = value


def yes(verifier: str = "exact") -> Reward:
    samples = [ask("yes?", id="0", target="yes"), ask("no?", id="1", target="no")]
    return evalsuite.reward(Task(name="toy", samples=samples, prompt=Prompt(name="p"), verifier=make(verifier)))


def call(
    reward: Any, completions: list[Any], ids: list[list[int]] | None = None, trainer: Trainer | None = None, **more: Any
) -> Any:
    n = len(completions)
    logs = {"log_extra": trainer.log_extra, "log_metric": trainer.log_metric} if trainer else {}
    return reward(
        **{"prompts": ["yes?"] * n, "completions": completions, "completion_ids": ids, "trainer_state": None, **logs, **more}
    )


def test_columns_name_the_question_and_the_prompt_does_without_them() -> None:
    reward = yes()
    assert call(reward, ["yes", "no"], task=["toy"] * 2, id=["0", "1"], difficulty=[1, 2]) == [1.0, 1.0]
    assert call(reward, ["yes", "no"], prompts=["yes?", "no?"]) == [1.0, 1.0]
    assert call(reward, ["yes", "no"], prompts=[[{"role": "user", "content": t}] for t in ("yes?", "no?")]) == [1.0, 1.0]
    assert call(reward, []) == []
    with pytest.raises(UsageError, match=r"'who\?' is no question's prompt.*columns `task` and `id`"):
        call(reward, ["yes"], prompts=["who?"])
    with pytest.raises(ValueError):
        call(reward, ["yes"], prompts=["yes?", "no?"])


def test_a_trainer_tells_what_was_cut_off() -> None:
    """TRL's rule for completions/clipped_ratio: neither an end token nor padding is the last."""
    trainer = Trainer()
    ids = [[9, 9, 9, 9], [9, 9, 9, 1], [9, 9, 9, 2], [9, 9], [9, 9, 9, 9, 9]]
    assert call(yes(), ["yes"] * 5, ids, trainer) == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert trainer.columns["toy/outcome"] == ["truncated", "ok", "ok", "truncated", "truncated"]
    assert call(yes(), ["", "yes"], [[], [9, 1]], trainer) == [0.0, 1.0], "nothing at all"
    assert call(yes(), ["yes"], [[9, 9, 9, 9]]) == [1.0], "nobody to ask: it counts as finished"


@pytest.mark.parametrize("name", ["stop", "stop_strings", "stop_token_ids"])
def test_with_stop_strings_only_the_longest_completions_were_cut_off(name: str) -> None:
    trainer = Trainer()
    trainer.args = SimpleNamespace(generation_kwargs={"max_new_tokens": 4, name: ["."]})
    ids = [[9, 9, 9, 9], [9, 9, 9, 1], [9, 9, 9, 2], [9, 9], [9, 9, 9, 9, 9]]
    assert call(yes(), ["yes"] * 5, ids, trainer) == [0.0, 1.0, 1.0, 1.0, 0.0]
    trainer.args = SimpleNamespace(generation_kwargs={"max_new_tokens": 2, name: None})
    assert call(yes(), ["yes"], [[9, 9]], trainer) == [0.0]


def test_a_trainer_that_does_not_know_is_warned_about() -> None:
    class Odd(Trainer):
        eos_token_ids = None  # type: ignore[assignment]

    with pytest.warns(UserWarning, match="Odd does not say where completions end"):
        assert call(yes(), ["yes"], [[9, 9, 9, 9]], Odd()) == [1.0]


def test_a_template_that_opens_a_thought_makes_a_text_without_its_end_all_thought() -> None:
    messages = [{"role": "user", "content": "yes?"}]
    texts = ["hm</think>yes", "yes", "<think>hm</think>yes", "<think>yes"]
    for end, expected in (("<think>\n", [1.0, 0.0, 1.0, 0.0]), ("", [1.0, 1.0, 1.0, 0.0])):
        said = [[{"role": "assistant", "content": text}] for text in texts]
        found = call(yes(), said, [[9, 1]] * 4, Trainer(end), prompts=[messages] * 4, task=["toy"] * 4, id=["0"] * 4)
        assert found == expected, end
    plain = call(yes(), texts, prompts=["yes? <think>"] * 4, task=["toy"] * 4, id=["0"] * 4)
    assert plain == [1.0, 0.0, 1.0, 0.0], "a text prompt ends as it ends"


def test_completions_of_every_form() -> None:
    tool = {"role": "tool", "content": "42"}
    ask_tool = {"role": "assistant", "content": "yes", "tool_calls": [{"function": {"name": "f"}}]}
    said = {
        "text": [{"role": "assistant", "content": "yes"}],
        "blocks": [{"role": "assistant", "content": [{"type": "text", "text": "y"}, {"type": "text", "text": "es"}]}],
        "reasoning": [{"role": "assistant", "reasoning_content": "no, <think>", "content": "yes"}],
        "after tools": [ask_tool, tool, {"role": "assistant", "content": "yes"}],
        "ends in a result": [ask_tool, tool],
        "no content": [{"role": "assistant", "content": None, "tool_calls": []}],
        "nothing": [],
    }
    found = dict(zip(said, call(yes(), list(said.values()))))
    assert found == dict(zip(said, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    trace = from_messages(said["after tools"])
    assert (trace.text, trace.tool_trace) == ("yes", (ask_tool, tool))
    assert from_messages([ask_tool], finish_reason="stop") == Completion("yes", finish_reason="tool_calls")
    assert from_messages([ask_tool], finish_reason="length").truncated
    thought = from_messages(said["reasoning"], opened=True)
    assert (thought.reasoning, thought.truncated) == ("no, <think>", False), "a thought that was split off was closed"


def test_logged_columns_are_one_printable_line_each_and_shares_are_of_the_batch() -> None:
    trainer = Trainer()
    reward = evalsuite.reward(
        Task(name="toy", samples=[ask("yes?", id="0", target="yes")], prompt=Prompt(name="p"), verifier=Obedient()),
        max_errors=0.2,
    )
    reward.__name__ = "mine"
    texts = ["yes", "bug", "", "\ud800 a\nb" + "x" * 10_000, "yes"]
    assert call(reward, texts, [[1], [1], [1], [1], [9] * 4], trainer) == [1.0, None, 0.0, 0.0, 0.0]
    assert list(trainer.columns) == ["mine/answer", "mine/outcome", "mine/feedback"]
    answers = trainer.columns["mine/answer"]
    assert answers[:3] == ["yes", None, None] and answers[3].startswith("\ufffd a b") and len(answers[3]) == 500
    assert "mistake" in trainer.columns["mine/feedback"][1]
    assert trainer.columns["mine/outcome"] == ["ok", "error", "no_answer", "ok", "truncated"]
    expected = {"unscorable": 0.2, "no_answer": 0.2, "truncated": 0.2, "timeout": 0.0}
    assert trainer.metrics == {f"rewards/mine/{name}": pytest.approx(share) for name, share in expected.items()}


def test_each_form_logs_under_its_own_name() -> None:
    trainer, reward = Trainer(), yes()
    first, second = reward.asynchronous, reward.asynchronous
    first.__name__, second.__name__ = "first", "second"
    for form in (first, second):
        assert asyncio.run(call(form, ["yes"], [[9, 1]], trainer)) == [1.0]
    call(reward, ["yes"], [[9, 1]], trainer)
    assert {column.partition("/")[0] for column in trainer.columns} == {"first", "second", "toy"}
    assert len(trainer.metrics) == 12 and "rewards/second/truncated" in trainer.metrics


def test_columns_of_any_name_are_left_alone() -> None:
    batch: dict[str, Any] = {name: ["x"] for name in ("self", "reward", "name", "batch", "columns")}
    batch |= {"prompts": ["yes?"], "completions": ["yes"]}
    assert yes()(**batch) == asyncio.run(yes().asynchronous(**batch)) == [1.0]


@pytest.mark.parametrize(("max_errors", "broken", "stops"), [(0.05, 1, False), (0.05, 2, True), (0, 1, True), (1, 20, False)])
def test_too_many_failures_of_ours_stop_the_training(max_errors: float, broken: int, stops: bool) -> None:
    task = Task(name="toy", samples=[ask("yes?", id="0", target="yes")], prompt=Prompt(name="p"), verifier=Obedient())
    reward = evalsuite.reward(task, max_errors=max_errors)
    texts = ["yes"] * (20 - broken) + ["bug"] * broken
    if stops:
        said = rf"{broken} of 20 completions.*allowed: {max_errors:.0%}.* of toy 0: .*own mistake.*max_errors="
        for form in (call, lambda *batch: asyncio.run(call(reward.asynchronous, *batch[1:]))):
            with pytest.raises(IncompleteError, match=said):
                form(reward, texts)
    else:
        assert call(reward, texts) == [1.0] * (20 - broken) + [None] * broken


def test_the_async_form_leaves_its_loop_free() -> None:
    task = Task(name="toy", samples=[ask("yes?", id="0", target="yes")], prompt=Prompt(name="p"), verifier=Obedient())
    reward = evalsuite.reward(task, deadline=1.0)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.02)

    async def go() -> list[Any]:
        ticking = asyncio.create_task(tick())
        found = await asyncio.gather(*(call(reward.asynchronous, texts) for texts in (["hang", "yes"], ["yes", "no"])))
        ticking.cancel()
        return found

    try:
        assert asyncio.run(go()) == [[0.0, 1.0], [1.0, 0.0]]
    finally:
        reward.close()
    assert ticks > 10, "a hang of 1 s went by beside it"
