"""`Task`: samples + prompt + verifier + sampling defaults + metrics + version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalsuite.words.completion import Sampling
from evalsuite.words.prompt import Prompt, Shot
from evalsuite.words.sample import Sample

if TYPE_CHECKING:
    from evalsuite.sources import Source
    from evalsuite.verifiers.base import Verifier


@dataclass(frozen=True, kw_only=True)
class Task:
    """One definition that is a benchmark and a reward.

    `samples` is a `Source` (local folder, else hub), a function that returns samples, or the samples. `metrics` are
    reducer names (`avg`, `pass@8`, `maj@8`, `pass^4`, `g_pass@8_0.5`, `mg_pass@8`) and, for verifiers that fill
    `Score.parts`, `part:NAME`. `version` changes whenever a score could. `fewshot` feeds `--num_fewshot`, and
    `num_fewshot` is the protocol's own count. `chance` is the score of guessing. `exempt` maps a check of
    `evalsuite tasks test` that this task cannot have to the reason, which is printed. `prompts` are alternatives for
    `--prompt NAME`. `name` is set by the registry.
    """

    samples: Source | Callable[[], Iterable[Sample]] | Iterable[Sample]
    prompt: Prompt
    verifier: Verifier
    sampling: Sampling = Sampling()
    metrics: tuple[str, ...] = ("avg",)
    version: str = "1"
    fewshot: Source | tuple[Shot, ...] = ()
    num_fewshot: int = 0
    prompts: tuple[Prompt, ...] = ()
    chance: float | None = None
    exempt: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
