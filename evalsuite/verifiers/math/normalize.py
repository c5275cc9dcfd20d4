"""Turns the many ways of writing one answer (LaTeX dressing, Unicode, Markdown) into one plain notation.

What comes out uses single characters for structure: `\\ue000...\\ue001` around words from `\\text{}`, `⦃ ⦄` for set braces,
`⟨ ⟩` for angle brackets, `∪ ∩ ∖ ∈ ± ∞ ∅ ≈ °`, `<= >= !=` for relations and `*` for products. Every pattern is linear in
the length of the text.
"""

from __future__ import annotations

import re
import unicodedata

TEXT_OPEN, TEXT_CLOSE = "\ue000", "\ue001"

_UNICODE = {
    **dict.fromkeys("−–—‒―﹣－", "-"),
    **dict.fromkeys("×·⋅∙•✕✖∗", "*"),
    **dict.fromkeys("÷∕⁄", "/"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    **dict.fromkeys("€£¥₹￥＄", ""),
    **dict.fromkeys("≤⩽≦", "<="),
    **dict.fromkeys("≥⩾≧", ">="),
    **dict.fromkeys("º˚", "°"),
    **dict.fromkeys("“”‘’„", '"'),
    **dict.fromkeys("∼≃≅", "≈"),
    "≠": "!=",
    "√": r"\sqrt ",
    "∛": r"\sqrt[3]",
    "π": r"\pi ",
    "θ": r"\theta ",
    "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "λ": r"\lambda ",
    "μ": r"\mu ",
    "φ": r"\phi ",
    "ω": r"\omega ",
    "∨": " or ",
    "∧": " and ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "，": ",",
    "、": ",",
    "；": ";",
    "。": ".",
    "〈": "⟨",
    "〉": "⟩",
    "⊔": "∪",
    "Ø": "∅",
    "…": "...",
    "Δ": r"\Delta ",
    "Ω": r"\Omega ",
    "µ": r"\mu ",
    "\u20d7": "",
}
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix")
_SUB = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n")
_SUPER_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ]+")
_SUB_RUN = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋ₙ]+")
# The commonest vulgar fractions; NFKC spells them with a fraction slash.
_VULGAR = re.compile("[¼-¾⅐-⅞↉]")

_DROP = "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle limits nolimits"
_DROP += " hline rm bf it large Large LARGE huge Huge small normalsize strut centering noindent mathstrut middle boxed fbox"
_COMMANDS: dict[str, str] = {
    **dict.fromkeys(_DROP.split(), ""),
    **dict.fromkeys(("quad", "qquad", "enspace", "thinspace", "medspace", "space", "newline", "par"), " "),
    **dict.fromkeys(("dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"), r"\frac"),
    **dict.fromkeys(("dbinom", "tbinom"), r"\binom"),
    **dict.fromkeys(("le", "leq", "leqslant", "leqq"), "<="),
    **dict.fromkeys(("ge", "geq", "geqslant", "geqq"), ">="),
    **dict.fromkeys(("lt",), "<"),
    **dict.fromkeys(("gt",), ">"),
    **dict.fromkeys(("ne", "neq"), "!="),
    **dict.fromkeys(("times", "cdot", "ast", "bullet"), "*"),
    **dict.fromkeys(("div",), "/"),
    **dict.fromkeys(("degree", "degrees"), "°"),
    **dict.fromkeys(("lbrace",), "⦃"),
    **dict.fromkeys(("rbrace",), "⦄"),
    **dict.fromkeys(("lbrack",), "["),
    **dict.fromkeys(("rbrack",), "]"),
    **dict.fromkeys(("langle",), "⟨"),
    **dict.fromkeys(("rangle",), "⟩"),
    **dict.fromkeys(("lvert", "rvert", "vert", "mid"), "|"),
    **dict.fromkeys(("infty", "infin"), "∞"),
    **dict.fromkeys(("emptyset", "varnothing"), "∅"),
    **dict.fromkeys(("lor", "vee"), " or "),
    **dict.fromkeys(("land", "wedge"), " and "),
    **dict.fromkeys(("cup", "bigcup"), "∪"),
    **dict.fromkeys(("cap",), "∩"),
    **dict.fromkeys(("in", "isin"), "∈"),
    **dict.fromkeys(("setminus", "backslash"), "∖"),
    **dict.fromkeys(("pm",), "±"),
    **dict.fromkeys(("mp",), "∓"),
    **dict.fromkeys(("approx", "simeq", "cong", "thickapprox", "approxeq", "doteq"), "≈"),
    **dict.fromkeys(("colon", "ratio"), ":"),
    **dict.fromkeys(("euro", "pounds", "yen"), ""),
    **dict.fromkeys(("dots", "ldots", "cdots", "dotsc", "dotsb"), "..."),
    **dict.fromkeys(("varphi",), r"\phi"),
    **dict.fromkeys(("varepsilon",), r"\epsilon"),
    **dict.fromkeys(("prime",), "'"),
    **dict.fromkeys(("angle", "measuredangle"), r"\angle"),
    **dict.fromkeys(("And",), " and "),
    "checkmark": "",
    "Box": "",
    "AA": TEXT_OPEN + "angstrom" + TEXT_CLOSE,
}
_WORDS = "text textrm textbf textit textnormal texttt textsf textup emph mbox hbox mathrm mathsf mathtt mathnormal operatorname"
_STYLED = re.compile(r"\\(" + "|".join(_WORDS.split()) + r")\*?\s*\{([^{}]*)\}")
_FACES = re.compile(r"\\(?:mathbf|boldsymbol|bm|mathit|mathcal|underline)(?![A-Za-z])\s*")
# Accents that mean something over one letter or an expression; over the letters of a segment or a number they do not.
_ACCENT = re.compile(
    r"\\(overline|bar|hat|widehat|tilde|widetilde|vec|overrightarrow)(?![A-Za-z])\s*(?:\{((?:\\[A-Za-z]+ ?)?[^{}\\]*)\}|(\\?[A-Za-z]+|\d))"
)
_VECTOR = r"\\(?:vec|overrightarrow|mathbf|boldsymbol|bm)(?![A-Za-z])\s*(?:\{[^{}]*\}|[A-Za-z])"
_CROSS = re.compile(rf"({_VECTOR})\s*\\times\s*(?={_VECTOR})")
_BOLD = re.compile(r"(?<![\w)}\]*])\*\*(?![\s*])([^*\n]{1,300})\*\*(?![\w(*])")
_ELLIPSIS = re.compile(r"(?<![\d.])(\d{0,20})\.(\d{0,12}?)(\d{1,6}?)\3{1,20} ?\.\.\.(?!\d)")
_SUPER_FIRST = re.compile(r"(?<=[A-Za-z]) ?\^ ?(\{[^{}]*\}|\d) ?_ ?(\{[^{}]*\}|\w)")
_ZERO_INDEX = re.compile(r"(?<![A-Za-z\\\d])([a-zA-Z])0(?![\d.xX])")
_COLOR = re.compile(r"\\(?:text)?color ?\{[^{}]*\}")
_REPEATING = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar|dot) ?(?:\{(\d{1,30})\}|(\d))")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SYMBOL = re.compile(r"\\([^A-Za-z\n])")
_SYMBOLS = {
    "{": "⦃",
    "}": "⦄",
    "%": "%",
    "$": "",
    "!": "",
    ",": " ",
    ";": " ",
    ":": " ",
    ">": " ",
    "|": "|",
    "&": "&",
    "#": "",
    "_": "_",
    " ": " ",
}
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z{}!,;%$()\[\]])")
_THOUSANDS = re.compile(r"(?<=\d)(?:,\\! ?| ?\{ ?, ?\} ?|\\,|\\ )(?=\d{3}(?!\d))")
_ENV = re.compile(r"\\(?:begin|end)\{(?:align|aligned|gather|gathered|equation|split|math|displaymath|center)\*?\}")
_SPACES = re.compile(r"\s+")
_GAP = re.compile(r"(?<=\d) +(?=[\d.])")  # "1 2" is not 12
_KEEP_LETTER = frozenset("e i d".split())
FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot asin acos atan ln log lg exp sqrt cbrt gcd lcm max min "
    "abs floor ceil binom frac det".split()
)


def _vulgar(match: re.Match[str]) -> str:
    above, _, below = unicodedata.normalize("NFKC", match.group()).partition("⁄")
    return rf"\frac{{{above}}}{{{below}}}"


def fold_unicode(text: str) -> str:
    """ASCII digits, signs and operators for their Unicode look-alikes; superscripts as `^{}`, subscripts as `_{}`."""
    if text.isascii():
        return text
    text = _SUPER_RUN.sub(lambda m: "^{" + m.group().translate(_SUPER) + "}", text)
    text = _SUB_RUN.sub(lambda m: "_{" + m.group().translate(_SUB) + "}", text)
    text = _VULGAR.sub(_vulgar, text)
    out = []
    for char in text:
        if char in _UNICODE:
            out.append(_UNICODE[char])
        elif char.isascii() or char in "°∪∩∖∈±∓∞∅≈⟨⟩":
            out.append(char)
        elif unicodedata.category(char) == "Nd":
            out.append(str(unicodedata.digit(char)))
        else:
            out.append(unicodedata.normalize("NFKC", char))
    return "".join(out)


def _styled(match: re.Match[str]) -> str:
    kind, inner = match.group(1), match.group(2).replace("~", " ").strip()
    if kind == "operatorname" and inner in FUNCTIONS:
        return "\\" + inner + " "
    if kind != "text" and kind != "mbox" and inner in _KEEP_LETTER:
        return " " + inner + " "
    return TEXT_OPEN + match.group(2).replace("~", " ") + TEXT_CLOSE


def _accent(match: re.Match[str]) -> str:
    """A conjugate, a mean or an estimate keeps its mark; a segment, a number in digits, a vector's letter and î do not."""
    mark, inner = match.group(1), (match.group(2) or match.group(3) or "").strip()
    if not inner:
        return ""
    if mark in ("vec", "overrightarrow"):
        return rf"\vec{{{inner}}}" if len(inner) > 1 and inner.isalpha() else f"{{{inner}}}"
    mark = {"bar": "overline", "widehat": "hat", "widetilde": "tilde"}.get(mark, mark)
    if mark == "overline" and len(inner) > 1 and inner.isalnum():
        return f"{{{inner}}}"
    if mark == "hat" and inner.lstrip("\\") in ("i", "j", "k", "imath", "jmath", "n"):
        return f"{{{inner}}}"
    return rf"\{mark}{{{inner}}}"


def _repeating(match: re.Match[str]) -> str:
    """`0.1\\overline{36}` as a fraction."""
    whole, head, cycle = match.group(1) or "0", match.group(2), match.group(3) or match.group(4)
    shift = 10 ** len(head)
    below = shift * (10 ** len(cycle) - 1)
    return rf"\frac{{{int(whole + head) * (10 ** len(cycle) - 1) + int(cycle)}}}{{{below}}}"


def _endless(match: re.Match[str]) -> str:
    """`0.1666...` as a fraction: what repeats before the dots goes on."""
    return _REPEATING.sub(_repeating, rf"{match.group(1)}.{match.group(2)}\overline{{{match.group(3)}}}")


def _command(match: re.Match[str]) -> str:
    name = match.group(1)
    replacement = _COMMANDS.get(name)
    return match.group() if replacement is None else replacement


def clean(text: str) -> str:
    """One plain notation for `text`; see the module docstring. Never raises."""
    text = fold_unicode(text)
    if "\\" in text:
        if "\\begin{" not in text or ("matrix" not in text and "array" not in text):
            text = _DOUBLED.sub(r"\\", text)
            text = _ENV.sub(" ", text).replace("&", "") if "\\begin{" in text else text
        text = _THOUSANDS.sub("", text)
        text = text.replace("\\mathbb{R}", "ℝ").replace("\\mathbb R", "ℝ").replace("\\mathbb", "")
        text = text.replace("\\not=", "!=").replace("\\not =", "!=")
        text = _REPEATING.sub(_repeating, text)
        if "\\times" in text:
            text = _CROSS.sub(r"\1 ⨯ ", text)
        text = _ACCENT.sub(_accent, _FACES.sub("", _COLOR.sub("", text)))
        for _ in range(3):
            folded = _STYLED.sub(_styled, text)
            if folded == text:
                break
            text = folded
        text = text.replace("\\(", " ").replace("\\)", " ").replace("\\[", " ").replace("\\]", " ")
        text = text.replace("^{\\circ}", "°").replace("^\\circ", "°").replace("^{ \\circ }", "°").replace("{}^", "^")
        text = _COMMAND.sub(_command, text)
        if "\\\\" not in text:
            text = _SYMBOL.sub(lambda m: _SYMBOLS.get(m.group(1), m.group()), text)
        else:
            text = "\\\\".join(_SYMBOL.sub(lambda m: _SYMBOLS.get(m.group(1), m.group()), part) for part in text.split("\\\\"))
        text = text.replace("^{°}", "°").replace("^°", "°").replace("^{'}", "'").replace("^{''}", "''").replace("^'", "'")
    elif "{" in text and "," in text:
        text = _THOUSANDS.sub("", text)
    if "$" in text:
        text = text.replace("$", " ")
    if "..." in text:
        text = _ELLIPSIS.sub(_endless, text)
    if "^" in text and "_" in text:
        text = _SUPER_FIRST.sub(r"_\2^\1", text)
    if "0" in text:
        text = _ZERO_INDEX.sub(r"\1_0", text)
    if "*" in text:
        text = _BOLD.sub(r"\1", text.strip())
        while len(text) > 1 and text[0] == text[-1] == "*":
            text = text[1:-1]
        text = text.replace("**", "^")
    if "~" in text:
        text = text.replace("~", " ")
    if "`" in text:
        text = text.replace("`", "")
    text = _SPACES.sub(" ", text).strip()
    return trim(text)


def trim(text: str) -> str:
    """Without trailing punctuation, stray backslashes, quotes and braces that wrap the whole."""
    while True:
        before = text
        text = text.strip(' \t\n"')
        if not text.endswith("..."):
            text = text.rstrip("\\.,;:")
        text = text.lstrip(":;,").strip()
        if text.startswith(("=", "≈")) and not text.startswith("=="):
            text = text[1:].lstrip()
        if len(text) >= 2 and text[0] == "{" and text[-1] == "}" and closes_at(text, 0) == len(text) - 1:
            text = text[1:-1]
        if text.endswith("}") and text.count("}") > text.count("{"):
            text = text[:-1]
        if text == before:
            return text


OPENERS = {"(": ")", "[": "]", "{": "}", "⦃": "⦄", "⟨": "⟩", TEXT_OPEN: TEXT_CLOSE}
CLOSERS = frozenset(OPENERS.values())


def closes_at(text: str, start: int) -> int:
    """Index of the bracket that closes the one at `start` (round and square ones may close each other); -1 if none."""
    depth = 0
    for index in range(start, len(text)):
        char = text[index]
        if char in OPENERS:
            depth += 1
        elif char in CLOSERS:
            depth -= 1
            if depth == 0:
                return index
    return -1


def flat(text: str) -> str:
    """The cleaned text without spaces, text marks and needless braces: equal strings are equal answers."""
    text = _GAP.sub("\u2423", text.replace(TEXT_OPEN, "").replace(TEXT_CLOSE, "")).replace(" ", "")
    return re.sub(r"\{(\w)\}(?!\w)", r"\1", re.sub(r"\\vec\{([A-Za-z]+)\}", r"\1", text))


_ARTICLE = re.compile(
    r"\b(?:[Tt]he|an?)\s+(?=\w)|^(?:A|An|THE)\s+(?!(?:and|or|but|not)\b)(?=[a-z]{2})"
)  # A and B are no articles


def words(text: str) -> str:
    """Lower-case words and numbers only, articles dropped: how text answers are compared."""
    text = text.replace(TEXT_OPEN, " ").replace(TEXT_CLOSE, " ").strip()
    text = _ARTICLE.sub("", text).casefold()
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)?", text))
