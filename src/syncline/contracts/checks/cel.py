"""Rules between features, in CEL: compiled once, judged on the values of one row.

What is refused would cost more than time linear in the row, or would not mean here what CEL says it means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncline.contracts.nearest import close_to

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

LONGEST_EXPRESSION = 2_000
MOST_PARTS, DEEPEST = 1_000, 32
"""The library recurses: a rule within these bounds fits a thread of 512 KB, beyond them it would end the process."""
UNEVALUATED = "it cannot be evaluated"
FUNCTIONS = frozenset(
    {
        *(
            "bytes",
            "contains",
            "double",
            "duration",
            "dyn",
            "endsWith",
            "int",
            "size",
            "startsWith",
            "string",
        ),
        *("timestamp", "uint", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear"),
        *("getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
    }
)
"""What a rule may call, besides CEL's operators and macros."""
MACROS = frozenset({"all", "exists", "exists_one"})
_QUADRATIC_MACROS = frozenset({"filter", "map"})
"""They copy what they have so far with each item."""
_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*)
    | (?P<raw>(?:[rR][bB]?|[bB][rR])(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*'))
    | (?P<text>[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''
        |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][0-9A-Za-z.]*)
    | (?P<sign>\S)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to judge rows; `names` are what it names of the row, in the order of the names it was given."""

    expression: str
    names: tuple[str, ...]
    speaks_of_null: bool
    """Without it a row keeps the rule where one of `names` is null, as in SQL's CHECK."""
    _program: Any = field(repr=False, compare=False)

    def broken(self, values: Mapping[str, Any]) -> str | None:
        """Why these values break the rule; None when they keep it. Never raises.

        Args:
            values: of each of `names`, as CEL takes them: None, bool, int, float, str, list, dict, and for days and
                moments an aware `datetime`.
        """
        if not self.speaks_of_null and any(values[name] is None for name in self.names):
            return None
        try:
            verdict = self._program.execute({name: values[name] for name in self.names})
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  a panic in the library is no Exception
            return f"{UNEVALUATED}: {_first_line(error)}"
        if verdict is True:
            return None
        return "it is false" if verdict is False else "it is neither true nor false"


def compile_rule(expression: str, names: Collection[str]) -> CompiledRule:
    """The rule of this expression over the join keys and features of these names.

    Raises:
        ValueError: one sentence: it is no CEL, names something unknown or nothing at all, calls what rules may not
            call, or would cost more than time linear in the row.
    """
    import cel  # noqa: PLC0415  only contracts with rules need it

    if len(expression) > LONGEST_EXPRESSION:
        raise ValueError(f"a rule has at most {LONGEST_EXPRESSION} characters, this one {len(expression)}")
    tokens = list(tokens_of(expression))
    _ask_of_size(tokens)
    try:
        program = cel.compile(expression)
        variables, functions = program.variables(), program.functions()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  a panic in the library is no Exception
        raise ValueError(f"it is no CEL: {_parser_said(error)}") from None
    bound = _bound_names(tokens)
    _ask_of_functions(functions)
    shadowed = sorted(bound & set(names))
    if shadowed:
        raise ValueError(
            f"`{shadowed[0]}` is a feature's name and a macro's variable: give the variable another name"
        )
    for name in variables:
        if name not in names and name not in bound:
            raise ValueError(f"it names `{name}`, which is no join key and no feature{_nearest(name, names)}")
    used = tuple(name for name in names if name in variables)
    if not used:
        raise ValueError("it names no feature, so that every row would keep or break it alike")
    return CompiledRule(expression, used, "null" in tokens, program)


def _ask_of_size(tokens: list[str]) -> None:
    if len(tokens) > MOST_PARTS:
        raise ValueError(
            f"a rule has at most {MOST_PARTS} names, numbers and signs, this one {len(tokens)}: split it"
        )
    depth = deepest = 0
    for part in tokens:
        depth += (part in ("(", "[", "{")) - (part in (")", "]", "}"))
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise ValueError(f"its brackets are nested {deepest} deep, and at most {DEEPEST} are allowed")


def names_sized(expression: str) -> set[str]:
    """The names whose `size` the expression takes, as `size(name)` or `name.size()`."""
    tokens = list(tokens_of(expression))
    found = set()
    for place in range(len(tokens) - 3):
        one, two, three, four = tokens[place : place + 4]
        if (one, two, four) == ("size", "(", ")"):
            found.add(three)
        if (two, three, four) == (".", "size", "("):
            found.add(one)
    return found


def tokens_of(expression: str) -> Iterator[str]:
    """Names and signs of the expression; of what is between quotes only that it is there."""
    for found in _TOKEN.finditer(expression):
        if found.lastgroup != "comment":
            yield found[0] if found.lastgroup in ("name", "sign") else "''"


def _bound_names(tokens: list[str]) -> set[str]:
    """The variables of macros, as the `x` of `delays.all(x, x > 0)`.

    Raises:
        ValueError: a macro would take time quadratic in its list.
    """
    bound: set[str] = set()
    depth = inside_until = 0
    for place, part in enumerate(tokens):
        if part in "([{":
            depth += 1
        elif part in ")]}":
            depth -= 1
            if depth < inside_until:
                inside_until = 0
        elif part in MACROS | _QUADRATIC_MACROS and _is_method(tokens, place):
            if part in _QUADRATIC_MACROS:
                raise ValueError(f"`{part}` takes time quadratic in the list: use `all` or `exists`")
            if inside_until:
                raise ValueError(
                    f"`{part}` stands inside another macro, which would take time quadratic in the list"
                )
            inside_until = depth + 1
            if tokens[place + 3 : place + 4] == [","]:
                bound.add(tokens[place + 2])
    return bound


def _is_method(tokens: list[str], place: int) -> bool:
    return place > 0 and tokens[place - 1] == "." and tokens[place + 1 : place + 2] == ["("]


def _ask_of_functions(functions: Collection[str]) -> None:
    for name in functions:
        if name == "matches":
            raise ValueError(
                "it calls `matches`, whose patterns are not RE2: state `pattern` at the feature instead"
            )
        if name.isidentifier() and name not in FUNCTIONS and not name.startswith("_"):
            known = ", ".join(sorted(FUNCTIONS))
            near = _nearest(name, FUNCTIONS) or f": they have {known}"
            raise ValueError(f"it calls `{name}`, which rules may not call{near}")


def _nearest(name: str, names: Collection[str]) -> str:
    near = close_to(name, names)
    return "" if near is None else f": did you mean `{near}`?"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _parser_said(error: BaseException) -> str:
    said = str(error)
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*?)(?: expecting [^\n]*)?\n", said)
    return f"at line {found[1]}, character {found[2]}: {found[3]}" if found else _first_line(error)
