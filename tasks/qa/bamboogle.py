"""Bamboogle: 125 hand-written two-hop questions whose answer a search engine does not show directly.

Paper: Press et al. 2023, arXiv 2210.03350. Data: MIT (ofirpress/self-ask). Protocol and pitfalls: see `_protocol.py`. With
125 questions the standard error is 4 points; recorded rollouts show exact match, cover-EM and a judge 9 points apart.
"""

from __future__ import annotations

from evalsuite import Task, task

from ._protocol import closed_book


@task("bamboogle", tags=("qa", "multi-hop", "closed-book"))
def bamboogle() -> Task:
    """Bamboogle: 125 two-hop questions that web search does not answer directly, exact match, closed book."""
    return closed_book("bamboogle", "test", 125, local=("bamboogle/bamboogle.jsonl", "bamboogle/test.jsonl"))
