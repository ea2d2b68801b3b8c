"""Snapshots in a folder, or wherever fsspec leads: S3, GCS, Azure, HDFS, SFTP and more."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import fsspec.core
from fsspec.implementations.local import LocalFileSystem

from syncline.errors import SnapshotError
from syncline.ports.snapshots import check_name, is_name


class FsspecSnapshots:
    """Keeps files under an fsspec URL or in a plain folder. Implements `SnapshotStore`.

    Credentials come from where the URL's library takes them (environment, profile, instance role).
    """

    def __init__(self, location: str, files: Any, root: str) -> None:  # noqa: ANN401  # fsspec publishes no types
        self.location = location
        self._files = files
        self._root = root.rstrip("/")
        self._is_local = isinstance(files, LocalFileSystem)

    @classmethod
    def open(cls, location: str) -> Self:
        """The place at this URL or path; nothing is connected, made or read yet.

        Raises:
            SnapshotError: fsspec knows no such protocol, or a library for it is missing.
        """
        shown = _without_credentials(location)
        if not location.strip():
            raise SnapshotError(
                "no place for snapshots is given: give a folder or a URL such as s3://bucket/path"
            )
        if _HALF_A_URL.match(location):
            protocol, _, rest = location.partition(":")
            raise SnapshotError(
                f"{shown} is neither a folder nor a URL: write {protocol}://{rest.lstrip('/')}, or ./{location} for a "
                "folder of that name"
            )
        try:
            files, root = fsspec.core.url_to_fs(location)
        except ImportError as error:
            raise SnapshotError(
                f"{shown}: a library for this protocol is missing ({error}): install it beside Syncline"
            ) from None
        except Exception as error:  # noqa: BLE001  # each protocol's library raises its own kinds
            raise SnapshotError(
                f"{shown} is no place for snapshots ({_said(error, location)}): give a folder, or a URL whose "
                "protocol fsspec knows"
            ) from None
        return cls(shown, files, root)

    def names(self) -> list[str]:
        """See `SnapshotStore.names`."""
        with self._explained("cannot be listed"):
            # Others write there, too: a listing that was kept is an old one.
            self._files.invalidate_cache()
            # Not `find`: it would leave out what it may not list, and walk through everything that others keep here.
            folders, names = self._listed("")
        for folder in filter(is_name, folders):
            with self._explained(f"cannot be listed: {folder}"):
                names += self._listed(folder)[1]
        return sorted(filter(is_name, names))

    def _listed(self, folder: str) -> tuple[list[str], list[str]]:
        """The names of folders and of all else in a folder of the place; none where it has gone, or never was."""
        path = f"{self._root}/{folder}" if folder else self._root
        try:
            entries = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return [], []
        folders, others = list[str](), list[str]()
        for entry in entries:
            found = str(entry["name"]).rstrip("/")
            if found == path.rstrip("/") and entry["type"] != "directory" and self._is_local:
                raise NotADirectoryError("it is a file")
            if found.startswith(f"{path}/"):
                (folders if entry["type"] == "directory" else others).append(found[len(self._root) + 1 :])
        return folders, others

    def read(self, name: str, bytes_max: int) -> bytes | None:
        """See `SnapshotStore.read`."""
        path = self._path(name)
        with self._explained(f"cannot be read: {name}"):
            if self._is_local and Path(path).exists() and not Path(path).is_file():
                raise OSError("it is no regular file")
            try:
                content: bytes = self._files.cat_file(path, start=0, end=bytes_max + 1)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """See `SnapshotStore.write`."""
        path = self._path(name)
        with self._explained(f"cannot be written: {name}"):
            if self._is_local:
                _write_durably(Path(path), content)
            else:
                # What is written at once is seen whole or not at all: object stores promise that.
                self._files.makedirs(self._files._parent(path), exist_ok=True)  # noqa: SLF001  # fsspec's own name for it
                self._files.pipe_file(path, content)

    def delete(self, name: str) -> None:
        """See `SnapshotStore.delete`."""
        path = self._path(name)
        with self._explained(f"cannot be removed: {name}"), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(path)
        if self._is_local:
            # Only an empty folder can go; elsewhere folders are but parts of names.
            with contextlib.suppress(OSError):
                Path(path).parent.rmdir()

    def _path(self, name: str) -> str:
        check_name(name)
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each protocol's library raises its own kinds
            raise SnapshotError(
                f"{self.location} {what} ({_said(error, self.location)}): see to it that it is there, has "
                "room, and that this user may use it"
            ) from error


def _write_durably(path: Path, content: bytes) -> None:
    """On disk under another name first: under its own it is whole from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(path.parent)
    _sync_folder(path.parent.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems know no such thing; the file itself is safe by now.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_credentials(location: str) -> str:
    return _USER_INFO.sub("//", location)


def _said(error: Exception, location: str) -> str:
    said = str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join(_without_credentials(said.replace(location, _without_credentials(location))).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


_USER_INFO = re.compile(r"//[^/@:\s]*:[^/\s]*@")
"""`user:password@`; what stands before an @ without a password is part of the place, as in abfs://container@account."""
_HALF_A_URL = re.compile(r"(?!file:|local:)[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")
"""fsspec takes s3:/bucket for a folder called `s3:`."""
