"""Proof that a vLLM engine has loaded the weights of a folder, by vLLM's own checksums of its tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evalsuite.errors import UnavailableError

_DTYPES = ("bfloat16", "float16", "float32")


class WeightProof:
    """Compares SHA-256 digests of an engine's tensors with those of the folder that it was told to load.

    An engine fuses, shards and packs part of its tensors. Those that it keeps as they are in the file, cast to its number
    format, are found once, from the folder that it was started with (embeddings and norms always, more on one GPU).
    Checksums are those of vLLM's `compute_weight_checksums`: one mapping per worker, `dp0:pp0:pcp0:tp0:name` to hex digits.
    """

    def __init__(self, folder: Path, checksums: Sequence[Mapping[str, str]]) -> None:
        """`checksums` are the engine's while it still has the weights of `folder`."""
        held = _held(checksums)
        self._first: dict[str, tuple[str, str]] = {}  # name: number format and digest
        for name, dtype, digest in _digests(folder, {name: _DTYPES for name in held}):
            if held[name] == {digest}:
                self._first[name] = (dtype, digest)

    @property
    def names(self) -> frozenset[str]:
        """The tensors that can be compared."""
        return frozenset(self._first)

    def check(self, folder: Path, checksums: Sequence[Mapping[str, str]]) -> bool:
        """Whether it is proven: some tensor differs from the first folder's, and the engine has all of them as in `folder`.

        False where the two folders cannot be told apart by what can be compared. Raises UnavailableError where the engine
        holds a tensor that is not the folder's.
        """
        held, changed, seen = _held(checksums), False, set()
        for name, _, digest in _digests(folder, {name: (dtype,) for name, (dtype, _) in self._first.items()}):
            if held.get(name) != {digest}:
                raise UnavailableError(f"vllm reported that it loaded {folder}, and its {name} is not the one in there")
            changed |= digest != self._first[name][1]
            seen.add(name)
        if missing := self._first.keys() - seen:
            raise UnavailableError(f"{folder} has no tensor {min(missing)}, which the engine's first weights had")
        return changed


def _held(checksums: Sequence[Mapping[str, str]]) -> dict[str, set[str]]:
    """Each tensor's digests over all workers."""
    found: dict[str, set[str]] = {}
    for worker in checksums:
        for key, digest in worker.items():
            found.setdefault(key.rpartition(":")[2], set()).add(digest)
    return found


def _digests(folder: Path, wanted: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, str]]:
    """(name, number format, digest) of the wanted tensors in the folder's safetensors files."""
    import torch
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                for dtype in wanted.get(name, ()):
                    data = tensors.get_tensor(name).to(getattr(torch, dtype)).contiguous().view(-1).view(torch.uint8)
                    yield name, dtype, hashlib.sha256(data.numpy()).hexdigest()
