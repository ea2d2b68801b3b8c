"""Pages about views: gathered from a folder and the catalog, and written all at once or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from syncline.catalog.fold import Picture
from syncline.catalog.references import ViewReference, parse_reference
from syncline.cli.contract_lookup import as_view, nearest_view, read_catalog, read_if_there
from syncline.cli.output import counted
from syncline.clock import from_us
from syncline.contracts.compatibility.compare import compare
from syncline.contracts.forms.page import MARK, contract_page, index_page
from syncline.contracts.forms.page_model import Consumer, Step, Use, View
from syncline.contracts.model import Contract, Version
from syncline.definitions.model import Definitions
from syncline.definitions.views import Views
from syncline.errors import LogError, SettingsError
from syncline.settings import ConnectionSettings

_INDEX = "README.md"


def write_docs(
    words: Sequence[str], *, output_dir: Path | None, offline: bool, settings: ConnectionSettings
) -> list[str]:
    """Write the pages; returns what to say about it.

    Raises:
        SettingsError: there is nothing to write about, or the folder for the pages holds something else.
        DefinitionError: the definitions are wrong.
    """
    folder, references = _told_apart(words)
    target = output_dir if output_dir is not None else Path(folder) / "contract-pages"
    _refuse_foreign(target)
    definitions = read_if_there(folder, settings.prefix)
    picture, source = _catalog(settings, offline=offline)
    gathering = _Gathering(definitions, picture, Views(definitions, picture, prefix=settings.prefix), source)
    pages = gathering.pages(references, folder)
    files = {file: contract_page(view) for file, view in pages}
    _write(target, {_INDEX: index_page(pages), **files})
    return [source, f"wrote {counted(len(files), 'page')} and {target / _INDEX}"]


@dataclass(frozen=True, slots=True)
class _Gathering:
    definitions: Definitions
    picture: Picture | None
    views: Views
    source: str

    def pages(self, references: Sequence[ViewReference], folder: str) -> list[tuple[str, View]]:
        """(file, what its page tells) for each MAJOR of each view that is meant, by name, the newest MAJOR first."""
        known = sorted(self.views.names())
        for reference in references:
            if self.views.find(_any_major(reference, self.views)) is None:
                raise SettingsError(
                    f"there is no {reference}, in {folder} or the catalog. {nearest_view(reference, self.views)}"
                )
        names = sorted({reference.view for reference in references}) or known
        if not names:
            raise SettingsError(
                f"there is no contract in {folder}/contracts, and none in the catalog; name another folder"
            )
        found = []
        for name in names:
            majors = sorted({version.major for version in self.views.versions(name)}, reverse=True)
            wanted = {reference.major for reference in references if reference.view == name} or {None}
            found += [
                (_file(name, major, majors), self._view(name, major, majors))
                for major in majors
                if None in wanted or major in wanted
            ]
        return found

    def _view(self, name: str, major: int, majors: Sequence[int]) -> View:
        versions = [version for version in self.views.versions(name) if version.major == major]
        contract = self.views.contract(name, versions[-1])
        return View(
            contract=contract,
            uses=tuple(self._uses(contract)),
            history=tuple(reversed(self._steps(name, versions))),
            source=self.source,
            majors=tuple(
                (f"{name}@{other}", _file(name, other, majors)) for other in majors if other != major
            ),
        )

    def _steps(self, name: str, versions: Sequence[Version]) -> list[Step]:
        steps = []
        before: Contract | None = None
        for version in versions:
            contract = self.views.contract(name, version)
            compared = None if before is None else compare(before, contract)
            recorded = self.picture.views.get(name, {}).get(version) if self.picture is not None else None
            if recorded is None:
                steps.append(
                    Step(str(version), compared, "not registered" if self.picture is not None else "")
                )
            else:
                decision = recorded.decision
                when = from_us(decision.recorded_at_us).strftime("%Y-%m-%d %H:%M UTC")
                steps.append(Step(str(version), compared, when, decision.actor, decision.reason))
            before = contract
        return steps

    def _uses(self, contract: Contract) -> list[Use]:
        """The folder's bundles, then those that only the catalog knows, by name."""
        uses = [
            Use(
                bundle.name,
                view.alias,
                f"{view.view.major}" + ("" if view.view.minor is None else f".{view.view.minor}"),
                view.keys,
                view.features,
                tuple(self._consumers(bundle.name)),
            )
            for bundle in sorted(self.definitions.bundles, key=lambda bundle: bundle.name)
            for view in bundle.views
            if (view.view.view, view.view.major) == (contract.view, contract.version.major)
        ]
        written = {bundle.name for bundle in self.definitions.bundles}
        for name, releases in sorted(self.picture.releases.items()) if self.picture is not None else ():
            if name not in written:
                uses += [
                    Use(
                        name,
                        each.alias,
                        str(each.version),
                        each.keys,
                        each.features,
                        tuple(self._consumers(name)),
                    )
                    for each in releases[-1].payload.views
                    if (each.view, each.version.major) == (contract.view, contract.version.major)
                ]
        return uses

    def _consumers(self, bundle: str) -> list[Consumer]:
        consumers = {
            item.name: Consumer(
                item.name,
                _policy(item.policy.value, item.policy_release),
                _model(item.model_name, item.model_version),
                item.required,
            )
            for item in self.definitions.subscriptions
            if item.bundle == bundle
        }
        for name, recorded in self.picture.subscriptions.items() if self.picture is not None else ():
            declared = recorded.payload
            if declared.bundle == bundle and name not in consumers:
                policy = _policy(declared.policy.value, declared.policy_release)
                model = _model(declared.model_name, declared.model_version)
                consumers[name] = Consumer(name, policy, model, declared.required)
        return [consumers[name] for name in sorted(consumers)]


def _told_apart(words: Sequence[str]) -> tuple[str, list[ViewReference]]:
    """The folder, and the references: the first word is the folder unless it can only be a reference."""
    if words and (Path(words[0]).is_dir() or not _is_reference(words[0])):
        if not Path(words[0]).is_dir():
            raise SettingsError(f"{words[0]} is neither a folder nor a reference such as airport_delay@1")
        return words[0], [as_view(word) for word in words[1:]]
    return ".", [as_view(word) for word in words]


def _is_reference(word: str) -> bool:
    try:
        parse_reference(word)
    except ValueError:
        return False
    return True


def _any_major(reference: ViewReference, views: Views) -> ViewReference:
    versions = views.versions(reference.view)
    if reference.major is not None or not versions:
        return reference
    return ViewReference(reference.view, versions[-1].major, reference.minor)


def _file(name: str, major: int, majors: Sequence[int]) -> str:
    return f"{name}.md" if major == max(majors) else f"{name}.v{major}.md"


def _catalog(settings: ConnectionSettings, *, offline: bool) -> tuple[Picture | None, str]:
    folder_alone = "history and readers are those of the folder"
    if offline:
        return None, f"The catalog was not asked: {folder_alone}."
    try:
        return read_catalog(settings), "From the catalog and the folder."
    except LogError:
        return None, f"The catalog could not be reached: {folder_alone}."


def _policy(kind: str, release: int | None) -> str:
    return kind if release is None else f"{kind} {release}"


def _model(name: str | None, version: str | None) -> str | None:
    return " ".join(part for part in (name, version) if part) or None


def _refuse_foreign(target: Path) -> None:
    """What somebody else wrote is never replaced."""
    if not target.exists() and not target.is_symlink():
        return
    if target.is_symlink() or not target.is_dir():
        raise SettingsError(f"{target} is no folder; name another with --output-dir")
    for path in sorted(target.iterdir()):
        if not _is_ours(path):
            raise SettingsError(
                f"nothing was written: {path} was not written by `syncline contract docs`; "
                "name another folder with --output-dir"
            )


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.suffix == ".md" and file.read(len(MARK)) == MARK.encode()
    except OSError:
        return False


def _write(target: Path, pages: dict[str, str]) -> None:
    """All pages beside first, then the folders change places: nobody meets half of them."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise SettingsError(f"nothing was written: {error.filename or target}: {error.strerror}") from None
    before, after = beside / "before", beside / "after"
    try:
        after.mkdir(mode=0o755)
        for name, content in pages.items():
            (after / name).write_text(content, encoding="utf-8")
        if target.exists():
            target.rename(before)
        try:
            after.rename(target)
        except OSError:
            if before.exists():
                before.rename(target)
            raise
    except OSError as error:
        raise SettingsError(f"nothing was written: {error.filename or target}: {error.strerror}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
