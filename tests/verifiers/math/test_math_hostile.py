"""Answers built to hang or crash a grader: all end quickly and none is right. Run in a child process that can be killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import pytest

from evalsuite.verifiers.math import MathVerifier, equal
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask

LONG = 100_000
HOSTILE = {
    "one letter": "x" * LONG,
    "open braces": "{" * LONG,
    "closed braces": "}" * LONG,
    "open boxes": r"\boxed{" * 14_000,
    "nested boxes": r"\boxed{" * 9_000 + "7" + "}" * 9_000,
    "long box": r"\boxed{" + "1" * LONG + "}",
    "dollars": "$" * LONG,
    "backslashes": "\\" * LONG,
    "boxed backslashes": r"\boxed{" + "\\" * LONG + "}",
    "answer phrases": "the answer is " * 7_000,
    "answer colons": "answer: " * 12_000,
    "numbers": "1 " * 50_000,
    "numbers with or": "1 or " * 20_000,
    "display maths": r"\[ " * 30_000,
    "tags": "<answer>" * 12_000,
    "exponent tower": r"\boxed{9^{9^{9^9}}}",
    "ten to ten to ten": r"\boxed{10^{10^{10}}}",
    "factorial": r"\boxed{1000000!}",
    "nested factorial": r"\boxed{((10!)!)!}",
    "200 parentheses": r"\boxed{" + "(" * 200 + "1" + ")" * 200 + "}",
    "150 fractions": r"\boxed{" + r"\frac{1}{" * 150 + "2" + "}" * 150 + "}",
    "100 roots": r"\boxed{" + r"\sqrt{2+" * 100 + "2" + "}" * 100 + "}",
    "30 roots": r"\boxed{" + r"\sqrt{2+" * 30 + "2" + "}" * 30 + "}",
    "big product": r"\boxed{" + "*".join(["99999999999"] * 300) + "}",
    "big polynomial": r"\boxed{(a+b+c+d)^{20}(e+f+g+h)^{20}}",
    "binomial": r"\boxed{\binom{10^9}{10^8}}",
    "power of power": r"\boxed{(2^{1000})^{1000}}",
    "fine power": r"\boxed{1.0000001^{99999999}}",
    "literal": r"\boxed{1e999999999}",
    "sum": r"\boxed{\sum_{k=1}^{1000000000} k^{99}}",
    "integral": r"\boxed{\int_0^{10} e^{-x^{99}} dx}",
    "commas": r"\boxed{" + ",".join(["1"] * 1900) + "}",
    "roots in a list": r"\boxed{" + ",".join(rf"\sqrt{{{n}}}" for n in range(90)) + "}",
    "sines": r"\boxed{" + r"\sin" * 300 + "x}",
    "large semiprime": r"\boxed{\sqrt{" + str(10**40 + 7) + "}}",
    "null characters": "\x00" * LONG,
    "code": r"\boxed{__import__('os').system('true')}",
}
GOLDS = (
    "6",
    r"\sqrt{2}+x^2",
    "4,2,3",
    "(1,2]",
    r"\sum_{k=1}^n k",
    "x=6",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    r"\text{east}",
)


def test_no_hostile_answer_hangs_or_is_right() -> None:
    code = """
    import sys
    sys.path.insert(0, {folder!r})
    from test_math_hostile import GOLDS, HOSTILE
    from evalsuite.words.completion import Completion
    from evalsuite.words.sample import ask
    from evalsuite.verifiers.math import MathVerifier
    right = [
        (name, gold)
        for gold in GOLDS
        for name, text in HOSTILE.items()
        if MathVerifier().verify(ask("q", id="0", target=gold), Completion(text)).value != 0.0
    ]
    print(right)
    """
    folder = __file__.rpartition("/")[0]
    script = textwrap.dedent(code).format(folder=folder)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"


def test_works_off_the_main_thread() -> None:
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.extend([equal("5", r"9^{9^{9^9}}"), equal(r"\sin 2x", r"2\sin x\cos x")]))
    thread.start()
    thread.join(timeout=60)
    assert seen == [False, True]


@pytest.mark.parametrize(
    "answer",
    [r"2^{99999999}", r"10^{999999999}", r"(10!)!", r"1/(1-1)", r"0^0", r"\frac{1}{0}", r"\log 0", r"\tan\frac{\pi}{2}"],
)
def test_undefined_and_oversized_values_equal_nothing(answer: str) -> None:
    assert not equal("1", answer)
    assert not equal(r"\infty", answer)
    assert not equal(r"x+1", answer)


def test_an_oversized_answer_is_right_only_if_it_is_the_target() -> None:
    target = "+".join(f"x_{{{n}}}" for n in range(900))
    assert equal(target, target)
    assert not equal(target, target + "+1")


def test_a_long_answer_is_judged_whole() -> None:
    digits = "73" * 40_000
    sample, verifier = ask("q", id="0", target=digits), MathVerifier()
    right, wrong = Completion(rf"\boxed{{{digits}}}"), Completion(rf"\boxed{{{digits[:-1]}4}}")
    assert verifier.verify(sample, right).value == 1.0
    assert verifier.verify(sample, wrong).value == 0.0
    assert verifier.key(sample, right) != verifier.key(sample, wrong)


def test_sums_are_compared_not_evaluated() -> None:
    assert not equal(r"\sum_{k=1}^{\infty}\frac{1}{k^2}", r"\sum_{k=1}^{\infty}\frac{1}{k^{99}+k+1}")
    assert not equal(r"\int_0^1 e^{-x^2} dx", r"\int_0^1 e^{-x^{99}} dx")
