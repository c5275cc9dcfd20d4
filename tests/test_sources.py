"""Where samples come from: columns, ids, the local folder, a fake hub, the lock file, and what is refused."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evalsuite import Image, Message, Prompt, Sample, Shot, Source, Task, ask
from evalsuite.errors import UsageError
from evalsuite.sources import Where, load, load_shots, pin

OLD, NEW = "0" * 39 + "a", "0" * 39 + "b"
ROWS = [{"id": 7, "problem": "1+1?", "answer": 2, "solution": "two ones"}, {"id": 8, "problem": "2+2?", "answer": 4.0}]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("EVALSUITE_DATA", "EVALSUITE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def make(source: Any, name: str = "toy", **fields: Any) -> Task:
    return Task(samples=source, prompt=Prompt(name="bare"), verifier=SimpleNamespace(name="none"), name=name, **fields)  # type: ignore[arg-type]


def write(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def samples(tmp_path: Path, rows: list[dict], **fields: Any) -> tuple[Sample, ...]:
    write(tmp_path / "data" / "rows.jsonl", rows)
    return load(make(Source(local="rows.jsonl", **fields)), Where(tmp_path / "data")).samples


# Columns.


def test_records_become_samples(tmp_path: Path) -> None:
    one, two = samples(tmp_path, ROWS)
    assert one == Sample(id="7", messages=(Message("user", "1+1?"),), target="2", privileged={"solution": "two ones"})
    assert (two.id, two.target, two.privileged) == ("8", "4", {})


def test_the_first_candidate_with_a_value_wins(tmp_path: Path) -> None:
    rows = [{"id": "x", "problem": None, "question": "q", "Problem": "no", "meta": {"gold": [1, 2.50, "c", True]}, "k": 0}]
    (one,) = samples(
        tmp_path,
        rows,
        problem=("problem", "question", "Problem"),
        target=("answer", "meta.gold"),
        metadata=("k", "meta", "absent"),
        tests=("meta.gold", "absent"),
    )
    assert (one.problem, one.target) == ("q", ("1", "2.5", "c", "True"))
    assert one.metadata == {"k": 0, "meta": {"gold": [1, 2.5, "c", True]}}
    assert one.tests == {"meta.gold": [1, 2.5, "c", True]}


def test_a_column_whose_name_has_a_dot(tmp_path: Path) -> None:
    assert samples(tmp_path, [{"id": 1, "problem": "q", "a.b": "x", "a": {"b": "y"}}], target=("a.b",))[0].target == "x"


def test_choices_cluster_and_no_target(tmp_path: Path) -> None:
    rows = [{"id": 1, "problem": "q", "options": ["a", 2], "passage": 3}, {"id": 2, "problem": "r", "passage": 3.0}]
    one, two = samples(tmp_path, rows, choices=("choices", "options"), cluster=("passage",), target=())
    assert (one.choices, two.choices, one.cluster, two.cluster) == (("a", "2"), (), "3", "3")
    assert one.target is None and two.target is None


def test_adapt_rewrites_and_leaves_out(tmp_path: Path) -> None:
    def adapt(row: Any) -> Any:
        return None if row["id"] == 7 else {**row, "answer": [row["answer"], "four"]}

    loaded = load(make(Source(local=str(write(tmp_path / "r.jsonl", ROWS)), adapt=adapt)), Where())
    assert [s.target for s in loaded.samples] == [("4", "four")] and loaded.skipped == 1
    assert loaded.label("toy") == "toy[1/2]"


def test_conversations(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "what is "}, {"type": "image_url", "image_url": {"url": "a.png"}}, "this?"],
        },
        {"role": "assistant", "content": "a cat"},
        {"role": "user", "content": [{"type": "input_text", "text": "sure?"}, {"type": "input_image", "image_url": "b.png"}]},
    ]
    (one,) = samples(tmp_path, [{"messages": turns, "answer": "yes"}], problem=("problem", "messages"))
    assert one.messages[1].content == ("what is ", Image("a.png"), "this?")
    assert one.messages[3].content == ("sure?", Image("b.png")) and one.problem == "sure?"
    turns[3]["content"][1]["image_url"] = "c.png"  # type: ignore[index]
    (other,) = samples(tmp_path, [{"messages": turns, "answer": "yes"}], problem=("problem", "messages"))
    assert one.id != other.id


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        (
            {"id": 1, "text": "q", "answer": 1},
            {},
            r"record 1: no problem column: looked for problem, question; the columns are id, text, answer",
        ),
        ({"id": 1, "problem": "q", "gold": 1}, {}, r"no target column: looked for answer; the columns are id, problem, gold"),
        ({"id": 1, "problem": "q", "answer": None}, {}, r"the target column 'answer' is null"),
        ({"id": 1, "problem": "q", "answer": float("nan")}, {}, r"the target column 'answer' is null"),
        ({"id": None, "problem": "q", "answer": 1}, {}, r"the id column 'id' is null"),
        ({"id": 1, "problem": 5, "answer": 1}, {}, r"a problem is text or a list of messages, found int"),
        ({"id": 1, "problem": [], "answer": 1}, {}, r"a problem is text or a list of messages"),
        ({"id": 1, "problem": [{"role": "human", "content": "x"}], "answer": 1}, {}, r"a message must be .*human"),
        ({"id": 1, "problem": [{"role": "assistant", "content": "x"}], "answer": 1}, {}, r"ends with a assistant message"),
        ({"id": 1, "problem": [{"role": "user", "content": [{"type": "audio"}]}], "answer": 1}, {}, r"unknown message part"),
        (
            {"id": 1, "problem": "q", "answer": 1, "options": "abc"},
            {"choices": ("options",)},
            r"choices must be a list, found str",
        ),
        ({"id": 1, "problem": "q", "answer": 1}, {"cluster": ("image",)}, r"no cluster column: looked for image"),
        (
            {"id": 1, "problem": "q", "answer": 1},
            {"adapt": lambda row: row["nope"]},
            r"cannot read it \(KeyError: 'nope'\); columns: id, problem",
        ),
    ],
)
def test_wrong_columns_and_values(tmp_path: Path, row: dict, fields: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        samples(tmp_path, [row], **fields)
    assert "rows.jsonl, record 1" in str(caught.value)


# Ids.


def test_content_ids_are_stable_and_see_choices(tmp_path: Path) -> None:
    rows = [
        {"problem": "Which?", "answer": "A", "choices": ["x", "y"]},
        {"problem": "Which?", "answer": "A", "choices": ["x", "z"]},
    ]
    one, two = samples(tmp_path, rows, choices=("choices",))
    assert one.id == hashlib.sha1(b'["Which?", "x", "y"]').hexdigest()[:16] and len({one.id, two.id}) == 2
    assert samples(tmp_path, rows[::-1], choices=("choices",))[1] == one  # the order of a file does not matter


def test_duplicate_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"samples 1 and 3 have the same id '7'"):
        samples(tmp_path, [*ROWS, {**ROWS[0], "problem": "other"}])
    with pytest.raises(UsageError, match=r"samples 1 and 2 have the same id '[0-9a-f]{16}': 'q'"):
        samples(tmp_path, [{"problem": "q", "answer": 1}, {"problem": "q", "answer": 1}])
    with pytest.raises(UsageError, match="samples 1 and 2 have the same id"):
        load(make([ask("a", id="0"), ask("b", id="0")]), Where())


def test_keys_of_a_dict_of_records_are_ids(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"q1": {"problem": "a", "answer": 1}, "q2": {"problem": "b", "answer": 2}}))
    assert [s.id for s in load(make(Source(local=str(path))), Where()).samples] == ["q1", "q2"]


# Local files.


def test_local_candidates_in_order(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", ROWS)
    loaded = load(make(Source(local=("a.jsonl", "b.jsonl"), hub="never/asked", size=5)), Where(tmp_path))
    assert (loaded.kind, loaded.location) == ("local", "b.jsonl")
    assert loaded.revision == hashlib.sha256((tmp_path / "b.jsonl").read_bytes()).hexdigest()
    assert loaded.label("toy") == "toy[2/5]"
    write(tmp_path / "a.jsonl", ROWS[:1])
    assert load(make(Source(local=("a.jsonl", "b.jsonl"))), Where(tmp_path)).location == "a.jsonl"


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data" / "a.jsonl", ROWS)
    monkeypatch.setenv("EVALSUITE_DATA", str(tmp_path / "data"))
    assert len(load(make(Source(local="a.jsonl")), Where()).samples) == 2
    with pytest.raises(UsageError, match=r"the data folder .*nowhere is not there; correct --data-dir"):
        load(make(Source(local="a.jsonl")), Where(tmp_path / "nowhere"))


def test_a_folder_of_files(tmp_path: Path) -> None:
    write(tmp_path / "set" / "x" / "one.jsonl", ROWS[:1])
    write(tmp_path / "set" / "y" / "two.jsonl", ROWS[1:])
    (tmp_path / "set" / "photo.jpg").write_bytes(b"\xff\xd8")
    whole = load(make(Source(local="set")), Where(tmp_path))
    assert [s.id for s in whole.samples] == ["7", "8"]
    (tmp_path / "set" / "x" / "one.jsonl").rename(tmp_path / "set" / "x" / "uno.jsonl")
    assert load(make(Source(local="set")), Where(tmp_path)).revision != whole.revision
    write(tmp_path / "set" / "train-00000-of-00001.jsonl", [{"id": 1, "problem": "t", "answer": 0}])
    with pytest.raises(UsageError, match="no data file for the split 'test'"):
        load(make(Source(local="set")), Where(tmp_path))
    assert [s.id for s in load(make(Source(local="set", split="train")), Where(tmp_path)).samples] == ["1"]


def test_nothing_found_names_every_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no data\. Tried: .*/a\.jsonl \(not there\); .*/b\.jsonl \(not there\)"):
        load(make(Source(local=("a.jsonl", "b.jsonl"))), Where(tmp_path))
    with pytest.raises(UsageError, match=r"local file a\.jsonl \(no data folder: give --data-dir or set EVALSUITE_DATA\)"):
        load(make(Source(local="a.jsonl")), Where())


def test_no_samples(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no samples"):
        samples(tmp_path, ROWS, adapt=lambda row: None)


# Generated and inline samples.


def test_functions_and_iterables() -> None:
    def generate() -> list[Sample]:
        return [ask(f"{i}?", id=str(i), target=str(i)) for i in range(3)]

    made, given = load(make(generate), Where()), load(make(tuple(generate())), Where())
    assert (made.kind, given.kind) == ("generated", "inline") and made.samples == given.samples
    assert made.revision == given.revision and len(made.revision) == 64 and made.label("toy") == "toy"
    assert load(make(generate()[:2]), Where()).revision != made.revision
    with pytest.raises(UsageError, match=r"samples must be evalsuite\.Sample, found str"):
        load(make(["what is it?"]), Where())
    with pytest.raises(UsageError, match="no samples"):
        load(make([]), Where())


# The hub, faked at the two libraries' doors.


class Hub:
    """Two commits of one dataset, and the calls that were made."""

    def __init__(self, tmp_path: Path) -> None:
        self.head, self.calls, self.tmp_path, self.up = NEW, [], tmp_path, True

    def dataset_info(self, hub: str, revision: str | None = None) -> SimpleNamespace:
        self.calls.append(("info", hub, revision))
        if not self.up:
            raise ConnectionError("no route to hub")
        return SimpleNamespace(sha=OLD if revision == "v1" else self.head)

    def load_dataset(self, hub: str, config: str | None, *, split: str, revision: str | None) -> Any:
        self.calls.append(("load", hub, config, split, revision))
        commit = revision or self.head
        rows = type("Rows", (list,), {})(ROWS if commit == NEW else ROWS[:1])
        rows.cache_files = [{"filename": f"/cache/{hub.replace('/', '___')}/default/0.0.0/{commit}/x.arrow"}]
        return rows

    def hf_hub_download(self, hub: str, file: str, *, repo_type: str, revision: str | None, local_files_only: bool) -> str:
        self.calls.append(("file", hub, file, repo_type, revision, local_files_only))
        return str(write(self.tmp_path / "snapshots" / (revision or self.head) / file, ROWS))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    import datasets
    import huggingface_hub

    fake = Hub(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", fake.load_dataset)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fake.hf_hub_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    return fake


SET = Source(local="set/test.jsonl", hub="org/set", config="main", split="test")


def test_the_commit_of_the_first_download_is_kept(hub: Hub) -> None:
    first = load(make(SET), Where())
    assert (first.kind, first.location, first.revision, len(first.samples)) == ("hub", "org/set", NEW, 2)
    hub.head = OLD  # the set moves on; this machine does not until the pin is renewed
    assert load(make(SET), Where()) == first
    assert hub.calls == [("info", "org/set", None), *[("load", "org/set", "main", "test", NEW)] * 2]


def test_revisions_of_the_task_win_over_the_remembered_one(hub: Hub) -> None:
    load(make(SET), Where())
    exact = load(make(Source(hub="org/set", revision=OLD)), Where())
    tag = load(make(Source(hub="org/set", revision="v1")), Where())
    assert exact.revision == tag.revision == OLD and len(exact.samples) == 1
    assert hub.calls[-2:] == [("info", "org/set", "v1"), ("load", "org/set", None, "test", OLD)]


def test_plain_files(hub: Hub) -> None:
    loaded = load(make(Source(hub="org/set", files=("a/test.jsonl",))), Where())
    assert loaded.revision == NEW and len(loaded.samples) == 2
    assert hub.calls[-1] == ("file", "org/set", "a/test.jsonl", "dataset", NEW, False)


def test_a_local_file_keeps_the_hub_out(hub: Hub, tmp_path: Path) -> None:
    write(tmp_path / "set" / "test.jsonl", ROWS[:1])
    assert load(make(SET), Where(tmp_path)).kind == "local" and hub.calls == []


def test_a_hub_that_cannot_be_reached_is_named_with_the_local_path(hub: Hub, tmp_path: Path) -> None:
    hub.up = False
    with pytest.raises(UsageError) as caught:
        load(make(SET), Where(tmp_path))
    message = str(caught.value)
    assert f"{tmp_path / 'set' / 'test.jsonl'} (not there)" in message
    assert "hub dataset org/set, config main, split test (ConnectionError: no route to hub)" in message


def test_an_older_cached_copy_is_not_taken_for_the_wanted_one(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    # What `datasets` does when the hub is out of reach: the latest copy in its cache, with a warning.
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: hub.load_dataset(a[0], a[1], split=k["split"], revision=OLD))
    with pytest.raises(UsageError, match=f"revision {NEW} is wanted, and only {OLD} is at hand"):
        load(make(Source(hub="org/set", revision=NEW)), Where())


# Offline.


@pytest.fixture
def no_socket(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    opened: list[Any] = []

    def refuse(*args: Any, **_: Any) -> None:
        opened.append(args)
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return opened


@pytest.mark.parametrize("how", ["flag", "EVALSUITE_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("fields", [{}, {"files": ("test.jsonl",)}, {"revision": NEW}])
def test_offline_never_touches_the_network(
    how: str, fields: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_socket: list[Any]
) -> None:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "none"))
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    if how != "flag":
        monkeypatch.setenv(how, "1")
    with pytest.raises(UsageError, match=r"org/absent.*offline, and not in the hub cache"):
        load(make(Source(hub="org/absent", local="x.jsonl", **fields)), Where(offline=how == "flag"))
    assert no_socket == [] and huggingface_hub.constants.HF_HUB_OFFLINE is before


def test_offline_reads_the_real_cache_of_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_socket: list[Any]
) -> None:
    import datasets

    write(tmp_path / "raw" / "test.jsonl", ROWS)
    cache = tmp_path / "hf"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache))
    made = datasets.load_dataset(str(tmp_path / "raw"), split="test", cache_dir=str(cache))
    folder = Path(made.cache_files[0]["filename"]).parent
    home = cache / "org___raw" / "default" / "0.0.0"
    home.mkdir(parents=True)
    folder.rename(home / NEW)  # where `datasets` keeps a set of the hub: named after the commit
    loaded = load(make(Source(hub="org/raw")), Where(offline=True))
    assert loaded.revision == NEW and [s.id for s in loaded.samples] == ["7", "8"]
    with pytest.raises(UsageError, match=f"revision {OLD} is wanted, and only {NEW} is at hand"):
        load(make(Source(hub="org/raw", revision=OLD)), Where(offline=True))
    assert no_socket == []


def test_offline_reads_plain_files_from_the_real_hub_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_socket: list[Any]
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repo = tmp_path / "hub" / "datasets--org--raw"
    write(repo / "snapshots" / OLD / "test.jsonl", ROWS[:1])
    write(repo / "snapshots" / NEW / "test.jsonl", ROWS)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(NEW)
    latest = load(make(Source(hub="org/raw", files=("test.jsonl",))), Where(offline=True))
    older = load(make(Source(hub="org/raw", files=("test.jsonl",), revision=OLD)), Where(offline=True))
    assert (latest.revision, len(latest.samples), older.revision, len(older.samples)) == (NEW, 2, OLD, 1)
    assert no_socket == []


# The lock file.


def lock(tmp_path: Path, entries: dict) -> Path:
    path = tmp_path / "evalsuite.lock.json"
    path.write_text(json.dumps(entries))
    return path


def test_pins_of_each_kind(hub: Hub, tmp_path: Path) -> None:
    path = write(tmp_path / "set" / "test.jsonl", ROWS)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert pin(make(SET), Where(tmp_path)) == {"toy": {"local": "set/test.jsonl", "sha256": digest}}
    shots = Source(hub="org/set", split="train")
    assert pin(make(SET, fewshot=shots, num_fewshot=1), Where()) == {
        "toy": {"hub": "org/set", "config": "main", "split": "test", "revision": NEW},
        "toy:fewshot": {"hub": "org/set", "config": None, "split": "train", "revision": NEW},
    }
    assert list(pin(make([ask("q", id="0")]), Where())["toy"]) == ["sha256"]


def test_a_pinned_commit_wins(hub: Hub, tmp_path: Path) -> None:
    write(tmp_path / "set" / "test.jsonl", ROWS)
    locked = Where(tmp_path, lock=lock(tmp_path, {"toy": {"hub": "org/set", "revision": OLD}}))
    assert (load(make(SET), locked).kind, load(make(SET), locked).revision) == ("hub", OLD)
    assert load(make(SET, name="other"), locked).kind == "local"
    with pytest.raises(UsageError, match=r"pins org/set, the task now reads org/moved"):
        load(make(Source(hub="org/moved")), locked)


def test_a_changed_local_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "set" / "test.jsonl", ROWS)
    locked = Where(tmp_path, lock=lock(tmp_path, pin(make(SET), Where(tmp_path))))
    assert load(make(SET), locked).kind == "local"
    write(path, ROWS[:1])
    with pytest.raises(UsageError, match=r"is not the pinned file \(sha256 "):
        load(make(SET), locked)
    path.unlink()
    with pytest.raises(UsageError, match=r"pins the local file set/test\.jsonl\. Tried: .*not there"):
        load(make(SET), locked)


def test_changed_generated_samples_are_refused(tmp_path: Path) -> None:
    locked = Where(lock=lock(tmp_path, pin(make([ask("q", id="0")]), Where())))
    assert load(make([ask("q", id="0")]), locked).kind == "inline"
    with pytest.raises(UsageError, match="generates other samples than"):
        load(make([ask("r", id="0")]), locked)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"toy": 1}', '{"toy": {"hub": "x"}}'])
def test_a_broken_lock_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "evalsuite.lock.json"
    path.write_text(text)
    for task in (make(SET), make([ask("q", id="0")])):
        with pytest.raises(UsageError, match=r"lock file .*evalsuite\.lock\.json"):
            load(task, Where(lock=path))


# Worked examples.


def test_shots(tmp_path: Path) -> None:
    rows = [
        {"id": 0, "problem": "a", "answer": "1", "solution": "so 1"},
        {"id": 1, "problem": "b", "answer": "2", "answer_text": "it is 2"},
        {"id": 2, "problem": "c", "answer": ["3", "three"], "choices": ["x"]},
    ]
    source = Source(local=str(write(tmp_path / "train.jsonl", rows)), metadata=("answer_text",), choices=("choices",))
    task = make([ask("q", id="0")], fewshot=source)
    expected = (Shot("a", "so 1"), Shot("b", "it is 2"), Shot("c", "3", ("x",)))
    assert load_shots(task, Where(), 3) == expected and load_shots(task, Where(), 2) == expected[:2]
    assert load_shots(task, Where(), 0) == () == load_shots(make([]), Where(), 0)
    with pytest.raises(UsageError, match="4 worked examples wanted, it has 3; lower --num_fewshot"):
        load_shots(task, Where(), 4)
    with pytest.raises(UsageError, match="1 worked examples wanted, it has 0"):
        load_shots(make([]), Where(), 1)
    assert load_shots(make([], fewshot=expected), Where(), 1) == expected[:1]


def test_a_shot_without_text(tmp_path: Path) -> None:
    source = Source(local=str(write(tmp_path / "t.jsonl", [{"id": 0, "problem": "a"}])), target=())
    with pytest.raises(UsageError, match="worked example 0: no text"):
        load_shots(make([], fewshot=source), Where(), 1)


def test_real_sets(data_dir: Path) -> None:
    where = Where(data_dir)
    cases: list[tuple[Source, int, Callable[[Sample], bool]]] = [
        (Source(local="amc23/test.jsonl", size=40), 40, lambda s: s.target.lstrip("-").isdigit()),
        (Source(local="nq_open/NQ-open.dev.jsonl"), 3610, lambda s: isinstance(s.target, tuple) and len(s.id) == 16),
        (Source(local="popqa/test_1000.jsonl", target=("golden_answers",), size=14267), 1000, lambda s: bool(s.target)),
        (
            Source(local="math500/test.jsonl", id=("unique_id",), metadata=("level",)),
            500,
            lambda s: 1 <= s.metadata["level"] <= 5,
        ),
    ]
    for source, n, holds in cases:
        loaded = load(make(source), where)
        assert len(loaded.samples) == n and all(holds(s) for s in loaded.samples)
    assert load(make(cases[2][0]), where).label("popqa") == "popqa[1000/14267]"


def test_samples_that_cannot_be_made_name_the_task() -> None:
    def broken() -> list[Sample]:
        raise KeyError("column")

    for source in (broken, lambda: (_ for _ in [ask("x", id="1"), 1 // 0]), lambda: None):
        with pytest.raises(UsageError, match=r"task toy: its samples cannot be made: (KeyError|ZeroDivision|TypeError)"):
            load(make(source), Where())

    def refused() -> list[Sample]:
        raise UsageError("level 9 is too high")

    with pytest.raises(UsageError, match=r"^level 9"):
        load(make(refused), Where())


def test_an_id_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"sample 2 has the id 'a\\ud800', which holds half a surrogate pair"):
        samples(
            tmp_path,
            [{"id": "\u00e9\U0001f600", "problem": "x", "answer": "y"}, {"id": "a\ud800", "problem": "x", "answer": "y"}],
        )


def test_worked_examples_below_zero() -> None:
    with pytest.raises(UsageError, match="not below 0"):
        load_shots(make([ask("x", id="1")], fewshot=(Shot("p", "a"),)), Where(), -1)


def test_no_worked_examples_need_no_source() -> None:
    task = make([ask("q", id="0")], fewshot=Source(local="nowhere.jsonl"))
    assert load_shots(task, Where(offline=True), 0) == ()
    with pytest.raises(UsageError, match=r"nowhere\.jsonl"):
        load_shots(task, Where(offline=True), 1)
