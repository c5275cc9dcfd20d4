"""`Verifier`: `(sample, completion) -> Score`, and what every verifier shares."""

from __future__ import annotations

import dataclasses
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from evalsuite.words.completion import Completion, Request
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score


class Verifier(ABC):
    """Judges one completion. Subclasses are frozen dataclasses: their fields are their settings and part of a run's fingerprint.

    Write `verify`: plain, pure, picklable code with no event loop. It never sees a truncated completion (those are worth
    0 before it is called) and reads `completion.answer_text`, not the raw text. Call the object itself,
    `verifier(sample, completion)`, to run it through the default pool, where a hang can be killed.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @abstractmethod
    def verify(self, sample: Sample, completion: Completion) -> Score:
        """The Score of a completion that was not cut off. Runs in a worker process. An exception is our failure: None."""

    @property
    def deadline(self) -> float | None:
        """Seconds of wall time for one answer, after which its worker is killed; None: the pool's. A class may set a number."""
        return None

    def prepare(self) -> None:
        """Raises UnavailableError where something this verifier needs (a sandbox, a program) is not there.

        Called once in the parent before a run, a score or a test, while nothing has been spent yet.
        """
        return None

    def gold(self, sample: Sample) -> str | None:
        """A completion text that must score 1.0, made from the target; None where none can be written down."""
        return sample.target if isinstance(sample.target, str) else None

    def key(self, sample: Sample, completion: Completion) -> Hashable | None:
        """What the Score depends on besides the settings, usually (target, extracted answer); None turns caching off."""
        return None

    def classes(self, sample: Sample, answers: Sequence[str | None]) -> list[int | None]:
        """Class number of each extracted answer, in order of first appearance: equal numbers gave the same answer.

        None for no answer, which can never win a vote. Default: string equality. Runs in a worker process.
        """
        seen: dict[str, int] = {}
        return [None if a is None else seen.setdefault(a, len(seen)) for a in answers]

    def describe(self) -> dict[str, Any]:
        """Name, version and settings: this verifier's part of a fingerprint."""
        settings: dict[str, Any] = (
            {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)} if dataclasses.is_dataclass(self) else {}
        )
        return {"name": self.name, "version": self.version, **settings}

    def __call__(self, sample: Sample, completion: Completion) -> Score:
        from evalsuite.verifiers.pool import default_pool

        return default_pool().score(self, {0: (sample, completion)})[0]


class ModelVerifier(Verifier):
    """A verifier that needs another model: two pure halves around the calls that somebody else makes.

    Whoever runs it (a run, a trainer) owns the judge model: it calls `ask`, generates, calls `read`, and goes on while
    `read` returns more requests.
    """

    @abstractmethod
    def ask(self, sample: Sample, completion: Completion) -> tuple[Request, ...]:
        """The first questions to the judge; empty if a rule already decides, and then `verify` gives the Score."""

    @abstractmethod
    def read(self, sample: Sample, completion: Completion, replies: tuple[Completion, ...]) -> Score | tuple[Request, ...]:
        """The Score, or further requests. `replies` holds all replies so far, in the order of the requests."""


def run_verifier(verifier: Verifier, sample: Sample, completion: Completion) -> Score:
    """What a worker does for one item: truncation first, then `verify`, timed, its exceptions turned into a Score."""
    if completion.truncated:
        return Score(0.0, "truncated", feedback="cut off before an answer was finished")
    start = time.perf_counter()
    try:
        score = verifier.verify(sample, completion)
        if not isinstance(score, Score):
            raise TypeError(f"verify returned {type(score).__name__}, not a Score")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a verifier raises becomes a Score
        score = failed(error)
    return dataclasses.replace(score, seconds=time.perf_counter() - start)


def failed(error: BaseException) -> Score:
    """The Score of an exception: 0 with `timeout` where the answer's size caused it, else our failure.

    Too deep, too large for memory, past the range of a float, or more digits than Python converts: an answer must gain
    nothing by blowing up the verifier.
    """
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" ({frame.name}, line {frame.lineno})" for frame in where)
    text = f"{type(error).__name__}: {error}"[:400] + place
    digits = isinstance(error, ValueError) and "integer string conversion" in str(error)
    if digits or isinstance(error, RecursionError | MemoryError | OverflowError):
        return Score(0.0, "timeout", feedback=f"too large to verify: {text}")
    return Score(None, "error", feedback=text)


def _plain(value: Any) -> Any:
    if isinstance(value, Verifier):
        return value.describe()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value
