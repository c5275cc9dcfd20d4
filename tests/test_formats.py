"""Data files in every shape that benchmarks come in, and what a person is told about the broken ones."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.formats import is_data_file, read_records

ROWS = [{"id": "a", "n": 1, "x": ["é", None]}, {"id": "b", "n": 2.5, "x": []}]


def lines(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in rows)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", lines(ROWS)),
        ("a.jsonl", b"\xef\xbb\xbf" + lines(ROWS)),
        ("a.jsonl", lines(ROWS).rstrip(b"\n")),
        ("a.jsonl", b"\n\n" + lines(ROWS).replace(b"\n", b"\r\n\r\n")),
        ("a.jsonl", json.dumps(ROWS).encode()),  # an array despite the name
        ("a.json", lines(ROWS)),  # JSON lines despite the name
        ("a.json", json.dumps(ROWS, indent=2).encode()),
        ("a.json", b"\xef\xbb\xbf" + json.dumps(ROWS).encode()),
        ("a.json", json.dumps({"Domain": "web", "Data": ROWS, "Empty": []}).encode()),
        ("a.jsonl.gz", gzip.compress(lines(ROWS), mtime=0)),
        ("a.json.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0)),
        ("a.jsonl", gzip.compress(lines(ROWS), mtime=0)),  # gzip despite the name
        ("a.jsonl.gz", lines(ROWS)),  # not gzip despite the name
    ],
)
def test_every_shape_of_json_gives_the_same_records(tmp_path: Path, name: str, data: bytes) -> None:
    assert list(read_records(write(tmp_path / name, data))) == ROWS


def test_a_dict_of_records_keeps_its_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps({"q1": {"a": 1}, "q2": {"a": 2, "_key": "own"}}).encode())
    assert list(read_records(path)) == [{"_key": "q1", "a": 1}, {"_key": "own", "a": 2}]


def test_an_object_that_is_no_collection_is_one_record(tmp_path: Path) -> None:
    record = {"question": "which?", "bbox": [[1, 2, 3, 4]], "options": ["x", "y"]}
    assert list(read_records(write(tmp_path / "a.json", json.dumps(record).encode()))) == [record]
    nested = {"prompt": {"text": "x"}, "gold": {"text": "y"}}  # in a .jsonl a line is a record, whatever its values are
    assert list(read_records(write(tmp_path / "a.jsonl", lines([nested])))) == [nested]


def test_a_first_line_longer_than_any_buffer(tmp_path: Path) -> None:
    rows = [{"text": "y" * 300_000}, {"text": "z"}]
    assert list(read_records(write(tmp_path / "a.json", lines(rows)))) == rows
    assert list(read_records(write(tmp_path / "a.jsonl", b"\n" * 200_000 + lines(rows)))) == rows


def test_numbers_beyond_64_bits_and_nan(tmp_path: Path) -> None:
    one, two = read_records(write(tmp_path / "a.jsonl", b'{"x": 123456789012345678901234567890}\n{"x": NaN}\n'))
    assert one["x"] == 123456789012345678901234567890 and two["x"] != two["x"]


def test_tables(tmp_path: Path) -> None:
    image = base64.b64encode(os.urandom(200_000)).decode()
    tsv = write(tmp_path / "a.tsv", f'index\tquestion\timage\n1\t"two\nlines ""quoted"""\t{image}\n\n'.encode())
    assert list(read_records(tsv)) == [{"index": "1", "question": 'two\nlines "quoted"', "image": image}]
    csv = write(tmp_path / "a.csv", b'\xef\xbb\xbfproblem,answer\r\n"1,000 + 1",1001\r\n')
    assert list(read_records(csv)) == [{"problem": "1,000 + 1", "answer": "1001"}]
    assert list(read_records(write(tmp_path / "a.csv.gz", gzip.compress(csv.read_bytes(), mtime=0)))) == list(read_records(csv))


def test_parquet_by_content(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    (tmp_path / "b.bin").write_bytes((tmp_path / "a.parquet").read_bytes())
    assert list(read_records(tmp_path / "a.parquet")) == list(read_records(tmp_path / "b.bin")) == ROWS


def test_lines_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    records = read_records(write(tmp_path / "a.jsonl", lines(ROWS) + b"{broken\n"))
    assert [next(records), next(records)] == ROWS
    with pytest.raises(UsageError, match=r"a\.jsonl:3: not valid JSON"):
        next(records)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", lines(ROWS) + b'{"id": ', r"a\.jsonl:3: not valid JSON.*may be cut off"),
        ("a.jsonl", lines(ROWS) + b"[1]\n", r"a\.jsonl:3: expected one JSON object per line, found list"),
        ("a.json", b'[\n {"a": 1},\n {"a": }\n]', r"a\.json:3: not valid JSON"),
        ("a.json", b"[1, 2]", r"entry 0 of the array is int"),
        ("a.json", b"", "empty"),
        ("a.jsonl", b" \n \n", "empty"),
        ("a.tsv", b"", "empty"),
        ("a.txt", b"hello world", "no JSON"),
        ("a.json", b'{"a":' * 100_000, "nested too deeply"),
        ("a.jsonl", bytes(range(128, 256)), "no JSON"),
        ("a.jsonl", b'{"a": "\xff\xfe"}\n', r"not UTF-8|not valid JSON"),
        ("a.tsv", b"a\tb\n1\t2\n1\t2\t3\n", r"a\.tsv:3: 3 fields where the header has 2"),
        ("a.tsv", b"a\ta\n1\t2\n", r"a\.tsv:1: two columns"),
        ("a.tsv", b'a\tb\n1\t"never closed\n', r"a\.tsv:2: unexpected end of data"),
        ("a.csv", b"a,b\n\xff\xfe,2\n", "not UTF-8"),
        ("a.jsonl.gz", gzip.compress(lines(ROWS * 500), mtime=0)[:-20], "gzip stream is damaged or cut off"),
        ("a.jsonl.gz", gzip.compress(lines(ROWS), mtime=0)[:12] + b"\0" * 40, "gzip stream is damaged"),
        ("a.parquet", b"PAR1 this is not one PAR1", "not a readable Parquet file"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = write(tmp_path / name, data)
    with pytest.raises(UsageError, match=message) as caught:
        list(read_records(path))
    assert str(path) in str(caught.value)


def test_a_file_that_is_absent_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl: cannot be read: No such file"):
        list(read_records(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        list(read_records(tmp_path))


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:  # tests may run as a user who may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("evalsuite.formats.open", refuse, raising=False)
    with pytest.raises(UsageError, match=r"a\.jsonl: cannot be read: Permission denied"):
        list(read_records(write(tmp_path / "a.jsonl", lines(ROWS))))


def test_names_of_data_files() -> None:
    assert is_data_file("x/Y.JSONL") and is_data_file("a.jsonl.gz") and is_data_file("a.parquet")
    assert not is_data_file("aime25") and not is_data_file("a.py") and not is_data_file("jsonl")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.text(max_size=6), values, min_size=1, max_size=4), min_size=1, max_size=4),
    ascii_only=st.booleans(),
)
def test_jsonl_round_trip(tmp_path: Path, rows: list[dict], ascii_only: bool) -> None:
    text = "\n".join(json.dumps(r, ensure_ascii=ascii_only) for r in rows)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate: no such file can be written
    assert list(read_records(write(tmp_path / "a.jsonl", data))) == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=60) | st.text(alphabet='{}[]":,\n a1\\', max_size=40).map(str.encode),
    name=st.sampled_from(["a.jsonl", "a.json", "a.tsv", "a.csv", "a.jsonl.gz", "a.parquet"]),
)
def test_hostile_bytes_end_in_records_or_in_a_usage_error(tmp_path: Path, data: bytes, name: str) -> None:
    try:
        assert all(isinstance(r, dict) for r in read_records(write(tmp_path / name, data)))
    except UsageError as error:
        assert name in str(error)


def test_the_real_files(data_dir: Path) -> None:
    counts = {
        "gsm8k/test.jsonl": 1319,
        "bfcl/BFCL_v4_simple_python.json": 400,
        "charxiv/reasoning_val.json": 1000,
        "humaneval/HumanEval.jsonl.gz": 164,
        "mbpp/sanitized-mbpp.json": 427,
        "sciknoweval/biology_test.json": 50,
        "vstar_like/direct_attributes/blackmug.json": 1,
    }
    assert {name: len(list(read_records(data_dir / name))) for name in counts} == counts
