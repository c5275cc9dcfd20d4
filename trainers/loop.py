"""The one loop that drives every recipe: collect, shape, admit, credit, update."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from evalsuite.errors import IncompleteError

from .base import Recipe
from .collect import check_scores
from .micro import Micro, micro_batches, padded_logprobs
from .objectives.aggregate import Normaliser
from .objectives.batch import Batch
from .objectives.diagnostics import ratio_report, sampler_difference
from .objectives.total import total_loss
from .pending import Pending, share, split
from .policy import Policy, Scored
from .report import batch_metrics
from .rows import Rollout, Rows
from .schedule import learning_rate

if TYPE_CHECKING:
    from accelerate import Accelerator

PATIENCE = 3  # updates in a row whose gradient is not finite, after which a run stops


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`steps` updates; `micro_tokens` padded tokens per micro-batch, or unpadded ones where the policy packs rows (`pack`);
    `max_errors`, the share of a batch that may be unscorable."""

    steps: int
    micro_tokens: int
    pack: bool = False
    max_errors: float = 0.05


class Source(Protocol):
    """Where rows come from: an endless stream of groups, the same for a seed. `cursor` counts the groups taken, and is all there is to
    save; `len` is one epoch, the groups within which every question comes at least once."""

    cursor: int

    def __len__(self) -> int: ...

    def rollouts(self, groups: int, advance: Callable[[int], None]) -> list[Rollout]:
        """Scored rollouts of the next `groups` groups, the same list on every rank; `advance(n)` as n more are scored."""
        ...


class Trainer:
    """One run of one recipe. `step` counts updates; everything that the next step depends on is in `state()` and the weights."""

    def __init__(
        self,
        recipe: Recipe,
        policy: Policy,
        source: Source,
        accelerator: Accelerator,
        limits: Limits,
        *,
        pad: int,
        max_tokens: int,
        reference: Any = None,
    ) -> None:
        """`reference(micro)` scores with the model that the KL term holds on to; `max_tokens` is the longest response there can be."""
        self.recipe, self.source, self.limits, self.accelerator = recipe, source, limits, accelerator
        self.pad, self.max_tokens, self.reference, self.shared = pad, max_tokens, reference, policy.shares
        s = recipe.settings.optim
        trained = [p for p in policy.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=s.lr, betas=s.betas, eps=s.eps, weight_decay=s.weight_decay)
        self.policy, self.optimizer = accelerator.prepare(policy, optimizer)
        self.step = self.tokens = self.unusable = 0
        self.pending: Pending | None = None

    def state(self) -> dict[str, Any]:
        """This rank's part of a checkpoint, weights and optimiser aside."""
        return {
            "step": self.step,
            "tokens": self.tokens,
            "unusable": self.unusable,
            "cursor": self.source.cursor,
            "recipe": self.recipe.state,
            "pending": self.pending,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.step, self.tokens, self.unusable = state["step"], state["tokens"], state["unusable"]
        self.source.cursor, self.recipe.state, self.pending = state["cursor"], state["recipe"], state["pending"]

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
        metrics |= {"num_tokens": self.tokens, "epoch": self.source.cursor / len(self.source)}
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
            new = self.source.rollouts(missing, advance)
            check_scores(new, self.limits.max_errors)
            rows = Rows.of((*rows.rollouts, *new))
            rows = rows.replace(reward=self.recipe.shape(rows))
            rows = rows.replace(keep=self.recipe.admit(rows))
        self.tokens += sum(len(r.prompt_ids) + r.length for r in rows.rollouts)
        updates = split(rows, s.rollout.updates, s.rollout.epochs)
        behaviour = padded_logprobs(rows.rollouts)
        pending = Pending(rows=rows, advantages=self.recipe.credit(rows), updates=updates, behaviour_logp=behaviour)
        pending.metrics = batch_metrics(rows, s.rollout.temperature)
        if len(pending.updates) > 1:
            pending.old_logp = self._scored(pending, self.policy)
        if s.loss.kl:
            pending.ref_logp = self._scored(pending, self.reference)
        return pending

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
        behaviour = pending.behaviour_logp
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
        return Batch(
            logp=scored.logp,
            old_logp=micro.column(pending.old_logp) if pending.old_logp is not None else scored.logp.detach(),
            advantages=micro.column(pending.advantages),
            mask=micro.mask,
            entropy=scored.entropy,
            ref_logp=micro.column(pending.ref_logp) if pending.ref_logp is not None else None,
            behaviour_logp=micro.column(pending.behaviour_logp) if pending.behaviour_logp is not None else None,
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
        micros = self._micro_batches(rows, mine)
        if self._world == 1:
            return micros
        from accelerate.utils import gather_object

        most = max(gather_object([len(micros)]))
        idle = self._micro_batches(rows, [0])[0].idle()
        return [*[idle] * (most - len(micros)), *micros]

    def _micro_batches(self, rows: Rows, mine: Sequence[int]) -> list[Micro]:
        limits = self.limits
        how = {"packed": limits.pack, "shared": self.shared}
        return micro_batches(rows.rollouts, mine, limits.micro_tokens, self.pad, self.accelerator.device, **how)

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
