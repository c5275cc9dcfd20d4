"""What flags mean: lm-eval's spellings, sampling, checkpoints that are ready to be read."""

from __future__ import annotations

import argparse
import os
import time

import pytest

from evalsuite.cli import Parser, _dashes, main, options
from evalsuite.errors import UsageError
from evalsuite.plan import make_plans


def parse(*words):
    parser = Parser()
    options.add_model(parser)
    options.add_tasks(parser)
    return parser.parse_args([_dashes(w) for w in ("--model", "hf:x", "--tasks", "a,b", *words)])


def test_gen_kwargs_in_lm_eval_spelling():
    args = parse("--gen_kwargs", 'temperature=0.6,top_p=0.95,max_gen_toks=64,until=["\\n","Q:"],presence_penalty=1.5')
    assert options.settings(args).sampling == {
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": 64,
        "stop": ("\n", "Q:"),
        "extra": {"presence_penalty": 1.5},
    }
    assert options.settings(parse("--gen_kwargs", "do_sample=false,until=stop")).sampling == {
        "temperature": 0.0,
        "stop": ("stop",),
    }
    assert options.settings(parse("--no-thinking", "--effort", "low")).sampling == {"thinking": False, "effort": "low"}
    assert options.settings(parse("--thinking")).sampling == {"thinking": True}


@pytest.mark.parametrize("words", ["do_sample=false,temperature=0.7", "temperature=0.7,do_sample=False"])
def test_greedy_is_greedy(words):
    assert options.settings(parse("--gen_kwargs", words)).sampling == {"temperature": 0.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--gen_kwargs", "repeats=3"), "-n N"),
        (("--gen_kwargs", "do_sample=maybe"), "do_sample=maybe: true or false"),
        (("--gen_kwargs", "temperature"), "--gen_kwargs wants name=value"),
    ],
)
def test_wrong_gen_kwargs(words, message):
    with pytest.raises(UsageError, match=message):
        options.settings(parse(*words))


@pytest.mark.parametrize(
    "words", ["stop=5", "temperature=abc", "max_tokens=5.5", "top_p=true", "temperature=NaN", "thinking=5"]
)
def test_gen_kwargs_of_the_wrong_kind_name_the_task(words):
    with pytest.raises(UsageError, match=r"task 'sort_letters': sampling"):
        make_plans(["sort_letters"], options.settings(parse("--gen_kwargs", words)))


def test_worked_examples_are_not_below_zero(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--num-fewshot", "-1")
    assert stop.value.code == 2 and "-1 is below 0" in capsys.readouterr().err


def test_folders_of_nobody_are_no_crash():
    assert str(options.settings(parse("--data-dir", "~0/x")).where.data_dir) == "~0/x"


def test_the_judges_arguments_are_blamed_on_its_flag():
    args = argparse.Namespace(judge="openai:m", judge_args="timeout", judge_base_url=None)
    with pytest.raises(UsageError, match="--judge-args wants"):
        options.judge(args)


def test_k_adds_and_metrics_replace():
    chosen = options.settings(parse("--k", "1,8", "--metrics", "avg,maj@8"))
    assert chosen.metrics == ("avg", "maj@8") and chosen.extra_metrics == ("pass@1", "pass@8")
    assert options.settings(parse()).metrics is None


def test_values_keep_their_underscores():
    assert parse("--include_path=my_tasks/a_b.py", "--system_instruction", "a_b").include_path == ["my_tasks/a_b.py"]


def test_backend_arguments_only_where_given():
    assert options._backend_args(parse()) == {}
    given = parse("--batch_size", "16", "--apply_chat_template", "--replicas", "2", "--base-url", "http://x/v1")
    assert options._backend_args(given) == {"batch_size": 16, "chat": True, "replicas": 2, "base_url": "http://x/v1"}
    assert options._backend_args(parse("--apply-chat-template", "false")) == {"chat": False}


def test_repeats_must_be_positive(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("-n", "0")
    assert stop.value.code == 2 and "0 is not at least 1" in capsys.readouterr().err


def test_batch_size_in_lm_eval_spelling(capsys):
    assert [parse("-b", word).batch_size for word in ("8", "auto", "auto:4")] == [8, "auto", "auto"]
    with pytest.raises(SystemExit):
        parse("-b", "many")
    assert "invalid" in capsys.readouterr().err


def test_watch_waits_for_files_to_settle(tmp_path):
    args = argparse.Namespace(**vars(parse()) | {"model": [str(tmp_path)]})
    assert options.ready_checkpoints(args, set()) == []  # nothing there yet is no error
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1" / "config.json").write_text("{}")  # no weights yet: does not hold up the others
    for step in (20, 100, 3):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"x")
    assert options.ready_checkpoints(args, set()) == []  # still being written, for all we know
    old = time.time() - 60
    for file in (*tmp_path.glob("checkpoint-20/*"), *tmp_path.glob("checkpoint-100/*")):
        os.utime(file, (old, old))
    ready = options.ready_checkpoints(args, set())
    assert [r.target.rsplit("-", 1)[1] for r in ready] == ["20", "100"]
    assert options.ready_checkpoints(args, set(ready)) == []


@pytest.mark.parametrize("more", [{"model": ["gone"]}, {"model": ["scripted:oracle"]}, {"model_args": "x"}])
def test_watch_does_not_wait_for_what_cannot_come(tmp_path, more):
    args = argparse.Namespace(**vars(parse()) | {"model": [str(tmp_path)]} | more)
    with pytest.raises(UsageError):
        options.ready_checkpoints(args, set())


def test_help_of_every_command_has_examples(capsys):
    from evalsuite.cli import COMMANDS

    for command in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        out = capsys.readouterr().out
        assert stop.value.code == 0 and f"evalsuite {command}" in out and "examples:" in out, command


def test_unsafe_code_is_confirmed_by_flag_only(monkeypatch):
    monkeypatch.setenv("EVALSUITE_UNSAFE_CODE", "")
    parser = Parser()
    options.add_unsafe(parser)
    options.unsafe(parser.parse_args([]))
    assert os.environ["EVALSUITE_UNSAFE_CODE"] == ""
    for spelling in ("--confirm-run-unsafe-code", "--confirm_run_unsafe_code"):
        monkeypatch.setenv("EVALSUITE_UNSAFE_CODE", "")
        options.unsafe(parser.parse_args([_dashes(spelling)]))
        assert os.environ["EVALSUITE_UNSAFE_CODE"] == "1"


def test_version_and_bare_call(capsys):
    from evalsuite import __version__

    assert main(["--version"]) == 0 and __version__ in capsys.readouterr().out
    assert main([]) == 2
