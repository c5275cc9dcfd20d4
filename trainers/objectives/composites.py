"""Rewards made of parts: DeepEyes, DeepEyesV2, ASL's generator of questions. All arguments are (B,), results float (B,).

`calls` counts the tool calls that the environment executed, from its log. Counting marks in the text, as the published code does, pays
a model for writing the marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

from .groups import group_stats

if TYPE_CHECKING:
    from torch import Tensor


def deepeyes(accuracy: Tensor, well_formed: Tensor, calls: Tensor, answer_chars: Tensor) -> Tensor:
    """.8 accuracy + .2 format + 1.2 tool, in [-.2, 2]: DeepEyes (arXiv:2505.14362).

    `accuracy` float in [0, 1]; format is 0 where `well_formed` (bool), else -1; tool is 1 for at least one call and an accuracy above
    .5. An answer of 1000 characters or more, long enough to talk a judge round, counts as wrong and malformed.
    """
    accuracy, well_formed = _judged(accuracy, well_formed, answer_chars, 1000)
    tool = (calls > 0) & (accuracy > 0.5)
    return 0.8 * accuracy - 0.2 * (~well_formed).to(accuracy.dtype) + 1.2 * tool.to(accuracy.dtype)


def deepeyes_math(accuracy: Tensor, well_formed: Tensor) -> Tensor:
    """1.2 accuracy + .4 format, format 0 or -1, in [-.4, 1.2]: DeepEyes on text-only mathematics."""
    return 1.2 * accuracy - 0.4 * (~well_formed).to(accuracy.dtype)


def deepeyes_v2(accuracy: Tensor, well_formed: Tensor, answer_chars: Tensor, searches: Tensor | None = None) -> Tensor:
    """.8 accuracy (1 - .1 searched) + .2 format, format 0 or 1, in [0, 1]: DeepEyesV2 (arXiv:2511.05271).

    No bonus for tools. On search tasks `searches` counts the executed searches, and one or more of them cost a tenth of the
    accuracy's part. An answer of 300 characters or more counts as wrong and malformed.
    """
    accuracy, well_formed = _judged(accuracy, well_formed, answer_chars, 300)
    paid = accuracy if searches is None else accuracy * (1 - 0.1 * (searches > 0).to(accuracy.dtype))
    return 0.8 * paid + 0.2 * well_formed.to(accuracy.dtype)


def asl_question(success: Tensor, agreement: Tensor, well_formed: Tensor, *, form: str = "entropy", at: float = 0.8) -> Tensor:
    """What a generated question is worth from how often it was solved: Agentic Self-Learning (`asl3.py` of its code).

    `success` float in [0, 1] is the share of right attempts. form "entropy" is `success_entropy`, greatest (ln 2) at one half;
    "absolute_zero" is 1 - success, and 0 where none or all are right (Absolute Zero, arXiv:2505.03335). 0 for a malformed question,
    and where `agreement`, the mean verdict on the question's own answer (five of them in ASL), is below `at`. Raises UsageError for
    another form, ValueError as `success_entropy`.
    """
    if form not in ("entropy", "absolute_zero"):
        raise UsageError(f"form={form!r} is entropy or absolute_zero")
    entropy = success_entropy(success)
    value = entropy if form == "entropy" else (1 - success).masked_fill(entropy == 0, 0.0)
    return value.masked_fill(~well_formed | (agreement < at), 0.0)


def success_entropy(success: Tensor) -> Tensor:
    """-p ln p - (1 - p) ln(1 - p), nats, in [0, ln 2]. Raises ValueError outside [0, 1]."""
    import torch

    if not bool(((success >= 0) & (success <= 1)).all()):
        raise ValueError(f"success rates lie in [0, 1]: {success.tolist()}"[:200])
    return torch.special.entr(success) + torch.special.entr(1 - success)


def score_entropy(score: Tensor, group: Tensor, where: Tensor) -> Tensor:
    """Entropy of the scores that the row's group has in `where`, taken as a distribution over values, nats; 0 without such rows.

    `score` float, NaN only outside `where`; scores are the same where they are equal. For scores of 0 and 1 it is `success_entropy` of
    their mean.
    """
    same = (group[:, None] == group) & (score[:, None] == score) & where
    count = group_stats(score, group, where)[2]
    share = same.sum(1).clamp(min=1) / count.clamp(min=1)
    return group_stats(-share.log(), group, where)[0]


def difficulty(success: Tensor) -> Tensor:
    """p (1 - p), the variance of a right answer, in [0, 1/4]: greatest for questions that are solved half the time."""
    return success * (1 - success)


def _judged(accuracy: Tensor, well_formed: Tensor, chars: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    long = chars >= limit
    return accuracy.masked_fill(long, 0.0), well_formed & ~long
