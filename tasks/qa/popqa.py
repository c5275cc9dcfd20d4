"""PopQA: 14,267 template questions over entities of widely varying popularity.

Paper: Mallen et al. 2023, arXiv 2212.10511. Data: MIT (AlexTMallen/adaptive-retrieval); the local file is a random 1,000
in FlashRAG's form and is marked as partial. Protocol: see `_protocol.py`; the authors' own metric is cover-EM
(`part:cover_em`). Pitfalls: `possible_answers` is JSON inside a string; different entities share a name, so that the same
question occurs with different golds: such questions are one cluster.
"""

from __future__ import annotations

from evalsuite import Task, task

from ._protocol import closed_book


@task("popqa", tags=("qa", "single-hop", "closed-book"))
def popqa() -> Task:
    """PopQA: 14,267 questions about entities of all degrees of fame, exact match, closed book."""
    local = ("popqa/test.jsonl", "popqa/test_1000.jsonl")
    return closed_book("popqa", "test", 14267, local=local, cluster=("question",), metadata=("metadata.prop", "metadata.s_pop"))
