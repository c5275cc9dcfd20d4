"""The 25 instruction types of IFEval as pure functions `(response, **kwargs) -> bool`.

Semantics of google-research `instruction_following_eval/instructions.py` (Zhou et al. 2023, arXiv 2311.07911), quirks
included: keywords are regular expressions, a postscript may stand anywhere, a response whose language cannot be told
counts as being in the right one. Where the official pattern backtracks, the loops here give the
same count in linear time. One deviation: for a `letter` outside a-z ("#", "!" in two prompts) the official code tests a
random letter; here it is the character that the prompt names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from evalsuite.verifiers.instruction.segment import capital_words, count_sentences, count_words, language

Check = Callable[..., bool]


def _compare(count: int, relation: str, threshold: float) -> bool:
    if relation not in ("less than", "at least"):
        raise ValueError(f"relation {relation!r} is neither 'less than' nor 'at least'")
    return count < threshold if relation == "less than" else count >= threshold


def existence(response: str, keywords: Sequence[str]) -> bool:
    """Every keyword is found, as a regular expression without case."""
    return all(re.search(keyword, response, re.IGNORECASE) for keyword in keywords)


def frequency(response: str, keyword: str, frequency: float, relation: str) -> bool:
    """The keyword occurs less than or at least so often; inside longer words too."""
    return _compare(sum(1 for _ in re.finditer(keyword.strip(), response, re.IGNORECASE)), relation, frequency)


def forbidden_words(response: str, forbidden_words: Sequence[str]) -> bool:
    """None of the words occurs as a whole word."""
    return not any(re.search(rf"\b{word}\b", response, re.IGNORECASE) for word in forbidden_words)


def letter_frequency(response: str, letter: str, let_frequency: float, let_relation: str) -> bool:
    """The character occurs less than or at least so often, without case."""
    return _compare(response.lower().count(letter.strip().lower()), let_relation, let_frequency)


def response_language(response: str, language: str) -> bool:
    """The whole response is in that language (ISO 639-1)."""
    return _in_language(response, language)


def _in_language(response: str, code: str) -> bool:
    return language(response) in (None, code)


def number_sentences(response: str, num_sentences: float, relation: str) -> bool:
    """Less than or at least so many sentences."""
    return _compare(count_sentences(response), relation, num_sentences)


def number_paragraphs(response: str, num_paragraphs: float) -> bool:
    """Exactly so many paragraphs between `***` dividers; an empty one in the middle fails."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", response)]
    return all(parts[1:-1]) and sum(map(bool, parts)) == num_paragraphs


def number_words(response: str, num_words: float, relation: str) -> bool:
    """Less than or at least so many words."""
    return _compare(count_words(response), relation, num_words)


def nth_paragraph_first_word(response: str, num_paragraphs: float, nth_paragraph: float, first_word: str) -> bool:
    """So many paragraphs between blank lines, the nth of which starts with that word."""
    paragraphs = response.split("\n\n")
    filled = sum(bool(p.strip()) for p in paragraphs)
    # The official code counts only filled paragraphs but indexes all of them.
    if not 1 <= nth_paragraph <= filled or not (paragraph := paragraphs[int(nth_paragraph) - 1].strip()):
        return False
    word = paragraph.split()[0].lstrip("'").lstrip('"')
    return filled == num_paragraphs and re.split(r"[.,?!'\"]", word)[0].lower() == first_word.lower()


def number_placeholders(response: str, num_placeholders: float) -> bool:
    """At least so many `[...]` on one line each."""
    count = 0
    for line in response.split("\n"):
        end = -1
        while (start := line.find("[", end + 1)) >= 0 and (end := line.find("]", start)) >= 0:
            count += 1
    return count >= num_placeholders


def postscript(response: str, postscript_marker: str) -> bool:
    """The marker occurs anywhere, without case; P.S. and P.P.S with optional spaces."""
    marker = postscript_marker.strip()
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(patterns.get(marker, marker.lower()), response.lower()) is not None


def number_bullet_lists(response: str, num_bullets: float) -> bool:
    """Exactly so many lines that start with `- ` or with `*` and another character (`^\\s*\\*[^\\*].*$`, `^\\s*-.*$`)."""
    lines = [line.lstrip() for line in response.split("\n")]
    count = sum(line.startswith("-") for line in lines)
    i = 0
    while i < len(lines):
        if lines[i] == "*" and i + 1 < len(lines):
            # The character that is not a star may be the line break, and then the next line is swallowed.
            count, i = count + 1, i + 1
        elif lines[i].startswith("*") and len(lines[i]) > 1 and lines[i][1] != "*":
            count += 1
        i += 1
    return count == num_bullets


def constrained_response(response: str) -> bool:
    """One of the three fixed answers occurs."""
    return any(f"My answer is {option}." in response for option in ("yes", "no", "maybe"))


def number_highlighted_sections(response: str, num_highlights: float) -> bool:
    """At least so many `*...*` and `**...**` spans with something inside."""
    single = sum(bool(span.strip("*").strip()) for span in re.findall(r"\*[^\n*]*\*", response))
    double = sum(bool(span[2:-2].strip()) for span in re.findall(r"\*\*[^\n*]*\*\*", response))
    return single + double >= num_highlights


def multiple_sections(response: str, section_spliter: str, num_sections: float) -> bool:
    """At least so many "<splitter> <number>" headings."""
    return sum(1 for _ in re.finditer(rf"{section_spliter.strip()}\s?\d+", response)) >= num_sections


def json_format(response: str) -> bool:
    """The whole response, out of its Markdown fence, is JSON."""
    text = response.strip()
    for opener in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(opener)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def title(response: str) -> bool:
    """A `<<...>>` with something inside, on one line."""
    for line in response.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end - 2 and line[start:end].lstrip("<").rstrip(">").strip():
            return True
    return False


def two_responses(response: str) -> bool:
    """Exactly two different parts around `******`."""
    parts = [part.strip() for part in response.split("******")]
    filled = [part for part in parts if part]
    return all(parts[1:-1]) and len(filled) == 2 and filled[0] != filled[1]


def repeat_prompt(response: str, prompt_to_repeat: str) -> bool:
    """The response begins with the request, without case."""
    return response.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(response: str, end_phrase: str) -> bool:
    """The response ends with the phrase, without case and closing quotation marks."""
    return response.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(response: str) -> bool:
    """The response is wrapped in double quotation marks."""
    text = response.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


def capital_word_frequency(response: str, capital_frequency: float, capital_relation: str) -> bool:
    """Less than or at least so many words in capitals."""
    return _compare(capital_words(response), capital_relation, capital_frequency)


def english_capital(response: str) -> bool:
    """English, without a lower-case letter."""
    return response.isupper() and _in_language(response, "en")


def english_lowercase(response: str) -> bool:
    """English, without a capital letter."""
    return response.islower() and _in_language(response, "en")


def no_comma(response: str) -> bool:
    """No comma."""
    return "," not in response


CHECKS: dict[str, Check] = {
    "keywords:existence": existence,
    "keywords:frequency": frequency,
    "keywords:forbidden_words": forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": response_language,
    "length_constraints:number_sentences": number_sentences,
    "length_constraints:number_paragraphs": number_paragraphs,
    "length_constraints:number_words": number_words,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_first_word,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": number_bullet_lists,
    "detectable_format:constrained_response": constrained_response,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeat_prompt,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
    "change_case:capital_word_frequency": capital_word_frequency,
    "change_case:english_capital": english_capital,
    "change_case:english_lowercase": english_lowercase,
    "punctuation:no_comma": no_comma,
}
