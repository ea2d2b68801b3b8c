r"""A pattern of ours (RE2) in ECMA-262's words, as other tools read patterns; None where that cannot be said exactly.

What RE2's shorthands mean is written out (`\s` is not the same set in both), so that Python's `re` agrees as well.
"""

from __future__ import annotations

import re

_WRITTEN_OUT = {
    ".": "[^\\n]",
    "\\d": "[0-9]",
    "\\D": "[^0-9]",
    "\\w": "[A-Za-z0-9_]",
    "\\W": "[^A-Za-z0-9_]",
    "\\s": "[\\t\\n\\f\\r ]",
    "\\S": "[^\\t\\n\\f\\r ]",
    "\\A": "^",
    "\\z": "$",
}
_IN_A_CLASS = {"\\d": "0-9", "\\w": "A-Za-z0-9_", "\\s": "\\t\\n\\f\\r "}
_SAME = frozenset("tnrfv" + "^$\\.*+?()[]{}|/")
_LITERAL = frozenset("-!\"#%&',:;<=>@_`~ ")
_TOKEN = re.compile(
    r"\\x\{(?P<wide>[0-9A-Fa-f]{1,6})\}|\\x(?P<byte>[0-9A-Fa-f]{2})|(?P<escape>\\.)"
    r"|(?P<named>\(\?P?<[A-Za-z_][A-Za-z0-9_]*>)|(?P<plain>\(\?:)|(?P<other>\(\?)"
    r"|(?P<posix>\[:)|(?P<count>\{[0-9]+(?:,[0-9]*)?\})|(?P<one>.)",
    re.DOTALL,
)


def ecma_pattern(pattern: str) -> str | None:
    """The same pattern for an ECMA-262 engine with the flag `u`, or None where RE2 says what that cannot."""
    said: list[str] = []
    inside = False
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if inside:
            part = _inside(token, text)
            first = said[-1] in ("[", "[^")
            inside = text != "]" or first
            if (text == "]" and first) or text == "[":
                part = "\\" + text
            elif text == "^" and said[-1] == "[":
                said[-1] = "[^"
                continue
        else:
            part = _outside(token, text)
            inside = text == "["
        if part is None:
            return None
        said.append(part)
    return None if inside else "".join(said)


def _outside(token: re.Match[str], text: str) -> str | None:
    if token["other"]:
        # Flags change what the rest means.
        return None
    if token["named"]:
        return "("
    if token["posix"]:
        return None
    if text in ("]", "{", "}"):
        return "\\" + text
    return "-" if text == "\\-" else _WRITTEN_OUT.get(text) or _same(token, text)


def _inside(token: re.Match[str], text: str) -> str | None:
    if token["escape"]:
        return _IN_A_CLASS.get(text) or _same(token, text)
    if token["posix"] or (len(text) > 1 and not token["wide"] and not token["byte"]):
        return None
    return _same(token, text)


def _same(token: re.Match[str], text: str) -> str | None:
    if token["wide"] or token["byte"]:
        return _code_point(int(token["wide"] or token["byte"], 16))
    if not token["escape"]:
        return text
    escaped = text[1]
    if escaped == "a":
        return "\\x07"
    if escaped in _LITERAL:
        return "\\-" if escaped == "-" else escaped
    return text if escaped in _SAME or escaped in "bB" else None


def _code_point(number: int) -> str | None:
    try:
        character = chr(number)
    except ValueError:
        return None
    if character.isalnum():
        return character
    return f"\\x{number:02x}" if number <= 0xFF else None  # noqa: PLR2004  two hexadecimal digits
