"""Finding tasks without importing them, choosing among them, and loading the one asked for."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from evalsuite import Prompt, Task, ask, registry, task
from evalsuite.errors import UsageError
from evalsuite.registry import index, load_task, select, suites
from evalsuite.registry.spec import bind

HEAD = """
from __future__ import annotations
from dataclasses import dataclass
from evalsuite import Prompt, Score, Task, Verifier, ask, task
from evalsuite.registry import suite

@dataclass(frozen=True)
class Equal(Verifier):
    name = "equal"
    def verify(self, sample, completion):
        return Score(float(completion.answer_text == sample.target))

def make(n=1):
    return Task(samples=[ask("q", id=str(i), target="a") for i in range(n)], prompt=Prompt(name="bare"), verifier=Equal())
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(path: Path, body: str, head: str = HEAD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + textwrap.dedent(body))
    return path


def toy(path: Path, *names: str, tags: tuple[str, ...] = ()) -> Path:
    return write(
        path,
        "".join(
            f'\n@task("{n}", tags={tags!r})\ndef {n.replace("-", "_")}():\n    """Doc of {n}."""\n    return make()\n'
            for n in names
        ),
    )


# Listing.


def test_listing_reads_without_importing(tmp_path: Path) -> None:
    body = '''
        raise RuntimeError("imported")

        @task("one", tags=("toy", "hard"))
        def first(level: int = 3, *, seed=0, words: tuple[str, ...] = ("a",)) -> Task:
            """What it is.

            More.
            """

        @evalsuite.task(name="two")
        def second(size):
            pass

        @other("three")
        def third():
            pass

        suite("pair", tasks=("one", "two@5"))
    '''
    path = write(tmp_path / "toys" / "a.py", body)
    infos = index([tmp_path])
    one, two = infos["one"], infos["two"]
    assert (one.family, one.tags, one.doc, one.path) == ("toys", ("toy", "hard"), "What it is.", str(path))
    assert path.read_text().splitlines()[one.line - 1].startswith("def first")
    assert one.parameters == ("level: int = 3", "seed=0", "words: tuple[str, ...] = ('a',)")
    assert (two.tags, two.doc, two.parameters) == ((), "", ("size",))
    assert "three" not in infos and suites([tmp_path])["pair"] == ("one", "two@5")


def test_listing_imports_nothing_heavy() -> None:
    code = "import sys; from evalsuite import registry; registry.index(); registry.suites(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "datasets", "torch", "sympy", "rich", "pyarrow", "aiohttp", "evalsuite.words.task", "evalsuite.verifiers"}
    assert heavy.isdisjoint(modules) and not any(m.startswith("evalsuite.tasks.") for m in modules)


def test_built_in_families_are_folders() -> None:
    folder = Path(registry.index()["sort_letters"].path).parent
    assert folder.name == "reasoning" and index()["sort_letters"].family == "reasoning"


def test_the_cache_follows_the_files(tmp_path: Path) -> None:
    path = toy(tmp_path / "t" / "a.py", "one")
    include = [tmp_path / "t"]
    assert "one" in index(include) and (tmp_path / "cache" / "evalsuite" / "tasks.json").is_file()
    before = path.stat()
    path.write_text(path.read_text().replace('"one"', '"two"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert "two" in index(include) and "one" not in index(include)
    # Same time and size: the cache is believed, which is what makes it a cache.
    stamp = path.stat()
    path.write_text(path.read_text().replace('"two"', '"six"'))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert "two" in index(include)
    path.unlink()
    assert "two" not in index(include)


def test_a_torn_or_unwritable_cache_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(tmp_path / "t" / "a.py", "one")
    (tmp_path / "cache" / "evalsuite").mkdir(parents=True)
    (tmp_path / "cache" / "evalsuite" / "tasks.json").write_text('{"format": 1, "files')
    assert "one" in index([tmp_path / "t"])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # a file where the folder should be
    assert "one" in index([tmp_path / "t"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("@task(NAME)\ndef f(): pass", r"a\.py:1: name must be a literal string"),
        ("@task('x', tags=TAGS)\ndef f(): pass", r"tags a literal tuple"),
        ("@task('x', tags='toy')\ndef f(): pass", r"tags a literal tuple"),
        ("suite('s', tasks=[f'{a}'])", r"a\.py:1: name must be .* and tasks a literal tuple"),
        ("@task('x')\ndef f(:", r"a\.py:2: invalid syntax"),
    ],
)
def test_files_that_cannot_be_listed(tmp_path: Path, body: str, message: str) -> None:
    write(tmp_path / "a.py", body, head="")
    with pytest.raises(UsageError, match=message):
        index([tmp_path])


def test_names_given_twice_are_refused(tmp_path: Path) -> None:
    one, two = toy(tmp_path / "x" / "a.py", "same"), toy(tmp_path / "y" / "b.py", "same")
    with pytest.raises(UsageError, match=r"task 'same' is defined twice: .*a\.py:\d+ and .*b\.py:\d+"):
        index([one, two])
    with pytest.raises(UsageError, match=r"task 'sort_letters' is defined twice: .*sort_letters\.py"):
        index([toy(tmp_path / "z.py", "sort_letters")])
    write(one, "suite('s', tasks=('a',))\nsuite('s', tasks=('b',))", head="")
    with pytest.raises(UsageError, match="suite 's' is defined twice"):
        index([one])


def test_a_file_reached_twice_counts_once(tmp_path: Path) -> None:
    path = toy(tmp_path / "x" / "a.py", "one")
    assert "one" in index([tmp_path, path, str(path), tmp_path / "x"])


def test_include_paths_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--include_path .*nowhere: not there"):
        index([tmp_path / "nowhere"])
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UsageError, match=r"a\.txt: not a Python file"):
        index([tmp_path / "a.txt"])


# Choosing.


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(registry, "_installed", tuple)  # these tasks alone, whatever comes with evalsuite
    toy(tmp_path / "shelf" / "numbers" / "a.py", "add", "add_long", tags=("quick", "sum"))
    toy(tmp_path / "shelf" / "words" / "b.py", "spell", "sum", tags=("quick",))
    write(tmp_path / "shelf" / "suites.py", 'suite("both", tasks=("spell", "add*"))\nsuite("broken", tasks=("spel",))', head="")
    return [tmp_path / "shelf"]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("spell", ["spell"]),
        ("spell,add", ["spell", "add"]),
        (["spell", " add , spell "], ["spell", "add"]),
        ("add*", ["add", "add_long"]),
        ("[as]*l", ["spell"]),
        ("family:words", ["spell", "sum"]),
        ("family:num*", ["add", "add_long"]),
        ("numbers", ["add", "add_long"]),  # a family
        ("quick", ["add", "add_long", "spell", "sum"]),  # a tag
        ("sum", ["sum"]),  # a task wins over the tag of that name
        ("add@level=3:size=5,add@7", ["add@level=3:size=5", "add@7"]),
        ("add,add@7,add*", ["add", "add@7", "add_long"]),
    ],
)
def test_selection(shelf: list[Path], patterns: str | list[str], names: list[str]) -> None:
    assert select(patterns, shelf) == (tuple(names), {})


def test_suites(shelf: list[Path]) -> None:
    chosen = select("suite:both,sum", shelf)
    assert chosen.tasks == ("spell", "add", "add_long", "sum") and chosen.suites == {"both": ("spell", "add", "add_long")}
    with pytest.raises(UsageError, match=r"no suite 'bth'; did you mean both"):
        select("suite:bth", shelf)
    with pytest.raises(UsageError, match=r"matches 'spel'; did you mean spell"):
        select("suite:broken", shelf)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("spel", "no task, tag or family matches 'spel'; did you mean spell"),
        ("numberz", "did you mean numbers"),
        ("spel@3", "no task 'spel'; did you mean spell"),
        ("zzzzzz*", "no task, tag or family matches 'zzzzzz[*]'; `evalsuite tasks list`"),
        ("family:wordz", "did you mean words"),
        (" , ", "no task named"),
        ([], "no task named"),
    ],
)
def test_selection_of_nothing(shelf: list[Path], pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select(pattern, shelf)


# Loading.


def test_arguments_are_converted(tmp_path: Path) -> None:
    body = """
        @task("args")
        def args(n: int, x: float = 0.5, on: bool = False, *, word: str = "w", maybe: int | None = None, free=2):
            assert (type(n), type(x), type(on), type(word), type(free)) == (int, float, bool, str, int)
            return Task(samples=[ask(f"{n} {x} {on} {word} {maybe} {free}", id="0")], prompt=Prompt(name="p"), verifier=Equal())
    """
    include = [write(tmp_path / "a.py", body)]

    def problem(spec: str) -> str:
        made = load_task(spec, include)
        assert made.name == spec
        return made.samples[0].problem  # type: ignore[index]

    assert problem("args@3") == "3 0.5 False w None 2"
    assert problem("args@3:1e-3:true") == "3 0.001 True w None 2"
    assert problem("args@n=-4:word=2024-08..2025-05:maybe=7:free=9:on=0") == "-4 0.5 False 2024-08..2025-05 7 9"
    assert problem("args@n=1:word=a=b") == "1 0.5 False a=b None 2"
    for spec, message in {
        "args": "missing a required argument: 'n'; it takes: n, x=0.5",
        "args@x": "n=x is not an integer",
        "args@3:y": "x=y is not a number",
        "args@3:on=maybe": "on=maybe is not true or false",
        "args@3:size=4": "unexpected keyword argument 'size'",
        "args@3:4:true:5": "too many positional arguments",
        "args@3:n=4": "multiple values for argument 'n'",
    }.items():
        with pytest.raises(UsageError, match=message):
            load_task(spec, include)


def test_variable_arguments() -> None:
    def collect(*words: str, **numbers: int) -> tuple:
        return words, numbers

    assert bind(collect, "t", "a:b:x=1")() == (("a", "b"), {"x": 1})


def test_relative_imports_inside_a_package(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "__init__.py", "", head="")
    write(tmp_path / "mine" / "words" / "__init__.py", "", head="")
    write(tmp_path / "mine" / "_shared.py", "")
    body = "from .._shared import make\nfrom evalsuite import task\n@task('rel')\ndef rel():\n    return make(4)"
    write(tmp_path / "mine" / "words" / "a.py", body, head="")
    assert len(load_task("rel", [tmp_path / "mine"]).samples) == 4  # type: ignore[arg-type]
    assert not any(entry == str(tmp_path / "mine") for entry in sys.path)


def test_a_loose_file_is_imported_once_and_pickles_by_value(tmp_path: Path) -> None:
    include = [toy(tmp_path / "a.py", "one", "two")]
    one, two = load_task("one", include), load_task("two", include)
    assert type(one.verifier) is type(two.verifier)
    import cloudpickle

    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).verify.__qualname__)"
    data = cloudpickle.dumps(one.verifier)
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, cwd=tmp_path)
    assert done.stdout == b"Equal.verify\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "import no_such_module\n@task('x')\ndef x(): ...",
            r"a\.py: cannot be imported: ModuleNotFoundError: No module named 'no_such",
        ),
        ("@task('x')\ndef x(): ...", r"the function returned NoneType, expected a Task"),
        ("@task('x')\ndef x(): raise ValueError('level must be 1 to 5')", r"task x .*ValueError: level must be 1 to 5"),
        ("@task('x')\ndef x(): return 1 / 0", r"task x .*a\.py:\d+\): ZeroDivisionError"),
        ("def task(name): return lambda f: f\n@task('x')\ndef x(): ...", r"`task` there is not evalsuite\.task"),
    ],
)
def test_task_files_that_fail(tmp_path: Path, body: str, message: str) -> None:
    include = [write(tmp_path / "a.py", body)]
    assert "x" in index(include)
    with pytest.raises(UsageError, match=message):
        load_task("x", include)


def test_a_failed_import_can_be_tried_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", "import no_such_module\n@task('x')\ndef x(): return make()")
    with pytest.raises(UsageError):
        load_task("x", [path])
    write(path, "@task('x')\ndef x(): return make()")
    assert load_task("x", [path]).name == "x"


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match="no task 'sort_leters'; did you mean sort_letters"):
        load_task("sort_leters")


# Other places.


def test_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(tmp_path / "their_tasks" / "words" / "a.py", "theirs")
    write(tmp_path / "their_tasks" / "__init__.py", "", head="")
    write(tmp_path / "their_tasks" / "words" / "__init__.py", "", head="")
    toy(tmp_path / "their_module.py", "single")
    points = [EntryPoint("a", "their_tasks", "evalsuite.tasks"), EntryPoint("b", "their_module:anything", "evalsuite.tasks")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == "evalsuite.tasks" else [])
    monkeypatch.syspath_prepend(tmp_path)
    registry._installed.cache_clear()
    try:
        assert index()["theirs"].family == "words" and "single" in index() and "sort_letters" in index()
        assert "their_tasks.words.a" not in sys.modules and "their_module" not in sys.modules
        assert load_task("theirs").name == "theirs" and load_task("single").name == "single"
        assert "their_tasks.words.a" in sys.modules and "their_module" in sys.modules
        assert list(index()).count("theirs") == 1  # imported and so decorated here: still one task
        points.append(EntryPoint("c", "gone_package.tasks", "evalsuite.tasks"))
        registry._installed.cache_clear()
        with pytest.raises(UsageError, match=r"entry point 'c' .*'gone_package\.tasks' cannot be found"):
            index()
    finally:
        registry._installed.cache_clear()
        for key in [k for k in registry._decorated if k[0].startswith("their_")]:
            del registry._decorated[key]


def test_tasks_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_decorated", dict(registry._decorated))
    monkeypatch.setattr(registry, "_suites", dict(registry._suites))

    @task("mine_here", tags=("here",))
    @functools.cache
    def mine(n: int = 1) -> Task:
        """Made in a notebook."""
        return Task(samples=[ask("q", id=str(i)) for i in range(n)], prompt=Prompt(name="p"), verifier=None)  # type: ignore[arg-type]

    registry.suite("ours", tasks=("mine_here@2", "sort_letters"))
    assert mine(2) is mine(2)  # still the function it was
    assert index()["mine_here"].doc == "Made in a notebook." and select("here").tasks == ("mine_here",)
    assert len(load_task("mine_here@3").samples) == 3  # type: ignore[arg-type]
    assert select("suite:ours").suites == {"ours": ("mine_here@2", "sort_letters")}

    @task("mine_here")
    def again() -> Task:
        """The cell was run again."""
        return mine(5)

    assert index()["mine_here"].doc == "The cell was run again." and len(load_task("mine_here").samples) == 5  # type: ignore[arg-type]

    @task("sort_letters")
    def clash() -> Task:
        return mine()

    with pytest.raises(UsageError, match="task 'sort_letters' is defined twice"):
        index()


# A data file as a task.


def test_a_data_file_is_a_task(tmp_path: Path) -> None:
    from evalsuite.sources import Where, load

    path = tmp_path / "my,problems.jsonl"
    path.write_text(
        '{"id": 1, "problem": "1/2 + 1/2?", "target": 1}\n{"id": 2, "messages": [{"role": "user", "content": "x?"}], "gt": "4"}\n'
    )
    spec = f"{path}:exact"
    assert select(spec).tasks == (spec,)
    made = load_task(spec)
    assert made.name == "my,problems.jsonl:exact" and made.verifier.name == "exact"
    loaded = load(made, Where())
    assert [(s.id, s.problem, s.target) for s in loaded.samples] == [("1", "1/2 + 1/2?", "1"), ("2", "x?", "4")]
    assert loaded.kind == "local" and len(loaded.revision) == 64


def test_a_data_file_is_the_same_task_however_its_path_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "sub"):
        folder.mkdir(exist_ok=True)
        (folder / "a.jsonl").write_text('{"problem": "1?", "target": "1"}\n')
    (tmp_path / "link.jsonl").symlink_to("a.jsonl")
    specs = ["a.jsonl:math", "./a.jsonl:math", "sub/../a.jsonl:math", f"{tmp_path}/a.jsonl:math"]
    assert {load_task(spec).name for spec in specs} == {"a.jsonl:math"}
    assert select(specs).tasks == (f"{tmp_path}/a.jsonl:math",)
    assert select("a.jsonl:math,a.jsonl:text,link.jsonl:math").tasks == tuple(
        f"{tmp_path}/{name}" for name in ("a.jsonl:math", "a.jsonl:text", "link.jsonl:math")
    )
    with pytest.raises(UsageError, match=r"/a\.jsonl:math and .*/sub/a\.jsonl:math are two files of one name"):
        select("a.jsonl:math,sub/a.jsonl:math")


def test_a_data_file_in_a_suite_goes_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"problem": "1?", "target": "1"}\n')
    tasks = tmp_path / "mine.py"
    tasks.write_text(f'from evalsuite.registry import suite\nsuite("own", tasks=("{tmp_path}/a.jsonl:math",))\n')
    chosen = select("suite:own", [tasks])
    assert chosen.suites == {"own": ("a.jsonl:math",)} and chosen.tasks == (f"{tmp_path}/a.jsonl:math",)


def test_data_files_for_other_verifiers(tmp_path: Path) -> None:
    from evalsuite.sources import Where, load

    path = tmp_path / "a.jsonl"
    path.write_text('{"problem": "sort", "steps": 3, "before": [[2, 1]], "cluster": 5, "answer": null}\n')
    (sample,) = load(load_task(f"{path}:order"), Where()).samples
    assert (sample.tests, sample.target, sample.cluster) == ({"steps": 3, "before": [[2, 1]]}, None, "5")
    path.write_text('{"prompt": "no commas", "instructions": [{"id": "punctuation:no_comma", "kwargs": {}}]}\n')
    (sample,) = load(load_task(f"{path}:instruction"), Where()).samples
    assert sample.tests == {"instructions": [{"id": "punctuation:no_comma", "kwargs": {}}]} and sample.cluster is None
    path.write_text('{"question": "which?", "options": ["x", "y"], "target": "B"}\n')
    made = load_task(f"{path}:choice")
    (sample,) = load(made, Where()).samples
    rendered = made.prompt.render(sample)
    assert sample.choices == ("x", "y") and "(A) x\n(B) y" in rendered.messages[0].text and "(B) y" in rendered.plain


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{}", "name its verifier too, as in .*:math"),
        ("{}:maths", "no verifier 'maths'; verifiers: math, choice"),
        ("gone.jsonl:math", r"the file .*/gone\.jsonl is not there"),
    ],
)
def test_data_file_specs_that_are_wrong(tmp_path: Path, spec: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n")
    with pytest.raises(UsageError, match=message):
        select(spec.format(path))
    with pytest.raises(UsageError, match=message):
        load_task(spec.format(path))
