"""`syncline init`."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.errors import SettingsError


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write the demo's definitions into FOLDER (default: here): contracts, bundles and subscriptions that run.

    Nothing is ever overwritten: if one of the files exists, none is written.
    """
    files = _example()
    folder = Path(folder)
    taken = [str(folder / name) for name in files if (folder / name).exists() or (folder / name).is_symlink()]
    if taken:
        raise SettingsError(
            f"nothing was written, as {taken[0]} exists"
            + (f" and {len(taken) - 1} more of the files do" if len(taken) > 1 else "")
            + "; name another folder"
        )
    written: list[Path] = []
    made: list[Path] = []
    try:
        for name, content in files.items():
            path = folder / name
            _make_folders(path.parent, made)
            with path.open("xb") as file:
                written.append(path)
                file.write(content)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        for path in reversed(made):
            path.rmdir()
        raise SettingsError(f"nothing was written: {error.filename or folder}: {error.strerror}") from error
    for path in written:
        click.echo(f"wrote {path}")
    where = "" if folder == Path() else f" {folder}"
    click.echo(
        f"\nNext: syncline validate{where}, then syncline plan{where} and syncline apply{where}.", err=True
    )


def _example() -> dict[str, bytes]:
    """Path in the folder → content, as the package brings them."""
    from importlib import resources

    root = resources.files("syncline") / "demo" / "definitions"
    return {
        f"{kind.name}/{file.name}": file.read_bytes()
        for kind in sorted(root.iterdir(), key=lambda entry: entry.name)
        if kind.is_dir() and not kind.name.startswith(("_", "."))
        for file in sorted(kind.iterdir(), key=lambda entry: entry.name)
        if file.name.endswith(".yaml")
    }


def _make_folders(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        made.append(path)
