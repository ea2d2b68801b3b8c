"""YAML text as plain JSON data that remembers its lines, and the problems found in it.

Scalars follow YAML 1.2's core schema, so that `no`, `on` and `2027-03-01` stay the text that was written. What JSON
cannot say (NaN, keys that are not text, recursion) is refused, as the catalog keeps the document as JSON.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from syncline.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]

STANDARD_RULES = ("odcs", "unknown-key")
"""Where the standard's own schema already objects, a second sentence about the same value would only confuse."""

_LARGEST_TEXT = 2_000_000
_MOST_NODES = 100_000
_DEEPEST = 100
_LONGEST_NUMBER = 60
_TAG = "tag:yaml.org,2002:"


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2; only its parser and resolver are used."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML declares it so

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: ANN401, N803  PyYAML's own names
        """Go one bracket deeper. PyYAML's time is quadratic in the depth: far below ours there is nothing to read."""
        if self.flow_level > 2 * _DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


_CoreLoader.add_implicit_resolver(_TAG + "null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_CoreLoader.add_implicit_resolver(
    _TAG + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_CoreLoader.add_implicit_resolver(
    _TAG + "int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_CoreLoader.add_implicit_resolver(
    _TAG + "float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


@dataclass(frozen=True, slots=True)
class Located:
    """A document as plain JSON data, and the line (from 1) at which each of its parts stands."""

    data: Any
    file: str
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of this part, or of the nearest part around it; None where lines are unknown."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


class Findings:
    """Collects every problem of a document; one a place and rule, and none beside what the standard says."""

    def __init__(self, located: Located) -> None:
        self._located = located
        self._found: dict[tuple[str, str], Problem] = {}

    def add(self, path: Path, rule: str, message: str, remedy: str) -> None:
        """Note that `path` breaks `rule`."""
        where = path_text(path)
        if any((where, earlier) in self._found for earlier in STANDARD_RULES):
            return
        problem = Problem(self._located.file, where, rule, message, remedy, self._located.line(path))
        self._found.setdefault((where, rule), problem)

    def problems(self) -> tuple[Problem, ...]:
        """All problems, in file order."""
        return tuple(sorted(self._found.values(), key=lambda problem: problem.line or 0))

    def raise_if_any(self) -> None:
        """Raise `DefinitionError` with all problems, if there are any."""
        if self._found:
            raise DefinitionError(self.problems())


def path_text(path: Path) -> str:
    """A path as people read it: `schema[0].properties[2].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def load_yaml(text: str, *, file: str) -> Located:
    """The one document of a YAML text, a mapping.

    Raises:
        DefinitionError: the text is no YAML, holds no document or several, or the document is no mapping.
    """
    documents = load_yaml_documents(text, file=file)
    if len(documents) > 1:
        raise _refused(
            file,
            "several-documents",
            f"the file holds {len(documents)} documents",
            "Keep one document in this file",
            documents[1].line(()),
        )
    return documents[0]


def load_yaml_documents(text: str, *, file: str) -> list[Located]:
    """All documents of a YAML text, each a mapping; empty ones between `---` are left out.

    Raises:
        DefinitionError: the text is no YAML, holds no document, or a document is no mapping of JSON data. The
            problems of all documents are listed.
    """
    if len(text) > _LARGEST_TEXT:
        raise _refused(file, "size", f"the file has {len(text)} characters", f"Keep it below {_LARGEST_TEXT}")
    nodes = list(_compose(text, file))
    if not nodes:
        raise _refused(
            file, "empty", "the file holds no document", "Write the definition, or remove the file"
        )
    problems: list[Problem] = []
    documents = []
    for node in nodes:
        builder = _Builder(file)
        data = builder.build(node, ())
        if not builder.problems and not isinstance(data, dict):
            what = "empty" if data is None else f"a {type(data).__name__}"
            builder.refuse(node, (), "mapping", f"the document is {what}", "Begin with `name: value` lines")
        problems += builder.problems
        documents.append(Located(data, file, builder.lines))
    if problems:
        raise DefinitionError(problems)
    return documents


def _compose(text: str, file: str) -> Iterator[yaml.Node]:
    loader = None
    try:
        loader = _CoreLoader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is not None and not (isinstance(node, yaml.ScalarNode) and node.value == ""):
                yield node
    except yaml.reader.ReaderError as error:
        raise _refused(
            file,
            "yaml",
            f"the character at position {error.position} may not stand in YAML",
            "Save the file as UTF-8 text",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refused(
            file,
            "yaml",
            f"this is no YAML: {error.problem or error.context}",
            _syntax_remedy(text, error),
            mark.line + 1 if mark else None,
        ) from None
    except RecursionError:
        raise _refused(file, "yaml", "the document is nested too deeply", "Flatten it") from None
    except (yaml.YAMLError, ValueError, IndexError, OverflowError) as error:
        raise _refused(file, "yaml", f"this is no YAML: {error}", "Correct the syntax") from None
    finally:
        if loader is not None:
            loader.dispose()


def _syntax_remedy(text: str, error: yaml.MarkedYAMLError) -> str:
    if "{{" in text or "{%" in text:
        return "Render the template first: `{{ ... }}` and `{% ... %}` are no YAML"
    said = str(error)
    if "'\\t'" in said:
        return "Indent with spaces, never with tabs"
    if "unknown escape character" in said:
        return "In double quotes `\\` begins an escape: write such a text, as a pattern, in single quotes"
    if "mapping values are not allowed here" in said:
        return "Put a text that holds `: ` in quotes, or correct the indentation"
    return "Correct the syntax here"


def _refused(file: str, rule: str, message: str, remedy: str, line: int | None = None) -> DefinitionError:
    return DefinitionError([Problem(file, "", rule, message, remedy, line)])


class _Builder:
    """Turns YAML nodes into JSON data, bounded in depth and in size (an alias can stand for millions of nodes)."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()

    def refuse(self, node: yaml.Node, path: Path, rule: str, message: str, remedy: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(self.file, path_text(path), rule, message, remedy, line))

    def build(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401  JSON data
        self._count += 1
        if self._count > _MOST_NODES:
            if self._count == _MOST_NODES + 1:
                self.refuse(
                    node, path, "size", f"more than {_MOST_NODES} values", "Split it, and use fewer aliases"
                )
            return None
        if id(node) in self._open or len(path) > _DEEPEST:
            self.refuse(node, path, "nesting", "it is nested too deeply, or contains itself", "Flatten it")
            return None
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if node.tag not in (_TAG + "seq", _TAG + "map"):
                self.refuse(node, path, "tag", f"the tag {node.tag[:60]!r} is not supported", "Remove it")
                return None
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, number)) for number, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None and isinstance(key_node, yaml.MappingNode):
                remedy = "Put it in quotes; if this is a template (`{{ ... }}`), render it first"
                self.refuse(key_node, path, "key", "the name is a mapping, no text", remedy)
            elif key is None or not self._is_text(key) or (key_node.tag != _TAG + "str"):
                self.refuse(
                    key_node,
                    path,
                    "key",
                    f"the name {key!r:.40} is no text",
                    "Use a text, in quotes if needed",
                )
            elif key == "<<":
                self.refuse(
                    key_node, path, "key", "merge keys (`<<`) are not supported", "Write the values out"
                )
            elif key in result:
                self.refuse(
                    key_node, (*path, key), "duplicate-key", f"`{key}` stands here twice", "Keep one of them"
                )
            else:
                self.lines[(*path, key)] = key_node.start_mark.line + 1
                result[key] = self.build(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> str | bool | float | None:
        text = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                if not self._is_text(text):
                    self.refuse(
                        node, path, "text", "the text holds half a surrogate pair", "Use whole characters"
                    )
                return str(text)
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return bool(text.lower() == "true")
            case "int" | "float" as kind:
                return self._number(node, path, kind)
            case tag:
                self.refuse(node, path, "tag", f"{text!r:.40} is no {tag[:60]}", "Remove the tag")
        return None

    def _number(self, node: yaml.ScalarNode, path: Path, kind: str) -> int | float | None:
        text = node.value
        try:
            if len(text) > _LONGEST_NUMBER:
                raise ValueError("too long")  # noqa: TRY301  refused like any other non-number
            if kind == "int":
                prefix = text[:2]
                number: int | float = int(text, {"0x": 16, "0o": 8}.get(prefix, 10))
            else:
                number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            self.refuse(node, path, "number", f"{text!r:.40} is no number", "Write a plain decimal number")
            return None
        if isinstance(number, float) and not math.isfinite(number):
            self.refuse(
                node, path, "number", f"{text!r:.40} is not finite", "Write a finite number, or leave it out"
            )
            return None
        return number

    @staticmethod
    def _is_text(text: str) -> bool:
        return not any("\ud800" <= character <= "\udfff" for character in text)
