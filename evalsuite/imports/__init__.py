"""Other tools' results as ordinary runs: one module per kind of source, `record` what they give, the writers what is on disk."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from evalsuite.errors import UsageError
from evalsuite.imports.aside import content_hash, written_aside
from evalsuite.imports.bounded import utf8
from evalsuite.imports.record import Evaluation, Found, Source
from evalsuite.runlog import slug

KINDS = {"lm-eval": "lm_eval", "inspect": "inspect_logs", "trl": "trl", "tensorboard": "tensorboard"}  # in the order of looking

# What meets fields of another shape than a reader expects. Readers name the place where they can; the rest ends here.
_SHAPE = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Imported:
    """A run that is there now: its folder, whether it was there before, and what a reader must know of it."""

    folder: Path
    before: bool
    notes: tuple[str, ...] = ()


def find(source: Path, kind: str | None = None) -> Iterator[tuple[str, Found]]:
    """What can be imported from a file or folder, with its kind. Raises UsageError where there is nothing, saying what was looked for.

    TensorBoard events below a TRL run's folder are that run's, and no run of their own.
    """
    if not source.exists():
        raise UsageError(f"{source} is not there")
    any_found, owned = False, set[Path]()
    for name in [kind] if kind else KINDS:
        for found in _module(name).find(source):
            if name == "trl":
                owned.add(found.root)
            elif name == "tensorboard" and any(root in (found.main, *found.main.parents) for root in owned):
                continue
            any_found = True
            yield name, found
    if not any_found:
        looked = "; ".join(_module(name).LOOKS_FOR for name in ([kind] if kind else KINDS))
        raise UsageError(f"{source}: nothing to import. Looked for {looked}")


def import_run(kind: str, found: Found, results: Path, name: str | None = None) -> Imported:
    """Write one run under the folder `results`, unless the same files are there already. `name` replaces the model's, or the method's.

    The folder's name is a slug and a hash of the files' contents. Raises UsageError for what is damaged, has not the shape that the
    source's tool gives it, or cannot be written.
    """
    import pyarrow as pa

    try:
        return _import_run(kind, found, results, utf8(name) if name else None)
    except (*_SHAPE, pa.ArrowException) as error:
        raise UsageError(f"{found.main}: not of the expected shape, or damaged ({error!r:.300})") from error


def _import_run(kind: str, found: Found, results: Path, name: str | None) -> Imported:
    digest = content_hash(found.files)
    run = _module(kind).read(found)
    imported = {
        "from": kind,
        "files": [path.relative_to(found.root).as_posix() for path in found.files],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if isinstance(run, Evaluation):
        from evalsuite.imports.evaluations import write_evaluation

        run = replace(
            run,
            model={**run.model, "name": name or utf8(str(run.model["name"]))},
            tasks=tuple(replace(task, name=utf8(task.name)) for task in run.tasks),
        )
        model = slug(str(run.model["name"]).rstrip("/").rsplit("/", 1)[-1], 40)
        folder = results / "runs" / f"{model}-{slug('+'.join(task.name for task in run.tasks), 40)}-{digest}"
        if (folder / "run.json").is_file():
            return Imported(folder, True)
        with written_aside(folder) as beside:
            notes = write_evaluation(beside, folder.name, run, imported)
        return Imported(folder, False, tuple(notes))
    from evalsuite.imports.trainings import write_training

    run = replace(run, method=name or utf8(run.method))
    folder = results / "train" / f"{slug(run.method, 60)}-{digest}"
    if (folder / "run.json").is_file():
        return Imported(folder, True)
    with written_aside(folder) as beside:
        notes = write_training(beside, folder.name, run, imported)
    return Imported(folder, False, tuple(notes))


def _module(kind: str) -> Source:
    return cast(Source, importlib.import_module(f"evalsuite.imports.{KINDS[kind]}"))
