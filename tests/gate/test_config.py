"""`evalsuite.ci.yaml`: what it means, and that every mistake in it is named with its place."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from evalsuite.errors import UsageError
from evalsuite.gate.config import Budget, Guards, TaskRule, default_config, load_config, schedule

FULL = """
baseline: main
sampling: {n: 4, temperature: 0.6, stop: END}
budget: {max_n: 16, tokens: 2000000, usd: 5, minutes: 20}
gate: {alpha: 0.05, margin_pp: 3, target: benchmark, overrides: {aime25: {margin_pp: 8, n: 32, max_n: 64}, gsm8k: {floor: 0.60}}}
guards: {completion_tokens_ratio: 1.10, truncation_pp: 2, no_answer_pp: 1}
quarantine: {humaneval: 2026-12-31}
profiles:
  pr:      {tasks: [gsm8k, {math500: {limit: 100}}], on_inconclusive: warn}
  nightly: {tasks: [gsm8k, math500, aime25], on_inconclusive: warn, budget: {max_n: 32}}
  release: {tasks: ["suite:math"], on_inconclusive: fail, baseline: v1.0}
"""
SKETCH = """
baseline: {ref: main, max_age_days: 30}
sampling: {n: 4, temperature: 0.6, seeds: fixed}
budget: {gpu_minutes: 20, usd: 5, max_n: 16}
profiles:
  pr:      {tasks: [v_star:smoke100, gsm8k:sub300, calconflict:sub200], on_inconclusive: warn}
  nightly: {tasks: [v_star, aime, humaneval], on_inconclusive: warn}
  release: {tasks: ["@all"], on_inconclusive: fail}
gate: {alpha: 0.05, margin_pp: 3, target: benchmark, correction: holm,
       overrides: {aime: {margin_pp: 8, n: 32}, v_star: {floor: 0.60}}}
guards: {completion_tokens_ratio: 1.10, truncation_pp: 2, parse_fail_pp: 1}
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text: str):
        Path("ci.yaml").write_text(text, encoding="utf-8")
        return load_config(Path("ci.yaml"))

    return load


def test_a_profile_is_the_top_level_with_its_own_keys_over_it(read):
    config = read(FULL)
    assert list(config.profiles) == ["pr", "nightly", "release"]
    pr, nightly, release = config.profiles.values()
    assert (pr.name, pr.baseline, pr.baselines_dir, pr.anchor, pr.max_age_days) == (
        "pr",
        "main",
        Path("results/baselines"),
        None,
        None,
    )
    assert pr.tasks == (
        TaskRule(spec="gsm8k", n=4, max_n=16, margin=0.03, floor=0.6, target="benchmark"),
        TaskRule(spec="math500", limit=100, n=4, max_n=16, margin=0.03),
    )
    assert pr.sampling == {"temperature": 0.6, "stop": ("END",)}
    assert pr.budget == Budget(max_n=16, tokens=2_000_000, usd=5, minutes=20)
    assert pr.guards == Guards(completion_tokens_ratio=1.1, truncation=0.02, no_answer=0.01)
    assert (pr.alpha, pr.on_inconclusive) == (0.05, "warn")
    assert pr.quarantine == {"humaneval": datetime.date(2026, 12, 31)}
    assert nightly.budget == Budget(max_n=32, tokens=2_000_000, usd=5, minutes=20)
    assert nightly.tasks[1].max_n == 32
    assert nightly.tasks[2] == TaskRule(spec="aime25", n=32, max_n=64, margin=0.08)
    assert (release.baseline, release.on_inconclusive) == ("v1.0", "fail")


def test_quarantine_holds_through_its_day(read):
    pr = read(FULL).profile("pr")
    assert pr.quarantined("humaneval", datetime.date(2026, 12, 31))
    assert not pr.quarantined("humaneval", datetime.date(2027, 1, 1))
    assert not pr.quarantined("gsm8k", datetime.date(2026, 1, 1))


def test_rules_of_tasks_from_the_general_to_the_special(read):
    profile = read(
        """
gate: {overrides: {"suite:math": {margin_pp: 5, n: 2}, aime25: {margin_pp: 8, limit: 10}}}
profiles: {p: {tasks: [{"suite:math": {limit: 0.5}}, {gsm8k: {limit: 7}}]}}
"""
    ).profile("p")
    assert profile.rule("math500", "suite:math") == TaskRule(spec="math500", limit=0.5, n=2, margin=0.05)
    assert profile.rule("aime25", "suite:math") == TaskRule(spec="aime25", limit=10, n=2, margin=0.08)
    assert profile.rule("gsm8k", "suite:math") == TaskRule(spec="gsm8k", limit=7)
    assert profile.rule("other") == TaskRule(spec="other")


def test_the_sketch_of_the_reference_is_understood(read):
    config = read(SKETCH)
    pr = config.profile("pr")
    assert [(rule.spec, rule.limit) for rule in pr.tasks] == [("v_star", 100), ("gsm8k", 300), ("calconflict", 200)]
    assert pr.tasks[0].floor == 0.6
    assert (pr.max_age_days, pr.budget.minutes, pr.guards.no_answer, pr.sampling) == (30, 20, 0.01, {"temperature": 0.6})
    aime = config.profile("nightly").tasks[1]
    assert (aime.n, aime.max_n) == (32, 32)  # an n of its own above the budget's max_n lifts it
    assert config.profile("release").tasks == ()


@pytest.mark.parametrize(
    "text, name", [("", "default"), ("baseline: main", "default"), ("baseline: main\nprofiles: {pr: }", "pr")]
)
def test_everything_has_a_default(read, text, name):
    config = read(text)
    profile = config.profile()
    assert profile == config.profile(name)
    assert (profile.baseline, profile.tasks, profile.on_inconclusive, profile.alpha) == ("main", (), "fail", 0.05)
    assert profile.rule("gsm8k") == TaskRule(spec="gsm8k", n=4, max_n=16, margin=0.03, target="benchmark")
    assert (profile.budget, profile.guards) == (Budget(max_n=16), Guards())
    if name == "default":
        assert profile == default_config().profile()


def test_defaults_of_n_and_max_n_follow_what_is_said(read):
    for text, n, max_n in (("sampling: {n: 32}", 32, 32), ("budget: {max_n: 2}", 2, 2), ("sampling: {n: 1}", 1, 16)):
        rule = read(text).profile().rule("gsm8k")
        assert (rule.n, rule.max_n) == (n, max_n)


def test_a_profile_merges_key_by_key(read):
    profile = read(
        """
baseline: {name: main, anchor: v1, dir: b, max_age_days: 9}
gate: {alpha: 0.01, overrides: {gsm8k: {margin_pp: 4, floor: 0.5}}}
guards: {truncation_pp: 2, no_answer_pp: 1}
profiles:
  p: {baseline: {anchor: null}, gate: {margin_pp: 2, overrides: {gsm8k: {floor: null}}}, guards: {no_answer_pp: null},
      tasks: [gsm8k, math500]}
"""
    ).profile("p")
    assert (profile.baseline, profile.anchor, profile.baselines_dir, profile.max_age_days) == ("main", None, Path("b"), 9)
    assert profile.alpha == 0.01
    assert profile.tasks == (TaskRule(spec="gsm8k", margin=0.04, floor=None), TaskRule(spec="math500", margin=0.02))
    assert profile.guards == Guards(truncation=0.02)


MISTAKES = [
    ("basline: main", "ci.yaml: basline: no such key (nearest: baseline); allowed: baseline, sampling, budget, gate, guards"),
    ("gate: {margn_pp: 3}", "ci.yaml: gate.margn_pp: no such key (nearest: margin_pp); allowed: alpha, margin_pp, target"),
    ("guards: {parse_fail: 3}", "ci.yaml: guards.parse_fail: no such key (nearest: parse_fail_pp); allowed: completion_tokens"),
    ("sampling: {repeats: 3}", "ci.yaml: sampling.repeats: no such key"),
    ("sampling: {temperature: hot}", "ci.yaml: sampling.temperature: sampling: temperature is 'hot', and it must be a number"),
    ("sampling: {top_p: 2}", "ci.yaml: sampling.top_p: sampling out of range"),
    ("sampling: {n: 0}", "ci.yaml: sampling.n is 0, and it must be a whole number of at least 1"),
    ("sampling: {n: true}", "ci.yaml: sampling.n is True, and it must be a whole number"),
    ("sampling: {n: 2.0}", "ci.yaml: sampling.n is 2.0, and it must be a whole number"),
    ("sampling: {seeds: random}", "ci.yaml: sampling.seeds is 'random', and it must be fixed"),
    ("sampling: {n: 8}\nbudget: {max_n: 4}", "ci.yaml: profiles.default: sampling.n is 8 and budget.max_n 4"),
    ("budget: {tokens: 2e6}", "budget.tokens is '2e6', and it must be a whole number of at least 1 or null (YAML takes 2e6 as a "
     "text: write 2000000)"),
    ("budget: {usd: -1}", "ci.yaml: budget.usd is -1, and it must be a number above 0 or null"),
    ("budget: {minutes: .inf}", "ci.yaml: budget.minutes is inf"),
    ("budget: {minutes: 1, gpu_minutes: 2}", "ci.yaml: budget.gpu_minutes: minutes is given under two names"),
    ("gate: {alpha: 0.5}", "ci.yaml: gate.alpha is 0.5, and it must be a number from 0.000001 to 0.5"),
    ("gate: {alpha: 0}", "ci.yaml: gate.alpha is 0,"),
    ("gate: {alpha: '0.05'}", "ci.yaml: gate.alpha is '0.05', and it must be a number from 0.000001 to 0.5 (YAML takes"),
    ("gate: {margin_pp: 0}", "ci.yaml: gate.margin_pp is 0, and it must be a number of percentage points above 0"),
    ("gate: {target: benchmarks}", "ci.yaml: gate.target is 'benchmarks', and it must be benchmark or population (nearest: benchmark)"),
    ("gate: {correction: bh}", "ci.yaml: gate.correction is 'bh', and it must be holm"),
    ("gate: [1]", "ci.yaml: gate is [1], and it must be a mapping with the keys alpha, margin_pp, target"),
    ("gate: {overrides: {gsm8k: {floor: 60}}}", "ci.yaml: gate.overrides.gsm8k.floor is 60, and it must be a number from 0 to 1"),
    ("gate: {overrides: {gsm8k: {n: 8, max_n: 4}}}", "gate.overrides.gsm8k: n is 8 and max_n 4; n is at most max_n"),
    ("gate: {overrides: {gsm8k: {max_n: 2}}}", "gate.overrides.gsm8k: n is 4 and max_n 2; n is at most max_n"),
    ("gate: {overrides: {gsm9k: {n: 8}}}", "ci.yaml: gate.overrides.gsm9k: no profile has this task (nearest: gsm8k)"),
    ("gate: {overrides: {aime24: {n: 8}}}\nprofiles: {pr: {tasks: [gsm8k, aime25]}}",
     "ci.yaml: gate.overrides.aime24: no profile has this task (nearest: aime25)"),
    ("profiles: {pr: {tasks: [gsm8k], gate: {overrides: {math500: {n: 8}}}}}",
     "ci.yaml: profiles.pr.gate.overrides.math500: no profile has this task"),
    ("guards: {completion_tokens_ratio: 0.1}", "completion_tokens_ratio is 0.1, and it must be a number of at least 1 (1.10: up to"),
    ("guards: {truncation_pp: 101}", "ci.yaml: guards.truncation_pp is 101, and it must be a number of percentage points"),
    ("quarantine: {gsm8k: soon}", "ci.yaml: quarantine.gsm8k is 'soon', and it must be a day such as 2026-12-31"),
    ("quarantine: {gsm8k: 2026-12-31 10:00:00}", "ci.yaml: quarantine.gsm8k is datetime.date...12, 31, 10, 0), and it must be a day"),
    ("quarantine: {gsm8k: 2026-02-30}", "ci.yaml: not YAML: day"),
    ("quarantine: {gsm9k: 2026-12-31}", "ci.yaml: quarantine.gsm9k: no profile has this task (nearest: gsm8k)"),
    ("quarantine: [gsm8k]", "ci.yaml: quarantine is ['gsm8k'], and it must be a mapping by name"),
    ("baseline: 1.0", 'ci.yaml: baseline is 1.0, and it must be a text of letters, digits and . _ + - (the name of a baseline) '
     '(write it in quotes: "...")'),
    ("baseline: ../secret", "ci.yaml: baseline is '../secret', and it must be a text of letters"),
    ("baseline: {name: main, ref: main}", "ci.yaml: baseline.ref: name is given under two names"),
    ("baseline: {max_age_days: 0}", "ci.yaml: baseline.max_age_days is 0, and it must be a number above 0"),
    ("baseline: {dir: ''}", "ci.yaml: baseline.dir is '', and it must be a text that is not empty"),
    ("profiles: {}", "ci.yaml: profiles is {}, and it must be a mapping with at least one profile"),
    ("profiles: [pr]", "ci.yaml: profiles is ['pr'], and it must be a mapping by name"),
    ("profiles: {1: {}}", "ci.yaml: profiles: the name is 1, and it must be a text"),
    ("profiles: {pr: {task: [gsm8k]}}", "ci.yaml: profiles.pr.task: no such key (nearest: tasks); allowed: tasks, on_inconclusive"),
    ("profiles: {pr: {on_inconclusive: pass}}", "ci.yaml: profiles.pr.on_inconclusive is 'pass', and it must be warn or fail"),
    ("profiles: {pr: {tasks: gsm8k}}", "ci.yaml: profiles.pr.tasks is 'gsm8k', and it must be a list of tasks"),
    ("profiles: {pr: {tasks: []}}", "ci.yaml: profiles.pr.tasks is [], and it must be a list of tasks"),
    ("profiles: {pr: {tasks: [gsm8k, gsm8k:sub10]}}", "ci.yaml: profiles.pr.tasks[1]: task gsm8k stands twice in this list"),
    ("profiles: {pr: {tasks: ['gsm8k,math500']}}", "ci.yaml: profiles.pr.tasks[0] is 'gsm8k,math500', and it must be one task"),
    ("profiles: {pr: {tasks: [1]}}", "ci.yaml: profiles.pr.tasks[0] is 1, and it must be one task"),
    ("profiles: {pr: {tasks: [{gsm8k: {limit: 1.5}}]}}", "ci.yaml: profiles.pr.tasks[0].gsm8k.limit is 1.5, and it must be a whole"),
    ("profiles: {pr: {tasks: [gsm8k:sub0]}}", "ci.yaml: profiles.pr.tasks[0] is 0, and it must be a whole number of at least 1"),
    ("profiles: {pr: {tasks: [{gsm8k:sub5: {limit: 3}}]}}", "profiles.pr.tasks[0]: gsm8k:sub5 and limit are two limits"),
    ("profiles: {pr: {tasks: ['@all', gsm8k]}}", 'ci.yaml: profiles.pr.tasks[0]: "@all" stands alone'),
    ("profiles: {pr: {tasks: [{gsm8k: {n: 8, max_n: 2}}]}}", "ci.yaml: profiles.pr.tasks.gsm8k: n is 8 and max_n 2"),
    ("profiles: {pr: {quarantine: {}}}", "ci.yaml: profiles.pr.quarantine: no such key"),
    ("[1, 2]", "ci.yaml: is [1, 2], and it must be a mapping with the keys baseline, sampling"),
    ("baseline: main\ngate: {alpha: 0.1\nbudget: 3", "ci.yaml:3:7: not YAML: expected ',' or '}'"),
    ("a: b: c", "ci.yaml:1:5: not YAML: mapping values are not allowed here"),
    ("gate: {alpha: 0.1}\ngate: {alpha: 0.2}", "ci.yaml:2: key 'gate' is given twice"),
    ("profiles:\n  pr: {}\n  pr: {}", "ci.yaml:3: key 'pr' is given twice"),
    ("baseline: \x07", "ci.yaml: not YAML: unacceptable character"),
    ("a: &x [*x]", "ci.yaml: a: no such key"),
    ("a: " + "[" * 5000, "ci.yaml: not YAML: "),
    ("a: !!python/object:os.system x", "ci.yaml:1:4: not YAML: could not determine a constructor"),
]  # fmt: skip


@pytest.mark.parametrize("text, message", MISTAKES, ids=[text[:50] for text, _ in MISTAKES])
def test_every_mistake_names_its_place_and_what_is_allowed(read, text, message):
    with pytest.raises(UsageError) as error:
        read(text)
    assert message in str(error.value)
    assert str(error.value).startswith("ci.yaml:")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"baseline: \xe9")
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path / "latin.yaml")


def test_an_unknown_profile_is_named_with_those_there_are(read):
    config = read(FULL)
    with pytest.raises(UsageError, match=r"no profile 'nightli' \(nearest: nightly\); profiles: pr, nightly, release"):
        config.profile("nightli")
    with pytest.raises(UsageError, match="several profiles: pr, nightly, release; name one"):
        config.profile()
    with pytest.raises(UsageError, match=r"there is no evalsuite.ci.yaml, so no profile 'pr'; profiles: default"):
        default_config().profile("pr")


def test_overrides_may_name_what_a_suite_a_glob_or_an_included_file_may_hold(read, tmp_path):
    for tasks in ("['suite:math']", "['aime*']", "[math]", "'@all'"):
        assert read(f"gate: {{overrides: {{aime24: {{n: 8}}}}}}\nprofiles: {{p: {{tasks: {tasks}}}}}")
    with pytest.raises(UsageError, match="no profile has this task"):
        read("gate: {overrides: {gsm8k: {n: 8}}}\nprofiles: {p: {tasks: ['aime*']}}")
    (tmp_path / "mine.py").write_text('from evalsuite import task\n\n@task("mine")\ndef mine():\n    """Mine."""\n')
    (tmp_path / "ci.yaml").write_text("gate: {overrides: {mine: {n: 8}}}\n")
    assert load_config(tmp_path / "ci.yaml", [tmp_path / "mine.py"]).profile().rule("mine").n == 8


def test_looks_double_from_n_to_max_n():
    assert schedule(4, 16) == (4, 8, 16)
    assert schedule(4, 4) == (4,)
    assert schedule(1, 5) == (1, 2, 4, 5)
    assert schedule(3, 10) == (3, 6, 10)
    for n, max_n in ((0, 4), (8, 4)):
        with pytest.raises(ValueError, match="1 <= n <= max_n"):
            schedule(n, max_n)
