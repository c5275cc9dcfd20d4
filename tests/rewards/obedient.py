"""A verifier that behaves badly on command. In a file of its own so that workers import little."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from evalsuite.verifiers.base import Verifier
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score


@dataclass(frozen=True)
class Obedient(Verifier):
    """Equality with the target, unless the answer is an order. `scratch` counts how often `starve_once` was given."""

    name = "obedient"
    scratch: str = ""

    def verify(self, sample: Sample, completion: Completion) -> Score:
        text = completion.answer_text
        if text == "hang":
            while True:
                pass
        if text == "fork":
            for _ in range(8):
                if os.fork() == 0:
                    os.execvp("sleep", ["sleep", "60"])
            while True:
                pass
        if text == "die":
            os._exit(1)
        if text == "bug":
            raise KeyError("a verifier's own mistake")
        if text == "starve" or (text == "starve_once" and not Path(self.scratch).exists()):
            if text == "starve_once":
                Path(self.scratch).touch()
            return Score(0.0, "timeout", parts={"starved": 1.0})
        return Score(float(text == sample.target), answer=text) if text else Score(0.0, "no_answer")
