"""The README says what is so: its tables of tasks and recipes are the registry's, its Python runs, its commands exist.

`python tests/test_readme.py` writes the tables.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def tasks_table() -> str:
    """The tasks by family, then the suites, as Markdown."""
    from evalsuite import registry

    lines = ["| task | family | what |", "|---|---|---|"]
    lines += [f"| `{i.name}` | {i.family} | {i.doc.replace('|', chr(92) + '|')} |" for i in registry.index().values()]
    lines += ["", "| suite | tasks |", "|---|---|"]
    lines += [f"| `suite:{name}` | {', '.join(members)} |" for name, members in registry.suites().items()]
    return "\n".join(lines) + "\n"


def recipes_table() -> str:
    """The recipes, as Markdown."""
    from evalsuite.registry.recipes import recipes

    lines = ["| recipe | paper | formula | stages changed |", "|---|---|---|---|"]
    for info in recipes().values():
        formula = info.formula.replace("|", "\\|")
        lines.append(f"| `{info.name}` | {info.paper} | `{formula}` | {', '.join(info.changes) or '-'} |")
    return "\n".join(lines) + "\n"


TABLES = {"tasks": tasks_table, "recipes": recipes_table}


def around(text: str, name: str) -> tuple[str, str, str]:
    """The page before a table, the table, and the page behind it."""
    head, start, rest = text.partition(f"<!-- {name} -->\n")
    written, end, tail = rest.partition(f"<!-- /{name} -->")
    assert start and end, f"no place for the table of {name}"
    return head + start, written, end + tail


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_the_registry(name: str) -> None:
    assert around(README.read_text(), name)[1] == TABLES[name](), "run: python tests/test_readme.py"


def test_commands_and_flags_exist() -> None:
    from evalsuite.cli import COMMANDS

    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("evalsuite ")]
    assert len(commands) >= 8
    helps: dict[str, str] = {}
    for line in commands:
        words = shlex.split(line, comments=True)
        assert words[1] in COMMANDS, line
        if words[1] not in helps:
            out = subprocess.run([sys.executable, "-m", "evalsuite.cli", words[1], "--help"], capture_output=True, text=True)
            helps[words[1]] = out.stdout
        for word in words[2:]:
            if word.startswith("--"):
                assert word.replace("_", "-") in helps[words[1]], f"{word} in: {line}"


def test_python_runs(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE))
    out = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert "| sort_letters |" in out.stdout
    shown = re.findall(r"^# (.*)", code, re.MULTILINE)
    assert "\n".join(shown[-3:]) in out.stdout  # the feedback that the page shows


if __name__ == "__main__":
    page = README.read_text()
    for name, table in TABLES.items():
        before, _, after = around(page, name)
        page = before + table() + after
    README.write_text(page)
