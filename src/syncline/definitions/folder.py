"""The folder a team keeps (contracts.md): every file read, every problem of all of them listed at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syncline.catalog.fold import Picture
from syncline.contracts.model import Contract
from syncline.contracts.nearest import close_to, nearest
from syncline.contracts.odcs.document import parse_contract
from syncline.contracts.odcs.located import Findings, load_yaml, load_yaml_documents
from syncline.definitions.ageing import ageing_notes
from syncline.definitions.bundles import parse_bundle
from syncline.definitions.check import check
from syncline.definitions.fields import API_VERSION
from syncline.definitions.model import Bundle, ContractFile, Definitions, Place, Subscription
from syncline.definitions.subscriptions import parse_subscription
from syncline.definitions.views import Views
from syncline.errors import DefinitionError, Problem

CONTRACTS, BUNDLES, SUBSCRIPTIONS = FOLDERS = ("contracts", "bundles", "subscriptions")
_CONTRACT_SUFFIX = ".odcs.yaml"
_LARGEST_BYTES = 8_000_000
_KINDS = ("Bundle", "Subscription")


def read_folder(folder: str | os.PathLike[str], *, prefix: str = "syncline") -> Definitions:
    """The definitions under `folder`, checked among themselves; what only the catalog can tell stands in `notes`.

    Args:
        folder: holds `contracts/*.odcs.yaml`, `bundles/*.yaml` and `subscriptions/*.yaml`.
        prefix: of all topics; each contract's `physicalName` must agree with it.

    Raises:
        DefinitionError: lists every problem of every file; files are named relative to the folder.
    """
    root = Path(folder)
    reading = _Reading(prefix)
    if not root.is_dir():
        there = "this is no folder" if root.exists() else "this folder does not exist"
        raise _refused(str(root), "folder", there, "Name a folder of definitions, or run `syncline init`")
    for name in FOLDERS:
        for path, file in _files(root / name, name, reading.problems):
            reading.file(path, file, contracts=name == CONTRACTS)
    _look_for_misnamed(root, reading.problems)
    definitions = Definitions(tuple(reading.contracts), tuple(reading.bundles), tuple(reading.subscriptions))
    if not reading.problems and not (
        definitions.contracts or definitions.bundles or definitions.subscriptions
    ):
        raise _refused(
            str(root),
            "empty",
            "the folder holds no definitions",
            "Write contracts/*.odcs.yaml, bundles/*.yaml and subscriptions/*.yaml; `syncline init` writes an example",
        )
    reading.find_duplicates()
    found = check(definitions, Views(definitions), broken=reading.broken)
    problems = _in_order([*reading.problems, *found.problems])
    if problems:
        raise DefinitionError(problems)
    # Of the catalog nothing is known here; what contracts say of their own end is told all the same.
    notes = (*found.notes, *ageing_notes(definitions, Picture(), ()))
    return Definitions(definitions.contracts, definitions.bundles, definitions.subscriptions, notes)


def read_contract(file: str | os.PathLike[str], *, prefix: str = "syncline") -> Contract:
    """The contract that one file states, wherever it stands.

    Raises:
        DefinitionError: the file cannot be read, or the document in it is wrong.
    """
    return parse_contract(_text(Path(file), str(file)), file=str(file), prefix=prefix)


def read_subscriptions(file: str | os.PathLike[str]) -> tuple[Subscription, ...]:
    """The subscriptions that one YAML file states, as an agent is started with.

    Raises:
        DefinitionError: the file cannot be read, or a document in it is wrong.
    """
    reading = _Reading("syncline")
    reading.file(Path(file), str(file), contracts=False)
    if reading.problems:
        raise DefinitionError(reading.problems)
    return tuple(reading.subscriptions)


@dataclass(slots=True)
class _Reading:
    prefix: str
    contracts: list[ContractFile] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Names of views and bundles whose document is wrong: that they are not known is no problem of its own."""

    def file(self, path: Path, file: str, *, contracts: bool) -> None:
        try:
            text = _text(path, file)
            if contracts:
                self._contract(text, file)
            else:
                self._documents(text, file)
        except DefinitionError as error:
            self.problems += error.problems
            self.broken.add("*")

    def _contract(self, text: str, file: str) -> None:
        located = load_yaml(text, file=file)
        try:
            self.contracts.append(
                ContractFile(parse_contract(text, file=file, prefix=self.prefix), Place(located))
            )
        except DefinitionError as error:
            self.problems += error.problems
            self.broken.add(f"view {located.data.get('id')}")

    def _documents(self, text: str, file: str) -> None:
        for located in load_yaml_documents(text, file=file):
            findings = Findings(located)
            kind = located.data.get("kind")
            stated = located.data.get("apiVersion")
            if stated != API_VERSION:
                said = (
                    "`apiVersion` is missing"
                    if stated is None
                    else f"apiVersion {stated!r:.40} is not read here"
                )
                findings.add(("apiVersion",), "api-version", said, f"Write `apiVersion: {API_VERSION}`")
            if kind == "Bundle":
                bundle = parse_bundle(located, findings)
                if bundle is not None:
                    self.bundles.append(bundle)
                else:
                    self.broken.add(f"bundle {located.data.get('name')}")
            elif kind == "Subscription":
                subscription = parse_subscription(located, findings)
                if subscription is not None:
                    self.subscriptions.append(subscription)
            elif kind == "DataContract":
                findings.add(
                    ("kind",),
                    "kind",
                    "a contract does not belong here",
                    f"Move it to {CONTRACTS}/*{_CONTRACT_SUFFIX}",
                )
            else:
                said = "`kind` is missing" if kind is None else f"there is no kind {kind!r:.40}"
                remedy = (
                    nearest(kind, _KINDS)
                    if isinstance(kind, str)
                    else "Write `kind: Bundle` or `kind: Subscription`"
                )
                findings.add(("kind",), "kind", said, remedy)
            self.problems += findings.problems()

    def find_duplicates(self) -> None:
        """Each view MAJOR, bundle and subscription is stated once."""
        contracts = [
            (f"{file.contract.view}@{file.contract.version.major}", file.place, "one document for each MAJOR")
            for file in self.contracts
        ]
        bundles = [(bundle.name, bundle.place, "one document for each bundle") for bundle in self.bundles]
        subscriptions = [
            (item.name, item.place, "one document for each subscription") for item in self.subscriptions
        ]
        for named, key in ((contracts, "id"), (bundles, "name"), (subscriptions, "name")):
            self._find_duplicates(named, key)

    def _find_duplicates(self, named: Sequence[tuple[str, Place, str]], key: str) -> None:
        seen: dict[str, Place] = {}
        for name, place, rule in named:
            earlier = seen.setdefault(name, place)
            if earlier is not place:
                where = f"{earlier.located.file}:{earlier.located.line((key,))}"
                self.problems.append(
                    place.at(key).problem("duplicate", f"`{name}` is also stated in {where}", f"Keep {rule}")
                )


def _files(folder: Path, name: str, problems: list[Problem]) -> list[tuple[Path, str]]:
    """The definition files of one folder, sorted by name; what looks like one and is not becomes a problem."""
    try:
        entries = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(
            _problem(name, "unreadable", f"it cannot be read: {error.strerror}", "Make it a readable folder")
        )
        return []
    suffix = _CONTRACT_SUFFIX if name == CONTRACTS else ".yaml"
    files = []
    for entry in entries:
        path, file = folder / entry, f"{name}/{entry}"
        if entry.startswith("."):
            continue
        if path.is_dir():
            problems.append(
                _problem(
                    file,
                    "subfolder",
                    "folders inside are not read",
                    f"Move its files to {name}/, or the folder elsewhere",
                )
            )
        elif entry.endswith(suffix):
            files.append((path, file))
        elif entry.endswith((".yaml", ".yml", ".json")):
            stem = entry.rsplit(".", 1)[0].removesuffix(".odcs")
            problems.append(
                _problem(file, "file-name", "this file would not be read", f"Rename it to {stem}{suffix}")
            )
    return files


def _look_for_misnamed(root: Path, problems: list[Problem]) -> None:
    """A folder called `contract` would be passed over in silence."""
    try:
        entries = sorted(path.name for path in root.iterdir())
    except OSError as error:
        problems.append(
            _problem(str(root), "unreadable", f"it cannot be read: {error.strerror}", "Make it readable")
        )
        return
    for entry in entries:
        close = close_to(entry.lower(), FOLDERS, cutoff=0.8)
        if entry not in FOLDERS and close is not None and (root / entry).is_dir():
            problems.append(
                _problem(entry, "folder-name", "this folder would not be read", f"Rename it to {close}")
            )


def _text(path: Path, file: str) -> str:
    try:
        # Not blocking: a named pipe would be waited for, for ever, before its kind can be seen.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as opened:  # noqa: PTH123  # a descriptor has no path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _refused(file, "unreadable", "it is no regular file", "Put a file in its place")
            content = opened.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise _refused(
            file, "unreadable", f"it cannot be read: {error.strerror}", "Put a readable file in its place"
        ) from None
    if len(content) > _LARGEST_BYTES:
        raise _refused(file, "size", "the file is too large", f"Keep it below {_LARGEST_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"byte {content[error.start]:#04x} is not UTF-8"
        raise DefinitionError(
            [Problem(file, "", "utf-8", what, "Save the file as UTF-8 text", line)]
        ) from None


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.file, problem.line or 0))


def _problem(file: str, rule: str, message: str, remedy: str) -> Problem:
    return Problem(file, "", rule, message, remedy)


def _refused(file: str, rule: str, message: str, remedy: str) -> DefinitionError:
    return DefinitionError([_problem(file, rule, message, remedy)])
