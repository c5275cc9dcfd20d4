"""verl 0.9's reward: the function on its own, and, where verl is installed, through verl's own loaders and loops."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
from collections import UserDict, UserList
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from obedient import Obedient

import evalsuite
from evalsuite import Completion, Prompt, Task, ask
from evalsuite.errors import IncompleteError, UsageError
from evalsuite.plan import Settings, make_plans
from evalsuite.rewards import named, verl
from evalsuite.rewards.core import Reward
from evalsuite.rewards.verl import compute_score, score_one
from evalsuite.runlog import RunDir

TASKS = ["sort_letters@size=8", "arithmetic@size=8"]
COLUMNS = {"score", "acc", "pred", "outcome", "feedback", "no_answer", "truncated", "timeout"}


TASK = Task(
    name="obey",
    samples=(ask("1?", id="a", target="1"), ask("2?", id="b", target="2")),
    prompt=Prompt(name="bare"),
    verifier=Obedient(),
)


@pytest.fixture(scope="module")
def obey() -> Reward:
    return Reward(make_plans([TASK], Settings())[0], weights={"obey": 0.5})


def test_every_row_has_the_same_columns_of_plain_types(obey: Reward) -> None:
    said = [
        Completion("1"),
        Completion("2"),
        Completion(""),
        Completion("1", finish_reason="length"),
        Completion("x" * 100_000),
    ]
    rows = [score_one(obey, "obey", "a", completion) for completion in said]
    assert [row["score"] for row in rows] == [0.5, 0.0, 0.0, 0.0, 0.0]
    assert [row["acc"] for row in rows] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert [row["truncated"] for row in rows] == [0.0, 0.0, 0.0, 1.0, 0.0]
    for row in rows:
        assert {name: type(value) for name, value in row.items()} == {
            name: str if name in ("pred", "outcome", "feedback") else float for name in COLUMNS
        }
        assert all(len(value) <= 512 for value in row.values() if isinstance(value, str))


def test_our_failure_is_an_exception_and_never_a_number(obey: Reward) -> None:
    with pytest.raises(IncompleteError, match=r"obey a: could not be scored, and verl has no None: .*own mistake"):
        score_one(obey, "obey", "a", Completion("bug"))
    with pytest.raises(UsageError, match=r"no sample 'z'.* give the columns `data_source` and `reward_model.ground_truth`"):
        score_one(obey, "obey", "z", Completion("1"))


def test_the_signature_is_that_of_verl() -> None:
    """verl passes these four by keyword, reward_kwargs merged in, and two more where a reward model is on."""
    signature = inspect.signature(compute_score)
    assert list(signature.parameters)[:4] == ["data_source", "solution_str", "ground_truth", "extra_info"]
    call = {"data_source": "t", "solution_str": "s", "ground_truth": "i", "extra_info": {}, "tasks": "t"}
    signature.bind(**call, reward_router_address="", reward_model_tokenizer=None)
    assert not inspect.iscoroutinefunction(compute_score)  # verl runs it in its threads


def test_settings_reach_the_reward_and_others_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def reward(*tasks: str, **settings: Any) -> Reward:
        made.append((tasks, settings))
        return evalsuite.reward(*tasks, **settings)

    monkeypatch.setattr(named, "reward", reward)
    monkeypatch.setattr(named, "_made", {})
    sample = evalsuite.reward(TASKS[0]).plans[TASKS[0]].samples[0]
    row = (TASKS[0], str(sample.target), sample.id)
    settings = {"weights": UserDict({TASKS[0]: 3}), "data_dir": str(tmp_path), "deadline": 2, "limit": 4, "offline": True}
    for _ in range(2):
        assert compute_score(*row, tasks=UserList([TASKS[0]]), include=UserList([]), **settings)["score"] == 3.0
    assert made == [((TASKS[0],), {**settings, "weights": {TASKS[0]: 3}, "include": []})], "made once, of plain types"
    assert compute_score(*row, tasks=TASKS[0], weights={TASKS[0]: 2})["score"] == 2.0
    with pytest.raises(UsageError, match="reward_kwargs: no setting 'task'; did you mean tasks\\? there are tasks, weights, "):
        compute_score(*row, task=TASKS)
    with pytest.raises(UsageError, match="reward_kwargs: no setting 'overlong'; there are"):
        compute_score(*row, tasks=TASKS, overlong=1)
    with pytest.raises(UsageError, match="task None is not here"):
        compute_score(None, *row[1:], tasks=TASKS[0])  # type: ignore[arg-type]


def test_only_the_manager_imports_verl() -> None:
    folder = Path(verl.__file__).parent
    for path in folder.glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        heads = [(node.module or "").split(".")[0] for node in tree if isinstance(node, ast.ImportFrom)]
        assert ("verl" in heads) == (path.name == "verl_manager.py")


def test_many_threads_get_the_rewards_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(named.TASKS, ",".join(TASKS))
    rows = _recorded(tmp_path, repeats=4)

    def call(row: dict[str, Any]) -> float | str:
        return compute_score(row["task"], row["said"], row["id"], {"num_turns": None}, reward_router_address=None)["score"]

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(call, rows)) == [row["value"] for row in rows]
    assert {row["value"] for row in rows} == {0.0, 1.0}


def _recorded(folder: Path, repeats: int) -> list[dict[str, Any]]:
    """What a scripted model said, and what it was worth in the log of the run."""
    result = evalsuite.run("scripted:noisy:0.5", TASKS, repeats=repeats, output=folder, progress=None)
    run = RunDir(Path(result.path))
    return [
        {"task": task, "id": row["id"], "said": row["completion"]["text"], "value": row["score"]["value"]}
        for task in TASKS
        for row in run.rows(task)
    ]


# What follows runs inside verl: `pip install verl==0.9.*` in an environment of its own, then this file there.

OURS = [
    "reward.reward_manager.source=importlib",
    "reward.reward_manager.module.path=pkg://evalsuite.rewards.verl_manager",
    "reward.reward_manager.name=EvalsuiteRewardManager",
    f"+reward.reward_kwargs.tasks=[{','.join(json.dumps(t) for t in TASKS)}]",
]
NAIVE = [
    "reward.custom_reward_function.path=pkg://evalsuite.rewards.verl",
    f"+reward.custom_reward_function.reward_kwargs.tasks=[{','.join(json.dumps(t) for t in TASKS)}]",
]


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bytes as tokens, after <|pad|>, <|end|> and, known from generation_config.json alone, <|stop|>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tokenizer")
    vocabulary = ["<|pad|>", "<|end|>", "<|stop|>", "<|tool|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE({token: i for i, token in enumerate(vocabulary)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = {"additional_special_tokens": ["<|stop|>", "<|tool|>"]}
    PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<|pad|>", eos_token="<|end|>", **special).save_pretrained(folder)
    (folder / "generation_config.json").write_text('{"eos_token_id": [1, 2]}')
    return folder


@pytest.fixture(scope="module")
def configured(tokenizer_folder: Path) -> Any:
    """verl's own configuration with overrides."""
    trainer = pytest.importorskip("verl.trainer", reason="verl is not installed here; it needs an environment of its own")
    from hydra import compose, initialize_config_dir

    def config(*overrides: str) -> Any:
        with initialize_config_dir(config_dir=str(Path(trainer.__file__).parent / "config"), version_base=None):
            return compose("ppo_trainer", overrides=[f"actor_rollout_ref.model.path={tokenizer_folder}", *overrides])

    return config


def _batch(folder: Path, rows: list[tuple[str, str, str, str]], agent_loop: bool = False) -> Any:
    """A DataProto of (prompt, response, task, id), as a trainer's batch or as the agent loop hands over one trajectory."""
    import numpy as np
    import torch
    from transformers import AutoTokenizer
    from verl import DataProto

    tokenizer = AutoTokenizer.from_pretrained(folder)
    pairs = [(tokenizer.encode(prompt), tokenizer.encode(response)) for prompt, response, _, _ in rows]
    wide, long = max(len(p) for p, _ in pairs) + 3, max(len(r) for _, r in pairs) + 5
    tensors: dict[str, list[list[int]]] = {"prompts": [], "responses": [], "attention_mask": []}
    for p, r in pairs:
        before, after = [0] * (wide - len(p)), [0] * (long - len(r))
        tensors["prompts"].append(p + before if agent_loop else before + p)
        tensors["responses"].append(r + after)
        ones = [1] * (len(p) + len(r))
        tensors["attention_mask"].append(ones + before + after if agent_loop else before + ones + after)
    columns = {
        "data_source": np.array([task for *_, task, _ in rows], dtype=object),
        "reward_model": np.array([{"ground_truth": sample_id, "style": "rule"} for *_, sample_id in rows], dtype=object),
        "extra_info": np.array([{} for _ in rows], dtype=object),
    }
    if agent_loop:
        columns |= {"prompt_len": np.array([len(p) for p, _ in pairs]), "response_len": np.array([len(r) for _, r in pairs])}
    return DataProto.from_dict(tensors={k: torch.tensor(v) for k, v in tensors.items()}, non_tensors=columns)


def _worker_scores(config: Any, data: Any) -> list[dict[str, Any]]:
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker

    async def scores() -> list[dict[str, Any]]:
        return await RewardLoopWorker(config).compute_score_batch(data)

    return asyncio.run(scores())


def test_verl_loads_the_function_from_the_package_and_from_its_path(configured: Any, tmp_path: Path) -> None:
    from verl.trainer.ppo.reward import get_custom_reward_fn

    rows = _recorded(tmp_path, repeats=1)
    for path in ("pkg://evalsuite.rewards.verl", verl.__file__):
        function = get_custom_reward_fn(configured(*NAIVE, f"reward.custom_reward_function.path={path}"))
        got = [function(row["task"], row["said"], row["id"], {})["score"] for row in rows]
        assert got == [row["value"] for row in rows]


@pytest.mark.parametrize("overrides", [NAIVE, OURS], ids=["naive", "ours"])
def test_a_reward_loop_worker_gives_the_rewards_of_the_log(
    configured: Any, tokenizer_folder: Path, tmp_path: Path, overrides: list[str]
) -> None:
    rows = _recorded(tmp_path, repeats=2)
    data = _batch(tokenizer_folder, [("Q", row["said"] + "<|end|>", row["task"], row["id"]) for row in rows])
    got = _worker_scores(configured(*overrides), data)
    assert [g["reward_score"] for g in got] == [row["value"] for row in rows]
    assert all(set(g["reward_extra_info"]) == COLUMNS for g in got)


@pytest.mark.parametrize("agent_loop", [False, True], ids=["batch", "agent_loop"])
def test_the_manager_sees_how_a_response_ended(configured: Any, tokenizer_folder: Path, agent_loop: bool) -> None:
    task = TASKS[0]
    sample = evalsuite.reward(task).plans[task].samples[0]
    cases = [
        ("Q", f"{sample.target}<|end|>", "ok"),
        ("longer prompt", f"{sample.target}<|stop|>", "ok"),
        ("Q", f"{sample.target}", "truncated"),
        ("Q", f"{sample.target}<|tool|>", "truncated"),
        ("Q", "", "no_answer"),
        ("Q", "<|end|>", "no_answer"),
        ("Q<think>\n", f"{sample.target}<|end|>", "truncated"),
        ("Q<think>\n", f"so</think>{sample.target}<|end|>", "ok"),
    ]
    rows = [(prompt, response, task, sample.id) for prompt, response, _ in cases]
    config = configured(*OURS)
    if agent_loop:  # one trajectory at a time; of several sequences the last one counts
        got = [_worker_scores(config, _batch(tokenizer_folder, [row], agent_loop))[0] for row in rows]
        from verl.experimental.reward_loop.reward_loop import RewardLoopWorker

        last = asyncio.run(RewardLoopWorker(config).compute_score(_batch(tokenizer_folder, [rows[1], rows[0]], agent_loop)))
        assert last["reward_score"] == 1.0
    else:
        got = _worker_scores(config, _batch(tokenizer_folder, rows))
    assert [g["reward_extra_info"]["outcome"] for g in got] == [outcome for *_, outcome in cases]
    assert [g["reward_score"] for g in got] == [float(outcome == "ok") for *_, outcome in cases]


def test_the_settings_of_verls_configuration_reach_the_reward(configured: Any, tokenizer_folder: Path) -> None:
    weights = f"{{{TASKS[0].replace('=', chr(92) + '=')}: 2}}"  # hydra wants a backslash before = in a key
    sample = evalsuite.reward(TASKS[0]).plans[TASKS[0]].samples[0]
    data = _batch(tokenizer_folder, [("Q", f"{sample.target}<|end|>", TASKS[0], sample.id)])
    for overrides, place in ((NAIVE, "reward.custom_reward_function.reward_kwargs"), (OURS, "reward.reward_kwargs")):
        config = configured(*overrides, f"+{place}.weights={weights}", f"+{place}.deadline=5", f"+{place}.include=[]")
        assert [g["reward_score"] for g in _worker_scores(config, data)] == [2.0]
        with pytest.raises(UsageError, match="no setting 'weigths'; did you mean weights"):
            _worker_scores(configured(*overrides, f"+{place}.weigths={weights}"), data)


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [NAIVE, OURS], ids=["naive", "ours"])
def test_the_reward_loop_of_ray_workers(configured: Any, tokenizer_folder: Path, tmp_path: Path, overrides: list[str]) -> None:
    """RewardLoopManager: tensors, columns and validation metrics as verl makes them, and an error that stops the run."""
    import ray
    from verl.experimental.reward_loop.reward_loop import RewardLoopManager
    from verl.trainer.ppo.metric_utils import process_validation_metrics

    rows = _recorded(tmp_path, repeats=2)
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        manager = RewardLoopManager(configured(*overrides, "reward.num_workers=2"))
        data = _batch(tokenizer_folder, [("Q", row["said"] + "<|end|>", row["task"], row["id"]) for row in rows])
        got = manager.compute_rm_score(data)
        assert got.batch["rm_scores"].sum(-1).tolist() == [row["value"] for row in rows]
        assert set(got.meta_info["reward_extra_keys"]) == COLUMNS
        metrics = process_validation_metrics(
            [row["task"] for row in rows],
            [row["id"] for row in rows],
            {name: got.non_tensor_batch[name].tolist() for name in COLUMNS},
        )
        for task in TASKS:
            values = [row["value"] for row in rows if row["task"] == task]
            assert metrics[task]["acc"]["mean@2"] == pytest.approx(sum(values) / len(values))
            assert {"acc", "no_answer", "truncated", "timeout"} <= metrics[task].keys()
        bad = _batch(tokenizer_folder, [("Q", "x<|end|>", TASKS[0], "no such id")] * 2)
        with pytest.raises(ray.exceptions.RayTaskError, match="no sample 'no such id'"):
            manager.compute_rm_score(bad)
    finally:
        ray.shutdown()
