"""Samples, completions, scores, prompts and the split of reasoning from answers."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite import Completion, Image, Message, Prompt, Request, Sample, Sampling, Score, Shot, ask
from evalsuite.words.completion import sample_seed
from evalsuite.words.thinking import FORMS, split


def test_digest_depends_on_content_and_not_on_id():
    a = ask("1+1?", id="a", target="2")
    assert a.digest() == ask("1+1?", id="b", target="2", metadata={"x": 1}).digest()
    assert len({a.digest(), ask("1+1?", id="a", target="3").digest(), ask("1+2?", id="a", target="2").digest()}) == 3
    picture = Sample(id="p", messages=(Message("user", (Image(b"abc"), "what?")),))
    assert picture.digest() != Sample(id="p", messages=(Message("user", (Image(b"abd"), "what?")),)).digest()


def test_lists_become_tuples():
    sample = Sample(id="0", messages=[Message("user", "q")], choices=["a", "b"])
    assert sample.choices == ("a", "b") and sample.messages == (Message("user", "q"),)


def test_public_sample_has_no_gold():
    sample = ask("q", id="0", target="gold", tests={"a": 1}, privileged={"solution": "because"}, metadata={"level": 1})
    public = sample.public()
    assert (public.target, public.tests, dict(public.privileged)) == (None, None, {})
    assert public.metadata == {"level": 1}


def test_prompt_never_reads_fields_out_of_the_problem():
    prompt = Prompt(name="p", user="Solve {problem}\n{choices}\nin \\boxed{}.", plain="Q: {problem}\nA:", plain_stop=("\nQ:",))
    sample = ask("what is {choices} and {problem}?", id="0", choices=("x", "y"), target="secret")
    rendered = prompt.render(sample, (Shot("1+1", "2"),), system="be brief")
    assert [m.role for m in rendered.messages] == ["system", "user", "assistant", "user"]
    assert rendered.messages[-1].text == "Solve what is {choices} and {problem}?\n(A) x\n(B) y\nin \\boxed{}."
    assert rendered.plain == "be brief\n\nQ: 1+1\nA: 2\n\nQ: what is {choices} and {problem}?\nA:"
    assert "secret" not in repr(rendered)


def test_prompt_keeps_images_and_earlier_turns():
    sample = Sample(
        id="0",
        messages=(
            Message("system", "s"),
            Message("user", "a"),
            Message("assistant", "b"),
            Message("user", (Image("x.png"), "see?")),
        ),
    )
    messages = Prompt(name="p", user="<{problem}>").render(sample).messages
    assert [m.text for m in messages] == ["s", "a", "b", "<see?>"]
    assert messages[-1].content == (Image("x.png"), "<see?>")


@pytest.mark.parametrize(
    ("text", "opened", "answer", "closed"),
    [
        ("42", False, "42", True),
        ("<think>a</think>42", False, "42", True),
        ("a</think>42", True, "42", True),
        ("a</think>42", False, "42", True),  # the template opened the thought and nobody said so
        ("a, still thinking", True, "", False),
        ("<think>a \\boxed{1}", False, "", False),
        ("<think>a</think>1<think>b</think>2", False, "2", True),
        ("<think>a</think>1<think>b", False, "", False),
        ("<think>the tag </thinking> is another form</think>7", False, "7", True),
        ("[THINK]a[/THINK]7", False, "7", True),
        ("◁think▷a◁/think▷7", False, "7", True),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>7<|return|>", False, "7", True),
        ("<|channel|>analysis<|message|>hm \\boxed{7}", False, "", False),
        ("<|channel|>analysis<|message|>hm<|end|><|channel|>final <|constrain|>json<|message|>4", False, "4", True),
        ("<|channel|>analysis", False, "", False),
        ("<|start|>assistant<|channel|>analysis", False, "", False),
        ("The token <|channel|> opens a channel: 7", False, "The token <|channel|> opens a channel: 7", True),
        ("<|begin_of_thought|>a<|end_of_thought|>7", False, "7", True),
        ("<|begin_of_thought|>a", False, "", False),
        ("<|START_THINKING|>a<|END_THINKING|>7", False, "7", True),
        ("<Think>a</THINK>7", False, "7", True),
        ("<Thinking>a", False, "", False),
        ("[Think] is a word: 7", False, "[Think] is a word: 7", True),
    ],
)
def test_split_of_reasoning_and_answer(text, opened, answer, closed):
    thought = split(text, opened=opened)
    assert (thought.answer, thought.closed) == (answer, closed)
    assert Completion(text, opened=opened).truncated is not closed


@given(st.lists(st.sampled_from([tag for form in FORMS for tag in form] + ["a", "b "]), max_size=8).map("".join), st.booleans())
def test_split_loses_nothing(text, opened):
    reasoning, answer, closed = split(text, opened=opened)
    assert (reasoning or "") + answer == text
    assert closed or not answer


def test_length_stop_is_truncated():
    assert Completion("\\boxed{1}", finish_reason="length").truncated
    assert not Completion("\\boxed{1}", finish_reason="stop").truncated
    assert not Completion("\\boxed{1}").truncated


@given(st.text(), st.none() | st.text(), st.none() | st.lists(st.integers(0, 9)).map(tuple))
def test_completion_round_trip(text, reasoning, ids):
    completion = Completion(text, reasoning=reasoning, token_ids=ids, completion_tokens=3)
    assert Completion.from_dict(completion.to_dict()) == completion
    assert pickle.loads(pickle.dumps(completion)) == completion
    assert Completion.from_dict(completion.to_dict() | {"from_the_future": 1}) == completion


@pytest.mark.parametrize(
    ("value", "outcome"), [(None, "ok"), (0.0, "error"), (1.5, "ok"), (-0.1, "ok"), (float("nan"), "ok"), (1.0, "fine")]
)
def test_score_refuses_contradictions(value, outcome):
    with pytest.raises(ValueError, match=r"value|outcome"):
        Score(value, outcome)


def test_score_round_trip():
    score = Score(0.5, "ok", answer="1", feedback="half", parts={"em": 1.0}, isolation="user pid net")
    assert Score.from_dict(score.to_dict()) == score
    assert Score.from_dict(Score(None, "error", feedback="x").to_dict()).value is None


def test_where_no_program_ran_there_is_no_isolation():
    assert Score(1.0).isolation == "" and "isolation" not in Score(1.0).to_dict()
    assert Score.from_dict({"value": 1.0, "outcome": "ok"}) == Score(1.0)  # as older logs have it


def test_seeds_are_stable_and_distinct():
    assert sample_seed(0, "aime25", "7", 3) == 975510974
    seeds = {sample_seed(r, t, s, i) for r in (0, 1) for t in ("a", "b") for s in ("1", "11") for i in (1, 11)}
    assert len(seeds) == 16


def test_request_needs_a_seed_per_index():
    with pytest.raises(ValueError, match="2 seeds for 1"):
        Request(messages=(), sampling=Sampling(), seeds=(1, 2), indices=(0,))


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"max_tokens": 0}, {"temperature": -1}, {"top_p": 0}, {"min_p": 2}])
def test_sampling_refuses_what_no_engine_takes(wrong):
    with pytest.raises(ValueError, match=r"must be|out of range"):
        Sampling(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": "abc"},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"max_tokens": 5.5},
        {"max_tokens": True},
        {"repeats": "3"},
        {"stop": "x"},
        {"stop": (5,)},
        {"thinking": "yes"},
        {"effort": 3},
        {"template_args": 5},
    ],
)
def test_sampling_refuses_values_of_the_wrong_kind(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)
    assert Sampling(temperature=1, stop=["a"], effort="low", thinking=False).to_dict()["stop"] == ["a"]
