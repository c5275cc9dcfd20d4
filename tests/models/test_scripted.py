"""Scripted models: what they say, and how often."""

from __future__ import annotations

import asyncio

import pytest

from evalsuite.errors import RequestError, UsageError
from evalsuite.models.base import Model
from evalsuite.models.scripted import ScriptedModel
from evalsuite.verifiers.base import Verifier
from evalsuite.words.completion import Completion, Request, Sampling, sample_seed
from evalsuite.words.prompt import Prompt
from evalsuite.words.sample import Message, Sample, ask
from evalsuite.words.score import Score
from evalsuite.words.task import Task


class Exact(Verifier):
    """The text is the target."""

    name = "exact"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        return Score(float(completion.answer_text == sample.target))


SAMPLES = tuple(ask(f"question {i}", id=str(i), target=f"answer {i}") for i in range(50))
TASK = Task(samples=SAMPLES, prompt=Prompt(name="bare"), verifier=Exact(), name="t")


def request(sample_id: str, indices: tuple[int, ...] = (0,)) -> Request:
    seeds = tuple(sample_seed(0, "t", sample_id, i) for i in indices)
    message = Message("user", "one two three")
    return Request(messages=(message,), sampling=Sampling(), seeds=seeds, indices=indices, task="t", sample_id=sample_id)


def say(model: ScriptedModel, sample_id: str, indices: tuple[int, ...] = (0,)) -> list[str]:
    return [c.text for c in asyncio.run(model.generate(request(sample_id, indices)))]


def test_oracle_and_constant() -> None:
    oracle = ScriptedModel("oracle")
    assert isinstance(oracle, Model)
    oracle.prepare(TASK, SAMPLES)
    (completion,) = asyncio.run(oracle.generate(request("7")))
    assert (completion.text, completion.finish_reason) == ("answer 7", "stop")
    assert (completion.prompt_tokens, completion.completion_tokens) == (3, 2)
    assert say(ScriptedModel("constant:a: b"), "7", (0, 1)) == ["a: b", "a: b"]


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 0.75, 1.0])
def test_noisy_oracle_has_the_chosen_accuracy(accuracy: float) -> None:
    model = ScriptedModel(f"noisy:{accuracy}")
    model.prepare(TASK, SAMPLES)
    said = {s.id: say(model, s.id, tuple(range(40))) for s in SAMPLES}
    right = sum(text == f"answer {i}" for i, texts in said.items() for text in texts) / 2000
    assert abs(right - accuracy) <= 4 * (accuracy * (1 - accuracy) / 2000) ** 0.5
    golds = {s.target for s in SAMPLES}
    assert all(text in golds for texts in said.values() for text in texts)  # wrong ones are other questions' golds
    assert said == {s.id: say(model, s.id, tuple(range(40))) for s in SAMPLES}


def test_a_sample_does_not_depend_on_the_others() -> None:
    """Raising -n must not move what is there."""
    model = ScriptedModel("noisy:0.5")
    model.prepare(TASK, SAMPLES)
    assert say(model, "3", (0, 1, 2, 3))[2:] == say(model, "3", (2, 3))


def test_without_another_gold_the_wrong_answer_is_none() -> None:
    model = ScriptedModel("noisy:0")
    model.prepare(TASK, SAMPLES[:1])
    assert say(model, "0") == ["I do not know."]


def test_no_gold_is_an_error() -> None:
    model = ScriptedModel("oracle")
    with pytest.raises(RequestError, match="no gold answer of sample '3' of task 't'"):
        say(model, "3")
    model.prepare(TASK, (ask("?", id="3", target=("several", "golds")),))
    with pytest.raises(RequestError):
        say(model, "3")


@pytest.mark.parametrize("target", ["", "oracel", "oracle:1", "constant:", "noisy", "noisy:x", "noisy:1.5", "noisy:nan"])
def test_wrong_scripts(target: str) -> None:
    with pytest.raises(UsageError):
        ScriptedModel(target)


def test_a_target_that_is_no_option_is_the_datas_fault() -> None:
    from evalsuite.verifiers import make

    samples = (ask("which?", id="q", target="E", choices=("x", "y")),)
    task = Task(samples=samples, prompt=Prompt(name="bare"), verifier=make("choice"), name="t")
    with pytest.raises(UsageError, match=r"task t, sample 'q': no gold answer: .*'E' is none of its 2 options"):
        ScriptedModel("oracle").prepare(task, samples)
