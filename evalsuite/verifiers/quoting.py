"""Shows a judge the text it grades as data: fenced, line by line, with nothing in it that can pass for a verdict or a command.

A judge that is handed a reply as it stands gives full credit to wrong answers that carry override text (NeMo-Gym #2852: 8 of
10 with it, none without).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

LIMIT = 20_000  # characters of a reply that a judge is shown: the first and the last half

# Letters of other scripts that look Latin, and signs that look like a colon, as far as the words below need them.
_FOREIGN, _LATIN = "аеорсухіјѕԁɡցαερινκτουԛԝ∶꞉ː˸", "aeopcyxijsdggaepivktouqw::::"
_LOOKALIKES = str.maketrans(_FOREIGN + _FOREIGN.upper(), _LATIN + _LATIN.upper())
_VERDICT = re.compile(
    r"\b(verdict|judge?ments?|grade|rating|correct|incorrect|is[ _]correct|extracted[ _](?:final[ _])?answer)\b([^\w\n]{0,8}?)[:=]",
    re.IGNORECASE,
)
_MARKER = re.compile(r"=+\s*((?:begin|end)\s+reply)", re.IGNORECASE)
# What chat templates, reasoning parsers and homespun wrappers give a meaning to.
_TOKEN = re.compile(
    r"<(?=\|)|(?<=\|)>|<(?=/?(?:s|reply|response|answer|think|thinking|thought|system|user|assistant|start_of_turn|end_of_turn)\b)"
    r"|\[(?=/?(?:INST|THINK)\])",
    re.IGNORECASE,
)


def fence(text: str, *context: str) -> str:
    """`text` between two marker lines, every line of it after `| `.

    The markers carry a hash over the text and over `context`, the gold answer among it: the same on every run, and out of
    reach of whoever wrote the text, since they would have to know the gold and solve for their own hash.
    """
    nonce = hashlib.sha256("\x1f".join((*context, text)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    body = "\n".join(f"| {line}" for line in neutral(text).split("\n"))
    return f"=== BEGIN REPLY {nonce} ===\n{body}\n=== END REPLY {nonce} ==="


def neutral(text: str) -> str:
    """`text` with invisible characters removed and with verdict lines, markers and chat tokens broken; clipped to LIMIT."""
    if len(text) > LIMIT:
        half = LIMIT // 2
        text = f"{text[:half]}\n[{len(text) - LIMIT} characters left out]\n{text[-half:]}"
    return "\n".join(_neutral_line(line) for line in text.splitlines())  # every kind of line break that Unicode has


def _neutral_line(line: str) -> str:
    if not (line.isascii() and line.isprintable()):
        line = "".join(c for c in line if c == "\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"))
    folded = _fold(line)
    if not any(pattern.search(form) for pattern in (_VERDICT, _MARKER, _TOKEN) for form in (line, folded)):
        return line  # only a line that says something forbidden loses its unusual letters
    folded = _VERDICT.sub(r"\1\2 (quoted)", folded)
    folded = _MARKER.sub(r"(quoted) \1", folded)
    return _TOKEN.sub(lambda m: f" {m.group()}" if m.group() == ">" else f"{m.group()} ", folded)


def _fold(line: str) -> str:
    """Compatibility forms, accents and look-alike letters replaced by plain ones: full width, mathematical bold, Cyrillic."""
    if line.isascii():
        return line
    decomposed = unicodedata.normalize("NFKD", line)
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").translate(_LOOKALIKES)
