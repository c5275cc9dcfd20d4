"""The folder of HTML: the same pages, with everything escaped, and links that lead somewhere."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.leaderboard.markup import Markup
from evalsuite.leaderboard.pagelist import PAGES
from evalsuite.leaderboard.static import write

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def site(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("static") / "site"
    said = write(tree, out, samples=1)
    assert said.startswith(str(out / "index.html"))
    return out


def test_every_page_is_there_and_every_link_leads_somewhere(site: Path) -> None:
    files = {p.name for p in site.glob("*.html")}
    assert {"index.html", *(f"{url}.html" for *_, url in PAGES[1:])} <= files
    for name in files:
        text = (site / name).read_text(encoding="utf-8")
        for target in re.findall(r'(?:href|src)="([^"]*)"', text):
            assert target.startswith("data:image/") or (site / target).is_file(), (name, target)
        assert "http://" not in re.sub(r"<script type=\"application/json\">.*?</script>|<pre>.*?</pre>", "", text, flags=re.S)
    titles = [re.search("<h1>(.*?)</h1>", (site / name).read_text(encoding="utf-8")) for name in sorted(files)]
    assert all(titles)


def test_numbers_and_figures_are_those_of_the_page(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "100.0 [" in text and "scripted:oracle" in text
    (spec, *_) = re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.S)
    assert json.loads(spec)["data"]


def test_questions_are_reached_from_their_run(site: Path) -> None:
    text = (site / "samples.html").read_text(encoding="utf-8")
    one = next(f for f in re.findall(r'href="(samples-\w+\.html)"', text))
    below = re.findall(r'<li><a href="(samples-\w+\.html)"', (site / one).read_text(encoding="utf-8"))
    assert below and (site / below[0]).is_file()


def test_what_a_model_wrote_is_text(copy: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    shutil.rmtree(copy / "train")
    for run in sorted((copy / "runs").iterdir())[3:]:
        shutil.rmtree(run)
    for file in copy.glob("runs/*/samples/*.parquet"):
        table = pq.read_table(file)
        evil = pa.array([EVIL] * len(table), table.schema.field("text").type)
        pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", evil), file)
    for file in copy.glob("runs/*/questions/*.parquet"):
        table = pq.read_table(file)
        evil = pa.array([EVIL] * len(table), table.schema.field("problem").type)
        pq.write_table(table.set_column(table.schema.get_field_index("problem"), "problem", evil), file)
    for file in copy.glob("runs/*/run.json"):
        file.write_text(file.read_text().replace("scripted:noisy:0.8", json.dumps(EVIL)[1:-1]))
    write(copy, tmp_path / "site", samples=1)
    seen = 0
    for page in (tmp_path / "site").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        seen += text.count("alert(1)")
        assert "<script>alert" not in text and "<img src=x" not in text, page.name
    assert seen


def test_an_earlier_copy_is_replaced_and_nothing_else(empty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="something else"):
        write(empty, out)
    assert (out / "thesis.tex").exists()
    assert main(["leaderboard", "--results", str(empty), "--static", str(out)]) == 2
    (out / "thesis.tex").unlink()
    assert main(["leaderboard", "--results", str(empty), "--static", str(out), "--samples", "0"]) == 0
    assert main(["leaderboard", "--results", str(empty), "--static", str(out), "--samples", "0"]) == 0
    assert str(out / "index.html") in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nothing", "site"]


def test_a_page_that_cannot_be_made_says_so_and_the_others_are_there(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(root: Path) -> None:
        raise RuntimeError("<b>no")

    monkeypatch.setattr("evalsuite.leaderboard.data.validity.flags", fails)
    monkeypatch.setattr("evalsuite.leaderboard.ui.nothing", lambda what, how: fails(empty))
    assert main(["leaderboard", "--results", str(empty), "--static", str(tmp_path / "site")]) == 3
    assert "pages could not be made: index.html" in capsys.readouterr().err
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "This page could not be made" in page and "<b>no" not in page
    assert len(list((tmp_path / "site").glob("*.html"))) == len(PAGES)


def test_what_a_killed_call_left_is_swept(empty: Path, tmp_path: Path) -> None:
    for name, marked in ((".site.999999999", True), (".site.notes", True), (".site.888888888", False)):
        (tmp_path / name).mkdir()
        if marked:
            (tmp_path / name / "evalsuite-static").touch()
    write(empty, tmp_path / "site", samples=0)
    assert sorted(p.name for p in tmp_path.glob(".site*")) == [".site.888888888", ".site.notes"]


@pytest.mark.slow
def test_a_broken_folder_can_be_written(broken: Path, tmp_path: Path) -> None:
    write(broken, tmp_path / "site", samples=0)
    assert "run.json cannot be read" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_cells_as_the_live_table_shows_them() -> None:
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        import pandas as pd
        import streamlit as st

        frame = pd.DataFrame({"name": ["<b>"], "share": [0.12345], "n": [12345], "none": [None], "hidden": [1]})
        config = {"share": st.column_config.NumberColumn("Share", format="%.2f"), "hidden": None}
        st.dataframe(frame, hide_index=True, column_config=config)
        with st.popover("Download"):
            st.write("never")

    text = Markup(lambda page, query: None, {}).block(AppTest.from_function(script).run().main)
    assert re.findall("<t[hd](?: [^>]*)?>(.*?)</t[hd]>", text) == [
        "name",
        "Share",
        "n",
        "none",
        "&lt;b&gt;",
        "0.12",
        "12345",
        "",
    ]
    assert "never" not in text


def test_what_is_chosen_is_said() -> None:
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        import streamlit as st

        st.selectbox("Task", ["a", "b"], format_func=str.upper, index=1)
        st.multiselect("Runs", ["x", "y", "z"], ["x", "z"])
        st.multiselect("None", ["x"])

    text = Markup(lambda page, query: None, {}).block(AppTest.from_function(script).run().main)
    assert re.sub("<[^>]*>", "|", text) == "||Task| B|||Runs| x, z|"


def test_badges_and_icons_are_words() -> None:
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        import streamlit as st

        st.badge("right", icon=":material/check:", color="green")

    text = Markup(lambda page, query: None, {}).block(AppTest.from_function(script).run().main)
    assert text == "<p><code>right</code></p>\n"
