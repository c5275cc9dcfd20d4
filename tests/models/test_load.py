"""What `--model` may say, and what it answers to what it may not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite import models
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.models import ModelRef, load, parse_args, resolve


def checkpoint(path: Path, config: str = "config.json", weights: str | None = "model.safetensors") -> Path:
    path.mkdir(parents=True)
    (path / config).write_text("{}")
    if weights:
        (path / weights).write_bytes(b"x")
    return path


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "_engine", lambda: "hf")


def pairs(spec: str, args: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return [(ref.backend, ref.target) for ref in resolve(spec, args)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("gpt2", [("hf", "gpt2")]),
        ("Qwen/Qwen3-0.6B", [("hf", "Qwen/Qwen3-0.6B")]),
        ("vllm:Qwen/Qwen3-0.6B", [("vllm", "Qwen/Qwen3-0.6B")]),
        ("openai:meta/llama:free", [("openai", "meta/llama:free")]),
        ("openai:a,openai:b", [("openai", "a"), ("openai", "b")]),
        ("scripted:oracle, scripted:noisy:0.5", [("scripted", "oracle"), ("scripted", "noisy:0.5")]),
        ("scripted:constant:a, b", [("scripted", "constant:a, b")]),
        ("replay:run.jsonl", [("replay", "run.jsonl")]),
        ("gpt2,gpt2", [("hf", "gpt2")]),
    ],
)
def test_spellings(spec: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(spec) == expected


def test_checkpoints_on_disk_in_order_of_their_steps(tmp_path: Path) -> None:
    for step in (10, 9, 100):
        checkpoint(tmp_path / "out" / f"checkpoint-{step}")
    (tmp_path / "out" / "runs").mkdir()
    (tmp_path / "out" / "trainer_state.json").write_text("{}")
    steps = ["checkpoint-9", "checkpoint-10", "checkpoint-100"]
    for spec in ("out/checkpoint-*", "out/*", "out", "vllm:out", str(tmp_path / "out")):
        assert [Path(ref.target).name for ref in resolve(spec)] == steps, spec
        assert [ref.name for ref in resolve(spec)] == [f"out/{step}" for step in steps]
    assert pairs("out/checkpoint-9") == [("hf", "out/checkpoint-9")]
    assert pairs("out/checkpoint-1*,gpt2") == [("hf", "out/checkpoint-10"), ("hf", "out/checkpoint-100"), ("hf", "gpt2")]


def test_adapters_and_bin_weights_are_checkpoints(tmp_path: Path) -> None:
    checkpoint(tmp_path / "lora", "adapter_config.json", "adapter_model.safetensors")
    checkpoint(tmp_path / "old", weights="pytorch_model.bin")
    assert pairs("./lora,./old") == [("hf", "lora"), ("hf", "old")]


@pytest.mark.parametrize("name", ["hf", "huggingface", "vllm"])
def test_lm_eval_spelling(name: str) -> None:
    (ref,) = resolve(name, parse_args("pretrained=org/ckpt,dtype=bfloat16"))
    assert ref == ModelRef("vllm" if name == "vllm" else "hf", "org/ckpt", {"dtype": "bfloat16"})


def test_lm_eval_spelling_of_servers() -> None:
    args = parse_args("model=m,base_url=http://h/v1/chat/completions,num_concurrent=8")
    (ref,) = resolve("local-chat-completions", args)
    assert ref == ModelRef("openai", "m", {"base_url": "http://h/v1/chat/completions", "concurrency": 8})
    model = ref.open()
    assert model.name == "m" and model.concurrency == 8
    (ref,) = resolve("local-completions", args)
    assert ref.args["endpoint"] == "completions"


def test_a_local_folder_named_like_a_backend(tmp_path: Path) -> None:
    checkpoint(tmp_path / "hf")
    assert pairs("./hf") == [("hf", "hf")]
    with pytest.raises(UsageError, match=r"pretrained=.*\./hf"):
        resolve("hf")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "empty"),
        (" , ", "empty"),
        ("opnai:gpt", "no backend 'opnai'.*did you mean openai"),
        ("xyzzy:gpt", "there are hf, vllm"),
        ("openai:", "no target"),
        ("openai", "model=..."),
        ("scripted", "scripted:NAME"),
        ("scriptd", "did you mean the backend 'scripted'"),
        ("./missing", "does not exist"),
        ("/no/such/checkpoint", "does not exist"),
        ("there/missing", "does not exist, though there does.*hf:there/missing"),
        ("hf:a/b/c", "does not exist"),
        ("there/*", "matches nothing"),
        ("there", "no config.json or adapter_config.json"),
        ("bare", r"no weights: no \*\.safetensors or pytorch_model\*\.bin"),
        ("file.jsonl", "replay:file.jsonl"),
        ("some-run", "replay:some-run"),
        ("bar*", r"no weights"),
        ("fil*", "nothing that matches"),
    ],
)
def test_refusals(tmp_path: Path, spec: str, words: str) -> None:
    (tmp_path / "there").mkdir()
    checkpoint(tmp_path / "bare", weights=None)
    (tmp_path / "file.jsonl").write_text("{}")
    (tmp_path / "some-run").mkdir()
    (tmp_path / "some-run" / "run.json").write_text("{}")
    with pytest.raises(UsageError, match=words):
        resolve(spec)


def test_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"vllm: pip install 'evalsuite\[vllm\]'"):
        ModelRef("vllm", "gpt2").open()
    assert UnavailableError.exit_code == 4


def test_unknown_argument_of_a_backend() -> None:
    with pytest.raises(UsageError, match="no argument 'concurency'; did you mean concurrency"):
        load("scripted:oracle", {"concurency": 3})
    with pytest.raises(UsageError, match="names 2"):
        load("scripted:oracle,scripted:constant:x")
    assert load("scripted:oracle", {"concurrency": 3}).concurrency == 3


@pytest.mark.parametrize(
    ("installed", "devices", "visible", "expected"),
    [
        (True, {"/dev/nvidia0"}, None, "vllm"),
        (True, {"/dev/nvidia0"}, "", "hf"),
        (True, {"/dev/nvidia0"}, "-1", "hf"),
        (True, set(), None, "hf"),
        (False, {"/dev/nvidia0"}, None, "hf"),
        (True, {"/dev/kfd"}, None, "vllm"),
    ],
)
def test_engine(
    installed: bool, devices: set[str], visible: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the fixture's fixed engine
    monkeypatch.setattr(models.os.path, "exists", lambda path: path in devices)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert models._engine() == expected


def test_parse_args() -> None:
    text = 'a=1, b=true,c=x,d=[1,2],e={"f":[3,4],"g":"h,i"},j="k,l",m=None,n=False,o=0.5,p=http://h/v1?x=y,q='
    assert parse_args(text) == {
        "a": 1, "b": True, "c": "x", "d": [1, 2], "e": {"f": [3, 4], "g": "h,i"}, "j": "k,l", "m": None, "n": False,
        "o": 0.5, "p": "http://h/v1?x=y", "q": "",
    }  # fmt: skip
    assert parse_args("") == {}
    for bad in ("a", "a=1,b", "=1"):
        with pytest.raises(UsageError, match="name=value"):
            parse_args(bad)


def test_parse_errors_name_the_flag() -> None:
    with pytest.raises(UsageError, match="--gen_kwargs wants name=value"):
        parse_args("a", "--gen_kwargs")


@pytest.mark.parametrize(
    ("spec", "text", "words"),
    [
        ("openai:m", "timeout=abc", "timeout='abc' is not of the kind float"),
        ("openai:m", "timeout=NaN", "timeout=nan is not of the kind float"),
        ("openai:m", "max_retries=x", "max_retries='x' is not of the kind int"),
        ("openai:m", "headers=x", "headers='x' is not of the kind Mapping"),
        ("openai:m", 'headers={"X":5}', "headers=.* is not of the kind Mapping"),
        ("openai:m", "concurrency=2.5", "concurrency=2.5 is not of the kind int"),
        ("openai:m", "concurrency=true", "concurrency=True is not of the kind int"),
        ("scripted:oracle", "latency=slow", "latency='slow' is not of the kind float"),
        ("scripted:oracle", "concurrency=0", r"scripted: latency \(0.0\) >= 0 seconds, concurrency \(0\) >= 1"),
    ],
)
def test_arguments_of_the_wrong_kind(spec: str, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load(spec, parse_args(text))


def test_arguments_of_the_right_kind() -> None:
    args = parse_args(
        'base_url=http://h/v1,timeout=5,max_cost=1,input_price=0.5,output_price=1,headers={"X":"y"},max_cost=None'
    )
    assert load("openai:m", args).name == "m"


def test_waiting_for_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for spec in ("out", "out/checkpoint-*", "vllm:out", "check*"):
        assert resolve(spec, waiting=True) == []
    checkpoint(tmp_path / "out" / "checkpoint-1", weights=None)
    for step in (9, 10):
        checkpoint(tmp_path / "out" / f"checkpoint-{step}")
    for spec in ("out", "out/checkpoint-*", "o*/*"):
        assert [Path(ref.target).name for ref in resolve(spec, waiting=True)] == ["checkpoint-9", "checkpoint-10"]
    assert [ref.target for ref in resolve("hf", {"pretrained": "out/checkpoint-9"}, waiting=True)] == ["out/checkpoint-9"]
    for spec in ("gpt2", "gone", "./gone", "gone/*", "org/name", "scripted:oracle", "openai:m", "replay:x"):
        with pytest.raises(UsageError, match="--watch looks for checkpoints in a folder"):
            resolve(spec, waiting=True)
    for spec in ("", "out/gone", "opnai:x"):
        with pytest.raises(UsageError):
            resolve(spec, waiting=True)


@pytest.mark.parametrize("spec", ["~0", "hf:~0", "~0/*", "~nobody-of-that-name/x"])
def test_a_home_that_is_not_there(spec: str) -> None:
    with pytest.raises(UsageError):
        resolve(spec)
    with pytest.raises(UsageError):
        load("replay:~0")


@given(st.text(max_size=60))
def test_hostile_specs_and_arguments_never_crash(text: str) -> None:
    for parse in (parse_args, resolve):
        try:
            parse(text)
        except UsageError:
            continue


def test_resolving_imports_nothing_heavy() -> None:
    code = (
        "import sys; from evalsuite.models import resolve; resolve('gpt2'); resolve('openai:x');"
        "print([m for m in ('torch', 'transformers', 'aiohttp', 'orjson', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
