"""`--model`: which backend, which checkpoint. `resolve` is cheap; a backend is imported only by `ModelRef.open`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from evalsuite.models.base import Model

# Backend -> where it is, and the packages its extra of the same name installs.
BACKENDS = {
    "hf": ("evalsuite.models.hf:HFModel", ("torch", "transformers")),
    "vllm": ("evalsuite.models.vllm:VLLMModel", ("vllm",)),
    "openai": ("evalsuite.models.openai:OpenAIModel", ()),
    "replay": ("evalsuite.models.replay:ReplayModel", ()),
    "scripted": ("evalsuite.models.scripted:ScriptedModel", ()),
}
# lm-eval's names: our backend, which of its arguments is the target, and what the name itself implies.
LM_EVAL = {
    "hf": ("hf", "pretrained", {}),
    "huggingface": ("hf", "pretrained", {}),
    "vllm": ("vllm", "pretrained", {}),
    "openai": ("openai", "model", {}),
    "local-chat-completions": ("openai", "model", {}),
    "openai-chat-completions": ("openai", "model", {}),
    "local-completions": ("openai", "model", {"endpoint": "completions"}),
    "openai-completions": ("openai", "model", {"endpoint": "completions"}),
}
_RENAMED = {"num_concurrent": "concurrency"}  # lm-eval's argument -> ours, for the openai backend
_LOADED = ("hf", "vllm")  # backends whose targets are checkpoints
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin")
_HUB_ID = r"\w[\w.-]*(/[\w.-]+)?"
_CONFIGS = ("config.json", "adapter_config.json")
_KINDS = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "Path": (Path,),
    "None": (type(None),),
    "Mapping[str, str]": (Mapping,),
}

__all__ = ["BACKENDS", "ModelRef", "load", "parse_args", "resolve"]


@dataclass(frozen=True)
class ModelRef:
    """A model that is named and not yet loaded: `backend`, its `target` and the backend's keyword arguments."""

    backend: str
    target: str
    args: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """For people: a hub id or endpoint name as it is, the last two parts of a path, `backend:target` for the others."""
        if self.backend in ("replay", "scripted"):
            return f"{self.backend}:{Path(self.target).name if self.backend == 'replay' else self.target}"
        path = Path(self.target)
        return "/".join(path.resolve().parts[-2:]) if self.backend != "openai" and path.is_dir() else self.target

    def open(self) -> Model:
        """Import the backend and make the model.

        Raises UnavailableError where the backend is not installed and UsageError for an argument it does not have.
        """
        place, packages = BACKENDS[self.backend]
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if missing:
            raise UnavailableError(
                f"backend {self.backend!r} needs {', '.join(missing)}: pip install 'evalsuite[{self.backend}]'"
            )
        module, _, attribute = place.partition(":")
        make = getattr(importlib.import_module(module), attribute)
        accepted = list(inspect.signature(make).parameters.values())[1:]
        kinds = {p.name: str(p.annotation) for p in accepted if p.kind is not p.VAR_KEYWORD}
        for name, value in self.args.items():
            if name not in kinds and len(kinds) == len(accepted):
                raise UsageError(f"backend {self.backend!r} has no argument {name!r}{_near(name, kinds)}")
            if not _fits(value, kinds.get(name, "Any")):
                raise UsageError(f"backend {self.backend!r}: {name}={value!r} is not of the kind {kinds[name]}")
        return make(self.target, **self.args)


def load(spec: str, model_args: Mapping[str, Any] | None = None) -> Model:
    """The one model that `spec` names (a judge, a notebook). Raises UsageError where it names several."""
    refs = resolve(spec, model_args)
    if len(refs) > 1:
        raise UsageError(f"one model is wanted here, and {spec!r} names {len(refs)}: {', '.join(r.name for r in refs)}")
    return refs[0].open()


def resolve(spec: str, model_args: Mapping[str, Any] | None = None, *, waiting: bool = False) -> list[ModelRef]:
    """The models that `--model` names, checkpoints of a folder or glob in the order of their step numbers.

    `spec` is a local checkpoint or hub id, `backend:target`, a glob, a folder of checkpoints, several of these with commas
    between, or lm-eval's backend name with `pretrained=` (or `model=`) among `model_args`. Nothing heavy is imported. Raises
    UsageError for an unknown backend and for a path that is not a checkpoint.

    `waiting` is for a folder, or a glob in one, that training writes into: what has no weights yet is left out, and there may
    be nothing yet. Everything else that could be named is a UsageError then.
    """
    args = dict(model_args or {})
    parts = [spec] if spec.startswith("scripted:constant:") else _split(spec)  # a constant may hold commas
    refs = [ref for part in parts for ref in _resolve(part, args, _written if waiting else _paths)]
    if other := [ref.name for ref in refs if waiting and ref.backend not in _LOADED]:
        raise UsageError(f"--watch looks for checkpoints in a folder, and {other[0]} is none")
    if not refs and not (waiting and parts):
        raise UsageError("--model is empty: give a checkpoint, a hub id, or backend:target")
    return list(dict.fromkeys(refs))


def parse_args(text: str, flag: str = "--model_args") -> dict[str, Any]:
    """`"a=1,b=true,c=x,d=[1,2]"`, given by `flag`, as a dict: values are JSON where they parse, else text.

    Raises UsageError without `=`.
    """
    values: dict[str, Any] = {}
    for part in _split(text):
        name, found, value = part.partition("=")
        if not found or not name.strip():
            raise UsageError(f"{flag} wants name=value pairs with commas between, and got {part!r}")
        values[name.strip()] = _value(value.strip())
    return values


def _value(text: str) -> Any:
    python = {"True": True, "False": False, "None": None}
    if text in python:
        return python[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value is of the kind that a constructor's annotation asks for; what is not among `_KINDS` may be anything."""
    kinds = [part.strip() for part in annotation.split(" | ")]
    if not _KINDS.keys() >= set(kinds):
        return True
    if isinstance(value, Mapping):
        return "Mapping[str, str]" in kinds and all(isinstance(v, str) for v in value.values())
    if isinstance(value, bool):
        return "bool" in kinds
    return isinstance(value, tuple(kind for name in kinds for kind in _KINDS[name])) and value == value  # and no NaN


def _split(text: str) -> list[str]:
    """Parts between commas that are outside brackets and double quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif not quoted and char in "[{(":
            depth += 1
        elif not quoted and char in "]})":
            depth = max(0, depth - 1)
        elif not quoted and depth == 0 and char == ",":
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def _resolve(spec: str, args: Mapping[str, Any], paths: Callable[[str], list[str]]) -> Iterator[ModelRef]:
    if spec in LM_EVAL or spec in BACKENDS:
        ref = _as_lm_eval(spec, args)
        for path in paths(ref.target) if ref.backend in _LOADED else [ref.target]:
            yield ModelRef(ref.backend, path, ref.args)
        return
    backend, found, target = spec.partition(":")
    if not found or os.path.exists(spec):
        if re.fullmatch(_HUB_ID, spec) and "/" in spec and not os.path.exists(spec) and Path(spec).parent.is_dir():
            raise UsageError(f"{spec} does not exist, though {Path(spec).parent} does; a hub id of that name is hf:{spec}")
        for path in paths(spec):
            yield ModelRef(_engine(), path, args)
        return
    if backend not in BACKENDS:
        raise UsageError(f"no backend {backend!r} (in --model {spec}){_near(backend, BACKENDS)}")
    if not target:
        raise UsageError(f"--model {spec} names no target: {backend}:NAME")
    if backend in _LOADED:
        found_paths = paths(target)
    else:
        found_paths = _matches(target) if backend == "replay" and _is_glob(target) else [target]
    for path in found_paths:
        yield ModelRef(backend, path, args)


def _as_lm_eval(spec: str, args: Mapping[str, Any]) -> ModelRef:
    backend, key, implied = LM_EVAL.get(spec, (spec, "", {}))
    target = args.get(key)
    if target is None:
        example = f"--model {spec} --model_args {key}=..., or " if key else ""
        local = f"; a local folder of that name is ./{spec}" if Path(spec).exists() else ""
        raise UsageError(f"--model {spec} names a backend and no model: {example}--model {backend}:NAME{local}")
    rest = {name: value for name, value in args.items() if name != key}
    if backend == "openai":
        rest = {_RENAMED.get(name, name): value for name, value in rest.items()}
    return ModelRef(backend, str(target), implied | rest)


def _paths(target: str) -> list[str]:
    """A checkpoint directory, the checkpoints a folder or glob holds, or a hub id. Raises UsageError for anything else."""
    if _is_glob(target):
        found = [match for match in _matches(target) if _has_config(Path(match))]
        if not found:
            raise UsageError(f"nothing that matches {target} is a checkpoint: a folder with {' or '.join(_CONFIGS)}")
        return [_checked(Path(match)) for match in found]
    path = Path(os.path.expanduser(target))
    if path.is_dir():
        return [_checked(folder) for folder in _inside(path)] or [_checked(path)]
    if path.exists():
        hint = f"; recorded completions are --model replay:{target}" if path.suffix == ".jsonl" else ""
        raise UsageError(f"{target} is a file, and a checkpoint is a directory{hint}")
    if not re.fullmatch(_HUB_ID, target):
        raise UsageError(f"{target} does not exist: neither a local checkpoint nor a hub id (owner/name)")
    if "/" not in target and (near := difflib.get_close_matches(target, [*BACKENDS, *LM_EVAL], n=1, cutoff=0.75)):
        raise UsageError(f"no model {target!r}; did you mean the backend {near[0]!r} ({near[0]}:NAME)?")
    return [target]


def _written(target: str) -> list[str]:
    """The checkpoints that a folder or a glob holds by now and that have weights. Raises UsageError without a folder."""
    path = Path(os.path.expanduser(target))
    folder = Path(*itertools.takewhile(lambda part: not _is_glob(part), path.parts)) if _is_glob(target) else path
    if not folder.is_dir():
        raise UsageError(f"--watch looks for checkpoints in a folder, and {folder} is none")
    inside = [Path(p) for p in sorted(glob(str(path)), key=_natural)] if _is_glob(target) else _inside(path) or [path]
    return [str(p) for p in inside if _has_config(p) and _has_weights(p)]


def _inside(folder: Path) -> list[Path]:
    """The checkpoints in a folder that is none itself, in the order of their steps."""
    found = [] if _has_config(folder) else [str(path) for path in folder.iterdir() if _has_config(path)]
    return [Path(path) for path in sorted(found, key=_natural)]


def _has_config(path: Path) -> bool:
    return any((path / name).is_file() for name in _CONFIGS)


def _has_weights(path: Path) -> bool:
    return any(any(path.glob(pattern)) for pattern in _WEIGHTS)


def _checked(path: Path) -> str:
    """`path`, which must hold a configuration and weights."""
    if not _has_config(path):
        hint = f"; the completions of a run are --model replay:{path}" if (path / "run.json").is_file() else ""
        raise UsageError(f"{path} is not a checkpoint: it has no {' or '.join(_CONFIGS)}, and neither has a folder in it{hint}")
    if not _has_weights(path):
        raise UsageError(f"{path} has a configuration and no weights: no {' or '.join(_WEIGHTS)} in it")
    return str(path)


def _is_glob(text: str) -> bool:
    return any(char in text for char in "*?[") and not os.path.exists(text)


def _matches(pattern: str) -> list[str]:
    found = sorted(glob(os.path.expanduser(pattern)), key=_natural)
    if not found:
        raise UsageError(f"{pattern} matches nothing")
    return found


def _natural(path: str) -> list[tuple[int, str]]:
    """Sort key in which checkpoint-9 precedes checkpoint-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def _engine() -> str:
    """vllm where it is installed and a GPU is there, else hf."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    gpu = os.path.exists("/dev/kfd") or (os.path.exists("/dev/nvidia0") and not hidden)
    return "vllm" if gpu and importlib.util.find_spec("vllm") is not None else "hf"


def _near(name: str, names: Any) -> str:
    near = difflib.get_close_matches(name, names, n=3)
    return f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(names)}"
