"""The prompt data sets: columns of each trainer, images, mixes, and no gold anywhere."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalsuite
from evalsuite import Image, Message, Prompt, Sample, Shot, Task, ask
from evalsuite.errors import UsageError
from evalsuite.plan import Plan, Settings, make_plans
from evalsuite.registry import is_evaluated
from evalsuite.rewards.datasets import FORMATS, evaluated, mixed, stops, write_dataset
from evalsuite.verifiers import make
from evalsuite.words.completion import Sampling


def plans(*tasks: str | Task, **settings: Any) -> list[Plan]:
    return make_plans(tasks, Settings(**settings))[0]


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text().splitlines()]


def questions(name: str, n: int) -> Task:
    samples = [ask(f"{name} {i}?", id=f"{name}{i}", target=f"GOLD{i}") for i in range(n)]
    return Task(name=name, samples=samples, prompt=Prompt(name="p", system="Be brief."), verifier=make("exact"))


MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a 1?"}]
EXPECTED = {
    "trl": {"prompt": MESSAGES, "task": "a", "id": "a1"},
    "jsonl": {"prompt": MESSAGES, "task": "a", "id": "a1"},
    "verl": {
        "data_source": "a",
        "prompt": MESSAGES,
        "ability": "",
        "reward_model": {"style": "rule", "ground_truth": "a1"},
        "extra_info": {"index": 1, "task": "a", "id": "a1", "split": "train"},
    },
    "openrlhf": {"input": MESSAGES, "label": '{"task": "a", "id": "a1"}', "datasource": "a"},
}


@pytest.mark.parametrize(("form", "suffix"), [(form, suffix) for form in FORMATS for suffix in FORMATS[form]])
def test_a_row_has_the_columns_of_its_trainer_and_never_the_gold(form: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"prompts{suffix}"
    assert write_dataset(plans(questions("a", 3)), form, path) == {"a": 3}
    assert rows(path)[1] == EXPECTED[form]
    assert b"GOLD" not in path.read_bytes()
    reward = evalsuite.reward(questions("a", 3))
    assert reward.find("a", "a1") == reward.find(None, None, MESSAGES), "a row's prompt alone finds its question too"


@pytest.mark.parametrize("form", ["trl", "openrlhf", "jsonl"])
def test_plain_prompts_are_the_text_form(form: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    write_dataset(plans("sort_letters", limit=2), form, path, plain=True)
    prompt = rows(path)[0]["input" if form == "openrlhf" else "prompt"]
    assert prompt.startswith("sort ") and prompt.endswith("=")


def test_settings_of_the_prompt_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    write_dataset(plans("sort_letters", limit=1, num_fewshot=2, system="S"), "trl", path)
    assert [turn["role"] for turn in rows(path)[0]["prompt"]] == ["system", *["user", "assistant"] * 2, "user"]


def test_ability_and_split_of_verl(tmp_path: Path) -> None:
    path = tmp_path / "prompts.parquet"
    write_dataset(plans("arithmetic", "arithmetic@split=train", limit=1), "verl", path)
    assert [(r["ability"], r["extra_info"]["split"], r["extra_info"]["index"]) for r in rows(path)] == [
        ("reasoning", "test", 0),
        ("reasoning", "train", 1),
    ]


def test_a_file_or_a_task_of_the_users_is_nobodys_benchmark(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text('{"id": "0", "problem": "1+1?", "target": "2"}\n')
    theirs = tmp_path / "theirs.py"
    theirs.write_text(
        "from evalsuite import Prompt, Task, ask, task\n"
        "from evalsuite.verifiers import make\n"
        "@task('theirs')\n"
        "def theirs(split: str = 'test'):\n"
        "    samples = [ask('1?', id='0', target='1')]\n"
        "    return Task(samples=samples, prompt=Prompt(name='p'), verifier=make('exact'))\n"
    )
    include = (str(theirs),)
    tasks = (f"{own}:math", "arithmetic", "arithmetic@split=train", "theirs", "theirs@split=train", questions("a", 1))
    made = plans(*tasks, limit=1, include=include)
    assert evaluated(made, include) == ["arithmetic", "theirs"]
    assert [name for name in (plan.name for plan in made) if is_evaluated(name)] == ["arithmetic"]
    write_dataset(made, "verl", tmp_path / "a.parquet", include=include)
    assert [row["extra_info"]["split"] for row in rows(tmp_path / "a.parquet")] == [
        "train",
        "test",
        "train",
        "test",
        "train",
        "train",
    ]


# Images.


def png(colour: str) -> bytes:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.new("RGB", (2, 2), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Plan]:
    """A sample with two images between texts, after a worked example, and one without any."""
    (tmp_path / "blue.png").write_bytes(png("blue"))
    turn = Message("user", (Image(png("red")), Image(str(tmp_path / "blue.png")), "Which is warm?"))
    samples = [Sample(id="0", messages=(turn,), target="red"), ask("Is snow white?", id="1", target="yes")]
    task = Task(
        name="pictures",
        samples=samples,
        prompt=Prompt(name="p"),
        verifier=make("exact"),
        fewshot=(Shot("Is 1 odd?", "yes"),),
        num_fewshot=1,
    )
    return plans(task)


def test_trl_gets_images_in_their_places(pictures: list[Plan], tmp_path: Path) -> None:
    from datasets import load_dataset

    trl = pytest.importorskip("trl.data_utils")
    path = tmp_path / "prompts.parquet"
    write_dataset(pictures, "trl", path)
    found = load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    row = found[0]
    turns = trl.prepare_multimodal_messages(row["prompt"], images=row["images"])
    assert [part["type"] for part in turns[2]["content"]] == ["image", "image", "text"]
    assert [part["image"].getpixel((0, 0)) for part in turns[2]["content"][:2]] == [(255, 0, 0), (0, 0, 255)]
    assert [turn["content"][0]["text"] for turn in turns[:2]] == ["Is 1 odd?", "yes"]
    assert found[1]["images"] == [] and trl.prepare_multimodal_messages(found[1]["prompt"], images=[])


@pytest.mark.parametrize("form", ["verl", "openrlhf"])
def test_verl_and_openrlhf_get_marks(form: str, pictures: list[Plan], tmp_path: Path) -> None:
    path = tmp_path / f"prompts{FORMATS[form][0]}"
    write_dataset(pictures, form, path)
    first, second = rows(path)
    assert first["prompt" if form == "verl" else "input"][2]["content"] == "<image><image>Which is warm?"
    if form == "verl":
        assert [image["bytes"] for image in first["images"]] == [png("red"), png("blue")] and second["images"] == []
    else:
        data = [base64.b64decode(uri.removeprefix("data:image/png;base64,")) for uri in first["images"]]
        assert data == [png("red"), png("blue")] and "images" not in second


def test_what_has_no_place_for_an_image_says_so(pictures: list[Plan], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no place for their images"):
        write_dataset(pictures, "jsonl", tmp_path / "a.jsonl", plain=True)
    with pytest.raises(UsageError, match="Parquet only"):
        write_dataset(pictures, "trl", tmp_path / "a.jsonl")

    def one(*parts: str | Image) -> list[Plan]:
        sample = Sample(id="0", messages=(Message("user", parts),), target="x")
        return plans(Task(name="one", samples=[sample], prompt=Prompt(name="p"), verifier=make("exact")))

    with pytest.raises(UsageError, match="has images and also the text <image>"):
        write_dataset(one(Image(png("red")), "what is <image>?"), "openrlhf", tmp_path / "a.jsonl")
    remote = one(Image("https://host/a.png"), "what?")
    with pytest.raises(UsageError, match=r"https://host/a.png is not here"):
        write_dataset(remote, "trl", tmp_path / "a.parquet")
    write_dataset(remote, "jsonl", tmp_path / "a.jsonl")
    assert rows(tmp_path / "a.jsonl")[0]["images"] == ["https://host/a.png"]


# Mixes.


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    weights=st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
    seed=st.integers(0, 3),
)
def test_a_mix_has_its_proportions_and_favours_no_question(sizes: list[int], weights: list[float], seed: int) -> None:
    made = plans(*(questions(f"t{i}", n) for i, n in enumerate(sizes)))
    given = {plan.name: weight for plan, weight in zip(made, weights)}
    rows_of = [sum(sizes) * weight / sum(given.values()) for weight in given.values()]
    try:
        found = mixed(made, given, seed)
    except UsageError as error:
        assert "none is left" in str(error) and min(rows_of) < 1
        return
    assert len(found) == sum(sizes)
    count = Counter(plan.name for plan, _ in found)
    for plan in made:
        assert abs(count[plan.name] - sum(sizes) * given[plan.name] / sum(given.values())) < 1
        times = Counter(sample.id for of, sample in found if of is plan)
        often = [times[sample.id] for sample in plan.samples]
        assert max(often) - min(often) <= 1
    again = mixed(made, given, seed)
    assert [s.id for _, s in again] == [s.id for _, s in found], "the same for a seed"


def test_a_mix_in_numbers() -> None:
    made = plans(questions("a", 10), questions("b", 30))
    found = mixed(made, {"a": 3, "b": 1})
    assert Counter(plan.name for plan, _ in found) == {"a": 30, "b": 10}
    assert set(Counter(sample.id for plan, sample in found if plan.name == "a").values()) == {3}
    assert [s.id for _, s in found] != [s.id for _, s in mixed(made, {"a": 3, "b": 1}, seed=1)]


@pytest.mark.parametrize(
    "weights", [{"a": 1}, {"a": 1, "b": 0}, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": float("inf")}, {"a": float("nan"), "b": 1}]
)
def test_a_mix_needs_a_weight_for_every_task(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="one weight above 0 for each of a, b"):
        mixed(plans(questions("a", 1), questions("b", 1)), weights)


def test_a_mix_of_any_numbers_that_leaves_a_task_out_is_refused() -> None:
    made = plans(questions("a", 10), questions("b", 30))
    for weight in (1e308, 5e-324):
        assert Counter(plan.name for plan, _ in mixed(made, {"a": weight, "b": weight})) == {"a": 20, "b": 20}
    with pytest.raises(UsageError, match="of 40 rows none is left for b"):
        mixed(made, {"a": 1000, "b": 1})


def test_stops_are_those_of_the_sampling_and_of_plain_prompts() -> None:
    def task(name: str, *plain_stop: str, stop: tuple[str, ...] = ()) -> Task:
        prompt = Prompt(name="p", plain="{problem}", plain_stop=plain_stop)
        samples = [ask("?", id="0", target="x")]
        return Task(name=name, samples=samples, prompt=prompt, verifier=make("exact"), sampling=Sampling(stop=stop))

    made = plans(task("a", "\n", "END"), task("b", "END", stop=("\n",)), task("c"))
    assert stops(made, plain=True) == {("\n", "END"): ["a", "b"], (): ["c"]}
    assert stops(made, plain=False) == {(): ["a", "c"], ("\n",): ["b"]}


def test_suffixes_and_plain_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.csv: a data set for trl is a .parquet or .jsonl file"):
        write_dataset(plans("sort_letters"), "trl", tmp_path / "a.csv")
    with pytest.raises(UsageError, match="no plain prompts for it"):
        write_dataset(plans("sort_letters"), "verl", tmp_path / "a.parquet", plain=True)
