"""Units after a number: their names, powers and quotients, as one canonical string such as `meter/second^2`."""

from __future__ import annotations

import re

_UNITS = {
    "degree": "deg degs degree degrees ° 度",
    "celsius": "celsius centigrade",
    "fahrenheit": "fahrenheit",
    "kelvin": "kelvin kelvins",
    "radian": "rad rads radian radians",
    "meter": "m meter meters metre metres 米",
    "centimeter": "cm cms centimeter centimeters centimetre centimetres 厘米",
    "millimeter": "mm millimeter millimeters millimetre millimetres 毫米",
    "kilometer": "km kms kilometer kilometers kilometre kilometres 千米 公里",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yard yards",
    "mile": "mi mile miles",
    "second": "s sec secs second seconds 秒",
    "minute": "min mins minute minutes 分钟",
    "hour": "h hr hrs hour hours 小时",
    "day": "day days 天",
    "week": "week weeks 周",
    "month": "month months",
    "year": "yr yrs year years 年 岁",
    "gram": "g gram grams 克",
    "kilogram": "kg kgs kilogram kilograms 千克 公斤",
    "milligram": "mg milligram milligrams 毫克",
    "pound": "lb lbs pound pounds",
    "ounce": "oz ounce ounces",
    "ton": "ton tons tonne tonnes 吨",
    "liter": "l liter liters litre litres 升",
    "milliliter": "ml milliliter milliliters 毫升",
    "gallon": "gal gallon gallons",
    "cent": "cent cents ¢",
    "dollar": "dollar dollars usd bucks",
    "euro": "euro euros eur",
    "yuan": "元",
    "person": "人 名",
    "piece": "个 只 本 件",
    "mile/hour": "mph",
    "kilometer/hour": "kph kmh",
    "newton": "newton newtons",
    "joule": "joule joules",
    "watt": "watt watts",
    "volt": "volt volts",
    "ampere": "ampere amperes amp amps",
    "ohm": "ohm ohms",
    "pascal": "pascal pascals",
    "kilopascal": "kilopascal kilopascals",
    "hertz": "hertz",
    "kilojoule": "kilojoule kilojoules",
    "kilowatt": "kilowatt kilowatts",
    "microfarad": "microfarad microfarads",
    "coulomb": "coulomb coulombs",
    "mole": "mol mole moles",
}
UNITS = {spelling: name for name, spellings in _UNITS.items() for spelling in spellings.split()}
# Symbols in which case matters; read as units only beside a gold or an answer that has the same unit in words.
SYMBOLS = {
    "N": "newton",
    "J": "joule",
    "W": "watt",
    "V": "volt",
    "A": "ampere",
    "C": "coulomb",
    "K": "kelvin",
    "\\Omega": "ohm",
    "Pa": "pascal",
    "kPa": "kilopascal",
    "Hz": "hertz",
    "kJ": "kilojoule",
    "kW": "kilowatt",
    "\\mu F": "microfarad",
}
_TEMPERATURES = frozenset({"degree", "celsius", "fahrenheit"})
_SYMBOL_TAIL = re.compile(
    r"(?<=[\d)}]) ?\ue000? ?(" + "|".join(re.escape(s) for s in sorted(SYMBOLS, key=len, reverse=True)) + r") ?\ue001?$"
)
_PART = re.compile(
    r"(?P<power>\bsquare\b|\bsq\b|\bcubic\b|平方|立方)|(?P<after>\bsquared\b|\bcubed\b)|(?P<per>/|\bper\b)|\^ ?\{? ?(?P<up>-? ?\d) ?\}?|(?P<word>[^\W\d_]+|°)",
    re.I,
)
_SCALE = re.compile(r"° ?([CFK])\b")
_SCALES = {"C": "celsius", "F": "fahrenheit", "K": "kelvin"}
_CJK_POWER = re.compile("(平方|立方)(?=[\u4e00-\u9fff])")


def canonical(tail: str) -> str:
    """`meter/second^2` for `m/s^2`: known units sorted, unknown words left out, or `?` for them where they carry a power."""
    parts: list[list[str | int]] = []  # name, exponent
    sign, pending, power = 1, False, 0
    tail = _CJK_POWER.sub(r" \1 ", tail.replace("\ue000", " ").replace("\ue001", " "))
    for match in _PART.finditer(_SCALE.sub(lambda m: _SCALES[m[1]], tail)):
        if match["power"]:
            power = 2 if match["power"].casefold() in ("square", "sq", "平方") else 3
        elif match["per"]:
            sign = -1
        elif match["word"]:
            word = match["word"].casefold()
            if parts and word in ("a", "an", "in", "of", "each", "and"):
                break  # 12 hours a day, 6 inches in length
            known = SYMBOLS.get(match["word"]) or UNITS.get(word)
            if known and "/" in known:
                above, _, below = known.partition("/")
                parts += [[above, 1], [below, -1]]
            elif known or power:
                parts.append([known or "?", sign * (power or 1)])
            pending, power = known is None and not power, 0
        elif match["up"] or match["after"]:
            exponent = int(match["up"].replace(" ", "")) if match["up"] else 2 if match["after"].casefold() == "squared" else 3
            if pending or not parts:
                parts.append(["?", sign * exponent])
            else:
                parts[-1][1] = sign * exponent
            pending = False
    if any(name in ("celsius", "fahrenheit") for name, _ in parts):
        parts = [p for p in parts if p[0] != "degree"]
    return "*".join(f"{name}^{exponent}" if exponent != 1 else str(name) for name, exponent in sorted(parts, key=str))


def differ(gold: str, answer: str) -> bool:
    """Whether two canonical units contradict each other. One that is missing does not; a missing power does."""
    if not gold or not answer or gold == answer:
        return False
    if {gold, answer} < _TEMPERATURES and "degree" in (gold, answer):
        return False
    if "?" in gold or "?" in answer:
        return gold.rpartition("^")[2] != answer.rpartition("^")[2]
    return True


def by_symbol(text: str) -> tuple[str, str] | None:
    """`5 kPa` as ("5", "kilopascal"): a cleaned text that ends in a unit symbol; None for any other."""
    match = _SYMBOL_TAIL.search(text)
    return (text[: match.start()].strip(), SYMBOLS[match.group(1)]) if match else None


_MONEY = {
    "dollar": re.compile(r"\\\$|\bdollars?\b|\busd\b|＄", re.I),
    "cent": re.compile(r"\bcents?\b|¢", re.I),
    "euro": re.compile(r"€|\\euro|\beuros?\b|\beur\b", re.I),
    "pound": re.compile(r"£|\\pounds\b"),
    "yen": re.compile(r"¥|￥|\\yen|\byen\b", re.I),
    "rupee": re.compile(r"₹|\brupees?\b", re.I),
}
_ANY_MONEY = re.compile("|".join(p.pattern for p in _MONEY.values()), re.I)


def money_differs(gold: str, answer: str) -> bool:
    """Whether two texts as written name currencies and have none in common: $5 against 5 euros."""
    if not _ANY_MONEY.search(gold) or not _ANY_MONEY.search(answer):
        return False
    named = [{name for name, pattern in _MONEY.items() if pattern.search(text)} for text in (gold, answer)]
    return bool(named[0]) and bool(named[1]) and not named[0] & named[1]
