"""Finds the records of a `Source`: lock file, local folder, hub, in this order of authority. Nothing is guessed silently."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.cache import read_json, write_json
from evalsuite.errors import UsageError
from evalsuite.formats import is_data_file, read_records

if TYPE_CHECKING:
    from evalsuite.sources import Source, Where

_REVISIONS = "revisions.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SPLITS = ("train", "test", "validation", "valid", "val", "dev")


class Found(NamedTuple):
    """Records that are read as they are iterated; `where` is for messages, the other fields are those of `Loaded`."""

    records: Iterable[dict[str, Any]]
    kind: str
    location: str
    revision: str
    where: str


def find(source: Source, where: Where, name: str) -> Found:
    """The records of `source`, for the task `name`. Raises UsageError naming every place tried and what to do."""
    pin = pinned(where.lock, name)
    if pin is not None and pin.get("hub") != (None if "local" in pin else source.hub):
        raise UsageError(f"task {name}: {where.lock} pins {pin.get('hub')}, the task now reads {source.hub}; pin it again")
    tried: list[str] = []
    if pin is None or "local" in pin:
        for candidate, path in _local_paths(source, where):
            missing = [file for file in _names(source) if not (path / file).exists()] if path.is_dir() else []
            if path.exists() and not missing:
                return _local(source, candidate, path, pin, f"task {name}, {where.lock}")
            tried.append(f"{path} ({'without ' + ', '.join(missing) if missing else 'not there'})")
    if source.local and not tried and (pin is None or "local" in pin):
        candidates = (source.local,) if isinstance(source.local, str) else source.local
        tried.append(f"local file {' or '.join(candidates)} (no data folder: give --data-dir or set EVALSUITE_DATA)")
    if pin is not None and "local" in pin:
        raise UsageError(f"task {name}: {where.lock} pins the local file {pin['local']}. Tried: {'; '.join(tried)}")
    if source.hub is None:
        raise UsageError(f"task {name}: no data. Tried: {'; '.join(tried) or 'nothing, the task names no place'}")
    return _hub(source, is_offline(where), pin, name, tried)


def is_offline(where: Where) -> bool:
    """Whether the network is forbidden: `where.offline`, `HF_HUB_OFFLINE` or `EVALSUITE_OFFLINE`."""
    values = (os.environ.get(name, "") for name in ("EVALSUITE_OFFLINE", "HF_HUB_OFFLINE"))
    return where.offline or any(value.lower() not in ("", "0", "false", "no", "off") for value in values)


def pinned(lock: Path | None, name: str) -> Mapping[str, Any] | None:
    """The lock entry of a task; None where there is no lock file or no entry. Raises UsageError for a broken lock file."""
    return None if lock is None else read_lock(lock).get(name)


def read_lock(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a lock file by task name. Raises UsageError for one that cannot be read or is something else."""
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"lock file {path}: cannot be read: {error}") from None
    if not isinstance(entries, dict) or not all(
        isinstance(e, dict) and ("sha256" in e or "revision" in e) for e in entries.values()
    ):
        raise UsageError(f"lock file {path}: not a mapping of task names to pins; write it with `evalsuite tasks pin`")
    return entries


def _local_paths(source: Source, where: Where) -> Iterator[tuple[str, Path]]:
    given = where.data_dir or os.environ.get("EVALSUITE_DATA") or None
    folder = None if given is None else Path(os.path.expanduser(given))
    if folder is not None and not folder.is_dir():
        raise UsageError(f"the data folder {folder} is not there; correct --data-dir or EVALSUITE_DATA")
    for candidate in (source.local,) if isinstance(source.local, str) else source.local:
        if os.path.isabs(candidate):
            yield candidate, Path(candidate)
        elif folder is not None:
            yield candidate, folder / candidate


def _local(source: Source, candidate: str, path: Path, pin: Mapping[str, Any] | None, lock: str) -> Found:
    files = [path]
    if path.is_dir():
        files = [path / name for name in _names(source)] or _folder_files(path, source.split)
    digest = _sha256(files, path)
    if pin is not None and pin.get("sha256") != digest:
        raise UsageError(
            f"{lock}: {path} is not the pinned file (sha256 {digest[:12]}, pinned {str(pin.get('sha256'))[:12]}); "
            "restore it, or pin again with `evalsuite tasks pin`"
        )
    return Found((r for file in files for r in read_records(file)), "local", candidate, digest, str(path))


def _names(source: Source) -> list[str]:
    """The names that the hub's files have in a local folder."""
    return [Path(file).name for file in source.files]


def _folder_files(folder: Path, split: str) -> list[Path]:
    """The data files of a folder in order of name: those named after the split where any file is named after one."""
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and is_data_file(f)]
    named = {f: re.split(r"[-_.]", f.name.lower(), maxsplit=1)[0] for f in files}
    if any(head in _SPLITS or head == split.lower() for head in named.values()):
        files = [f for f, head in named.items() if head == split.lower()]
    if not files:
        raise UsageError(f"{folder}: no data file for the split {split!r}; it has {', '.join(sorted(os.listdir(folder))[:20])}")
    return files


def _sha256(files: list[Path], root: Path) -> str:
    """Of a file's bytes; of a folder, over its files' names and digests."""
    digests = []
    for file in files:
        try:
            with open(file, "rb") as stream:
                digests.append((file.relative_to(root).as_posix(), hashlib.file_digest(stream, "sha256").hexdigest()))
        except OSError as error:
            raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from None
    return digests[0][1] if files == [root] else hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _hub(source: Source, offline: bool, pin: Mapping[str, Any] | None, name: str, tried: list[str]) -> Found:
    assert source.hub is not None
    what = f"hub dataset {source.hub}" + (f", config {source.config}" if source.config else "") + f", split {source.split}"
    known = read_json(_REVISIONS)
    key = f"{source.hub}@{source.revision}" if source.revision else source.hub
    wanted = pin["revision"] if pin else source.revision if _is_commit(source.revision) else known.get(key)
    try:
        with _network(offline):
            if wanted is None and not offline:
                from huggingface_hub import HfApi

                wanted = HfApi().dataset_info(source.hub, revision=source.revision).sha
            records, found = _download(source, wanted, offline)
    except Exception as error:  # whatever two libraries and the network raise: said once, with every place tried
        reason = " ".join(str(error).split())[:300]
        advice = (
            "offline, and not in the hub cache: allow the network once, or"
            if offline
            else "check the id, the network and HF_TOKEN, or"
        )
        tried.append(f"{what} ({type(error).__name__}: {reason})")
        raise UsageError(
            f"task {name}: no data. Tried: {'; '.join(tried)}. {advice} put the file in the data folder"
        ) from error
    revision = found or wanted
    if revision is None:
        raise UsageError(f"task {name}: {what} is cached without its commit; load it once with the network, or pin a revision")
    if wanted is not None and revision != wanted:
        raise UsageError(
            f"task {name}: {what}: revision {wanted} is wanted, and only {revision} is at hand (the hub cannot be reached, or "
            "--offline is on); allow the network, or pin again with `evalsuite tasks pin`"
        )
    if known.get(key) != revision and pin is None and not _is_commit(source.revision):
        write_json(_REVISIONS, read_json(_REVISIONS) | {key: revision})
    return Found(records, "hub", source.hub, revision, what)


def _download(source: Source, revision: str | None, offline: bool) -> tuple[Iterable[dict[str, Any]], str | None]:
    """The records, and the commit that they really come from: the libraries fall back to whatever they have cached."""
    if source.files:
        from huggingface_hub import hf_hub_download

        paths = [
            hf_hub_download(source.hub, file, repo_type="dataset", revision=revision, local_files_only=offline)
            for file in source.files
        ]
        return (r for path in paths for r in read_records(path)), _commit_in(paths)
    import datasets

    data = datasets.load_dataset(source.hub, source.config, split=source.split, revision=revision)
    return data, _commit_in([file["filename"] for file in data.cache_files])


def _commit_in(paths: Iterable[str]) -> str | None:
    """The commit that names a folder of each path, as both hub caches have it."""
    commits = {part for path in paths for part in Path(path).parts if _is_commit(part)}
    return commits.pop() if len(commits) == 1 else None


def _is_commit(text: str | None) -> bool:
    return text is not None and _COMMIT.fullmatch(text) is not None


@contextlib.contextmanager
def _network(offline: bool) -> Iterator[None]:
    """Offline for the hub libraries too, loaded or not yet: they read the environment once, when they are imported."""
    if not offline:
        yield
        return
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets.config
    import huggingface_hub.constants

    modules = (huggingface_hub.constants, datasets.config)
    switches = [(module, module.HF_HUB_OFFLINE) for module in modules]
    for module in modules:
        module.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for module, value in switches:
            module.HF_HUB_OFFLINE = value
        if before is None:
            os.environ.pop("HF_HUB_OFFLINE")
        else:
            os.environ["HF_HUB_OFFLINE"] = before
