"""TriviaQA, unfiltered validation set: 11,313 trivia questions with answer aliases.

Paper: Joshi et al. 2017, arXiv 1705.03551. Data: code Apache-2.0, the questions belong to their sites, so that no copy is
kept; the one-record sample of the official repository (`Data[].Answer.Aliases`) only shows the format and is marked as
partial. Protocol and pitfalls: see `_protocol.py`. Gold is every alias.
"""

from __future__ import annotations

from evalsuite import Task, task

from ._protocol import closed_book


@task("triviaqa", tags=("qa", "single-hop", "closed-book"))
def triviaqa() -> Task:
    """TriviaQA: 11,313 trivia questions with aliases, exact match, closed book."""
    return closed_book("triviaqa", "test", 11313, local=("triviaqa/test.jsonl", "triviaqa/triviaqa_sample.json"))
