"""The one loop that drives every recipe: collect, shape, admit, credit, update."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from evalsuite.errors import IncompleteError
from evalsuite.loop import run_async

from .base import Recipe
from .collect import Collector, check_scores
from .micro import Micro, micro_batches, padded_logprobs
from .objectives.aggregate import Normaliser
from .objectives.batch import Batch
from .objectives.diagnostics import ratio_report, sampler_difference
from .objectives.total import total_loss
from .pending import Pending, share, split
from .policy import Policy, Scored
from .prompts import Prompts
from .report import batch_metrics
from .rows import Rollout, Rows
from .schedule import learning_rate

if TYPE_CHECKING:
    from accelerate import Accelerator

PATIENCE = 3  # updates in a row whose gradient is not finite, after which a run stops


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`steps` updates; `micro_tokens` padded tokens per micro-batch; `max_errors`, the share of a batch that may be unscorable."""

    steps: int
    micro_tokens: int
    max_errors: float = 0.05


class Trainer:
    """One run of one recipe. `step` counts updates; everything that the next step depends on is in `state()` and the weights."""

    def __init__(
        self,
        recipe: Recipe,
        policy: Policy,
        prompts: Prompts,
        collector: Collector | None,
        accelerator: Accelerator,
        limits: Limits,
        *,
        pad: int,
        max_tokens: int,
        demonstrations: Callable[[int, int], list[Rollout]] | None = None,
        reference: Any = None,
        export: Callable[[], Path] | None = None,
    ) -> None:
        """`demonstrations(n, batch)` stands in for the collector where rows are not sampled; `reference(micro)` scores with the
        model that the KL term holds on to; `export()` writes the weights for a sampler that has its own copy. `max_tokens` is the
        longest response there can be."""
        self.recipe, self.prompts, self.collector, self.limits = recipe, prompts, collector, limits
        self.accelerator, self.pad, self.max_tokens = accelerator, pad, max_tokens
        self.demonstrations, self.reference, self.export = demonstrations, reference, export
        s = recipe.settings.optim
        trained = [p for p in policy.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=s.lr, betas=s.betas, eps=s.eps, weight_decay=s.weight_decay)
        self.policy, self.optimizer = accelerator.prepare(policy, optimizer)
        self.step = self.batches = self.tokens = self.unusable = 0
        self.pending: Pending | None = None

    def state(self) -> dict[str, Any]:
        """This rank's part of a checkpoint, weights and optimiser aside."""
        return {
            "step": self.step,
            "batches": self.batches,
            "tokens": self.tokens,
            "cursor": self.prompts.cursor,
            "recipe": self.recipe.state,
            "pending": self.pending,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.step, self.batches, self.tokens = state["step"], state["batches"], state["tokens"]
        self.prompts.cursor, self.recipe.state, self.pending = state["cursor"], state["recipe"], state["pending"]

    def advance(self, advance: Callable[[int], None] = lambda rows: None) -> tuple[dict[str, float], Pending | None]:
        """One update. Returns its scalars, and the rollout batch where one was collected for it.

        Raises IncompleteError where the verifier fails on too many rows, or the gradient stays without finite values.
        """
        started = time.perf_counter()
        collected = None
        if self.pending is None:
            self.pending = collected = self._collect(advance)
        generated = time.perf_counter() - started
        metrics = dict(self.pending.metrics)
        rows, part = self.pending.rows, self.pending.updates.pop(0)
        metrics |= self._update(self.pending, part)
        if not self.pending.updates:
            self.pending = None
        self.step += 1
        metrics |= self.recipe.after(rows, self.step)
        self.tokens += int(rows.length[part].sum()) if part else 0
        metrics |= {"num_tokens": self.tokens, "epoch": self.prompts.cursor / len(self.prompts)}
        metrics |= {"time/rollout": generated, "step_time": time.perf_counter() - started}
        return metrics, collected

    def _collect(self, advance: Callable[[int], None]) -> Pending:
        """The next rollout batch, through the recipe's stages. Every rank sees all of its rows."""
        s = self.recipe.settings
        wanted = s.rollout.prompts * s.rollout.updates
        rows = Rows.of(())
        for _ in range(1 + s.admit.refill):
            missing = wanted - len(set(rows.group[rows.keep].tolist()))
            if missing <= 0:
                break
            new = self._sample(missing, advance)
            check_scores(new, self.limits.max_errors)
            rows = Rows.of((*rows.rollouts, *new))
            rows = rows.replace(reward=self.recipe.shape(rows))
            rows = rows.replace(keep=self.recipe.admit(rows))
        self.batches += 1
        updates = split(rows, s.rollout.updates, s.rollout.epochs)
        pending = Pending(rows=rows, advantages=self.recipe.credit(rows), updates=updates)
        pending.metrics = batch_metrics(rows, s.rollout.temperature)
        if len(pending.updates) > 1:
            pending.old_logp = self._scored(pending, self.policy)
        if s.loss.kl:
            pending.ref_logp = self._scored(pending, self.reference)
        return pending

    def _sample(self, groups: int, advance: Callable[[int], None]) -> list[Rollout]:
        """Scored rollouts of the next `groups` questions: each rank takes its share, all get all."""
        samples = self.recipe.settings.rollout.group
        if self.demonstrations is not None:
            return self.demonstrations(groups, self.batches)
        assert self.collector is not None
        first = self.prompts.cursor
        questions = [(first + i, q) for i, q in enumerate(self.prompts.take(groups))]
        sampler = self.collector.sampler
        sampler.update(self.export)
        sampler.wake()
        try:
            mine = questions[self._rank :: self._world]
            own = run_async(self.collector.collect(mine, samples=samples, batch=self.batches, advance=advance))
        finally:
            sampler.sleep()
        if self._world == 1:
            return own
        from accelerate.utils import gather_object

        return sorted(gather_object(own), key=lambda r: (r.group, r.index))

    def _update(self, pending: Pending, part: list[int]) -> dict[str, float]:
        """One optimiser step on these rows of the batch. Sums over micro-batches and ranks are those of the whole."""
        s = self.recipe.settings.optim
        lr = learning_rate(self.step, self.limits.steps, lr=s.lr, warmup=s.warmup, schedule=s.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        metrics: dict[str, float] = {"learning_rate": lr, "loss": 0.0, "grad_norm": 0.0}
        if not part:  # every rank agrees: all have all rows
            return metrics | {"frac_skipped": 1.0}
        rows = pending.rows
        normaliser = Normaliser(sequences=len(part), tokens=int(rows.length[part].sum()), max_tokens=self.max_tokens)
        mine = share(part, rows, self._rank, self._world)
        micros = self._micros(rows, mine)
        sums: dict[str, tuple[Any, Any]] = {}
        now = torch.zeros(len(rows), max(1, int(rows.length.max())))
        for k, micro in enumerate(micros):
            with self._synchronised(last=k == len(micros) - 1):
                batch = self._batch(pending, micro)
                loss, own = total_loss(self.recipe, batch, normaliser)
                self.accelerator.backward(loss * self._world)  # ranks average their gradients
            _put(now, micro, batch.logp)
            for name, (value, count) in ({"loss": (loss.detach(), 1.0)} | own).items():
                before = sums.get(name, (0.0, 0.0))
                sums[name] = (before[0] + value, before[1] + count)
        norm = self.accelerator.clip_grad_norm_(self.policy.parameters(), s.max_norm or math.inf)
        metrics |= self._reduced({name: (float(value), float(count)) for name, (value, count) in sums.items()})
        metrics["grad_norm"] = float(norm) if norm is not None else math.nan
        metrics |= self._drift(pending, now, mine)
        finite = math.isfinite(metrics["loss"]) and (norm is None or math.isfinite(metrics["grad_norm"]))
        if finite:
            self.optimizer.step()
        self.optimizer.zero_grad()
        self._count_unusable(finite)
        return metrics | {"frac_skipped": float(not finite)}

    def _drift(self, pending: Pending, now: Tensor, mine: list[int]) -> dict[str, float]:
        """How far the policy is from the one that these rows came from, over this rank's rows and before any clip."""
        rows = pending.rows
        mask = _mask(rows)[mine]
        behaviour = padded_logprobs(rows.rollouts)
        old = pending.old_logp if pending.old_logp is not None else behaviour
        report = {} if old is None else ratio_report(now[mine] - old[mine], mask)
        if behaviour is None:
            return report
        trainer = pending.old_logp if pending.old_logp is not None else now
        return report | sampler_difference(trainer[mine], behaviour[mine], mask, cap=self.recipe.settings.loss.importance_cap)

    def _count_unusable(self, finite: bool) -> None:
        self.unusable = 0 if finite else self.unusable + 1
        if self.unusable >= PATIENCE:
            raise IncompleteError(
                f"loss or gradient was not finite in {PATIENCE} updates in a row, the last at step {self.step + 1}; nothing was "
                "changed by them. Lower optim.lr, or look at the samples of these steps"
            )

    def _batch(self, pending: Pending, micro: Micro) -> Batch:
        scored: Scored = self.policy(micro)
        behaviour = padded_logprobs(pending.rows.rollouts) if self.recipe.settings.loss.importance_cap else None
        return Batch(
            logp=scored.logp,
            old_logp=micro.column(pending.old_logp) if pending.old_logp is not None else scored.logp.detach(),
            advantages=micro.column(pending.advantages),
            mask=micro.mask,
            entropy=scored.entropy,
            ref_logp=micro.column(pending.ref_logp) if pending.ref_logp is not None else None,
            behaviour_logp=micro.column(behaviour) if behaviour is not None else None,
        )

    def _scored(self, pending: Pending, policy: Any) -> Tensor:
        """Log-probabilities under `policy` of the rows that this rank will update on, float32 (N, longest), 0 elsewhere; no gradient."""
        rows = pending.rows
        logp = torch.zeros(len(rows), max(1, int(rows.length.max())))
        mine = sorted({i for part in pending.updates for i in share(part, rows, self._rank, self._world)})
        with torch.no_grad():
            for micro in self._micros(rows, mine):
                _put(logp, micro, policy(micro).logp)
        return logp

    def _micros(self, rows: Rows, mine: Sequence[int]) -> list[Micro]:
        """This rank's micro-batches, as many as on the rank that has most: an idle one goes through the motions, as its peers
        wait for it. Their `index` counts in `rows`."""
        micros = micro_batches(rows.rollouts, mine, self.limits.micro_tokens, self.pad, self.accelerator.device)
        if self._world == 1:
            return micros
        from accelerate.utils import gather_object

        most = max(gather_object([len(micros)]))
        idle = micro_batches(rows.rollouts, [0], self.limits.micro_tokens, self.pad, self.accelerator.device)[0].idle()
        return [*[idle] * (most - len(micros)), *micros]

    def _synchronised(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Gradients are exchanged once per update, with the last micro-batch."""
        self.accelerator.gradient_state._set_sync_gradients(last)  # read by DeepSpeed's engine and by clip_grad_norm_
        return contextlib.nullcontext() if last else self.accelerator.no_sync(self.policy)

    def _reduced(self, sums: dict[str, tuple[float, float]]) -> dict[str, float]:
        """Means over all ranks; the loss is a sum already."""
        everywhere = [sums]
        if self._world > 1:
            from accelerate.utils import gather_object

            everywhere = gather_object([sums])
        total: dict[str, tuple[float, float]] = {}
        for own in everywhere:
            for name, (value, count) in own.items():
                before = total.get(name, (0.0, 0.0))
                total[name] = (before[0] + value, before[1] + count)
        return {name: value if name == "loss" else value / count for name, (value, count) in total.items() if count}

    @property
    def _rank(self) -> int:
        return self.accelerator.process_index

    @property
    def _world(self) -> int:
        return self.accelerator.num_processes


def _put(table: Tensor, micro: Micro, logp: Tensor) -> None:
    """Write a micro-batch's log-probabilities into their rows of `table` (N, longest), 0 outside the mask."""
    if bool(micro.mask.any()):  # an idle one has no rows of its own
        table[torch.tensor(micro.index), : logp.shape[1]] = logp.detach().float().masked_fill(~micro.mask, 0.0).cpu()


def _mask(rows: Rows) -> Tensor:
    """Response tokens, bool (N, longest)."""
    return torch.arange(max(1, int(rows.length.max()))) < rows.length[:, None]
