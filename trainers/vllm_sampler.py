"""What samplers over a vLLM engine have in common: the order of commands, and which sampling trains."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from evalsuite.errors import EvalsuiteError, UnavailableError, UsageError
from evalsuite.models.base import Model
from evalsuite.models.loading import Checkpoint
from evalsuite.words.completion import Request, Sampling

from .vllm_proof import WeightProof


class RolloutModel(Model, Protocol):
    """A model whose weights are replaced as training goes on."""

    updated: bool

    def prompt_ids(self, request: Request) -> tuple[int, ...]: ...

    def condemn(self, error: EvalsuiteError) -> None:
        """Answer nothing from now on: every call raises `error`."""


def check_untruncated(sampling: Sampling) -> None:
    """Raise UsageError unless completions are drawn from the whole of softmax(logits / temperature), temperature > 0.

    Log-probabilities under a truncated or otherwise edited distribution are not those that the trainer computes: each
    importance ratio would be off by the kept mass.
    """
    off = {"top_p": 1, "top_k": 0, "min_p": 0}
    on = [f"{name}={getattr(sampling, name)}" for name, value in off.items() if getattr(sampling, name) != value]
    on += [f"{name}={value}" for name, value in sampling.extra.items()]
    if on:
        raise UsageError(f"rollouts are drawn from the whole distribution; leave out {', '.join(on)}")
    if sampling.temperature <= 0:
        raise UsageError("rollouts need a temperature above 0: greedy samples of a prompt are all the same")


def check_reloads(folder: Path, device: str) -> None:
    """Raise UnavailableError for an engine that is known not to take up all the weights it is given.

    On a CPU vLLM 0.32 computes with a packed copy of the output layer, which a load renews only where the checkpoint has
    a tensor of that name: one tied to the input embeddings keeps its first values, without a word.
    """
    if device == "cpu" and getattr(Checkpoint(folder=folder).config, "tie_word_embeddings", False):
        raise UnavailableError(f"{folder}: vllm on a CPU cannot renew tied output embeddings; use --rollouts hf, or a GPU")


class EngineSampler(ABC):
    """What both have in common: the order of commands, and that a model with doubtful weights answers nothing.

    A request with `logprobs` is a rollout and has to pass `check_untruncated`; one without may be sampled in any way.

    `verified` becomes True once an update was seen to arrive (`WeightProof`): until then each is checked, later ones rely
    on vLLM's word. It stays None with a vLLM that has no checksums of its weights (0.32 has). What an engine derives from
    its weights may be stale even so: the log-probabilities that it gives and those of the policy have to agree.
    """

    model: RolloutModel
    _folder: Path
    _sleeps: bool

    def __init__(self) -> None:
        self.verified: bool | None = None
        self._proof: WeightProof | None = None
        self._state = "off"  # then "awake", "asleep", and "weights" where only the KV cache is still missing

    def prompt_ids(self, request: Request) -> tuple[int, ...]:
        """The token ids that the engine reads for this request."""
        return self.model.prompt_ids(request)

    def images(self, request: Request) -> None:  # noqa: B027 - as `expect`
        """None: the engine's model refuses prompts with images."""

    def expect(self, requests: int) -> None:  # noqa: B027 - not abstract: nothing is to be done
        """The engine batches by itself."""

    def wake(self) -> None:
        """Be ready to generate: start, or take the GPU's memory back. Raises UnavailableError where that fails."""
        if self._state == "off":
            self._start()
            checksums = self._checksums()
            proof = WeightProof(self._folder, checksums) if checksums else None
            if proof is not None and proof.names:
                self._proof, self.verified = proof, False
        elif self._state != "awake":
            self._rouse(None)
            if self._dozes():
                raise UnavailableError("vllm does not wake up: is its memory taken? Lower gpu_memory_utilization")
        self._state = "awake"

    def sleep(self) -> None:
        """Leave the GPU's memory to the trainer, where the engine can. No request may be under way."""
        if self._state == "awake" and self._sleeps:
            self._rest()
            self._state = "asleep"

    def update(self, export: Callable[[], Path]) -> None:
        """Load the weights that `export()` writes to a folder, and forget what was cached under the old ones.

        Blocks; awake or asleep. The folder is a whole checkpoint of the same architecture. Raises UnavailableError where
        vLLM cannot load it or is seen to hold other weights; the model answers nothing after that.
        """
        folder = export()
        try:
            if self._state == "off":
                self.wake()
            if self._state == "asleep":
                self._rouse("weights")
                self._state = "weights"
            self._load(folder)
            # Keys and values under the old weights must not be found again.
            if not self._forget():
                raise UnavailableError("it keeps its prefix cache: are requests still running?")
            if self._proof is not None and not self.verified:
                self.verified = self._proof.check(folder, self._checksums() or [])
        except (EvalsuiteError, OSError) as error:
            failure = UnavailableError(f"vllm could not take the weights of {folder}: {error}")
            self.model.condemn(failure)
            raise failure from error
        self.model.updated = True

    def close(self) -> None:
        """Shut the engine down, or leave the server."""
        asyncio.run(self.model.close())

    @abstractmethod
    def _start(self) -> None:
        """Bring up an engine that holds the weights of `_folder`."""

    @abstractmethod
    def _rouse(self, tag: str | None) -> None:
        """Take the memory back: of one tag (`weights`, `kv_cache`), or all."""

    @abstractmethod
    def _dozes(self) -> bool:
        """Whether some of it is still asleep."""

    @abstractmethod
    def _rest(self) -> None:
        """Level 1: weights to main memory, no KV cache."""

    @abstractmethod
    def _load(self, folder: Path) -> None: ...

    @abstractmethod
    def _forget(self) -> bool:
        """Empty the prefix cache; False where vLLM does not."""

    @abstractmethod
    def _checksums(self) -> list[dict[str, str]] | None:
        """One mapping per worker; None where vLLM has none."""
