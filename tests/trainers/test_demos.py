"""Demonstrations from solutions, files and finished runs; only what the task's own verifier accepts; and the sft recipe."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import evalsuite
from evalsuite import Completion, Prompt, Sample, Score, Task, ask
from evalsuite.errors import UsageError
from evalsuite.plan import Plan, Settings, make_plan, make_plans
from evalsuite.registry.recipes import load_recipe
from evalsuite.trainers.demos import Demo, demonstrations
from evalsuite.verifiers.exact import ExactVerifier
from evalsuite.verifiers.math import MathVerifier

torch = pytest.importorskip("torch")

SPEC = "sort_letters@split=train:size=12"


def plan(spec: str = SPEC, **settings: Any) -> Plan:
    return make_plans([spec], Settings(**settings))[0][0]


def problems(*samples: Sample, name: str = "sums", **fields: Any) -> Plan:
    prompt = Prompt(name="p", user="{problem} Box it.", plain="Q: {problem}\nA:")
    return make_plan(Task(name=name, samples=samples, prompt=prompt, verifier=MathVerifier(), **fields), Settings())


SUMS = (
    ask("1 + 1?", id="a", target="2", privileged={"solution": "One and one make \\boxed{2}."}),
    ask("2 + 2?", id="b", target="4"),
    ask("3 + 3?", id="c", target="6", privileged={"solution": "Seven: \\boxed{7}."}),
)


def write(path: Path, rows: Iterable[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def texts(demos: Iterable[Demo]) -> list[tuple[str, str]]:
    return [(demo.sample.id, demo.text) for demo in demos]


# Solutions


def test_solutions_before_golds_and_only_right_ones() -> None:
    found = demonstrations([problems(*SUMS)])
    assert texts(found.demos) == [("a", "One and one make \\boxed{2}."), ("b", "\\boxed{4}")]
    assert (found.wrong, found.failed, found.without) == (1, 0, 1)
    assert str(found) == (
        "2 demonstrations of 2 questions; 1 left out: their verifier does not give them 1.0; 1 questions have none"
    )
    assert texts(demonstrations([problems(*SUMS)], verify=False).demos)[-1] == ("c", "Seven: \\boxed{7}.")


def test_a_generated_task_demonstrates_itself() -> None:
    found = demonstrations([plan(), plan("arithmetic@split=train:size=5")])
    assert len(found.demos) == 17 and str(found) == "17 demonstrations of 17 questions"
    first, last = found.demos[0], found.demos[-1]
    assert first.text == "".join(sorted(first.sample.problem[5:-1])) and first.gap == ""
    assert (last.task, last.gap, last.text) == ("arithmetic@split=train:size=5", " ", f"\\boxed{{{last.sample.target}}}")


@dataclass(frozen=True)
class Moody(ExactVerifier):
    """Fails on every answer that holds its letter."""

    letter: str = "a"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        if self.letter in completion.text:
            raise RuntimeError("the answer key is on fire")
        return super().verify(sample, completion)


def test_a_verifier_that_fails_is_counted_apart() -> None:
    samples = tuple(ask(f"{word}?", id=word, target=word) for word in ("ant", "bee", "cow"))
    made = make_plan(Task(name="words", samples=samples, prompt=Prompt(name="p"), verifier=Moody()), Settings())
    found = demonstrations([made])
    assert texts(found.demos) == [("bee", "bee"), ("cow", "cow")] and (found.wrong, found.failed, found.without) == (0, 1, 1)
    made = dataclasses.replace(made, task=dataclasses.replace(made.task, verifier=Moody(letter="")))
    with pytest.raises(
        UsageError, match=r"no demonstration for words: of 3 texts 0 did not earn 1\.0, and the verifier failed on 3"
    ):
        demonstrations([made])


def test_questions_without_a_gold_have_no_demonstration() -> None:
    with pytest.raises(UsageError, match="no demonstration for sums: of 0 texts"):
        demonstrations([problems(ask("?", id="x", target=None))])


# Files


def test_rows_by_id_and_by_prompt(tmp_path: Path) -> None:
    rows = [
        {"id": "b", "text": "\\boxed{4}"},
        {"task": "sums", "id": "b", "text": "It is \\boxed{4}."},
        {"prompt": "1 +  1?", "completion": " \\boxed{2}"},  # the bare problem
        {"prompt": "Q: 1 + 1?\nA:", "completion": "\\boxed{2} indeed"},  # the prompt as text
        {
            "prompt": [{"role": "user", "content": "1 + 1? Box it."}],
            "completion": [{"role": "assistant", "content": "\\boxed{2}."}],
        },
        {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "3 + 3?"},
                {"role": "assistant", "content": "\\boxed{6}"},
            ]
        },
        {"messages": [{"role": "user", "content": "3 + 3?"}], "completion": "\\boxed{5}"},
        {"id": "b", "text": "\\boxed{4}"},  # said before
    ]
    found = demonstrations([problems(*SUMS)], write(tmp_path / "demos.jsonl", rows))
    assert texts(found.demos) == [
        ("a", " \\boxed{2}"),
        ("a", "\\boxed{2} indeed"),
        ("a", "\\boxed{2}."),
        ("b", "\\boxed{4}"),
        ("b", "It is \\boxed{4}."),
        ("c", "\\boxed{6}"),
    ]
    assert [demo.gap for demo in found.demos[:2]] == ["", " "]  # a text that brings its blank gets no other
    assert (found.wrong, found.without) == (1, 0)


def test_several_tasks_in_a_file(tmp_path: Path) -> None:
    plans = [problems(*SUMS), problems(*SUMS[:2], name="more")]
    path = write(
        tmp_path / "demos.jsonl", [{"task": "more", "id": "b", "text": "\\boxed{4}"}, {"id": "c", "text": "\\boxed{6}"}]
    )
    assert [(d.task, d.sample.id) for d in demonstrations(plans, path).demos] == [("sums", "c"), ("more", "b")]
    for row, message in (
        ({"id": "b", "text": "\\boxed{4}"}, r"id 'b' is that of 2 questions \(sums b, more b\); give task and id"),
        ({"prompt": "2 + 2?", "completion": "\\boxed{4}"}, r"the prompt '2 \+ 2\?' is that of 2 questions"),
    ):
        with pytest.raises(UsageError, match=rf"demos\.jsonl, record 1: {message}"):
            demonstrations(plans, write(tmp_path / "demos.jsonl", [row]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "z", "text": "\\boxed{4}"}, "id 'z' is that of no question of sums"),
        ({"id": 4, "text": "\\boxed{4}"}, "id '4' is that of no question"),
        ({"task": "other", "id": "a", "text": "x"}, "its task 'other' is not among sums"),
        ({"prompt": "5 + 5?", "completion": "\\boxed{10}"}, r"the prompt '5 \+ 5\?' is that of no question"),
        ({"completion": "\\boxed{4}"}, 'a row without "id" needs a "prompt"'),
        (
            {"prompt": [{"role": "system", "content": "x"}], "completion": "\\boxed{4}"},
            ".*or messages with a user turn of text",
        ),
        ({"id": "a"}, 'a row needs "text", "completion" or "messages"; this one has id'),
        ({"id": "a", "text": ""}, "text is neither a text nor messages"),
        ({"id": "a", "completion": 4}, "completion is neither"),
        ({"messages": [{"role": "user", "content": "1 + 1?"}]}, "messages is neither a text nor messages that end in"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "demos.jsonl", [{"id": "a", "text": "\\boxed{2}"}, row])
    with pytest.raises(UsageError, match=rf"demos\.jsonl, record 2: {message}"):
        demonstrations([problems(*SUMS)], path)


def test_a_limit_leaves_rows_of_other_questions_out(tmp_path: Path) -> None:
    """A row about a question that is there, and not trained on, is no error."""
    few = plan(limit=2)
    rows = [{"id": s.id, "text": s.target} for s in few.loaded.samples]
    found = demonstrations([few], write(tmp_path / "demos.jsonl", rows))
    assert len(rows) == 12 and [d.sample.id for d in found.demos] == [s.id for s in few.samples] and found.without == 0


def test_at_most_so_many_of_a_question(tmp_path: Path) -> None:
    rows = [{"id": "b", "text": f"{'so ' * n}\\boxed{{4}}"} for n in range(20)] + [{"id": "a", "text": "\\boxed{2}"}]
    path = write(tmp_path / "demos.jsonl", rows)

    def lengths(seed: int, most: int = 5) -> list[int]:
        demos = demonstrations([problems(*SUMS)], path, per_prompt=most, seed=seed).demos
        assert demos[0].sample.id == "a"
        return [demo.text.count("so ") for demo in demos[1:]]

    assert len(lengths(0)) == 5 and lengths(0) == lengths(0) == sorted(lengths(0))
    assert len({tuple(lengths(seed)) for seed in range(4)}) == 4
    assert lengths(0, 0) == lengths(0, 30) == list(range(20))


# Rejection sampling


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of 12 questions x 6 samples by a model that is right about half of the time."""
    result = evalsuite.run("scripted:noisy:0.5", SPEC, repeats=6, output=tmp_path_factory.mktemp("runs"), progress=None)
    return Path(result.path)


def test_a_models_own_right_answers(run_dir: Path) -> None:
    found = demonstrations([plan()], f"rejection:{run_dir}")
    rows = [json.loads(line) for path in (run_dir / "log").glob("*.jsonl") for line in path.read_text().splitlines()[1:]]
    right = {(row["id"], row["completion"]["text"]) for row in rows if row.get("score", {}).get("value") == 1.0}
    assert set(texts(found.demos)) == right and len(found.demos) == len(right)  # said once, however often sampled
    assert right and len({i for i, _ in right}) + found.without == 12
    assert found.wrong == 0 and all(demo.gap == "" for demo in found.demos)
    assert sum(row["score"]["value"] == 1.0 for row in rows) > len(right)


def test_a_verdict_of_then_is_checked_now(run_dir: Path, tmp_path: Path) -> None:
    """The recorded score says 1.0; today's verifier disagrees about one of the answers."""
    copy = tmp_path / "run"
    (copy / "log").mkdir(parents=True)
    (copy / "run.json").write_text((run_dir / "run.json").read_text())
    log = next((run_dir / "log").glob("*.jsonl"))
    head, *lines = log.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    first = next(row for row in rows if row["score"]["value"] == 1.0)
    first["completion"]["text"] = "never right"
    (copy / "log" / log.name).write_text("\n".join([head, *map(json.dumps, rows)]) + "\n")
    found = demonstrations([plan()], f"rejection:{copy}")
    assert found.wrong == 1 and "never right" not in dict(texts(found.demos)).values()
    assert ("never right") in {t for _, t in texts(demonstrations([plan()], f"rejection:{copy}", verify=False).demos)}


def test_runs_that_are_refused(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has sort_letters@split=train:size=12, and none of sums"):
        demonstrations([problems(*SUMS)], f"rejection:{run_dir}")
    with pytest.raises(UsageError, match="no run 'nowhere'"):
        demonstrations([plan()], "rejection:nowhere")
    manifest = json.loads((run_dir / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    with pytest.raises(UsageError, match=r"not finished \(status interrupted\)"):
        demonstrations([plan()], f"rejection:{tmp_path}")
    changed = make_plan(
        Task(name=SPEC, samples=(ask("sort ba=", id="x", target="ab"),), prompt=Prompt(name="p"), verifier=ExactVerifier()),
        Settings(),
    )
    with pytest.raises(UsageError, match=r"has no question 'train-l1-s0-\d+' any more; its data changed after the run"):
        demonstrations([changed], f"rejection:{run_dir}")


def test_other_sources_and_judges_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no demonstrations in 'gold'; there are: solutions, rejection:RUN, FILE\.jsonl"):
        demonstrations([plan()], "gold")
    from evalsuite.verifiers import make

    judged = Task(name="judged", samples=SUMS[:1], prompt=Prompt(name="p"), verifier=make("judge"))
    with pytest.raises(UsageError, match="judged: a judge model scores its answers"):
        demonstrations([make_plan(judged, Settings())])
    assert len(demonstrations([make_plan(judged, Settings())], verify=False).demos) == 1


# The recipe


def test_sft_is_cross_entropy_over_the_tokens_of_all_rows() -> None:
    from evalsuite.trainers.objectives.aggregate import Normaliser
    from evalsuite.trainers.objectives.batch import Batch
    from evalsuite.trainers.objectives.total import total_loss

    sft, generator = load_recipe("sft")(), torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(7, (3, 5), generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]], dtype=torch.bool)
    logp = logits.log_softmax(-1).gather(-1, targets[..., None]).squeeze(-1)
    batch = Batch(logp=logp, old_logp=logp.detach(), advantages=torch.ones(3, 1), mask=mask)
    loss, _ = total_loss(sft, batch, Normaliser.of(mask))
    expected = torch.nn.functional.cross_entropy(logits[mask], targets[mask])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
    assert torch.allclose(gradient, torch.autograd.grad(expected, logits, retain_graph=True)[0], rtol=1e-12, atol=1e-15)
    # On samples of the policy itself, with every advantage 1, the clipped surrogate has the same gradient.
    grpo = load_recipe("grpo")({"loss.aggregate": "token_mean"})
    surrogate, _ = total_loss(grpo, batch, Normaliser.of(mask))
    assert torch.allclose(gradient, torch.autograd.grad(surrogate, logits)[0], rtol=1e-12, atol=1e-15)


def test_sft_credits_rows_that_were_admitted() -> None:
    from evalsuite.trainers.rows import Rollout, Rows

    rollouts = [
        Rollout(
            task="t",
            sample=SUMS[0],
            group=i,
            index=0,
            prompt_ids=(1,),
            completion=Completion("x", token_ids=(1, 2)),
            score=score,
        )
        for i, score in enumerate((Score(1.0), Score(None, "error")))
    ]
    assert load_recipe("sft")().credit(Rows.of(rollouts)).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rollout.group": 4}, "rollout.group is 1; demonstrations are not sampled"),
        ({"rollout.updates": 2}, "rollout.updates is 1"),
        ({"rollout.temperature": 0.7}, "rollout.temperature is 1"),
        ({"rollout.per_prompt": -1}, "per_prompt=-1 is below 0"),
        ({"rollout.demos": "gold"}, "no demonstrations in 'gold'"),
        ({"loss.clip_high": 0.3}, "no setting 'loss.clip_high'"),
    ],
)
def test_settings_that_mean_nothing_here(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_recipe("sft")(settings)


def test_settings_of_sft() -> None:
    sft = load_recipe("sft")({"rollout.demos": "rejection:my-run", "rollout.per_prompt": 4, "rollout.verify": False})
    assert sft.source == "demonstrations" and sft.settings.rollout.demos == "rejection:my-run"
    assert sft.effective()["loss.aggregate"] == "token_mean"
