"""Where a model's files are, and the digest by which equal weights are the same model on every machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from evalsuite.cache import read_json, write_json
from evalsuite.errors import UnavailableError, UsageError

_UNWANTED = ("original/*", "onnx/*", "*.onnx", "consolidated*", "*.gguf", "*.h5", "*.msgpack")
_PICKLED = ("pytorch_model*.bin", "adapter_model.bin")  # and not training_args.bin, optimizer.bin and the like
_SMALL = ("*.json", "*.jinja", "*.model", "*.txt", "*.py", "*.tiktoken")
_VOLATILE = {"transformers_version", "_name_or_path", "_from_model_config"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


def locate(target: str | Path, revision: str | None = None) -> Path:
    """The folder of a model: `target` itself, or the snapshot of the hub repository of that name (fetched if need be).

    Raises UsageError for what is neither, UnavailableError where the hub cannot be reached.
    """
    path = Path(os.path.expanduser(target))
    if path.is_dir():
        return path
    name = str(target)
    if path.exists() or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        raise UsageError(f"model {name}: {'not a folder' if path.exists() else 'no such folder'}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    def fetch(*patterns: str) -> Path:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns, ignore_patterns=_UNWANTED))

    try:
        folder = fetch(*_SMALL, "*.safetensors")
        return folder if weight_files(folder) else fetch(*_SMALL, "*.safetensors", *_PICKLED)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UsageError(f"model {name}: neither a folder here nor a repository on the hub that you can read") from error
    except (LocalEntryNotFoundError, OSError) as error:
        if isinstance(error, HfHubHTTPError) and error.response is not None and error.response.status_code < 500:
            raise UsageError(f"model {name}, revision {revision or 'main'}: {error}") from error
        raise UnavailableError(
            f"model {name}: not a folder here, not in the local hub cache, and the hub cannot be reached ({type(error).__name__})"
        ) from error


def place(target: str | Path, revision: str | None = None, adapter: str | Path | None = None) -> tuple[Path, Path | None]:
    """Folder of the model and of the adapter over it, if any: the one asked for, or `target` itself where it is one.

    Raises UsageError that says what is missing: config.json, weights, the adapter's base.
    """
    folder = locate(target, revision)
    over = locate(adapter) if adapter is not None else None
    if not (folder / "config.json").is_file() and (folder / "adapter_config.json").is_file():
        if over is not None:
            raise UsageError(f"{target} is an adapter itself: leave adapter={adapter} out, or give its base model")
        over = folder
        folder = locate(base_of(over))
    if over is not None and not ((over / "adapter_config.json").is_file() and weight_files(over)):
        raise UsageError(f"adapter {over}: adapter_config.json or adapter_model.safetensors is missing")
    if not (folder / "config.json").is_file():
        raise UsageError(f"model {folder}: no config.json; a checkpoint folder has config.json, weights and tokenizer files")
    if not weight_files(folder):
        raise UsageError(f"model {folder}: no weights (*.safetensors or pytorch_model*.bin) beside config.json")
    return folder, over


def base_of(adapter: Path) -> str:
    """The base model that an adapter names. Raises UsageError where it names none."""
    try:
        base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"adapter {adapter}: adapter_config.json is missing, broken or names no base model") from error
    if not base:
        raise UsageError(
            f"adapter {adapter}: adapter_config.json names no base model; give --model the base and adapter={adapter}"
        )
    return str(base)


def lora_rank(adapter: Path) -> int:
    """The largest rank in an adapter, rounded up to one that engines have kernels for."""
    settings = json.loads((adapter / "adapter_config.json").read_text())
    rank = max([settings.get("r", 8), *(settings.get("rank_pattern") or {}).values()])
    return next((r for r in (8, 16, 32, 64, 128, 256, 320, 512) if r >= rank), rank)


def label(target: str | Path) -> str:
    """What tables print: the hub id, or the folder's name (with its parent's for `checkpoint-*`, which says nothing alone)."""
    path = Path(os.path.expanduser(target))
    if not path.is_dir():
        return str(target)
    path = path.resolve()
    return f"{path.parent.name}/{path.name}" if path.name.startswith("checkpoint") else path.name


def weight_files(folder: Path) -> list[Path]:
    """The files with weights, by name: safetensors, else PyTorch ones. Optimizer and trainer state are none."""
    return sorted(folder.glob("*.safetensors")) or sorted(f for pattern in _PICKLED for f in folder.glob(pattern))


def digest(folder: Path) -> str:
    """16 hex digits of sha256 over the names and contents of the weight files and over the settings beside them.

    Equal files give an equal digest wherever they lie. A file is read once per (path, mtime, size): its hash is kept in
    the user's cache folder. Files of the hub cache carry their hash in their name and are not read.
    """
    parts = [f"{file.name} {_sha256(file)}" for file in weight_files(folder)]
    for name in ("config.json", "generation_config.json", "adapter_config.json"):
        if (folder / name).is_file():
            settings = json.loads((folder / name).read_text())
            kept = {k: v for k, v in settings.items() if k not in _VOLATILE and k != "base_model_name_or_path"}
            parts.append(f"{name} {json.dumps(kept, sort_keys=True)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def saved_dtype(folder: Path) -> str | None:
    """The number format that config.json names."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    inner = config.get("text_config") or {}
    return next((c[k] for c in (config, inner) for k in ("dtype", "torch_dtype") if c.get(k)), None)


def _sha256(file: Path) -> str:
    real = file.resolve()
    if _SHA256.fullmatch(real.name):
        return real.name
    stat = real.stat()
    stamp = [stat.st_mtime_ns, stat.st_size]
    note = f"digests/{hashlib.sha256(str(real).encode()).hexdigest()[:32]}.json"
    known = read_json(note)
    if known.get("stamp") == stamp:
        return str(known["sha256"])
    with real.open("rb") as stream:
        value = hashlib.file_digest(stream, "sha256").hexdigest()
    write_json(note, {"path": str(real), "stamp": stamp, "sha256": value})
    return value
