"""verl 0.9's reward loop: a manager that reads the token ids, and so knows whether a response was cut off.

    reward.reward_manager.source=importlib
    reward.reward_manager.module.path=pkg://evalsuite.rewards.verl_manager
    reward.reward_manager.name=EvalsuiteRewardManager
    +reward.reward_kwargs.tasks=[gsm8k,math500]

Imports verl: nothing in evalsuite imports this file.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase  # type: ignore[import-not-found]

from evalsuite.models.chat import OPENERS
from evalsuite.rewards.named import named_reward
from evalsuite.rewards.verl import score_one
from evalsuite.words.completion import Completion


class EvalsuiteRewardManager(RewardManagerBase):
    """Scores one response in a thread. `config.reward.reward_kwargs` are the arguments of `named_reward`.

    A response that ends with an end token of the tokenizer or of generation_config.json beside it has finished, any other
    one was cut off. The text keeps its special tokens (thoughts may be marked by some) but for end, padding and begin.
    """

    def __init__(
        self,
        config: Any,
        tokenizer: Any,
        compute_score: Any,
        reward_router_address: str | None = None,
        reward_model_tokenizer: Any = None,
    ) -> None:
        super().__init__(config, tokenizer, compute_score)
        self.reward = named_reward(**(config.reward.get("reward_kwargs") or {}))
        self.ends = end_tokens(tokenizer)
        self.hidden = self.ends | {tokenizer.pad_token_id, tokenizer.bos_token_id}

    async def run_single(self, data: Any) -> dict[str, Any]:
        """`reward_score` and `reward_extra_info` of a DataProto of one trajectory. Raises as `score_one`."""
        columns = await asyncio.to_thread(self._score, data[-1])  # as in verl: of several sequences the last one counts
        return {"reward_score": columns["score"], "reward_extra_info": columns}

    def _score(self, item: Any) -> dict[str, float | str]:
        row = item.non_tensor_batch
        completion = self.completion(*token_ids(item))
        return score_one(self.reward, row["data_source"], row["reward_model"]["ground_truth"], completion)

    def completion(self, prompt: list[int], response: list[int]) -> Completion:
        """The Completion of token ids without padding."""
        opened = self.tokenizer.decode(prompt[-32:], skip_special_tokens=False).rstrip().endswith(OPENERS)
        shown = [i for i in response if i not in self.hidden]
        text = self.tokenizer.decode(shown, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        finished = not response or response[-1] in self.ends
        return Completion(text=text, finish_reason="stop" if finished else "length", opened=opened)


def token_ids(item: Any) -> tuple[list[int], list[int]]:
    """Prompt and response ids of a DataProtoItem without padding.

    The agent loop pads both on the right and gives their lengths; the trainer's batches pad prompts on the left.
    """
    prompt, response, row = item.batch["prompts"], item.batch["responses"], item.non_tensor_batch
    if "response_len" in row:
        return prompt[: row["prompt_len"]].tolist(), response[: row["response_len"]].tolist()
    mask, width = item.batch["attention_mask"].bool(), prompt.shape[-1]
    return prompt[mask[:width]].tolist(), response[mask[width:]].tolist()


def end_tokens(tokenizer: Any) -> frozenset[int]:
    """Ids that end a response: the tokenizer's end token and those of generation_config.json in its folder."""
    from transformers import GenerationConfig

    found = [tokenizer.eos_token_id]
    if (folder := Path(tokenizer.name_or_path)).joinpath("generation_config.json").is_file():
        found.append(GenerationConfig.from_pretrained(folder).eos_token_id)
    return frozenset(i for ids in found if ids is not None for i in (ids if isinstance(ids, list | tuple) else [ids]))
