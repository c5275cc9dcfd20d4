"""A run argument of the command line as a RunDir: a directory, a baseline's name, or a run id."""

from __future__ import annotations

import calendar
import difflib
import time
from pathlib import Path
from typing import Any

from evalsuite.baseline.layout import BASELINES, TIME, baseline_folder, baseline_names, kept_files
from evalsuite.errors import UsageError
from evalsuite.runlog import RunDir, slug


def find_baseline(name: str | Path, root: Path = BASELINES) -> RunDir:
    """A baseline by its name under `root`, or any run by its directory. Raises UsageError with the nearest names."""
    if (Path(name) / "run.json").is_file():
        return RunDir(Path(name))
    names = baseline_names(root)
    if str(name) in names:
        return RunDir(baseline_folder(str(name), root))
    raise UsageError(
        f"no baseline {str(name)!r} under {root}{_near(str(name), names)}. Make one with: evalsuite baseline set NAME RUN"
    )


def find_run(name: str | Path, runs_root: Path, baselines_root: Path = BASELINES) -> RunDir:
    """A run by its directory, a baseline by its name, or a run by its id or a unique beginning of it.

    An exact name goes before a beginning. Raises UsageError for a name that is missing or means several.
    """
    if (Path(name) / "run.json").is_file():
        return RunDir(Path(name))
    text, baselines, runs = str(name), baseline_names(baselines_root), _runs(runs_root)
    if text in baselines and text in runs:
        raise UsageError(f"{text!r} is both a baseline and a run: say {baselines_root / text} or {runs_root / text}")
    if text in baselines:
        return RunDir(baseline_folder(text, baselines_root))
    found = [text] if text in runs else [run for run in runs if text and run.startswith(text)]
    if len(found) == 1:
        return RunDir(runs_root / found[0])
    if found:
        raise UsageError(f"{text!r} matches several runs: {', '.join(found[:10])}{', ...' if len(found) > 10 else ''}")
    raise UsageError(
        f"no run {text!r}: neither a directory with run.json, nor a baseline under {baselines_root}, nor a run id under "
        f"{runs_root}{_near(text, [*baselines, *runs])}"
    )


def list_baselines(root: Path = BASELINES) -> list[RunDir]:
    """All baselines under `root` by name."""
    return [RunDir(baseline_folder(name, root)) for name in baseline_names(root)]


def describe(run: RunDir) -> dict[str, Any]:
    """`name, run_id, model, path, set_at, age_days, pinned` of a baseline.

    Of any other run: its id as the name, and when it finished as `set_at`. `age_days` counts from `set_at`, None if unknown.
    """
    manifest = run.manifest()
    block, run_id = manifest.get("baseline", {}), manifest.get("run_id", run.path.name)
    set_at = block.get("set_at") or manifest.get("finished")
    return {
        "name": block.get("name", run_id),
        "run_id": run_id,
        "model": manifest.get("model", {}).get("name"),
        "path": str(run.path),
        "set_at": set_at,
        "age_days": _age(set_at),
        "pinned": bool(block.get("pinned", False)),
    }


def _age(stamp: Any) -> float | None:
    """Days since then; None for what is no time."""
    try:
        return round((time.time() - calendar.timegm(time.strptime(str(stamp), TIME))) / 86_400, 2)
    except ValueError:
        return None


def has_completions(run: RunDir) -> bool:
    """Whether the completions of all tasks are in the run's own directory."""
    block = run.manifest().get("baseline")
    if block is not None:
        return all((run.path / path).is_file() for path in kept_files(block))
    return all(any((run.path / "log").glob(f"{slug(task)}.*.jsonl")) for task in run.tasks())


def _runs(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/run.json"))


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {', '.join(near)}?"
    return f"; there are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else ", where there is none"
