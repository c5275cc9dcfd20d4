"""math-verify as a peer on the golden tables: ours must be at least as good in both directions."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from evalsuite.verifiers.math import equal

HERE = Path(__file__).parent


@pytest.mark.slow
def test_math_verify_on_the_golden_tables() -> None:
    from math_verify import parse, verify

    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    wrong = {"ours": 0, "peer": 0, "peer accepts": 0}
    for table, right in (("accept.tsv", True), ("reject.tsv", False)):
        for line in (HERE / table).read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                continue
            gold, answer = line.split("\t")
            peer = bool(verify(parse(f"${gold}$"), parse(rf"$\boxed{{{answer}}}$")))
            wrong["ours"] += equal(gold, answer) != right
            wrong["peer"] += peer != right
            wrong["peer accepts"] += peer and not right
    assert wrong["ours"] == 0
    assert wrong["peer"] > 0 and wrong["peer accepts"] > 0
