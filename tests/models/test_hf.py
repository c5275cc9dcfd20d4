"""The `hf` backend against transformers' own generate and forward, on a real checkpoint of 137,152 parameters."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import shutil
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from evalsuite.demo import train  # noqa: E402
from evalsuite.errors import RequestError, UnavailableError, UsageError  # noqa: E402
from evalsuite.models.base import Model  # noqa: E402
from evalsuite.models.decoding import Decoder  # noqa: E402
from evalsuite.models.hf import HFModel  # noqa: E402
from evalsuite.words.completion import Completion, Request, Sampling  # noqa: E402
from evalsuite.words.sample import Message  # noqa: E402

T = TypeVar("T")
WAIT = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model after eight steps: far from certain, so that samples differ in text and length."""
    out = tmp_path_factory.mktemp("hf") / "model"
    train(out, steps=8)
    return out


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def ask(text: str, n: int = 1, first: int = 0, **fields: Any) -> Request:
    logprobs = fields.pop("logprobs", False)
    stop = fields.pop("plain_stop", ())
    sampling = Sampling(**({"temperature": 1.0, "max_tokens": 20} | fields))
    seeds = tuple(1000 + i for i in range(first, first + n))
    return Request(
        messages=(Message("user", text),),
        sampling=sampling,
        seeds=seeds,
        indices=tuple(range(first, first + n)),
        plain=text,
        plain_stop=stop,
        logprobs=logprobs,
    )


def run(*work: Awaitable[T]) -> list[T]:
    async def go() -> list[T]:
        return await asyncio.wait_for(asyncio.gather(*work), WAIT)

    return asyncio.run(go())


def answers(folder: Path, requests: list[Request], **settings: Any) -> list[list[Completion]]:
    model = HFModel(folder, **settings)

    async def go() -> list[list[Completion]]:
        try:
            return await asyncio.wait_for(asyncio.gather(*map(model.generate, requests)), WAIT)
        finally:
            await model.close()

    return asyncio.run(go())


def questions(count: int) -> list[str]:
    rng = random.Random(1)
    return ["".join(rng.choice("abcdefghij= ") for _ in range(rng.randint(4, 40))) for _ in range(count)]


def shape(rows: list[list[Completion]]) -> list[list[tuple[Any, ...]]]:
    return [[(c.token_ids, c.text, c.finish_reason) for c in row] for row in rows]


def test_it_is_a_model(folder: Path) -> None:
    assert isinstance(HFModel(folder), Model)


def test_completions_do_not_depend_on_the_batch(folder: Path) -> None:
    requests = [ask(t, n=3, plain_stop=("b",), top_p=0.95) for t in questions(20)]
    alone = shape(answers(folder, requests, batch_size=1))
    assert {c[2] for row in alone for c in row} == {"stop", "length"}
    assert len({c[0] for row in alone for c in row}) > 30
    assert shape(answers(folder, requests, batch_size=64)) == alone
    assert shape(answers(folder, list(reversed(requests)), replicas=2))[::-1] == alone
    assert shape(answers(folder, requests, max_batch_tokens=200)) == alone


def test_more_samples_extend_fewer(folder: Path) -> None:
    (eight,), (later,) = answers(folder, [ask("sort dbca=", n=8)]), answers(folder, [ask("sort dbca=", n=4, first=4)])
    assert shape([eight[4:]]) == shape([later])
    assert len({c.token_ids for c in eight}) == 8


def test_greedy_is_what_transformers_generates(folder: Path, reference: Any, tokenizer: Any) -> None:
    texts = questions(12)
    ours = answers(folder, [ask(t, n=2, temperature=0.0) for t in texts], batch_size=5)
    for text, (first, second) in zip(texts, ours, strict=True):
        inputs = tokenizer(text, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        theirs = reference.generate(**inputs, max_new_tokens=20, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert first.token_ids == second.token_ids == tuple(theirs.tolist())
        assert first.prompt_tokens == len(text) and first.completion_tokens == len(first.token_ids)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_logprobs_are_the_behaviour_policys(folder: Path, reference: Any, tokenizer: Any, temperature: float) -> None:
    texts = questions(4)
    for text, row in zip(
        texts, answers(folder, [ask(t, n=2, temperature=temperature, logprobs=True) for t in texts]), strict=True
    ):
        prompt = tokenizer(text)["input_ids"]
        for c in row:
            with torch.inference_mode():
                logits = reference(torch.tensor([[*prompt, *c.token_ids]])).logits[0, len(prompt) - 1 : -1]
            expected = (logits / (temperature or 1.0)).log_softmax(-1).gather(-1, torch.tensor(c.token_ids)[:, None])[:, 0]
            assert c.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_loglikelihood_is_a_forward_pass(folder: Path, reference: Any, tokenizer: Any) -> None:
    model = HFModel(folder)
    texts = ["sort dbca=", "sort ja=", "a longer context than the others: "]
    continuations = ["abcd", "a", "hello world"]
    results = run(*(model.loglikelihood(ask(t), continuations) for t in texts))
    for text, row in zip(texts, results, strict=True):
        for continuation, (total, count, greedy) in zip(continuations, row, strict=True):
            head, ids = tokenizer(text.rstrip())["input_ids"], tokenizer(text + continuation)["input_ids"]
            with torch.inference_mode():
                logits = reference(torch.tensor([ids])).logits[0, len(head) - 1 : -1]
            target = torch.tensor(ids[len(head) :])
            assert count == len(target)
            assert total == pytest.approx(logits.log_softmax(-1).gather(-1, target[:, None]).sum().item(), abs=1e-3)
            assert greedy == bool((logits.argmax(-1) == target).all())
    best = run(model.generate(ask(texts[0], temperature=0.0, max_tokens=3)))[0][0]
    assert run(model.loglikelihood(ask(texts[0]), [best.text]))[0][0][2] is True
    assert run(model.loglikelihood(ask(texts[0]), []))[0] == []
    asyncio.run(model.close())


def test_stop_strings_end_the_text_and_leave_the_tokens(folder: Path) -> None:
    (free,) = answers(folder, [ask("sort dbca=", n=20)])
    (cut,) = answers(folder, [ask("sort dbca=", n=20, plain_stop=("a",))])
    assert any("a" in c.text for c in free)
    for whole, part in zip(free, cut, strict=True):
        if "a" in whole.text:
            assert part.text == whole.text.partition("a")[0] and part.finish_reason == "stop"
            assert part.token_ids == whole.token_ids[: len(part.token_ids)] and part.token_ids[-1] == 3  # the a itself
        else:
            assert part.text == whole.text


def test_the_context_is_never_cut_silently(folder: Path) -> None:
    model = HFModel(folder, max_length=32)
    (row,) = run(model.generate(ask("a" * 28, n=6, max_tokens=100, temperature=0.01)))
    assert {c.completion_tokens for c in row if c.finish_reason == "length"} <= {4}
    assert all(c.truncated or c.finish_reason == "stop" for c in row)
    with pytest.raises(RequestError, match="32 tokens and the context 32"):
        run(model.generate(ask("a" * 32)))
    with pytest.raises(RequestError, match="no room"):
        run(model.loglikelihood(ask("a" * 30), ["bbb"]))
    asyncio.run(model.close())


def test_a_model_without_a_usable_cache_gives_the_same(folder: Path, reference: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ask(t, n=2) for t in questions(5)]
    expected = shape(answers(folder, requests))
    prefill = Decoder._prefill
    monkeypatch.setattr(Decoder, "_prefill", lambda self, batch: (prefill(self, batch)[0], None))
    assert shape(answers(folder, requests)) == expected


def test_rows_leave_the_batch_when_many_are_finished(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    step = Decoder._step
    monkeypatch.setattr(Decoder, "_step", lambda self, state, tokens: (sizes.append(len(tokens)), step(self, state, tokens))[1])
    answers(folder, [ask(t, n=8, max_tokens=30) for t in questions(8)])
    assert sizes[0] == 64 and sizes == sorted(sizes, reverse=True) and sizes[-1] < 48


def test_prompts_are_read_once_for_all_samples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    prefill = Decoder._prefill
    monkeypatch.setattr(
        Decoder, "_prefill", lambda self, batch: (shapes.append(tuple(batch.ids.shape)), prefill(self, batch))[1]
    )
    answers(folder, [ask("sort dbca=", n=16), ask("sort ab=", n=16)])
    assert shapes == [(2, 10)]


def test_chat_template_and_opened_thought(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "chat"
    shutil.copytree(folder, own)
    (own / "chat_template.jinja").write_text("{{ messages[0].content }}{% if enable_thinking %}<think>\n{% endif %}")
    (row,), (base,) = (answers(own, [ask("ab", thinking=True)], chat=chat) for chat in ("auto", False))
    assert row[0].opened and row[0].prompt_tokens == len("ab<think>\n") and not row[0].thought.closed
    assert not base[0].opened and base[0].prompt_tokens == 2
    assert HFModel(own).identity() != HFModel(own, chat=False).identity() != HFModel(folder).identity()


def test_identity_follows_the_weights_and_not_the_place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    identity = HFModel(folder).identity()
    assert HFModel(copy).identity() == identity
    assert identity["dtype"] == "float32" and HFModel(copy, dtype="bf16").identity()["dtype"] == "bfloat16"
    json.dumps(identity), json.dumps(HFModel(folder).environment())

    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert HFModel(copy).identity() != identity
    changed = HFModel(copy).identity()
    # The second time nothing is read: the hash is remembered by path, time and size.
    monkeypatch.setattr("hashlib.file_digest", lambda *a: pytest.fail("weights were read again"))
    assert HFModel(copy).identity() == changed


def test_an_adapter_over_its_base(folder: Path, reference: Any, tokenizer: Any, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config).eval()
    adapted.save_pretrained(tmp_path / "lora")
    text = "sort dbca="
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    theirs = adapted.generate(input_ids=ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :].tolist()
    request = ask(text, temperature=0.0, max_tokens=12)
    ((found,),), ((given,),) = answers(tmp_path / "lora", [request]), answers(folder, [request], adapter=tmp_path / "lora")
    ((plain,),) = answers(folder, [request])
    assert list(found.token_ids) == list(given.token_ids) == theirs != list(plain.token_ids)
    assert (
        HFModel(tmp_path / "lora").identity()
        == HFModel(folder, adapter=tmp_path / "lora").identity()
        != HFModel(folder).identity()
    )
    assert HFModel(folder, adapter=tmp_path / "lora").name == "model+lora"
    with pytest.raises(UsageError, match="is an adapter itself"):
        HFModel(tmp_path / "lora", adapter=tmp_path / "lora")
    with pytest.raises(UsageError, match="adapter_config"):
        HFModel(folder, adapter=folder)


def test_user_errors_name_what_is_missing(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match=r"no config\.json"):
        HFModel(empty)
    shutil.copy(folder / "config.json", empty)
    with pytest.raises(UsageError, match="no weights"):
        HFModel(empty)
    with pytest.raises(UsageError, match="no such folder"):
        HFModel(tmp_path / "nothing" / "here")
    for settings in ({"batch_size": "many"}, {"batch_size": 0}, {"replicas": 0}, {"dtype": "int3"}, {"chat": "sometimes"}):
        with pytest.raises(UsageError):
            HFModel(folder, **settings).identity()
    with pytest.raises(UsageError, match="device_map"):
        HFModel(folder, device_map="auto", replicas=2)


def test_a_hub_id_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*args: Any, **kwargs: Any) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(UnavailableError, match="not in the local hub cache"):
        HFModel("someone/some-model")


def test_hub_files_carry_their_hash(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    import huggingface_hub

    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "c0ffee"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for file in folder.iterdir():
        blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(snapshot))
    here = HFModel(folder).identity()
    monkeypatch.setattr("hashlib.file_digest", lambda *a: pytest.fail("weights were read"))
    model = HFModel("someone/some-model")
    assert model.identity() == here and model.name == "someone/some-model"


def test_broken_weights_and_unsupported_arguments_stop_the_run(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes(b"not safetensors")
    model = HFModel(broken)
    with pytest.raises(UnavailableError, match="cannot be loaded"):
        run(model.generate(ask("a")))
    with pytest.raises(UnavailableError, match="cannot be loaded"):
        run(model.generate(ask("a")))
    asyncio.run(model.close())


def test_settings_it_does_not_have_are_refused_before_anything_is_loaded(folder: Path) -> None:
    model = HFModel(folder)
    with pytest.raises(UsageError, match="no setting temprature, repetition_penalty; it knows temperature, top_p"):
        run(model.generate(ask("a", extra={"temprature": 1, "repetition_penalty": 1.1})))
    with pytest.raises(UsageError, match="stop string is empty"):
        run(model.generate(ask("a", plain_stop=("b", ""))))
    assert not any(t.name.startswith("engine-") for t in threading.enumerate())
    asyncio.run(model.close())


def test_an_empty_prompt_costs_nobody_else(folder: Path) -> None:
    model = HFModel(folder)

    async def go() -> list[Any]:
        requests = [ask("ab"), ask(""), ask("cd", top_k=10_000, top_p=0.9)]
        return await asyncio.wait_for(asyncio.gather(*map(model.generate, requests), return_exceptions=True), WAIT)

    first, empty, last = asyncio.run(go())
    assert first[0].token_ids and last[0].token_ids
    assert isinstance(empty, RequestError) and "no tokens" in str(empty)
    asyncio.run(model.close())


def test_weights_that_are_not_finite_end_the_run(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "nan"
    shutil.copytree(folder, broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["model.norm.weight"].fill_(float("nan"))
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    for call in (lambda m: m.generate(ask("ab", temperature=0.0)), lambda m: m.loglikelihood(ask("ab"), ["c", "cdef"])):
        model = HFModel(broken)
        with pytest.raises(UnavailableError, match="logits are not finite: its weights are broken, or dtype is too narrow"):
            run(call(model))
        asyncio.run(model.close())


def test_trainer_state_is_no_weights(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / "config.json", bare)
    for name in ("training_args.bin", "optimizer.bin", "scheduler.pt"):
        (bare / name).write_bytes(b"x")
    with pytest.raises(UsageError, match="no weights"):
        HFModel(bare)


def test_closing_in_the_middle_cancels_and_leaves_no_thread(folder: Path) -> None:
    model = HFModel(folder, max_length=100_000)

    async def go() -> list[Any]:
        # The end token cannot be reached in time: many rows of many tokens.
        tasks = [asyncio.create_task(model.generate(ask("ab", n=64, max_tokens=50_000, temperature=0.01))) for _ in range(4)]
        await asyncio.sleep(0.5)
        await model.close()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT)

    assert all(isinstance(r, asyncio.CancelledError | list) for r in asyncio.run(go()))
    assert not any(t.name.startswith("engine-") for t in threading.enumerate())
    with pytest.raises(UnavailableError, match="closed"):
        run(model.generate(ask("a")))


def test_a_forgotten_model_ends_its_thread(folder: Path) -> None:
    model = HFModel(folder)
    run(model.generate(ask("a")))
    assert any(t.name.startswith("engine-") for t in threading.enumerate())
    del model
    gc.collect()
    assert not any(t.name.startswith("engine-") for t in threading.enumerate())


def test_prompt_ids_are_what_the_model_reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = HFModel(folder)
    seen: list[list[int]] = []
    run_batch = Decoder.run

    def spy(self: Decoder, rows: list[Any], *rest: Any) -> None:
        seen.extend(row.prompt for row in rows)
        run_batch(self, rows, *rest)

    monkeypatch.setattr(Decoder, "run", spy)
    request = ask("sort dbca=", n=2)
    ids = model.prompt_ids(request)
    ((first, _),) = run(model.generate(request))
    assert seen == [list(ids)] * 2 and len(ids) == first.prompt_tokens == 10
    with pytest.raises(RequestError, match="no tokens"):
        model.prompt_ids(ask(""))
    run(model.close())


class TestLive:
    """`HFModel.live`: the same answers as from the folder that the module was saved to, and from its weights of now."""

    @pytest.fixture
    def module(self, folder: Path) -> Any:
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(folder)

    @pytest.fixture
    def bare(self, folder: Path, tmp_path: Path) -> Path:
        """The folder without its weights."""
        return Path(shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors")))

    def test_it_answers_as_the_saved_folder_does(self, folder: Path, bare: Path, module: Any) -> None:
        requests = [ask(text, n=3, logprobs=True) for text in questions(4)]
        live = HFModel.live(module.train(), bare)
        got = run(*map(live.generate, requests))
        saved = answers(folder, requests)
        assert shape(got) == shape(saved)
        assert [c.logprobs for row in got for c in row] == [c.logprobs for row in saved for c in row]
        assert got[0][0].logprobs and not module.training
        run(live.close())
        assert all(p.numel() for p in module.parameters()) and module.device.type == "cpu"
        with pytest.raises(UnavailableError, match="closed"):
            run(live.generate(requests[0]))

    def test_it_follows_the_weights(self, folder: Path, bare: Path, module: Any, tmp_path: Path) -> None:
        request = ask("sort dbca=", n=8, logprobs=True)
        live = HFModel.live(module, bare, batch_size=8)
        (before,) = run(live.generate(request))
        with torch.no_grad():
            module.get_output_embeddings().weight.mul_(1.5)
        (after,) = run(live.generate(request))
        assert [c.logprobs for c in before] != [c.logprobs for c in after]
        run(live.close())
        module.save_pretrained(tmp_path / "changed")
        shutil.copytree(bare, tmp_path / "changed", dirs_exist_ok=True)
        assert shape(answers(tmp_path / "changed", [request])) == shape([after])

    def test_gradients_flow_after_sampling(self, bare: Path, module: Any) -> None:
        live = HFModel.live(module, bare)
        run(live.generate(ask("sort dbca=", n=2)))
        ids = torch.tensor([live.prompt_ids(ask("sort dbca="))])
        module.train()(input_ids=ids, labels=ids).loss.backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in module.parameters())
        run(live.close())

    def test_an_adapted_module_answers_with_its_adapter(self, bare: Path, module: Any) -> None:
        peft = pytest.importorskip("peft")
        request = ask("sort dbca=", n=4, logprobs=True)
        adapted = peft.get_peft_model(module, peft.LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False))
        live = HFModel.live(adapted, bare)
        (on,) = run(live.generate(request))
        with adapted.disable_adapter():
            (off,) = run(live.generate(request))
        assert [c.logprobs for c in on] != [c.logprobs for c in off]
        row, ids = on[0], list(live.prompt_ids(request))
        with torch.no_grad():
            logits = adapted(input_ids=torch.tensor([ids + list(row.token_ids)])).logits[0, len(ids) - 1 : -1]
        expected = logits.log_softmax(-1)[range(len(row.token_ids)), list(row.token_ids)]
        assert row.logprobs == pytest.approx(expected.tolist(), abs=1e-4)
        run(live.close())

    def test_identity(self, folder: Path, bare: Path, module: Any) -> None:
        saved = dict(HFModel(folder).identity())
        assert HFModel.live(module, bare).identity() == saved | {"weights": "live"}
        assert HFModel.live(module, bare, label="step 7").identity()["weights"] == "step 7"
        assert HFModel.live(module.bfloat16(), bare).identity()["dtype"] == "bfloat16"
        with pytest.raises(UsageError, match="number of rows"):
            HFModel.live(module, bare, batch_size="many")
