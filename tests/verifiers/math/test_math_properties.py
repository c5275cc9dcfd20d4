"""Properties of the comparison on generated answers, and of every entry point on arbitrary text."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.verifiers.math import MathVerifier, equal, extract, gold_text
from evalsuite.verifiers.math.algebra import add, canonical
from evalsuite.verifiers.math.exact import number
from evalsuite.verifiers.math.expression import parse
from evalsuite.verifiers.math.normalize import clean, flat
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask

FAST = settings(max_examples=150, deadline=None)
integers = st.integers(-(10**12), 10**12)
fractions = st.fractions(max_denominator=10**6).filter(lambda f: abs(f) < 10**9)


def spellings(value: Fraction) -> list[str]:
    """Ways to write one rational number."""
    n, d = value.numerator, value.denominator
    sign, size = ("-" if n < 0 else ""), abs(n)
    out = [
        f"{n}/{d}",
        rf"\frac{{{n}}}{{{d}}}",
        rf"{sign}\frac{{{size}}}{{{d}}}",
        rf"{sign}\dfrac{{{2 * size}}}{{{2 * d}}}",
        rf"$x={n}/{d}$",
    ]
    out += [rf"\left({sign}\tfrac{{{size}}}{{{d}}}\right)", rf"\text{{{n}/{d}}}", f"{n} / {d}".replace("-", "−")]
    if d == 1:
        out += [str(n), f"{n}.0", f"{n:,}", f"{n:,}".replace(",", "{,}"), rf"\boxed{{{n}}}", rf"{n} \text{{ cm}}", f"${n}$."]
    elif size > d:
        out.append(rf"{sign}{size // d}\frac{{{size % d}}}{{{d}}}")
    return out


@FAST
@given(fractions, st.data())
def test_spellings_of_one_rational_are_equal(value: Fraction, data: st.DataObject) -> None:
    gold, answer = (data.draw(st.sampled_from(spellings(value))) for _ in range(2))
    assert equal(gold, answer), (gold, answer)


@FAST
@given(integers, st.integers(1, 10**6))
def test_a_neighbouring_fraction_is_never_accepted(n: int, d: int) -> None:
    assert not equal(f"{n}/{d}", rf"\frac{{{n + 1}}}{{{d}}}")
    assert not equal(rf"\frac{{{n}}}{{{d}}}", f"{n - 1}/{d}")


@FAST
@given(st.integers(-(10**40), 10**40), st.integers(-50, 50).filter(bool))
def test_integers_are_exact_at_any_size(n: int, off: int) -> None:
    assert equal(str(n), f"{n:,}")
    assert not equal(str(n), str(n + off))


@FAST
@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**6), max_value=10**6))
def test_a_decimal_is_never_its_neighbour(value: object) -> None:
    text = f"{value:.4f}"
    number_ = Fraction(text)
    assert equal(text, text + "00")
    assert not equal(text, f"{float(number_ + Fraction(1, 10**4)):.4f}")
    assert not equal(text, f"{float(number_ * 100):.2f}") or number_ == 0


@FAST
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_order_matters_in_tuples_and_not_in_sets(items: list[int], rng: object) -> None:
    shuffled = list(items)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    left, right = ", ".join(map(str, items)), ", ".join(map(str, shuffled))
    assert equal(rf"\{{{left}\}}", rf"\{{{right}\}}")
    if len(items) > 1:
        assert equal(f"({left})", f"({right})") == (items == shuffled)


polynomials = st.lists(st.integers(-20, 20), min_size=1, max_size=5).filter(lambda c: any(c))


def written(coefficients: list[int], variable: str = "x") -> str:
    return "+".join(f"({c}){variable}^{{{k}}}" for k, c in enumerate(coefficients))


def horner(coefficients: list[int]) -> str:
    out = "0"
    for c in reversed(coefficients):
        out = f"x*({out})+({c})"
    return out


@FAST
@given(polynomials)
def test_polynomials_in_two_forms_are_equal_and_a_changed_coefficient_is_not(coefficients: list[int]) -> None:
    assert equal(written(coefficients), horner(coefficients))
    assert not equal(written(coefficients), horner([coefficients[0] + 1, *coefficients[1:]]))
    if any(coefficients[1:]):
        assert not equal(written(coefficients), written(coefficients, "y"))


@FAST
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60))
def test_radicals_are_exact(a: int, b: int, k: int) -> None:
    assert equal(rf"{k}\sqrt{{{a}}}", rf"\sqrt{{{k * k * a}}}")
    assert equal(rf"\sqrt{{{a}}}\sqrt{{{b}}}", rf"\sqrt{{{a * b}}}")
    assert equal(rf"\frac{{{k}}}{{\sqrt{{{a}}}}}", rf"\frac{{{k}\sqrt{{{a}}}}}{{{a}}}")
    assert equal(rf"\sqrt{{{a}}}", rf"\sqrt{{{b}}}") == (a == b)


@FAST
@given(polynomials, polynomials)
def test_canonical_form_is_a_ring(a: list[int], b: list[int]) -> None:
    p, q = f"({written(a)})", f"({written(b)})"
    left, right = canonical(parse(clean(f"{p}*{q}+{p}"))), canonical(parse(clean(f"{p}*({q}+1)")))
    assert add(left, right, -1).is_zero()


@FAST
@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    found = extract(text)
    assert found is None or found.answer
    for gold in ("5", r"\frac{1}{2}", "(1,2]", "x=3", r"\text{east}", "1,2"):
        assert isinstance(equal(gold, text), bool)
        assert isinstance(equal(text, gold), bool)
    number(clean(text))


COMMANDS = r"\frac{ \sqrt \sqrt[ \boxed{ \text{ \pi \infty \cup \in \pm \{ \} \left( \right] \begin{pmatrix} \end{pmatrix} \sin \log_".split()
COMMANDS += r"\sum \int \lfloor \\ ^\circ \% \overline{".split()
LATEX = [*"0123456789xyabi+-*/^_(){}[]|,;:=<>!.% $'\\&", *COMMANDS, " or ", " and "]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(LATEX), max_size=40).map("".join), st.lists(st.sampled_from(LATEX), max_size=15).map("".join))
def test_no_broken_latex_raises(text: str, gold: str) -> None:
    sample = ask("q", id="0", target=gold)
    if flat(clean(gold_text(gold))):
        assert MathVerifier().verify(sample, Completion(text)).value in (0.0, 1.0)
    else:
        with pytest.raises(ValueError, match="without an answer"):
            MathVerifier().verify(sample, Completion(r"\boxed{5}"))
    MathVerifier().classes(ask("q", id="0", target="5"), [text, gold, None])
    MathVerifier().key(ask("q", id="0", target="5"), Completion(text))


@FAST
@given(
    st.sampled_from(["5", r"\frac{3}{7}", r"2\sqrt{3}", "x^2+1", "(1,2)", "1,2,3", r"\text{east}"]),
    st.sampled_from([" or ", r"\lor ", r"\text{ or }"]),
)
def test_a_second_guess_in_the_box_is_never_right(gold: str, link: str) -> None:
    assert not equal(gold, f"{gold}{link}17")
    assert not equal(gold, f"17{link}{gold}")
