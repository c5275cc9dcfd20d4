"""Prompts with images: tiny image-text models with random weights against transformers, one prompt at a time."""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import vlms  # noqa: E402

from evalsuite.errors import EvalsuiteError, RequestError, UnavailableError  # noqa: E402
from evalsuite.models import vision  # noqa: E402
from evalsuite.models.batching import Budget, Row, take  # noqa: E402
from evalsuite.models.hf import HFModel  # noqa: E402
from evalsuite.models.loading import Checkpoint  # noqa: E402
from evalsuite.models.vision import ImagePrompt  # noqa: E402
from evalsuite.words.completion import Completion, Request, Sampling  # noqa: E402
from evalsuite.words.sample import Image, Message  # noqa: E402

RED, BLUE, WIDE = (Image(vlms.png(*size)) for size in ((24, 17, 1), (16, 16, 2), (40, 13, 3)))
TURNS: tuple[tuple[str | Image, ...], ...] = (
    ("what is it", RED),
    (BLUE, "and here", WIDE, "which?"),
    ("no image at all",),
    (WIDE, "w"),
    ("again", RED, BLUE),
)


@pytest.fixture(autouse=True)
def _no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    vlms.without_video(monkeypatch)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        vlms.without_video(patch)
        return {name: vlms.save(name, tmp_path_factory.mktemp(name)) for name in vlms.FAMILIES}


def ask(parts: Any, n: int = 1, room: int = 8, **sampling: Any) -> Request:
    seeds = tuple(range(100, 100 + n))
    settings = Sampling(**{"temperature": 0.0 if n == 1 else 1.0, "max_tokens": room} | sampling)
    content = parts if isinstance(parts, str) else tuple(parts)
    return Request(messages=(Message("user", content),), sampling=settings, seeds=seeds, indices=seeds, logprobs=True)


def answer(model: HFModel, *requests: Request) -> list[list[Completion]]:
    async def go() -> list[list[Completion]]:
        model.expect(len(requests))
        return list(await asyncio.gather(*map(model.generate, requests)))

    return asyncio.run(go())


def close(model: HFModel) -> None:
    asyncio.run(model.close())


def alone(folder: Path, parts: Any) -> tuple[Any, dict[str, Any]]:
    """transformers' own model, and its inputs for this prompt."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    content = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in parts]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    images = [vision.opened(p) for p in parts if isinstance(p, Image)]
    given = {"images": images} if images else {}
    inputs = processor(text=text, **given, return_tensors="pt")
    return model, dict(inputs)


@pytest.mark.parametrize("name", vlms.FAMILIES)
def test_as_transformers_one_by_one(name: str, folders: dict[str, Path]) -> None:
    ours = HFModel(folders[name], device="cpu")
    made = answer(ours, *map(ask, TURNS))
    close(ours)
    for parts, (completion,) in zip(TURNS, made, strict=True):
        theirs, inputs = alone(folders[name], parts)
        length = inputs["input_ids"].shape[1]
        tokens = theirs.generate(
            **inputs,
            max_new_tokens=8,
            do_sample=False,
            eos_token_id=1,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
        )
        assert completion.prompt_tokens == length
        assert list(completion.token_ids or ()) == tokens.sequences[0, length:].tolist(), parts
        steps = torch.cat(tokens.logits).log_softmax(-1).gather(-1, tokens.sequences[0, length:, None])[:, 0]
        assert completion.logprobs == pytest.approx(steps.tolist(), abs=1e-4)


@pytest.mark.parametrize("name", vlms.FAMILIES)
def test_images_matter(name: str, folders: dict[str, Path]) -> None:
    """The random weights see: another picture, or another order of pictures, is another answer."""
    ours = HFModel(folders[name], device="cpu")
    (one,), (other,), (ab,), (ba,) = answer(ours, *(ask((*p, "x")) for p in ([RED], [BLUE], [RED, BLUE], [BLUE, RED])))
    close(ours)
    assert one.logprobs != other.logprobs and ab.logprobs != ba.logprobs


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen3_vl", "llava", "gemma3"])
def test_samples_share_a_prefill_and_rows_are_dropped(name: str, folders: dict[str, Path]) -> None:
    """Rows end at many steps, so that the batch shrinks and is reordered; each is what it would have been alone."""
    requests = [ask(parts, n=4, room=3 + 5 * i) for i, parts in enumerate(TURNS)]
    together, single = HFModel(folders[name], device="cpu"), HFModel(folders[name], device="cpu", batch_size=1)
    prefills: list[int] = []
    many, one = answer(together, *requests), [answer(single, r)[0] for r in requests]
    from evalsuite.models.decoding import Decoder

    with pytest.MonkeyPatch.context() as patch:
        own = Decoder._prefill
        patch.setattr(Decoder, "_prefill", lambda self, batch: (prefills.append(len(batch.ids)), own(self, batch))[1])
        again = answer(together, *requests)
    close(together)
    close(single)
    assert sum(prefills) == len(requests)
    for a, b, c in zip(many, one, again, strict=True):
        assert [x.token_ids for x in a] == [x.token_ids for x in b] == [x.token_ids for x in c]
        for x, y in zip(a, b, strict=True):
            assert x.logprobs == pytest.approx(y.logprobs, abs=1e-4)


@pytest.mark.parametrize("name", vlms.MROPE)
def test_positions_of_an_earlier_call_are_not_taken_up(name: str, folders: dict[str, Path]) -> None:
    """A module that someone else has used for an image keeps that image's shift; our text prompts do not see it."""
    module, inputs = alone(folders[name], TURNS[1])
    ours = HFModel.live(module, folders[name])
    before = answer(ours, ask("abc"), ask("cde"))
    module.generate(**inputs, max_new_tokens=2, do_sample=False, eos_token_id=1, pad_token_id=0)
    assert module.model.rope_deltas is not None and bool(module.model.rope_deltas.any())
    assert [c.logprobs for (c,) in answer(ours, ask("abc"), ask("cde"))] == [c.logprobs for (c,) in before]
    close(ours)


@pytest.mark.parametrize("name", ["qwen2_vl", "idefics3"])
def test_a_module_in_memory_is_asked_as_a_folder_is(name: str, folders: dict[str, Path]) -> None:
    module, _ = alone(folders[name], TURNS[0])
    live, loaded = HFModel.live(module, folders[name]), HFModel(folders[name], device="cpu")
    first, second = (answer(m, *map(ask, TURNS)) for m in (live, loaded))
    assert [c.token_ids for (c,) in first] == [c.token_ids for (c,) in second]
    assert live.prompt_ids(ask(TURNS[1])) == loaded.prompt_ids(ask(TURNS[1]))
    close(live)
    close(loaded)


def test_stop_strings(folders: dict[str, Path]) -> None:
    ours = HFModel(folders["qwen2_5_vl"], device="cpu")
    (whole,) = answer(ours, ask(TURNS[0], room=12))[0]
    stop = whole.text[4:6]
    (cut,) = answer(ours, ask(TURNS[0], room=12, stop=(stop,)))[0]
    close(ours)
    assert cut.text == whole.text[: whole.text.index(stop)] and cut.finish_reason == "stop"
    assert len(cut.token_ids or ()) < len(whole.token_ids or ())


@pytest.mark.parametrize("name", ["qwen2_vl", "llava", "gemma3"])
def test_continuations_are_scored_after_images(name: str, folders: dict[str, Path]) -> None:
    ours = HFModel(folders[name], device="cpu")

    async def go() -> list[tuple[float, int, bool]]:
        return await ours.loglikelihood(ask((RED, "which is it?", WIDE)), ["ab", "c", "abcde"])

    found = asyncio.run(go())
    close(ours)
    theirs, inputs = alone(folders[name], (RED, "which is it?", WIDE))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[name])
    for text, (total, count, _) in zip(("ab", "c", "abcde"), found, strict=True):
        tail = torch.tensor([tokenizer(text)["input_ids"]])
        more = {k: torch.cat([v, torch.zeros_like(tail)], 1) for k, v in inputs.items() if k.endswith("token_type_ids")}
        ids = torch.cat([inputs["input_ids"], tail], 1)
        rest = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
        with torch.no_grad():
            logits = theirs.eval()(input_ids=ids, attention_mask=torch.ones_like(ids), **(rest | more)).logits
        expected = logits[:, -tail.shape[1] - 1 : -1].log_softmax(-1).gather(-1, tail[..., None]).sum()
        assert count == tail.shape[1] and total == pytest.approx(expected.item(), abs=1e-4)


def test_the_context_counts_image_tokens(folders: dict[str, Path]) -> None:
    ours = HFModel(folders["qwen2_vl"], device="cpu", max_length=40)
    # 24 x 17 pixels become 24 x 16, which is 6 x 4 patches, merged by 2 x 2 into 6 tokens between two marks.
    assert len(ours.prompt_ids(ask((RED, "hi")))) == len("[user]") + 1 + 6 + 1 + len("hi;[assistant]")
    with pytest.raises(RequestError, match=r"the prompt has 4\d tokens and the context 40"):
        answer(ours, ask((RED, WIDE, "hello there")))
    close(ours)


def test_files_data_uris_and_bytes_are_one_image(folders: dict[str, Path], tmp_path: Path) -> None:
    import base64

    data = RED.source
    assert isinstance(data, bytes)
    (tmp_path / "a.png").write_bytes(data)
    uri = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    sources = (data, str(tmp_path / "a.png"), uri)
    first, *others = (vision.opened(Image(source)).tobytes() for source in sources)
    assert others == [first, first]


def test_images_are_upright_and_rgb() -> None:
    import PIL.Image

    stored = PIL.Image.new("RGBA", (6, 4), (255, 0, 0, 255))
    flat = stored.convert("RGB")
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    out = BytesIO()
    flat.save(out, "png", exif=exif)
    turned = vision.opened(Image(out.getvalue()))
    assert (turned.mode, turned.size) == ("RGB", (4, 6))


def test_urls_are_fetched_once(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def urlopen(url: str, timeout: float) -> BytesIO:
        fetched.append(url)
        return BytesIO(RED.source if isinstance(RED.source, bytes) else b"")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    ours = HFModel(folders["llava"], device="cpu")
    remote = ask((Image("https://example.org/a.png"), "x"))
    ((far,), (near,)) = answer(ours, remote, ask((RED, "x")))
    ours.prompt_ids(remote)
    close(ours)
    assert fetched == ["https://example.org/a.png"] and far.token_ids == near.token_ids


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere/missing.png", "missing.png"),
        ("broken.png", "broken.png"),
        ("text.png", "text.png"),
        (b"\x89PNG nothing", "of 12 bytes"),
        ("data:image/png;base64,AAAA", "data:image/png"),
    ],
)
def test_an_image_that_cannot_be_read_fails_its_request_alone(
    source: str | bytes, message: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.png").write_bytes(vlms.png(30, 30)[:200])
    (tmp_path / "text.png").write_text("no image")
    ours = HFModel(folders["llava"], device="cpu")

    async def go() -> list[Any]:
        requests = (ask((Image(source), "x")), ask((RED, "x")))
        return await asyncio.gather(*map(ours.generate, requests), return_exceptions=True)

    lost, kept = asyncio.run(go())
    close(ours)
    assert isinstance(lost, RequestError) and "image" in str(lost) and message in str(lost)
    assert len(kept) == 1


def test_a_placeholder_in_the_text_fails_its_request(folders: dict[str, Path]) -> None:
    ours = HFModel(folders["llava"], device="cpu")
    with pytest.raises(RequestError, match="processor refuses"):
        answer(ours, ask((RED, "what is <image>?")))
    close(ours)


def test_an_image_that_is_replaced_under_way_is_told(folders: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(vlms.png(16, 16))
    ours = HFModel(folders["qwen2_vl"], device="cpu")
    ours.prompt_ids(ask((Image(str(file)), "x")))
    file.write_bytes(vlms.png(40, 40))
    with pytest.raises(UnavailableError, match=r"replaced.*a\.png"):
        answer(ours, ask((Image(str(file)), "x")))
    close(ours)
    gone = HFModel(folders["qwen2_vl"], device="cpu")
    gone.prompt_ids(ask((Image(str(file)), "x")))
    file.unlink()
    with pytest.raises(UnavailableError, match=r"make no batch now.*a\.png"):
        answer(gone, ask((Image(str(file)), "x")))
    close(gone)


def test_text_models_refuse_images(tmp_path: Path) -> None:
    from evalsuite.demo import config, tokenizer

    characters = tokenizer()
    characters.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config(len(characters))).save_pretrained(tmp_path)
    characters.save_pretrained(tmp_path)
    ours = HFModel(tmp_path, device="cpu")
    with pytest.raises(RequestError, match="reads text only"):
        answer(ours, ask((RED, "x")))
    assert "processor" not in ours.identity() and Checkpoint(folder=tmp_path).vision is None
    close(ours)


def test_images_need_the_chat_template(folders: dict[str, Path]) -> None:
    ours = HFModel(folders["llava"], device="cpu", chat=False)
    with pytest.raises(RequestError, match="chat template"):
        answer(ours, ask((RED, "x")))
    close(ours)


def test_identity_tells_pixel_budgets_apart(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(folders["qwen2_vl"], other)
    same = HFModel(other).identity()
    assert same == HFModel(folders["qwen2_vl"]).identity()
    file = other / "processor_config.json"
    file.write_text(file.read_text().replace("1024", "2048"))
    changed = HFModel(other).identity()
    assert {k for k in same if same[k] != changed[k]} == {"processor"}


def test_without_its_packages_a_processor_is_asked_for(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise ImportError("Qwen2VLVideoProcessor requires the Torchvision library")

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", missing)
    with pytest.raises(UnavailableError, match="Torchvision"):
        answer(HFModel(folders["qwen2_vl"]), ask((RED, "x")))
    gemma = HFModel(folders["gemma3"], device="cpu")  # transformers has it among the causal LMs too: text goes on
    assert len(answer(gemma, ask("x"))) == 1
    with pytest.raises(EvalsuiteError, match="reads text only"):
        answer(gemma, ask((RED, "x")))
    close(gemma)


def test_models_that_attend_across_to_images_are_refused(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = HFModel(folders["llava"], device="cpu")
    kind = transformers.LlavaProcessor
    own = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self, **given: {**own(self, **given), "cross_attention_mask": None})
    with pytest.raises(UnavailableError, match="attends to across, as with LlavaProcessor"):
        answer(ours, ask((RED, "x")))
    close(ours)


def test_batches_have_images_in_all_rows_or_in_none() -> None:
    async def go() -> list[list[bool]]:
        from evalsuite.models.batching import Ticket

        seen = ImagePrompt("x", (RED,))
        waiting = [Row(prompt=[1] * n, ticket=Ticket(), room=4, images=seen if n % 2 else None) for n in (5, 4, 3, 2, 7)]
        batches = []
        while waiting:
            batches.append([row.images is not None for row in take(waiting, Budget(8, 1 << 20, 1 << 20))])
        return batches

    assert asyncio.run(go()) == [[True] * 3, [False] * 2]
