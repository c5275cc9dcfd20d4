"""MuSiQue (answerable), development set: 2,417 questions composed of 2 to 4 single hops.

Paper: Trivedi et al. 2022, arXiv 2108.00573. Data: CC BY 4.0; the local file is a subset of 500 (R1-Searcher), which
dropped the aliases, so that exact match on it is lower; it is marked as partial. Protocol and pitfalls: see
`_protocol.py`.
"""

from __future__ import annotations

from evalsuite import Task, task

from ._protocol import closed_book


@task("musique", tags=("qa", "multi-hop", "closed-book"))
def musique() -> Task:
    """MuSiQue: 2,417 questions of 2 to 4 hops, exact match, closed book."""
    return closed_book("musique", "dev", 2417, local=("musique/dev.jsonl", "musique/musique_500.jsonl"))
