"""A store's files seen from outside: LMDB maps them into memory, where a missing page kills the process."""

from __future__ import annotations

import os
import struct
import sys
from typing import TYPE_CHECKING

from lmdb.verify import VerifyError, verify

from syncline.errors import StoreCorrupt

if TYPE_CHECKING:
    from pathlib import Path

DATA = "data.mdb"
LOCK = "lock.mdb"


def check_size(folder: Path) -> None:
    """Prove that the data file has every page that its newest commit can reach.

    Must come before LMDB opens it: a page past the file's end is a SIGBUS, which no handler survives.
    An empty file passes: LMDB starts it afresh.

    Raises:
        StoreCorrupt: pages are missing, or the file is none of LMDB's.
    """
    with (folder / DATA).open("rb") as file:
        head = file.read(_META_END)
        if not head:
            return
        metas = [_meta(head)]
        page_bytes = metas[0][0]
        file.seek(page_bytes)
        metas.append(_meta(file.read(_META_END)))
        last_page = max(metas, key=lambda meta: meta[2])[1]
        # After the metas were read: a live writer lengthens the file before it names new pages.
        size = file.seek(0, 2)
    if size >= (last_page + 1) * page_bytes:
        return
    # Pages at the end that one transaction took and freed again are counted but may never have been
    # written. Rare; so only now is every page followed, which takes seconds per gigabyte.
    try:
        problems = verify(str(folder))  # type: ignore[no-untyped-call]  # py-lmdb types only its core
    except VerifyError as error:
        problems = [str(error)]
    if problems:
        raise StoreCorrupt(
            f"{folder / DATA} is cut off: it has {size} bytes of {(last_page + 1) * page_bytes} "
            f"({problems[0]}): delete the folder; a new agent fills it again"
        )


def reserve_lock_file(folder: Path, snapshots_max: int) -> None:
    """Give the lock file the room it needs for so many snapshots, and prove that it can be written.

    LMDB maps it with holes and fills them later: on a full disk that is a SIGBUS. Must not be called while
    this process has the store open: closing a file drops the process's own locks on it.

    Raises:
        OSError: no room, or no right to write. On a read-only file system LMDB would read without any
            lock, and be handed pages in mid-write, so that is refused too.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _LOCK_HEAD_BYTES + snapshots_max * _SLOT_BYTES)
    finally:
        os.close(descriptor)


def _meta(head: bytes) -> tuple[int, int, int]:
    """(bytes per page, last page, transaction) of a meta page."""
    if len(head) == _META_END:
        fields = _META.unpack_from(head, _PAGE_HEADER_BYTES)
        magic, page_bytes = fields[0], fields[4]
        if magic == _MAGIC and page_bytes in _PAGE_BYTES:
            return page_bytes, fields[-2], fields[-1]
    raise StoreCorrupt(
        f"{DATA} is no LMDB file of this machine's kind, or is cut off: delete the store's folder"
    )


# LMDB 0.9: page header, then magic, version, address, map size, two database records of 48 bytes (the first
# begins with the page size), last page, transaction; native byte order.
_PAGE_HEADER_BYTES = 16
_META = struct.Struct(("<" if sys.byteorder == "little" else ">") + "IIQQ" + "I44x" + "48x" + "QQ")
_META_END = _PAGE_HEADER_BYTES + _META.size
_MAGIC = 0xBEEFC0DE
_SLOT_BYTES = 64
"""A cache line for each reader."""
_LOCK_HEAD_BYTES = 4096
"""More than LMDB's own head."""
_PAGE_BYTES = (1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15)
