"""`evalsuite gate --aa`: the baseline against itself, thousands of times. How often would the gate fail a change of nothing?"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from evalsuite.gate.outlook import Outlook, outlooks
from evalsuite.gate.simulate import VERDICTS, simulate
from evalsuite.gate.state import Gate
from evalsuite.table import markdown

_SAY_EVERY = 5.0  # seconds
_LEFT_OUT = "guards, floors and the anchor are rules beside this one; they are not simulated"


def aa(gate: Gate, draws: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Draw `draws` gates in which candidate and baseline have the same chance to answer each question, and decide them.

    Per question that chance is drawn from what the baseline's samples leave open (`gate.simulate.questions`); both sides draw
    their samples with it, the candidate's look by look. Shares are in [0, 1]; a false alarm is a gate with a FAIL of any task
    that is not in quarantine. `keeps_promise` is None where the interval of their share holds alpha.

    Raises UsageError where the baseline cannot be read, ValueError for fewer than 1 draw.
    """
    import numpy as np

    from evalsuite.metrics.aggregate import wilson

    if draws < 1:
        raise ValueError(f"{draws} draws: at least 1")
    tasks, problems = outlooks(gate)
    found: dict[str, Any] = {
        "profile": gate.profile.name,
        "alpha": gate.profile.alpha,
        "draws": draws,
        "seed": seed,
        "baseline": {"run_id": gate.baseline.run.path.name, "model": gate.baseline.name},
        "tasks": {},
        "false_alarms": None,
        "passing": None,
        "undecided": None,
        "keeps_promise": None,
        "problems": problems,
        "notes": [_LEFT_OUT],
    }
    if not tasks:
        return found
    codes, at, moved = (np.concatenate(blocks) for blocks in zip(*_watched(gate, list(tasks.values()), draws, seed)))
    today = datetime.date.today()
    counted = np.array([not gate.profile.quarantined(name, today) for name in tasks])
    for t, (name, o) in enumerate(tasks.items()):
        found["tasks"][name] = _task(o, codes[:, t], at[:, t], float(moved[:, t].mean()))
        if not counted[t]:
            found["notes"].append(f"in quarantine, so that its verdicts are not in the totals: {name}")
    ours = codes[:, counted]
    failed = (ours == VERDICTS.index("FAIL")).any(axis=1)
    undecided = ~failed & (ours == VERDICTS.index("INCONCLUSIVE")).any(axis=1)
    share = float(failed.mean())
    low, high = wilson(share, draws)
    return found | {
        "false_alarms": {"share": share, "low": low, "high": high, "count": int(failed.sum())},
        "passing": float((~failed & ~undecided).mean()),
        "undecided": float(undecided.mean()),
        "keeps_promise": True if high <= gate.profile.alpha else False if low > gate.profile.alpha else None,
    }


def aa_text(found: Mapping[str, Any]) -> str:
    """A simulation as a Markdown table with its conclusion."""
    base = found["baseline"]
    lines = [
        f"Gate `{found['profile']}`: {base['run_id']} ({base['model']}) against itself, {found['draws']:,} times. Nothing was asked "
        "of a model.",
        "",
    ]
    if found["tasks"]:
        header = [
            "task",
            "questions",
            "baseline n",
            "looks at n",
            "PASS",
            "FAIL",
            "INCONCLUSIVE",
            "IMPROVED",
            "mean n",
            "moved",
        ]
        lines += [markdown(header, [_row(task) for task in found["tasks"].values()]), ""]
        lines += [
            "mean n: the candidate's samples per question when it ends. Moved: questions whose value differs from the baseline's at "
            "the first look, by chance alone.",
            "",
            _conclusion(found),
        ]
    lines += [f"{name}: cannot be gated: {reason}." for name, reason in found["problems"].items()]
    lines += [f"{task['label']}: {note}." for task in found["tasks"].values() for note in task["notes"]]
    lines += [f"{note[:1].upper()}{note[1:]}." for note in found["notes"]]
    return "\n".join(lines)


def _conclusion(found: Mapping[str, Any]) -> str:
    alarms, alpha = found["false_alarms"], f"{100 * found['alpha']:g} %"
    promise = {
        True: f"The gate keeps its promise of at most {alpha}.",
        False: f"The gate does not keep its promise of at most {alpha}: a FAIL means less here. Gate more questions or samples.",
        None: f"At most {alpha} is promised, which lies in that interval: in line with it, as far as so many draws can tell.",
    }[found["keeps_promise"]]
    return (
        f"False alarms: {alarms['count']:,} of {found['draws']:,} gates fail, {_percent(alarms['share'])} (95 % interval "
        f"{_percent(alarms['low'])} to {_percent(alarms['high'])}). {promise} {_percent(found['passing'])} pass every task, "
        f"{_percent(found['undecided'])} end undecided (inconclusive)."
    )


def _watched(gate: Gate, tasks: list[Outlook], draws: int, seed: int) -> Any:
    """The blocks of the simulation, with word of how far it is now and then."""
    done, said = 0, time.monotonic()
    for block in simulate(tasks, gate.profile.alpha, draws, seed):
        done += len(block[0])
        yield block
        if time.monotonic() - said > _SAY_EVERY and done < draws:
            gate.say(f"gate: {done:,} of {draws:,} simulated")
            said = time.monotonic()


def _task(o: Outlook, codes: Any, at: Any, moved: float) -> dict[str, Any]:
    import numpy as np

    return {
        "label": o.label,
        "questions": len(o.values),
        "baseline_samples": float(o.n.mean()),
        "looks": list(o.looks),
        "target": o.targets[-1],
        "shares": {verdict: float((codes == code).mean()) for code, verdict in enumerate(VERDICTS)},
        "mean_n": float(np.array(o.looks)[at].mean()),
        "moved": moved,
        "notes": list(o.notes),
    }


def _row(task: Mapping[str, Any]) -> list[str]:
    return [
        task["label"],
        f"{task['questions']:,}",
        f"{task['baseline_samples']:.3g}",
        ", ".join(map(str, task["looks"])),
        *(_percent(task["shares"][verdict]) for verdict in ("PASS", "FAIL", "INCONCLUSIVE", "IMPROVED")),
        f"{task['mean_n']:.1f}",
        _percent(task["moved"]),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
