"""gate.json by hand: one result of every verdict. For test_report.py and test_junit.py."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

EXIT = {"pass": 0, "fail": 10, "inconclusive": 11, "not_comparable": 12, "error": 13, "budget": 14}


def task(verdict: str = "PASS", reason: str = "not worse than -3.0 points (at least -1.9)", **changes: Any) -> dict[str, Any]:
    """A task with 300 questions, 61.0 % -> 60.2 %."""
    row: dict[str, Any] = {
        "label": "gsm8k[300/1319]",
        "verdict": verdict,
        "reason": reason,
        "metric": "avg",
        "margin": 0.03,
        "target": "benchmark",
        "critical": 1.645,
        "value": -0.008,
        "lower": -0.019,
        "upper": 0.003,
        "p": 0.2,
        "p_holm": 0.6,
        "mean_a": 0.61,
        "mean_b": 0.602,
        "questions": 300,
        "samples_a": 8,
        "samples_b": 4,
        "looks": [2, 4],
        "won": 10,
        "lost": 14,
        "same": 276,
        "mde": 0.02,
        "other": None,
        "anchor": None,
        "guards": [],
        "floor": None,
        "moved": [{"id": "17", "a": 1.0, "b": 0.25}],
        "need": "",
        "notes": [],
    }
    return row | changes


UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(("critical", "value", "lower", "upper", "p", "p_holm", "mean_a", "mean_b", "mde")),
    **dict.fromkeys(("questions", "samples_a", "samples_b", "won", "lost", "same"), 0),
    "looks": [],
    "moved": [],
}


def result(verdict: str = "pass", tasks: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A gate's result. `on_inconclusive` is fail, unless changed."""
    out: dict[str, Any] = {
        "schema": 1,
        "verdict": verdict,
        "exit_code": EXIT[verdict],
        "profile": "pr",
        "alpha": 0.05,
        "on_inconclusive": "fail",
        "baseline": {
            "name": "main",
            "run_id": "qwen-gsm8k-1a2b",
            "model": "qwen",
            "path": "results/baselines/main",
            "set_at": "2026-03-01T00:00:00Z",
            "age_days": 3.2,
        },
        "anchor": None,
        "candidate": {"run_id": "qwen-new-3c4d", "model": "qwen-new", "path": "results/runs/qwen-new-3c4d"},
        "verifier": {"status": "pass", "checked": 1600, "changed": [], "note": ""},
        "tasks": {"gsm8k": task()} if tasks is None else tasks,
        "budget": {
            "samples": 1200,
            "tokens": 250000,
            "cost": 0.0,
            "minutes": 3.1,
            "limits": {"max_n": 16, "tokens": 2000000, "usd": None, "minutes": None},
            "spent": "",
        },
        "notes": [],
        "started": "2026-03-04T10:00:00Z",
        "finished": "2026-03-04T10:03:06Z",
        "command": ["evalsuite", "gate", "--profile", "pr"],
    }
    return out | changes


GUARD = {"name": "completion_tokens", "a": 210.0, "b": 250.0, "limit": "+10 %", "ok": False, "enforced": True}
GUARD_KEPT = {"name": "truncated", "a": 0.0, "b": 0.012, "limit": None, "ok": True, "enforced": False}
DROP = {"value": -0.06, "lower": -0.08, "upper": -0.04, "verdict": "FAIL"}

PASSED = result()
FAILED = result(
    "fail",
    {
        "gsm8k": task(),
        "math500": task(
            "FAIL",
            "worse: at most -2.2 points (p = 0.0004)",
            label="math500",
            **{"value": -0.05, "lower": -0.078, "upper": -0.022, "p": 0.0002, "p_holm": 0.0004, "mean_b": 0.56},
            won=12,
            lost=61,
            same=427,
            other={"target": "population", "value": -0.05, "lower": -0.081, "upper": -0.019},
            guards=[GUARD, GUARD_KEPT],
            floor={"limit": 0.6, "value": 0.56, "ok": False},
            anchor=DROP,
        ),
    },
    anchor={"name": "v1.0", "run_id": "r", "model": "m", "path": "p", "set_at": None, "age_days": None},
)
INCONCLUSIVE = result(
    "inconclusive",
    {"gsm8k": task("INCONCLUSIVE", "between -4.0 and +1.0 points", need="about 12 samples per question, or 900 questions")},
)
WARNED = INCONCLUSIVE | {"exit_code": 0, "on_inconclusive": "warn"}
NOT_COMPARABLE = result(
    "not_comparable", {"gsm8k": task("NOT_COMPARABLE", "data: revision 1 in the baseline, 2 now", **UNMEASURED)}
)
ERROR = result(
    "error",
    {"gsm8k": task("ERROR", "the server stopped answering", **UNMEASURED)},
    candidate={"run_id": None, "model": None, "path": None},
)
BUDGET = result("budget", INCONCLUSIVE["tasks"]) | {
    "budget": PASSED["budget"] | {"spent": "tokens: 2,000,000 used, and the limit is 2,000,000"}
}
VERIFIER = result(
    "fail",
    {"gsm8k": task("ERROR", "not measured: the verifiers changed", **UNMEASURED)},
    verifier={"status": "fail", "checked": 1600, "changed": [f"gsm8k 17 #{i}: 1 -> 0" for i in range(25)], "note": ""},
)
QUARANTINED = result("pass", {"gsm8k": FAILED["tasks"]["math500"] | {"quarantined": "2026-12-31"}})
BASELINE_GONE = result("error", {}, notes=["baseline main is interrupted"])
ALL = {
    "passed": PASSED,
    "failed": FAILED,
    "inconclusive": INCONCLUSIVE,
    "warned": WARNED,
    "not_comparable": NOT_COMPARABLE,
    "error": ERROR,
    "budget": BUDGET,
    "verifier": VERIFIER,
    "quarantined": QUARANTINED,
    "baseline_gone": BASELINE_GONE,
}

# What a model, a data file or an error may put into a report.
NASTY = (
    "a|b", "a\\|b", "\\", "`", "``x`", "<script>alert(1)</script>", "<!-- x", "--> y", "@octocat", "mail@example.com", "#12", "GH-3",
    "org/repo#1", "[x](http://evil.example)", "![x](y)", "https://evil.example", "www.evil.example", "**b**", "__b__", "~~s~~", "$x$",
    "&lt;b&gt;", "&#60;b&#62;", "# h", "- [ ] x", "1. x", "> q", "---", "| a | b |\n|---|---|", "a\nb\r\n\r\nc", "\x1b[31mred", "::error::x",
    "</details>", "</code><b>", "\ud800", "\u202egnp", "\u2028x", "%0A::warning::y", "\x00", "", " ", "```\ncode", "    indented", "=",
)  # fmt: skip
hostile = st.one_of(
    st.text(max_size=60),
    st.sampled_from(NASTY),
    st.text(alphabet=st.sampled_from("|`<>&@#\\*_[]()!~$\n\r -=+1.:/\ud800\x00w"), max_size=30),
    st.lists(st.sampled_from(NASTY), max_size=4).map("".join),
)


def poisoned(text: str, verdict: str = "fail") -> dict[str, Any]:
    """A result with `text` wherever text of others may stand."""
    row = task(
        "FAIL" if verdict == "fail" else "ERROR",
        text,
        label=text,
        moved=[{"id": text, "a": 1.0, "b": 0.0}],
        need=text,
        notes=[text],
        other={"target": text, "value": 0.0, "lower": None, "upper": None},
        guards=[GUARD | {"name": text, "limit": text}],
        anchor=DROP,
    )
    about = {"name": text, "run_id": text, "model": text, "path": text, "set_at": text, "age_days": None}
    return result(
        verdict,
        {text: row, "gsm8k": task()},
        profile=text,
        baseline=about,
        anchor=about,
        candidate=about,
        verifier={"status": "fail", "checked": 1, "changed": [text], "note": text},
        budget=PASSED["budget"] | {"spent": text},
        notes=[text],
        finished=text,
        command=[text],
    )
