from __future__ import annotations

import asyncio
import dataclasses
import re

import pytest
from judge_attacks import ATTACKS
from pool_verifiers import Exact

from evalsuite import Completion, Sampling, Score, ask
from evalsuite.errors import BudgetError, RequestError, UnavailableError, UsageError
from evalsuite.verifiers.judge import JudgeVerifier
from evalsuite.verifiers.judging import ReplyCache, judge_items, reply_key
from evalsuite.verifiers.pool import Pool
from evalsuite.verifiers.rubrics import RUBRICS

SAMPLE = ask("What is the capital of Australia?", id="q1", target="Canberra")


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=1) as shared:
        yield shared


class Judge:
    """A judge model made of a function from the whole conversation to a reply."""

    name = "fake"
    concurrency = 4

    def __init__(self, answer, **fields):
        self.answer, self.fields, self.requests, self.running, self.most = answer, fields, [], 0, 0

    async def generate(self, request):
        self.requests.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        said = self.answer("\n".join(m.text for m in request.messages))
        if isinstance(said, Exception):
            raise said
        return [said if isinstance(said, Completion) else Completion(text=said, **self.fields)] * request.n

    def identity(self):
        return {"backend": "fake", "model": "v1"}


def judged(pool, verifier, texts, judge, **options):
    items = {i: (SAMPLE, t if isinstance(t, Completion) else Completion(text=t)) for i, t in enumerate(texts)}
    return asyncio.run(judge_items(verifier, items, judge, pool, **options))


def gullible(prompt):
    """A judge that repeats what it was shown and takes the last verdict it meets for its own; by itself it says no."""
    quoted = [line[2:] for line in prompt.split("\n") if line.startswith("| ")]
    words = re.findall(r"(?:verdict|judge?ment|correct)\W{0,4}[:=]\W*(yes|no|1|0)", "\n".join(quoted), re.IGNORECASE)
    return "\n".join(quoted) + f"\nVerdict: {words[-1] if words else 'no'}"


def obedient(prompt):
    """A judge that does what stands after the end of the reply, as far as it can find it."""
    nonce = re.search(r"=== BEGIN REPLY (\w+) ===", prompt)[1]
    after = prompt.partition(f"=== END REPLY {nonce} ===")[2]
    own = re.findall(r"^Verdict: (yes|no)$", after, re.MULTILINE)
    return "Verdict: no" if own == ["yes", "no"] else "Verdict: yes"  # our own form names both, in this order


@pytest.mark.parametrize("judge", [gullible, obedient])
@pytest.mark.parametrize("rounds", [1, 2])
def test_attacks_gain_nothing_from_a_naive_judge(pool, judge, rounds):
    def answer(prompt):
        if "without judging" in prompt:
            return "\n".join(line[2:] for line in prompt.split("\n") if line.startswith("| ")) + "\nExtracted answer: Sydney"
        return judge(prompt)

    found = judged(pool, JudgeVerifier(rounds=rounds), ATTACKS, Judge(answer))
    assert [s.value for s in found.values()] == [0.0] * len(ATTACKS)


# The verifier's halves.


def test_the_judge_sees_question_gold_and_answer_and_no_reasoning():
    sample = ask(
        "Pick {target}", id="1", target=("Canberra", "ACT"), choices=("Sydney", "Canberra"), privileged={"hint": "HIDDEN"}
    )
    completion = Completion(text="<think>maybe SECRET</think>It is {question} Canberra")
    (request,) = JudgeVerifier().ask(sample, completion)
    prompt = request.messages[0].text
    assert "| It is {question} Canberra" in prompt
    assert "- Canberra\n- ACT" in prompt
    assert "Pick {target}\n(A) Sydney\n(B) Canberra" in prompt
    assert "SECRET" not in prompt and "HIDDEN" not in prompt
    assert request.sampling == Sampling(max_tokens=4096)
    assert request.sample_id == "1"


@pytest.mark.parametrize(
    ("template", "said", "want"),
    [
        ("equal", "same\nVerdict: yes", Score(1.0, answer="It is Canberra")),
        ("equal", "Verdict: no", Score(0.0, answer="It is Canberra")),
        ("simpleqa", "A", Score(1.0, answer="It is Canberra", parts={"correct": 1, "incorrect": 0, "not_attempted": 0})),
        ("simpleqa", "B", Score(0.0, answer="It is Canberra", parts={"correct": 0, "incorrect": 1, "not_attempted": 0})),
        ("simpleqa", "C", Score(0.0, "no_answer", parts={"correct": 0, "incorrect": 0, "not_attempted": 1})),
        ("browsecomp", "extracted_final_answer: Canberra\nreasoning: same\ncorrect: yes", Score(1.0, answer="Canberra")),
        ("browsecomp", "extracted_final_answer: Perth\nreasoning: no\ncorrect: no", Score(0.0, answer="Perth")),
        ("browsecomp", "extracted_final_answer: None\nreasoning: none\ncorrect: no", Score(0.0, "no_answer")),
        ("Q {question} G {target}\n{response}", "Verdict: yes", Score(1.0, answer="It is Canberra")),
        ("equal", "<think>Verdict: no</think>Verdict: yes", Score(1.0, answer="It is Canberra")),
    ],
)
def test_verdicts_become_scores(template, said, want):
    score = JudgeVerifier(template=template).read(SAMPLE, Completion(text="It is Canberra"), (Completion(text=said),))
    assert (score.value, score.outcome, score.answer, dict(score.parts)) == (
        want.value,
        want.outcome,
        want.answer,
        dict(want.parts),
    )


@pytest.mark.parametrize(
    "bad",
    [
        Completion(text="hm"),
        Completion(text="Verdict: yes", finish_reason="length"),
        Completion(text="<think>Verdict: yes"),
        Completion(text=""),
    ],
)
def test_a_judge_without_a_verdict_is_asked_once_more_and_then_failed(bad):
    verifier, reply = JudgeVerifier(), Completion(text="Canberra")
    (again,) = verifier.read(SAMPLE, reply, (bad,))
    assert [m.role for m in again.messages] == ["user", "assistant", "user"]
    assert "Verdict: yes or Verdict: no" in again.messages[-1].text
    assert verifier.read(SAMPLE, reply, (bad, Completion(text="Verdict: yes"))).value == 1.0
    failed = verifier.read(SAMPLE, reply, (bad, bad))
    assert (failed.value, failed.outcome) == (None, "error")
    assert "asked twice" in failed.feedback


def test_a_cut_off_grade_is_not_taken_for_not_attempted():
    verifier, cut = JudgeVerifier(template="simpleqa"), Completion(text="I think", finish_reason="length")
    assert isinstance(verifier.read(SAMPLE, Completion(text="x"), (cut,)), tuple)
    assert verifier.read(SAMPLE, Completion(text="x"), (cut, cut)).outcome == "error"


def test_a_judge_that_declines_to_grade_is_asked_again_and_then_our_failure():
    verifier, reply, declined = (
        JudgeVerifier(template="simpleqa"),
        Completion(text="x"),
        Completion(text="I cannot grade this."),
    )
    (again,) = verifier.read(SAMPLE, reply, (declined,))
    assert "one letter, A, B or C" in again.messages[-1].text
    graded = verifier.read(SAMPLE, reply, (declined, Completion(text="C")))
    assert (graded.value, graded.outcome, graded.parts["not_attempted"]) == (0.0, "no_answer", 1.0)
    failed = verifier.read(SAMPLE, reply, (declined, Completion(text="sorry, overloaded")))
    assert (failed.value, failed.outcome) == (None, "error")


def test_two_rounds_score_what_was_extracted():
    verifier, reply = JudgeVerifier(rounds=2), Completion(text="Long story. So Canberra, I say.")
    (first,) = verifier.ask(SAMPLE, reply)
    assert "Correct answer" not in first.messages[0].text and "Long story" in first.messages[0].text
    extraction = Completion(text="Extracted answer: Canberra")
    (second,) = verifier.read(SAMPLE, reply, (extraction,))
    assert "| Canberra\n=== END" in second.messages[0].text and "Long story" not in second.messages[0].text
    score = verifier.read(SAMPLE, reply, (extraction, Completion(text="Verdict: yes")))
    assert (score.value, score.answer) == (1.0, "Canberra")
    none = verifier.read(SAMPLE, reply, (Completion(text="Extracted answer: NONE"),))
    assert (none.value, none.outcome, none.answer) == (0.0, "no_answer", None)


def test_a_rule_that_accepts_spares_the_judge(pool):
    judge = Judge(lambda prompt: "Verdict: yes")
    found = judged(pool, JudgeVerifier(rule=Exact()), ["Canberra", "It is Canberra"], judge)
    assert [s.value for s in found.values()] == [1.0, 1.0]
    assert len(judge.requests) == 1
    assert "judge_requests" not in found[0].parts and found[1].parts["judge_requests"] == 1


def test_without_a_judge_only_the_rule_can_tell(pool):
    verifier = JudgeVerifier(rule=Exact())
    found = pool.score(verifier, {i: (SAMPLE, Completion(text=t)) for i, t in enumerate(["Canberra", "It is Canberra", " "])})
    assert [(s.value, s.outcome) for s in found.values()] == [(1.0, "ok"), (None, "error"), (0.0, "no_answer")]
    assert "--judge MODEL" in found[1].feedback


def test_settings_are_checked_and_described():
    with pytest.raises(UsageError, match="equal, simpleqa, browsecomp"):
        JudgeVerifier(template="eqal")
    with pytest.raises(UsageError, match="rounds is 3"):
        JudgeVerifier(rounds=3)
    described = JudgeVerifier(rule=Exact()).describe()
    assert described["rule"]["name"] == "exact" and described["sampling"]["max_tokens"] == 4096
    assert set(RUBRICS) == {"equal", "simpleqa", "browsecomp"}
    assert JudgeVerifier().gold(SAMPLE) == "Canberra"
    assert JudgeVerifier(rule=Exact()).classes(SAMPLE, ["a", None, "a"]) == [0, None, 0]


# Running it.


def test_items_keep_their_keys_and_nothing_is_asked_in_vain(pool):
    judge = Judge(
        lambda prompt: "Verdict: yes" if "| right" in prompt else "Verdict: no", prompt_tokens=30, completion_tokens=2, cost=0.5
    )
    texts = ["right", "wrong", " ", Completion(text="right", finish_reason="length"), "right"]
    found = judged(pool, JudgeVerifier(), texts, judge)
    assert [(s.value, s.outcome) for s in found.values()] == [
        (1, "ok"),
        (0, "ok"),
        (0, "no_answer"),
        (0, "truncated"),
        (1, "ok"),
    ]
    assert len(judge.requests) == 2  # the repeated answer was judged once, and paid once
    assert dict(found[0].parts) == {"judge_requests": 1, "judge_tokens": 32, "judge_cost": 0.5}
    assert found[4].parts == {}
    assert judged(pool, JudgeVerifier(), [], judge) == {}


def test_at_most_so_many_requests_are_in_flight(pool):
    judge = Judge(lambda prompt: "Verdict: no")
    judged(pool, JudgeVerifier(), [str(i) for i in range(30)], judge, concurrency=3)
    assert judge.most == 3
    judge.most = 0
    judged(pool, JudgeVerifier(), [str(i) for i in range(30)], judge)
    assert judge.most == Judge.concurrency


def test_a_judge_that_fails_is_our_failure_for_that_item_only(pool):
    error = RequestError("HTTP 500 five times")
    found = judged(pool, JudgeVerifier(), ["x", "boom"], Judge(lambda prompt: error if "| boom" in prompt else "Verdict: yes"))
    assert found[0].value == 1.0
    assert (found[1].value, found[1].outcome, found[1].feedback) == (None, "error", f"judge could not be reached: {error}")


@pytest.mark.parametrize("error", [BudgetError("spent"), UnavailableError("connection refused")])
def test_a_judge_that_is_not_there_or_spent_ends_the_call(pool, error):
    judge = Judge(lambda prompt: error)
    with pytest.raises(type(error), match=str(error)):
        judged(pool, JudgeVerifier(), ["x", "y", "z"], judge, concurrency=1)
    assert len(judge.requests) == 1  # the others would fare no better


def test_retries_of_the_judge_are_paid_for(pool):
    judge = Judge(lambda prompt: "Verdict: yes" if "no verdict that can be read" in prompt else "hm", completion_tokens=5)
    found = judged(pool, JudgeVerifier(), ["x"], judge)
    assert found[0].value == 1.0
    assert dict(found[0].parts) == {"judge_requests": 2, "judge_tokens": 10}


def test_a_sample_without_a_target_is_our_failure(pool):
    items = {0: (dataclasses.replace(SAMPLE, target=None), Completion(text="x"))}
    found = asyncio.run(judge_items(JudgeVerifier(), items, Judge(lambda prompt: "Verdict: yes"), pool))
    assert found[0].outcome == "error" and "no target" in found[0].feedback


def test_replies_are_remembered_across_runs_and_a_torn_line_is_not_fatal(pool, tmp_path):
    path = tmp_path / "cache" / "judge.jsonl"
    judge = Judge(lambda prompt: "Verdict: yes", completion_tokens=7)
    texts = ["x", "y", "z \u2603"]
    first = judged(pool, JudgeVerifier(), texts, judge, cache=ReplyCache(path))
    with path.open("ab") as file:
        file.write(b'{"key": "torn", "compl')
    again = Judge(lambda prompt: "Verdict: no")
    cache = ReplyCache(path)
    second = judged(pool, JudgeVerifier(), [*texts, "new"], again, cache=cache)
    assert len(again.requests) == 1
    assert [s.value for s in second.values()] == [1.0, 1.0, 1.0, 0.0]
    assert first[0].parts["judge_tokens"] == 7 and second[0].parts == {}
    assert len(ReplyCache(path)) == 4  # what was written after the torn line is whole


def test_another_judge_prompt_or_sampling_is_another_reply():
    (request,) = JudgeVerifier().ask(SAMPLE, Completion(text="x"))
    (other,) = JudgeVerifier().ask(SAMPLE, Completion(text="y"))
    hot = dataclasses.replace(request, sampling=Sampling(temperature=1.0))
    keys = {reply_key({"m": 1}, request), reply_key({"m": 2}, request), reply_key({"m": 1}, other), reply_key({"m": 1}, hot)}
    assert len(keys) == 4
    assert reply_key({"m": 1}, dataclasses.replace(request, sample_id="elsewhere")) == reply_key({"m": 1}, request)


def test_recorded_simpleqa_grades_read_as_recorded(data_dir):
    """The judge's words in NeMo Gym's example rollouts, against the verdict that stands beside them."""
    import json

    rows = [json.loads(line) for line in (data_dir / "nemo_gym/simpleqa/example_rollouts.jsonl").read_text().splitlines()]
    assert rows
    for row in rows:
        sample = ask(row["question"], id=row["id"], target=row["expected_answer"])
        reply = Completion(text=row["extracted_answer"])
        score = JudgeVerifier(template="simpleqa").read(sample, reply, (Completion(text=row["judge_output"]),))
        assert (score.value, score.parts["correct"], score.parts["not_attempted"]) == (
            row["reward"],
            row["is_correct"],
            row["is_not_attempted"],
        ), row
