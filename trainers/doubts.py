"""What a person should be told while it trains, once: numbers that are not what they look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

OFF = 0.1  # nats between sampler and trainer, above what bfloat16 explains
FLAT = 10  # steps in a row without a group whose rewards differ


class Doubts:
    """Looks at the scalars of every step."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._flat = 0

    def about(self, metrics: Mapping[str, float]) -> Iterator[str]:
        """Remarks on a step, each kind once in a run."""
        off = metrics.get("sampling/sampling_logp_difference/mean", 0.0)
        if off > OFF and self._first("sampler"):
            yield (
                f"warning: sampler and trainer differ by {off:.2g} nats per token on the same tokens; what comes of it is off-policy. "
                "Look at the sampler's weights, number format and temperature (loss.importance_cap corrects small gaps)"
            )
        self._flat = self._flat + 1 if metrics.get("frac_reward_zero_std") == 1 and metrics.get("grad_norm") == 0 else 0
        if self._flat >= FLAT and self._first("flat"):
            yield (
                f"warning: in {FLAT} steps in a row all rewards of every group were equal, so nothing was learnt. Is the task too hard "
                "or too easy for this model, or the prompt not what it knows? samples.jsonl has the answers"
            )

    def _first(self, kind: str) -> bool:
        new = kind not in self._said
        self._said.add(kind)
        return new
