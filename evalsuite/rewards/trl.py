"""The shape of TRL 1.16: `GRPOTrainer(reward_funcs=evalsuite.reward("gsm8k"), ...)`, RLOOTrainer alike.

TRL calls a reward function with keywords: `prompts`, `completions` (texts, or lists of messages), `completion_ids`, every
other column of the data set as a list, `trainer_state`, `log_extra` and `log_metric`. The columns `task` and `id` name the
question; without them the prompt does. The answer is one float per completion, None where it cannot be scored. TRL makes
that NaN. Where it is the only reward function, the row leaves the group's mean and the loss; beside others, TRL sums with
`nansum` (trl/trainer/grpo_trainer.py), and it counts as 0.

TRL tells no finish reason, and its text has lost the end token. But `log_extra` is a method of the trainer, which knows its
end tokens: a completion whose last token is neither one of them nor padding was cut off, which is TRL's own rule
(`completions/clipped_ratio`). Where the trainer generates with stop strings, which leave no token, it was cut off only if it is
also of `max_completion_length`. A prompt whose template opens a thought is seen the same way. Without `log_extra` (TRL's
experimental async trainer gives none) a completion counts as finished unless it shows an unclosed thought; a trainer that does
not know these is warned about.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.errors import IncompleteError
from evalsuite.escape import plain
from evalsuite.models.chat import OPENERS
from evalsuite.rewards.questions import content_text
from evalsuite.words.completion import Completion

if TYPE_CHECKING:
    from evalsuite.rewards.core import Reward

SHARES = {"error": "unscorable", "no_answer": "no_answer", "truncated": "truncated", "timeout": "timeout"}
_STOPS = ("stop_strings", "stop", "stop_token_ids")  # of transformers and of vLLM, in `generation_kwargs`


class AsyncReward:
    """A Reward as an async function, with a `__name__` of its own. Scoring runs in a thread: no loop is blocked."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.__name__ = reward.__name__

    async def __call__(self, /, **batch: Any) -> list[float | None]:
        """As `rewards`."""
        return await asyncio.to_thread(rewards, self.reward, self.__name__, **batch)


def rewards(
    reward: Reward,
    name: str,
    /,
    *,
    prompts: Sequence[Any],
    completions: Sequence[Any],
    completion_ids: Sequence[Sequence[int]] | None = None,
    log_extra: Callable[[str, list[Any]], None] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """One weighted reward per completion, in order; None where it cannot be scored.

    `log_extra` gets the columns NAME/answer, NAME/outcome and NAME/feedback (at most 500 characters each), `log_metric` the
    shares of the batch rewards/NAME/unscorable, /no_answer, /truncated and /timeout; NAME is `name`. Raises UsageError for a
    row whose question is not found, IncompleteError where more than the share `reward.max_errors` of the rows could not be
    scored, and as `Reward.score` does.
    """
    if not completions:
        return []
    finish = _Finish(getattr(log_extra, "__self__", None), prompts[0])
    ids = completion_ids if completion_ids is not None else [None] * len(completions)
    items = {}
    for i, (prompt, said, tokens) in enumerate(zip(prompts, completions, ids, strict=True)):
        named = {key: columns[key][i] for key in ("task", "id") if columns.get(key) is not None}
        task, sample = reward.find(named.get("task"), named.get("id"), prompt)
        items[i] = (task, sample.id, finish.completion(prompt, said, tokens))
    scores = reward.score(items)
    if log_extra is not None:
        log_extra(f"{name}/answer", [None if s.answer is None else plain(s.answer) for s in scores.values()])
        log_extra(f"{name}/outcome", [s.outcome for s in scores.values()])
        log_extra(f"{name}/feedback", [plain(s.feedback) for s in scores.values()])
    if log_metric is not None:
        count: Counter[str] = Counter(s.outcome for s in scores.values())
        for outcome, share in SHARES.items():
            log_metric(f"rewards/{name}/{share}", count[outcome] / len(scores))
    broken = [i for i, score in scores.items() if score.value is None]
    if len(broken) > reward.max_errors * len(scores):
        task, sample_id, _ = items[broken[0]]
        raise IncompleteError(
            f"{len(broken)} of {len(scores)} completions of a batch could not be scored (allowed: {reward.max_errors:.0%}), the "
            f"first of them of {task} {sample_id}: {scores[broken[0]].feedback}. Nothing was trained on them; mend that and "
            "train on from the last checkpoint, or allow more with evalsuite.reward(..., max_errors=)"
        )
    return [reward.value(items[i][0], score) for i, score in scores.items()]


class _Finish:
    """What a trainer knows about how its completions begin and end."""

    def __init__(self, trainer: Any, prompt: Any) -> None:
        end, most = getattr(trainer, "eos_token_ids", None), getattr(trainer, "max_completion_length", None)
        self.known = end is not None and most is not None
        stops = getattr(getattr(trainer, "args", None), "generation_kwargs", None) or {}
        self.least = 1  # tokens of what was cut off
        if any(stops.get(name) for name in _STOPS):
            self.least = most or 1
        if trainer is not None and not self.known:
            warnings.warn(
                f"{type(trainer).__name__} does not say where completions end: what was cut off is scored as if it were finished",
                stacklevel=2,
            )
        processor = getattr(trainer, "processing_class", None)
        self.end = {*(end or ()), getattr(getattr(processor, "tokenizer", processor), "pad_token_id", None)}
        self.opened = False
        if processor is not None and not isinstance(prompt, str):
            how = {"chat_template": getattr(trainer, "chat_template", None), **getattr(trainer, "chat_template_kwargs", {})}
            text = processor.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True, **how)
            self.opened = _opens(text)  # the end of a template is the same for all prompts

    def completion(self, prompt: Any, said: Any, tokens: Sequence[int] | None) -> Completion:
        """What one row of a batch says."""
        reason = None
        if self.known and tokens is not None:
            cut = len(tokens) >= self.least and tokens[-1] not in self.end
            reason = "length" if cut else "stop"
        count = len(tokens) if tokens is not None else None
        if isinstance(said, str):
            opened = _opens(prompt) if isinstance(prompt, str) else self.opened
            return Completion(text=said, finish_reason=reason, opened=opened, completion_tokens=count)
        return from_messages(said, finish_reason=reason, opened=self.opened, completion_tokens=count)


def from_messages(turns: Sequence[Mapping[str, Any]], *, opened: bool = False, **fields: Any) -> Completion:
    """A Completion from the turns that a rollout added to its prompt.

    Its text is the content of the last turn where that is the assistant's: what came before, tool calls and their results
    among it, is no answer and goes to `tool_trace`.
    """
    last = turns[-1] if turns and turns[-1].get("role", "assistant") == "assistant" else {}
    reasoning = last.get("reasoning_content") or last.get("reasoning") or last.get("thinking")
    if last.get("tool_calls") and fields.get("finish_reason") == "stop":
        fields["finish_reason"] = "tool_calls"
    return Completion(
        text=content_text(last.get("content")),
        reasoning=reasoning,
        opened=opened and reasoning is None,  # where TRL has split the thought off, it was closed
        tool_trace=tuple(turns[:-1] if last else turns),
        **fields,
    )


def _opens(prompt: str) -> bool:
    return prompt.rstrip().endswith(OPENERS)
