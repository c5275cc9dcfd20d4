from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.text import TextVerifier, cover_em, exact_match, f1, normalise
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask
from evalsuite.words.score import Score


def scored(text: str, target: object, **fields) -> Score:
    return run_verifier(TextVerifier(**fields), ask("?", id="0", target=target), Completion(text))


def test_normalisation_by_hand() -> None:
    assert normalise("The  U.S.A., a land") == "usa land"
    assert normalise("3.5") == "35"  # official, and a known pitfall
    assert normalise("The The") == "the the" != normalise("a")  # nothing would be left: the text itself
    assert exact_match("The Who", "who") == 1.0
    assert exact_match("", "A") == exact_match("the", "A") == 0.0


def test_f1_by_hand() -> None:
    # said {barack, obama, president}, gold {barack, obama}: P = 2/3, R = 1, F1 = 4/5
    assert f1("President Barack Obama", "Barack Obama") == pytest.approx(0.8)
    assert f1("red red", "red") == pytest.approx(2 / 3)  # multiset overlap
    assert f1("no way", "no") == f1("yes", "yes it is") == 0.0  # HotpotQA: all or nothing
    assert f1("Yes.", "yes") == 1.0
    assert f1("blue", "red") == 0.0


def test_the_best_alias_counts_and_the_metrics_stay_apart() -> None:
    score = scored("<answer> the city of Paris </answer>", ("Lutetia", "Paris"))
    assert score.value == 0.0
    assert dict(score.parts) == {"em": 0.0, "f1": pytest.approx(0.5), "cover_em": 1.0}
    assert scored("<answer> the city of Paris </answer>", ["Lutetia", "Paris"], metric="cover_em").value == 1.0
    assert scored("<answer>Paris</answer>", ("Lutetia", "Paris")).value == 1.0
    assert scored("<answer>1999</answer>", 1999).value == 1.0


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("reasoning <answer> Paris </answer>", "Paris"),  # exactly one pair must count
        ("<answer>Rome</answer> no, <answer>Paris</answer>", "Paris"),
        ("<information>Doc 1 <answer> Beijing </answer></information><answer>Paris</answer>", "Paris"),
        ("<answer>Paris</answer> <information> <answer>Beijing</answer> </information>", "Paris"),
        ("<|begin_of_documents|><answer>Beijing</answer><|end_of_documents|>", None),
        ("<information> cut off <answer>Beijing</answer>", None),
        ("<answer>Paris", None),
        ("Paris</answer>", None),
        ("a <answer> b <answer>Paris</answer>", "Paris"),
        ("<think><answer>Rome</answer></think> Paris", "Paris"),
        ("Answer: Paris", "Paris"),
        ("One line.\nParis", None),
        ("", None),
    ],
)
def test_extraction(text: str, answer: str | None) -> None:
    score = scored(text, "Paris")
    assert score.answer == answer
    assert score.outcome == ("no_answer" if answer is None else "ok")
    assert score.value == float(answer == "Paris")


def test_other_ways_to_extract() -> None:
    assert scored("Paris", "Paris", extract="answer_tag").outcome == "no_answer"
    assert scored("I see.\nThe answer is: Paris.\n", "Paris", extract="last_line").value == 1.0
    assert scored("I see.\nParis", "I see Paris", extract="full").value == 1.0
    for extract in ("auto", "answer_tag", "last_line", "full"):
        verifier = TextVerifier(extract=extract)  # type: ignore[arg-type]
        sample = ask("?", id="0", target=("The Who", "Who"))
        assert run_verifier(verifier, sample, Completion(verifier.gold(sample))).value == 1.0


def test_errors() -> None:
    assert scored("<answer>x</answer>", None).outcome == "error"
    with pytest.raises(ValueError, match="metric"):
        TextVerifier(metric="bleu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="extract"):
        TextVerifier(extract="box")  # type: ignore[arg-type]


def test_votes_and_cache_key() -> None:
    sample, verifier = ask("?", id="0", target="Paris"), TextVerifier()
    assert verifier.classes(sample, ["Paris.", None, "the paris", "Rome"]) == [0, None, 0, 1]
    assert verifier.key(sample, Completion("x <answer>Paris</answer>")) == verifier.key(
        sample, Completion("<answer>Paris</answer>")
    )
    assert pickle.loads(pickle.dumps(verifier)) == verifier


def test_recorded_bamboogle(data_dir) -> None:
    """R1-Searcher rollouts: 56 exact, 60 covering from the raw text (the recorded field, edited once, gives 57 and 61)."""
    rows = [json.loads(line) for line in (data_dir / "bamboogle/recorded/bamboogle_qwen.jsonl").read_text().splitlines()]
    for extract in ("auto", "answer_tag"):
        scores = [scored(row["gen_text_store"], row["answer"], extract=extract) for row in rows]
        assert [sum(s.parts[m] for s in scores) for m in ("em", "cover_em")] == [56, 60]
        assert len(scores) == 125 and {s.outcome for s in scores} == {"ok"}
    fields = [row["pred_ans"] for row in rows]
    assert sum(exact_match(p, row["answer"]) for p, row in zip(fields, rows, strict=True)) == 57
    assert sum(cover_em(p, row["answer"]) for p, row in zip(fields, rows, strict=True)) == 61


@given(st.text(max_size=40), st.text(max_size=40))
def test_metrics_are_ordered_and_bounded(a: str, b: str) -> None:
    em = exact_match(a, b)
    assert 0.0 <= f1(a, b) <= 1.0
    assert normalise(normalise(a)) == normalise(a)
    if normalise(b):
        assert em <= cover_em(a, b)
        assert em <= f1(a, b) + 1e-12
    assert f1(a, b) == pytest.approx(f1(b, a))


@pytest.mark.parametrize(
    "text",
    [
        "<answer>" * 12_000,
        "</answer>" * 11_000,
        "<information>" * 8_000,
        "a " * 50_000,
        "<answer>" + "x" * 100_000 + "</answer>",
    ],
)
def test_hostile_input(text: str) -> None:
    assert scored(text, "Paris").value == 0.0
