"""`Recipe`: one training method, as the stages of a step that it changes. The defaults are GRPO."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from evalsuite.errors import UsageError

from .objectives.advantages import advantages
from .objectives.groups import has_signal
from .objectives.ratios import clipped
from .objectives.total import Terms

if TYPE_CHECKING:
    from torch import Tensor

    from .objectives.batch import Batch
    from .rows import Rows

R = TypeVar("R", bound="type[Recipe]")

GROUPS = ("rollout", "shape", "admit", "credit", "loss", "optim")
STAGES = ("source", "shape", "admit", "credit", "loss", "after")


def recipe(name: str, *, paper: str, formula: str, changes: Sequence[str]) -> Callable[[R], R]:
    """Class decorator: this Recipe is `evalsuite train NAME`. All arguments are literals: files are listed unimported.

    `paper` is an arXiv id or a title, `formula` one line of plain text, `changes` the stages (of `STAGES`) that differ from GRPO.
    """

    def register(cls: R) -> R:
        cls.name, cls.paper, cls.formula, cls.changes = name, paper, formula, tuple(changes)
        return cls

    return register


class Recipe:
    """One method. A subclass overrides the stages and the settings that it changes, and nothing else.

    Settings are frozen dataclasses, one per group of `GROUPS`, nested in the class (`class Loss(Recipe.Loss): k_pos: float = 2.0`)
    and set from the command line by dotted names (`--set loss.k_pos=2`). `state` is the method's memory (an EMA, a calibrated
    alpha): JSON-like values or tensors, saved with the checkpoint.

    A stage never calls a model. Stages get `Rows`, B rollouts in a table; `loss` gets a `Batch` of tensors.
    """

    name: ClassVar[str] = "grpo"
    paper: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    changes: ClassVar[tuple[str, ...]] = ()
    corrects_behaviour: ClassVar[bool] = False  # whether `loss.importance_cap` is part of the recipe's own coefficient
    source: ClassVar[str] = "policy"  # or "demonstrations": rows are made of texts that are there already

    @dataclass(frozen=True, kw_only=True)
    class Rollout:
        """Where rows come from. One update takes `prompts` x `group` rows; a rollout batch has rows for `updates` of them."""

        prompts: int = 8  # prompts per update
        group: int = 8  # samples per prompt, G
        updates: int = 1  # updates per rollout batch, N: staleness grows to N - 1
        epochs: int = 1  # passes over a rollout batch
        temperature: float = 1.0
        max_tokens: int = 0  # new tokens; 0: as the task says

    @dataclass(frozen=True, kw_only=True)
    class Shape:
        """Reward from score: nothing to set."""

    @dataclass(frozen=True, kw_only=True)
    class Admit:
        """Which rows enter the update."""

        drop_flat: bool = False  # leave out groups whose rewards are all equal
        refill: int = 0  # rounds of further prompts that replace left-out groups (dynamic sampling)
        mask_truncated: bool = False  # leave out rows that were cut off

    @dataclass(frozen=True, kw_only=True)
    class Credit:
        """Advantage from reward; the values are those of `objectives.advantages.advantages`."""

        baseline: Literal["mean", "none", "leave_one_out", "batch"] = "mean"
        scale: Literal["group", "batch", "none"] = "group"
        ddof: int = 1
        eps: float = 1e-4

    @dataclass(frozen=True, kw_only=True)
    class Loss(Terms):
        """The surrogate; what is added to it, and how tokens are averaged, is in `Terms`."""

        clip_low: float = 0.2
        clip_high: float = 0.2
        dual_clip: float = 0.0  # bound on the ratio where the advantage is negative; 0: none

    @dataclass(frozen=True, kw_only=True)
    class Optim:
        """AdamW."""

        lr: float = 1e-6
        betas: tuple[float, float] = (0.9, 0.999)
        eps: float = 1e-8
        weight_decay: float = 0.0
        warmup: int = 0  # steps
        schedule: Literal["constant", "linear", "cosine"] = "constant"  # linear falls to lr / (steps - warmup) at the last step
        max_norm: float = 1.0  # gradient clipping

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        """`settings` are dotted names, as `{"loss.clip_high": 0.28}`. Raises UsageError for unknown names and wrong types."""
        groups = {group: getattr(type(self), group.capitalize())() for group in GROUPS}
        for name, value in (settings or {}).items():
            group, _, field = name.partition(".")
            known = self.defaults()
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or [n for n in known if n.endswith(f".{name}")]
                raise UsageError(
                    f"recipe {self.name} has no setting {name!r}"
                    + (f"; did you mean {', '.join(near)}?" if near else f"; it has {', '.join(known)}")
                )
            kind = _kind(type(groups[group]), field)
            groups[group] = dataclasses.replace(groups[group], **{field: _typed(f"{self.name}: {name}", value, kind)})
        self.settings = types.SimpleNamespace(**groups)
        self.state: dict[str, Any] = {}
        self.check()

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Every setting under its dotted name, with its default."""
        return {
            f"{group}.{field.name}": field.default
            for group in GROUPS
            for field in dataclasses.fields(getattr(cls, group.capitalize()))
        }

    def effective(self) -> dict[str, Any]:
        """Every setting under its dotted name, as it is in force."""
        return {
            name: getattr(getattr(self.settings, name.partition(".")[0]), name.partition(".")[2]) for name in self.defaults()
        }

    def check(self) -> None:
        """Raises UsageError where settings contradict each other or are out of range."""
        rollout = self.settings.rollout
        for name in ("prompts", "group", "updates", "epochs"):
            if getattr(rollout, name) < 1:
                raise UsageError(f"recipe {self.name}: rollout.{name} is at least 1")
        for name, value in self.effective().items():
            if isinstance(value, int | float) and value < 0:
                raise UsageError(f"recipe {self.name}: {name}={value} is below 0")
        if rollout.temperature <= 0:
            raise UsageError(f"recipe {self.name}: rollout.temperature is above 0; greedy samples of a prompt are all equal")
        if not all(0 <= beta < 1 for beta in self.settings.optim.betas):
            raise UsageError(f"recipe {self.name}: optim.betas={self.settings.optim.betas}: both from 0 to below 1")
        if getattr(self.settings.loss, "clip_low", 0.0) > 1:
            raise UsageError(f"recipe {self.name}: loss.clip_low is at most 1, which is no lower bound: no ratio is below 0")
        dual, high = (getattr(self.settings.loss, name, 0.0) for name in ("dual_clip", "clip_high"))
        if 0 < dual <= 1 + high:
            raise UsageError(
                f"recipe {self.name}: loss.dual_clip={dual}: 0 (none), or above 1 + loss.clip_high = {1 + high:g}, where the clip ends"
            )
        if rollout.group == 1 and getattr(self.settings.admit, "drop_flat", False):
            raise UsageError(
                f"recipe {self.name}: rollout.group=1 and admit.drop_flat leave nothing to learn from, as one reward is always "
                "flat; set admit.drop_flat=false, or group=2 or more"
            )
        if type(self).credit is Recipe.credit:
            self.check_baseline()

    def check_baseline(self) -> None:
        """Raises UsageError where a group of one sample would be its own baseline."""
        baseline = self.settings.credit.baseline
        if self.settings.rollout.group == 1 and baseline not in ("batch", "none"):
            raise UsageError(
                f"recipe {self.name}: rollout.group=1 and credit.baseline={baseline} make every advantage 0, as a sample has no "
                "others to compare with; set credit.baseline=batch or none, or group=2 or more"
            )

    def shape(self, rows: Rows) -> Tensor:
        """Stage 1, rewards float (B,) from scores. Default: the score."""
        return rows.score

    def admit(self, rows: Rows) -> Tensor:
        """Stage 2, which rows enter baseline and loss, bool (B,). What could not be scored is never among them."""
        keep = rows.keep
        if self.settings.admit.mask_truncated:
            keep = keep & ~rows.truncated
        if self.settings.admit.drop_flat:
            keep = keep & has_signal(rows.reward, rows.group, keep)
        return keep

    def credit(self, rows: Rows) -> Tensor:
        """Stage 3, advantages float (B,) or (B, T) from rewards; rows that were not admitted get 0."""
        s = self.settings.credit
        return advantages(rows.reward, rows.group, rows.keep, baseline=s.baseline, scale=s.scale, ddof=s.ddof, eps=s.eps)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Stage 4, policy loss per token float (B, T) to be minimised, and metrics: float (B, 1) or (B, T), averaged later."""
        s = self.settings.loss
        return clipped(batch.log_ratio, batch.advantages, low=s.clip_low, high=s.clip_high, dual=s.dual_clip)

    def after(self, rows: Rows, step: int) -> dict[str, float]:
        """Stage 5, bookkeeping in `state` after an update; returns what to log."""
        return {}


def _kind(settings: type, field: str) -> Any:
    """The annotation of a setting. Where a subclass only changes the default, the words that its base allows still hold."""
    default = next(f.default for f in dataclasses.fields(settings) if f.name == field)
    hints = [typing.get_type_hints(cls) for cls in settings.__mro__[:-1]]
    choices = (h[field] for h in hints if typing.get_origin(h.get(field)) is Literal)
    return next((kind for kind in choices if default in typing.get_args(kind)), hints[0][field])


def _typed(what: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`: bool, int, float, str, one of several words, or a tuple of floats. Raises UsageError."""
    if typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind):
            return value
        raise UsageError(f"{what}={value!r}: one of {', '.join(typing.get_args(kind))}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
        inner = typing.get_args(kind)
        if len(value) == len(inner):
            return tuple(_typed(what, v, k) for v, k in zip(value, inner))
    elif isinstance(kind, type) and isinstance(value, kind) and (kind is bool) == isinstance(value, bool) and value == value:
        return value
    raise UsageError(f"{what}={value!r}: {getattr(kind, '__name__', kind)} is wanted")
