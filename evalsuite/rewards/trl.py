"""The shape of TRL 1.16: `GRPOTrainer(reward_funcs=evalsuite.reward("gsm8k"), ...)`, RLOOTrainer alike.

TRL calls a reward function with keywords: `prompts`, `completions` (texts, or lists of messages), `completion_ids`, every
other column of the data set as a list, `trainer_state`, `log_extra` and `log_metric`. The columns `task` and `id` name the
question; without them the prompt does. The answer is one float per completion, None where it cannot be scored (TRL makes
that NaN and leaves it out of the group's mean).

TRL tells no finish reason, and its text has lost the end token. But `log_extra` is a method of the trainer, which knows
its end tokens and the longest completion: one that is as long and does not end in such a token was cut off. A prompt
whose template opens a thought is seen the same way. Without `log_extra` (TRL's experimental async trainer gives none) a
completion counts as finished unless it shows an unclosed thought; a trainer that does not know these is warned about.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.escape import plain
from evalsuite.models.chat import OPENERS
from evalsuite.rewards.core import content_text
from evalsuite.words.completion import Completion

if TYPE_CHECKING:
    from evalsuite.rewards.core import Reward

SHARES = {"error": "unscorable", "no_answer": "no_answer", "truncated": "truncated", "timeout": "timeout"}


class AsyncReward:
    """A Reward as an async function. Scoring runs in a thread that waits for the worker processes: no loop is blocked."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.__name__ = reward.__name__

    async def __call__(self, **batch: Any) -> list[float | None]:
        """As `rewards`."""
        return await asyncio.to_thread(self.reward, **batch)


def rewards(
    reward: Reward,
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
    shares of the batch rewards/NAME/unscorable, /no_answer, /truncated and /timeout; NAME is `reward.__name__`. Raises
    UsageError for a row whose question is not found, and as `Reward.score` does.
    """
    if not completions:
        return []
    finish = _Finish(getattr(log_extra, "__self__", None), prompts[0])
    ids = completion_ids if completion_ids is not None else [None] * len(completions)
    items = {}
    for i, (prompt, said, tokens) in enumerate(zip(prompts, completions, ids, strict=True)):
        named = {name: columns[name][i] for name in ("task", "id") if columns.get(name) is not None}
        task, sample = reward.find(named.get("task"), named.get("id"), prompt)
        items[i] = (task, sample.id, finish.completion(prompt, said, tokens))
    scores = reward.score(items)
    if log_extra is not None:
        log_extra(f"{reward.__name__}/answer", [None if s.answer is None else plain(s.answer) for s in scores.values()])
        log_extra(f"{reward.__name__}/outcome", [s.outcome for s in scores.values()])
        log_extra(f"{reward.__name__}/feedback", [plain(s.feedback) for s in scores.values()])
    if log_metric is not None:
        count: Counter[str] = Counter(s.outcome for s in scores.values())
        for outcome, share in SHARES.items():
            log_metric(f"rewards/{reward.__name__}/{share}", count[outcome] / len(scores))
    return [reward.value(items[i][0], score) for i, score in scores.items()]


class _Finish:
    """What a trainer knows about how its completions begin and end."""

    def __init__(self, trainer: Any, prompt: Any) -> None:
        end, most = getattr(trainer, "eos_token_ids", None), getattr(trainer, "max_completion_length", None)
        self.known, self.most = end is not None and most is not None, most or 0
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
            cut = len(tokens) >= self.most and tokens[-1] not in self.end
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
