"""Natural Questions, open-domain form: 3,610 questions, each with a list of accepted short answers.

Papers: Kwiatkowski et al. 2019 (TACL 7); Lee et al. 2019, arXiv 1906.00300 for the open form. Data: CC BY-SA 3.0. Protocol
and pitfalls: see `_protocol.py`. The questions are lower-case search queries, and many golds are one of several right
answers, so that exact match understates.
"""

from __future__ import annotations

from evalsuite import Task, task

from ._protocol import closed_book


@task("nq", tags=("qa", "single-hop", "closed-book"))
def nq() -> Task:
    """Natural Questions (open): 3,610 real search queries, exact match, closed book."""
    return closed_book("nq", "test", 3610, local=("nq_open/NQ-open.dev.jsonl", "nq/test.jsonl"))
