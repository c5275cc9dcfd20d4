"""Option letters in running text: the text is cleaned of markup and every letter that may name an option is bracketed.

After `mark`, "The answer is **(B)** or C." reads "the answer is ⟦b*⟧ or ⟦c⟧.", so that the patterns that look for an
answer need not know how letters are written: `⟦b⟧` stood alone, `⟦b)⟧` in brackets, `⟦b*⟧` in bold.
"""

from __future__ import annotations

import re
import unicodedata

MARK = r"⟦([a-z])[)*]?⟧"

_WRAPPER = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|mathrm|mathbf|mathsf|mathit|boldsymbol|bm|operatorname|boxed|fbox)\s*\{([^{}]*)\}"
)
# A tilde is a space of LaTeX ("5 \mathrm{~A}"); where a capital stands alone behind it, and no number before it, it says
# "about" or "not", and the letter is no choice.
_SPACES = re.compile(r"\\(?:quad|qquad|[,;:! ])|(?!(?:(?<![\s\S])|(?<=[a-z:]\s)|(?<=[:(]))~[(\[]?[A-Z](?![A-Za-z]))~| ")
_TAGS = re.compile(r"</?(?:(b|strong)|i|em|u|mark|code|p|span)>", re.IGNORECASE)
_DOUBLE = re.compile(r"\[\[\s*([A-Za-z])\s*\]\]")
_JUNK = re.compile(r"\$|\\[()\[\]{}]|\\(?:left|right)\b|(?m:^[ \t]*(?:#+|>)[ \t]*)")
_EMPHASIS = re.compile(r"\*+|_{2,}|`+")
_BOLD = re.compile(r"(\*\*|__)\s*(?:[(\[]\s*([A-Z])\s*[)\]]([.:]?)|([A-Z])\s*([.:)]?))\s*\1")
# "f(x)" and "P(A)" are not options; "(a)" is.
_BRACKETED = re.compile(r"(?<![A-Za-z0-9])[(\[{]\s*([A-Za-z])\s*[)\]}]")
# What may follow an option letter that could as well be the word "A" or "I".
_AFTER = (
    r"because|since|as|based|due|which|where|with|given|for|is|are|to|and|or|but|not|in|from|according|rather|than|by|if|would|must|seems|appears|could|might|may|also|"
    r"(?:best|correctly|accurately) (?:describes|explains|represents|matches|fits|captures|answers|reflects|illustrates|states)"
)
_BARE = re.compile(
    r"(?<![A-Za-z0-9_.'’\\^⟦-])([A-Z])(?![A-Za-z0-9_'’+#^⟧]|\.[A-Za-z]|-[A-Za-z])"
    rf"(?!(?<=A)[ \t]+(?!(?i:{_AFTER})\b|(?:Answer|Final|Option|Explanation|Reason|The)\b)[A-Za-z]{{2}})(?!(?<=I)[ \t]+(?!(?:is|or|and|because)\b)[A-Za-z])"
)


def clean(text: str) -> str:
    """`text` without LaTeX wrappers, dollar signs and Markdown emphasis, full-width letters made plain; case kept."""
    text = unicodedata.normalize("NFKC", text).replace("∴", "therefore ")
    text = _DOUBLE.sub(r"[\1]", _TAGS.sub(lambda m: "**" if m[1] else "", text))
    for _ in range(3):  # wrappers nest: \boxed{\textbf{(B)}}
        text, found = _WRAPPER.subn(r"\1", text)
        if not found:
            break
    text = _JUNK.sub("", _SPACES.sub(" ", text))
    text = _BOLD.sub(lambda m: f"⟦{m[2] or m[4]}*⟧{m[3] or m[5] or ''}", text)
    return _EMPHASIS.sub("", text)


def mark(text: str) -> str:
    """The cleaned text in lower case with every possible option letter marked."""
    text = clean(text.replace("⟦", " ").replace("⟧", " "))
    text = _BRACKETED.sub(r"⟦\1)⟧", text)
    return _BARE.sub(r"⟦\1⟧", text).lower()


def plain(marked: str) -> str:
    """Marked text reduced for comparison of whole options: single spaces between words, no punctuation at the ends."""
    text = " ".join(re.sub(MARK, r"\1", marked).split()).strip(" .,;:!?\"'“”‘’")
    return re.sub(r" ?([^\w\s]) ?", r"\1", text)  # "1 : 2" is "1:2"
