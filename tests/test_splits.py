"""Training splits: no question that training draws is one that an evaluation draws, and evaluations are what they were."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import pytest

from evalsuite import Completion, Sample, registry, task
from evalsuite.checks import check_task
from evalsuite.errors import UsageError
from evalsuite.registry import is_train, load_task
from evalsuite.sources import Where, load
from evalsuite.tasks.reasoning._draw import SETTLED, Family, content
from evalsuite.tasks.reasoning.sort_letters import held_out
from evalsuite.verifiers.pool import Pool

LEVELS = {"sort_letters": 5, "arithmetic": 5, "linear_equations": 5, "masked_step": 3, "step_reorder": 3}
CODE = ("code_output", "code_input", "code_function")

# First 12 hex digits of the revision (a sha256 over ids and contents) of 200 questions, from before there were splits.
REVISIONS = {
    "arithmetic": "1b6c6ded540f",
    "arithmetic@level=5": "0b41b774a97c",
    "linear_equations": "055cec7f15bb",
    "linear_equations@level=5": "5c1f3b00ecaf",
    "masked_step": "30a85cfcdd5f",
    "step_reorder@level=3": "5298880cd4a4",
    "code_output": "8491123c93fd",
    "code_output@level=4": "40872ec48c7e",
    "code_input": "69552f6e8bed",
    "code_function@level=2": "3f4c066530e8",
}


def samples(spec: str) -> tuple[Sample, ...]:
    return load(load_task(spec), Where(offline=True)).samples


@pytest.mark.parametrize("spec", REVISIONS)
def test_evaluations_are_what_they_were(spec: str) -> None:
    made = load_task(spec)
    assert made.name == spec and load(made, Where()).revision[:12] == REVISIONS[spec]
    at = spec + (":" if "@" in spec else "@")
    assert samples(f"{at}split=test:size=20") == samples(f"{at}size=20") == samples(spec)[:20]


def test_fingerprints_are_what_they_were() -> None:
    """What the committed baselines were measured on is what `evalsuite run` asks today."""
    from evalsuite.plan import Settings, make_plans

    folder = Path(__file__).resolve().parents[1] / "results" / "baselines"
    for baseline in ("demo", "verifiers"):
        manifest = json.loads((folder / baseline / "run.json").read_text())
        recorded = manifest["identity"]["tasks"]
        for plan in make_plans(list(recorded), Settings(limit=manifest["settings"]["limit"]))[0]:
            assert plan.identity() == recorded[plan.name], plan.name


@pytest.mark.parametrize("family", LEVELS)
def test_no_training_question_is_an_evaluated_one(family: str) -> None:
    """By what it is about, over seeds, levels and sizes on both sides; every level is told apart from every other too."""
    levels = range(1, LEVELS[family] + 1)
    size = 25 if family in ("masked_step", "step_reorder") else 250
    drawn = [f"{family}@{level}:{size}:{seed}" for level, seed in itertools.product(levels, (0, 7))]
    settled = {content(s) for level in levels for s in samples(f"{family}@level={level}")}
    test = {content(s) for spec in drawn for s in samples(spec)}
    train = {content(s) for spec in drawn for s in samples(f"{spec}:split=train")}
    assert len(train) > len(levels) * size and train.isdisjoint(test | settled)


@pytest.mark.slow
@pytest.mark.parametrize("family", CODE)
def test_no_program_that_is_trained_on_is_evaluated(family: str) -> None:
    test = {content(s) for n in range(1, 6) for spec in (f"{n}:200:0", f"{n}:40:1") for s in samples(f"{family}@{spec}")}
    train = {content(s) for n in range(1, 6) for seed in (0, 1) for s in samples(f"{family}@{n}:40:{seed}:split=train")}
    assert len(train) > 300 and train.isdisjoint(test)


def test_programs_of_the_first_level_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, with the settled questions of one level: those of all five take seconds."""
    from evalsuite.tasks.code import code_output

    settled = frozenset(s.cluster for s in samples("code_output@level=1"))
    monkeypatch.setitem(code_output.FAMILY.__dict__, "_settled", settled)
    train = samples("code_output@1:150:0:train")
    assert {s.cluster for s in train}.isdisjoint(settled | {s.cluster for s in samples("code_output@1:150:1")})
    assert train[7].id == "train-l1-s0-0007" and train[:5] == samples("code_output@1:5:0:train")


def test_other_operations_keep_clear_of_the_settled_questions() -> None:
    """`arithmetic@ops=+-` draws from the same expressions as all operations do."""
    settled = {s.problem for s in samples("arithmetic")}
    sums = {s.problem for seed in range(3) for s in samples(f"arithmetic@1:1500:{seed}:ops=+-:split=train")}
    tested = {s.problem for seed in range(3) for s in samples(f"arithmetic@1:1500:{seed}:ops=+-")}
    assert sums.isdisjoint(settled | tested) and any("+" in p or "-" in p for p in settled)


def test_splits_share_no_derivation_across_families() -> None:
    """Both ask about derivations: one that is evaluated as an order is not trained on as a masked step."""
    a, b = (
        {content(s) for s in samples(f"{family}@level=1:size=100:seed=5:split={split}")}
        for family, split in (("masked_step", "train"), ("step_reorder", "test"))
    )
    assert a.isdisjoint(b) and all(text.startswith("Given ") for text in a | b)


def test_the_rule_of_halves() -> None:
    """Even sha256 for evaluation; the settled questions whatever their sha256; half of each is what it says."""
    sides = {
        seed: [int(hashlib.sha256(s.problem.encode()).hexdigest(), 16) % 2 for s in samples(f"arithmetic@2:300:{seed}")]
        for seed in (0, 1)
    }
    assert not any(sides[1]) and not any(sides[0][SETTLED:])
    assert 70 < sum(sides[0][:SETTLED]) < 130  # binomial(200, 1/2): 100, standard deviation 7
    assert all(int(hashlib.sha256(s.problem.encode()).hexdigest(), 16) % 2 for s in samples("arithmetic@2:300:split=train"))


def test_sort_letters_has_its_own_tenth() -> None:
    train = samples("sort_letters@size=8000:split=train")
    assert not any(held_out(s.problem[5:-1]) for s in train) and len({s.problem for s in train}) == 8000
    assert train[0].id == "train-l1-s0-0000" and {s.id for s in train}.isdisjoint(s.id for s in samples("sort_letters"))
    assert all(s.target == "".join(sorted(s.problem[5:-1])) for s in train)


def test_a_level_with_too_few_questions_says_so() -> None:
    """Two digits and no repeat: `make` below knows a hundred questions, of which about half are for training."""
    from evalsuite import ask

    family = Family("digits", (1,), lambda rng, level: ask(f"{rng.randrange(100)}", id="", target="1"), settled=10)
    with pytest.raises(UsageError, match=r"digits: found only \d\d different questions of level 1 and 99 were asked for"):
        family.draw(1, 99, split="train")
    settled = {s.problem for s in family.draw(1, 10)}
    train = {s.problem for s in family.draw(1, 30, split="train")}
    assert train.isdisjoint(settled | {s.problem for s in family.draw(1, 30, seed=1)})


@pytest.mark.parametrize("family", [*LEVELS, *CODE, "gsm8k", "mbpp", "code_contests"])
def test_a_split_that_is_not_there(family: str) -> None:
    with pytest.raises(UsageError, match=rf"{family}: .*no split 'dev'.*test, .*train"):
        load_task(f"{family}@split=dev")


@pytest.mark.parametrize("family", LEVELS)
def test_training_questions_pass_the_tasks_own_checks(family: str) -> None:
    made = load_task(f"{family}@split=train:size=20")
    with Pool(workers=1) as pool:
        results = check_task(made, load(made, Where()), pool, made.fewshot)  # type: ignore[arg-type]
    assert [r for r in results if not r.passed] == []


# Real data


def test_gsm8k(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    rows = [
        {"question": f"{n} apples and 2 more?", "answer": f"There are {n} + 2 = <<{n}+2={n + 2}>>{n + 2}.\n#### {n + 2}"}
        for n in (1, 3)
    ]
    for name, part in (("train", rows), ("test", [{"question": "1 - 1?", "answer": "#### 0"}])):
        (tmp_path / "gsm8k" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    train, test = load_task("gsm8k@split=train"), load_task("gsm8k")
    loaded = load(train, Where(data_dir=tmp_path, offline=True))
    assert (loaded.size, loaded.location) == (7473, "gsm8k/train.jsonl") and train.samples.split == "train"  # type: ignore[union-attr]
    first = loaded.samples[0]
    assert (first.target, first.privileged["solution"]) == ("3", "There are 1 + 2 = 3.\nThe final answer is \\boxed{3}.")
    assert train.fewshot == () and test.fewshot == train.samples and test.samples.split == "test"  # type: ignore[union-attr]
    with Pool(workers=1) as pool:
        solution = Completion(first.privileged["solution"], finish_reason="stop")
        assert pool.score(train.verifier, {0: (first, solution)})[0].value == 1.0


def test_mbpp_splits_share_no_task(data_dir: Path) -> None:
    where = Where(data_dir=data_dir, offline=True)
    ids = {split: {s.id for s in load(load_task(f"mbpp@split={split}"), where).samples} for split in ("train", "test")}
    assert len(ids["train"]) == 374 and len(ids["test"]) == 500 and ids["train"].isdisjoint(ids["test"])


# Is it a training split?


@pytest.mark.parametrize(
    ("spec", "train"),
    [
        ("gsm8k@split=train", True),
        ("gsm8k@train", True),
        ("gsm8k", False),
        ("sort_letters@level=2:split=train", True),
        ("sort_letters@1:200:0:train", True),
        ("sort_letters@split=test", False),
        ("mbpp@train", True),
        ("mbpp@full", False),
        ("apps@all:train", True),
        ("apps@introductory", False),
        ("code_contests@valid", False),
        ("aime24", False),  # whose only split is called train on the hub
        ("problems.jsonl:math", False),
    ],
)
def test_is_train(spec: str, train: bool) -> None:
    assert is_train(spec) is train


def test_is_train_of_a_users_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_decorated", dict(registry._decorated))

    @task("mine_split")
    def mine(split: str = "train"):  # type: ignore[no-untyped-def]
        """Its default is what `evalsuite run mine_split` evaluates, whatever it is called."""

    assert not is_train("mine_split") and is_train("mine_split@split=train")
    with pytest.raises(UsageError, match="no task 'nine_split'; did you mean mine_split"):
        is_train("nine_split@split=train")
    with pytest.raises(UsageError, match="unexpected keyword argument 'spilt'"):
        is_train("mine_split@spilt=train")
