"""Token rows to log-probabilities: whatever the batching, the padding and the sharing of prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evalsuite import Completion, Score, ask
from evalsuite.trainers.micro import Micro, micro_batches, padded_logprobs
from evalsuite.trainers.policy import Policy, load
from evalsuite.trainers.rows import Rollout, Rows


def rollout(group: int, index: int, prompt: list[int], response: list[int], value: float | None = 1.0) -> Rollout:
    score = Score(value) if value is not None else Score(None, "error")
    completion = Completion(text="", token_ids=tuple(response), logprobs=tuple(-1.0 for _ in response), finish_reason="stop")
    return Rollout(
        task="t",
        sample=ask("?", id=str(group)),
        group=group,
        index=index,
        prompt_ids=tuple(prompt),
        completion=completion,
        score=score,
    )


ROWS = [
    rollout(0, 0, [5, 6, 7], [8, 9, 10, 1]),
    rollout(0, 1, [5, 6, 7], [11, 1]),
    rollout(1, 0, [5], [12, 13, 14]),
    rollout(1, 1, [5], []),
    rollout(2, 0, [6, 6, 6, 6, 6], [20]),
    rollout(2, 1, [6, 6, 6, 6, 6], [21, 22, 23, 24, 25, 26]),
]


def one_by_one(policy: Policy, rows: list[Rollout]) -> list[torch.Tensor]:
    """Reference: each row alone, without padding."""
    out = []
    for r in rows:
        ids = torch.tensor([[*r.prompt_ids, *(r.completion.token_ids or ())]])
        logits = policy.model(input_ids=ids).logits[0].float() / policy.temperature
        logp = logits.log_softmax(-1)[:-1].gather(-1, ids[0, 1:, None])[:, 0]
        out.append(logp[len(r.prompt_ids) - 1 :])
    return out


@pytest.mark.parametrize("budget", [1, 12, 20, 10_000])
@pytest.mark.parametrize("share", [False, True])
def test_log_probabilities_and_gradients_do_not_depend_on_the_split(tiny: Path, budget: int, share: bool) -> None:
    policy = Policy(load(tiny), temperature=0.7, share=share)
    weights = torch.arange(1.0, 50.0)

    def loss_of(rows: list[torch.Tensor]) -> torch.Tensor:
        return sum((weights[: len(row)] * row).sum() for row in rows)  # type: ignore[return-value]

    policy.zero_grad()
    expected = one_by_one(policy, ROWS)
    loss_of(expected).backward()
    gradients = [p.grad.clone() for p in policy.parameters()]

    policy.zero_grad()
    found: dict[int, torch.Tensor] = {}
    for micro in micro_batches(ROWS, range(len(ROWS)), budget, pad=0):
        scored = policy(micro)
        own = {i: scored.logp[k][micro.mask[k]] for k, i in enumerate(micro.index)}
        loss_of(list(own.values())).backward()
        found |= {i: row.detach() for i, row in own.items()}
    for i, row in enumerate(expected):
        torch.testing.assert_close(found[i], row.detach(), rtol=1e-5, atol=1e-5)
    for p, gradient in zip(policy.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-4, atol=1e-5)


def test_entropy_is_that_of_the_sampled_distribution_and_has_a_gradient_only_when_asked(tiny: Path) -> None:
    module = load(tiny)
    (micro,) = micro_batches(ROWS, [0], 10_000, pad=0)
    ids = torch.tensor([[*ROWS[0].prompt_ids, *(ROWS[0].completion.token_ids or ())]])
    p = (module(input_ids=ids).logits[0].float() / 2).softmax(-1)[2:-1]
    expected = torch.distributions.Categorical(probs=p).entropy()
    plain, kept = Policy(module, 2.0)(micro), Policy(module, 2.0, entropy_gradient=True)(micro)
    torch.testing.assert_close(plain.entropy[0], expected, rtol=1e-5, atol=1e-5)
    assert not plain.entropy.requires_grad and kept.entropy.requires_grad and plain.logp.requires_grad


def test_micro_batches_hold_every_row_once_within_the_budget() -> None:
    for budget in (1, 8, 16, 40):
        micros = micro_batches(ROWS, [0, 1, 2, 4, 5], budget, pad=0)
        assert sorted(i for m in micros for i in m.index) == [0, 1, 2, 4, 5]
        for m in micros:
            assert len(m.index) == 1 or len(m.index) * (m.prompt.shape[1] + m.response.shape[1]) <= budget
            for k, i in enumerate(m.index):
                prompt, response = m.prompt[m.parent[k]], m.response[k]
                assert tuple(prompt[m.prompt_mask[m.parent[k]]].tolist()) == ROWS[i].prompt_ids
                assert tuple(response[m.mask[k]].tolist()) == ROWS[i].completion.token_ids


def test_siblings_share_one_prompt_row_and_columns_follow_their_rows() -> None:
    (micro,) = micro_batches(ROWS, range(6), 10_000, pad=0)
    assert len(micro.prompt) == 3 and len(micro.parent) == 6
    values = torch.arange(6.0)
    assert micro.column(values)[:, 0].tolist() == [float(i) for i in micro.index]
    wide = torch.arange(60.0).reshape(6, 10)
    assert micro.column(wide).shape == (6, 6)
    assert isinstance(micro.idle(), Micro) and not micro.idle().mask.any()


def test_the_samplers_log_probabilities_are_padded_and_missing_ones_are_none() -> None:
    table = padded_logprobs(ROWS)
    assert table is not None and table.shape == (6, 6) and table[1].tolist() == [-1, -1, 0, 0, 0, 0]
    bare = Completion(text="", token_ids=(3,), finish_reason="stop")
    without = Rollout(task="t", sample=ask("?", id="x"), group=9, index=0, prompt_ids=(1,), completion=bare, score=Score(1.0))
    assert padded_logprobs([*ROWS, without]) is None


def test_what_could_not_be_scored_is_not_kept() -> None:
    rows = Rows.of([*ROWS, rollout(7, 0, [1], [2], value=None)])
    assert rows.keep.tolist() == [True] * 6 + [False] and rows.score[-1].isnan()
    assert rows.length.tolist() == [4, 2, 3, 0, 1, 6, 1]
