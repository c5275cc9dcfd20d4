"""OpenRLHF 0.11: `reward_func(queries, prompts, labels)`, and what the HTTP route of the same answers.

A query is the decoded tokens of prompt and response, special tokens kept (openrlhf/utils/agent.py, `SingleTurnAgentExecutor`).
So the response is what follows the prompt, exactly, and its last token says how it ended: a response that ends with one of
the model's end tokens, `eos`, has finished, and one that does not was cut off.

OpenRLHF has no reward for what could not be scored. Here it is an exception, never a number. OpenRLHF notes exceptions of
a reward at INFO, leaves that reward None and stops when it needs it; the reason is therefore logged at ERROR as well.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from evalsuite.errors import EvalsuiteError, IncompleteError, UsageError
from evalsuite.models.chat import OPENERS
from evalsuite.rewards.core import Reward
from evalsuite.rewards.named import named_reward
from evalsuite.words.completion import Completion
from evalsuite.words.score import OUTCOMES

EOS = "EVALSUITE_REWARD_EOS"  # texts of the end tokens, separated by blanks: "<|im_end|> <|endoftext|>"


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str], **_: Any) -> dict[str, Any]:
    """The reward of the tasks in EVALSUITE_REWARD_TASKS: `--reward.remote_url .../evalsuite/rewards/openrlhf.py`.

    What `make` returns for them, with the end tokens in EVALSUITE_REWARD_EOS.
    """
    with _logged():
        reward = named_reward()
    return make(reward, os.environ.get(EOS, "").split())(queries, prompts, labels)


def make(reward: Reward, eos: Sequence[str]) -> Callable[..., dict[str, Any]]:
    """`reward_func` for a file of one's own: `reward_func = make(evalsuite.reward("gsm8k"), ["<|im_end|>"])`.

    It returns float tensors (B,): `rewards`, `scores` in [0, 1] without the weights of the tasks (for dynamic filtering),
    and the `extra_logs` of `score_batch`. It raises as `score_batch` does, after logging the reason at ERROR.
    """

    def function(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str], **_: Any) -> dict[str, Any]:
        import torch

        with _logged():
            batch = score_batch(reward, queries, prompts, labels, eos)
        logs = {name: torch.tensor(column, dtype=torch.float32) for name, column in batch["extra_logs"].items()}
        columns = {name: torch.tensor(batch[name], dtype=torch.float32) for name in ("rewards", "scores")}
        return {**columns, "extra_logs": logs}

    return function


def score_batch(
    reward: Reward, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str], eos: Sequence[str]
) -> dict[str, Any]:
    """OpenRLHF's answer as plain lists, one entry per query: `rewards`, `scores`, and numbers to log in `extra_logs`.

    A label is the JSON text `{"task": ..., "id": ...}` that `evalsuite reward dataset --format openrlhf` writes. Raises
    UsageError for rows that do not belong together and for labels and prompts that are not as said, IncompleteError where
    a verifier of ours failed on one row: the others have no reward either.
    """
    if not len(queries) == len(prompts) == len(labels):
        raise UsageError(f"{len(queries)} queries, {len(prompts)} prompts and {len(labels)} labels: one of each per row")
    items = {
        i: (*_question(reward, label), completion(query, prompt, eos))
        for i, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True))
    }
    scores = reward.score(items)
    for i, score in scores.items():
        if score.value is None:
            task, sample_id, _ = items[i]
            raise IncompleteError(f"{task} {sample_id}: could not be scored, and OpenRLHF has no None: {score.feedback}")
    logs: dict[str, list[float]] = {
        f"verifier_{outcome}": [float(score.outcome == outcome) for score in scores.values()]
        for outcome in OUTCOMES
        if outcome not in ("ok", "error")
    }
    return {
        "rewards": [reward.value(items[i][0], score) for i, score in scores.items()],
        "scores": [score.value for score in scores.values()],
        "extra_logs": logs | {"verifier_seconds": [score.seconds for score in scores.values()]},
    }


def completion(query: str, prompt: str, eos: Sequence[str]) -> Completion:
    """The response in a query: without the prompt, and without the one end token at its very end.

    It has finished (`stop`) where one of the texts `eos` ends it, and was cut off (`length`) where none does. End tokens
    further ahead and other special tokens stay. Raises UsageError as `strip_prompt`, and where `eos` is empty.
    """
    if not any(eos):
        raise UsageError(
            f"OpenRLHF keeps special tokens: say which texts end a response, {EOS}='<|im_end|>' "
            "(or eos=, --eos); all of them where the model has several"
        )
    text = strip_prompt(query, prompt)
    end = max((e for e in eos if e and text.endswith(e)), key=len, default="")
    return Completion(
        text=text.removesuffix(end), finish_reason="stop" if end else "length", opened=prompt.rstrip().endswith(OPENERS)
    )


def strip_prompt(query: str, prompt: str) -> str:
    """What follows `prompt` in `query`. Raises UsageError, showing where they differ, if the query does not begin with it."""
    if query.startswith(prompt):
        return query[len(prompt) :]
    at = next((i for i, (a, b) in enumerate(zip(query, prompt)) if a != b), len(query))
    raise UsageError(
        f"the query does not begin with its prompt: after {at} of {len(prompt)} characters the prompt goes on with "
        f"{prompt[at : at + 40]!r} and the query with {query[at : at + 40]!r}. OpenRLHF cuts prompts that leave no room for a "
        "response (raise --data.max_len), and some tokenizers do not decode to the text they were given"
    )


def _question(reward: Reward, label: Any) -> tuple[str, str]:
    """Task and sample id of a label. Raises UsageError where it is not one."""
    try:
        row = json.loads(label)
        task, sample_id = row["task"], row["id"]
    except (TypeError, ValueError, KeyError, RecursionError):
        task = sample_id = None
    if not isinstance(task, str) or not isinstance(sample_id, str):
        raise UsageError(
            f'label {str(label)[:80]!r} is not the JSON text {{"task": ..., "id": ...}} that `evalsuite reward dataset` writes; '
            "OpenRLHF reads it with --data.label_key label"
        )
    found, sample = reward.find(task, sample_id, give="a label of `evalsuite reward dataset --format openrlhf`")
    return found, sample.id


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        logging.getLogger("evalsuite.rewards").error("no reward: %s", error, exc_info=not isinstance(error, EvalsuiteError))
        raise
