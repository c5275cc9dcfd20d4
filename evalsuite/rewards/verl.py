"""verl 0.9: `compute_score`, one sample per call, for `reward.custom_reward_function`.

verl calls it from many threads at once (verl/experimental/reward_loop/reward_manager/naive.py), and the pool serves them
side by side. The text comes without special tokens and without a finish reason, so that a response that was cut off is
judged by what it says; `evalsuite.rewards.verl_manager` knows better.

verl has no reward for what could not be scored: its tensors take no None, and a NaN would spread over the group. Here it
is an exception, and verl passes it on: the run stops with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.errors import IncompleteError
from evalsuite.rewards.core import Reward
from evalsuite.rewards.named import named_reward
from evalsuite.words.completion import Completion

COLUMNS = "the columns `data_source` and `reward_model.ground_truth` that `evalsuite reward dataset --format verl` writes"
_LONGEST = 512  # characters of a text: verl keeps them in arrays as wide as the longest one


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    tasks: str | Sequence[str] | None = None,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
    **settings: Any,
) -> dict[str, float | str]:
    """The reward of one response, by the columns that `evalsuite reward dataset --format verl` writes.

    `data_source` is the task, and `ground_truth` the id of its sample. `tasks` are the task specs, which
    `+reward.custom_reward_function.reward_kwargs.tasks=[gsm8k,math500]` gives; without it, EVALSUITE_REWARD_TASKS. `settings`
    are the other `reward_kwargs`, those of `named_reward`; the two of a reward model, which verl adds, are not used. Returns
    what `score_one` returns and raises as it and `named_reward` do.
    """
    return score_one(named_reward(tasks, **settings), data_source, ground_truth, Completion(text=solution_str))


def score_one(reward: Reward, task: str, sample_id: str, completion: Completion) -> dict[str, float | str]:
    """`score` (weighted), and for every row the same further columns, which verl logs, dumps and tabulates.

    `acc` is the score without its weight, `pred` the extracted answer (empty where there is none; verl votes over it),
    `outcome` and `feedback` say why, and `no_answer`, `truncated` and `timeout` are 1.0 or 0.0. Raises UsageError for a row
    of an unknown sample, IncompleteError where a verifier of ours failed, UnavailableError where something it needs is not
    there.
    """
    reward.find(task, sample_id, give=COLUMNS)
    score = reward.score({0: (task, sample_id, completion)})[0]
    value = reward.value(task, score)
    if score.value is None or value is None:
        raise IncompleteError(f"{task} {sample_id}: could not be scored, and verl has no None: {score.feedback}")
    rates = {name: float(score.outcome == name) for name in ("no_answer", "truncated", "timeout")}
    return {
        "score": float(value),
        "acc": float(score.value),
        "pred": (score.answer or "")[:_LONGEST],
        "outcome": score.outcome,
        "feedback": score.feedback[:_LONGEST],
        **rates,
    }
