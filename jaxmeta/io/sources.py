"""Where the bytes of a file come from: a buffer in memory, or a path read on demand."""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol, runtime_checkable

from jaxmeta.errors import CorruptFileError, InvalidTypeError, compose


_WINDOW = 1 << 18
_BUFFER = "the buffer"


@runtime_checkable
class Source(Protocol):
    """Bytes at known positions; every request beyond the end is a CorruptFileError."""

    name: str
    size: int

    def view(self, start: int, size: int) -> memoryview:
        """The bytes from `start` on, read-only."""
        ...

    def fill(self, start: int, target: memoryview) -> None:
        """Copy the bytes from `start` on into `target`, a view of bytes."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class BufferSource:
    """Bytes that are in memory already."""

    def __init__(self, buffer: Any, name: str = _BUFFER) -> None:
        try:
            self._bytes = memoryview(buffer).toreadonly().cast("B")
        except TypeError as error:
            raise InvalidTypeError(
                compose(
                    "load: a buffer of contiguous bytes is needed.",
                    f"found {type(buffer).__name__}: {error}",
                    remedy="give bytes, a bytearray or a memoryview.",
                )
            ) from error
        self.name = name
        self.size = self._bytes.nbytes

    def view(self, start: int, size: int) -> memoryview:
        """A slice of the buffer, without a copy."""
        _check_range(self, start, size)
        return self._bytes[start : start + size]

    def fill(self, start: int, target: memoryview) -> None:
        """Copy out of the buffer."""
        target[:] = self.view(start, target.nbytes)

    def close(self) -> None:
        """Nothing is open."""


class FileSource:
    """A file on disk: small requests go through a window, large ones are read directly.

    Files are read and not mapped here: a mapped file that another program shortens in
    the meantime would end the process.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        self.size = os.fstat(self._file.fileno()).st_size
        self._lock = threading.Lock()
        self._window = (0, memoryview(b""))

    def view(self, start: int, size: int) -> memoryview:
        """The bytes, from the window where it covers them."""
        _check_range(self, start, size)
        begin, window = self._window
        if begin <= start and start + size <= begin + window.nbytes:
            return window[start - begin : start - begin + size]
        fresh = memoryview(bytearray(min(max(size, _WINDOW), self.size - start)))
        self._read(start, fresh)
        window = fresh.toreadonly()
        self._window = (start, window)
        return window[:size]

    def fill(self, start: int, target: memoryview) -> None:
        """Read straight into the target."""
        _check_range(self, start, target.nbytes)
        if target.nbytes < _WINDOW // 4:
            target[:] = self.view(start, target.nbytes)
        else:
            self._read(start, target)

    def _read(self, start: int, target: memoryview) -> None:
        with self._lock:
            self._file.seek(start)
            done = 0
            while done < target.nbytes:
                got = self._file.readinto(target[done:])
                if not got:
                    raise CorruptFileError(self.name, "", "the file ends while it is read")
                done += got

    def fileno(self) -> int:
        """The descriptor of the open file."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._window = (0, memoryview(b""))
        self._file.close()


def source_of(file: Any) -> Source:
    """The source for a path or a binary file object (read from where it stands)."""
    if isinstance(file, str | os.PathLike):
        return FileSource(os.fsdecode(file))
    read = getattr(file, "read", None)
    content = read() if callable(read) else None
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InvalidTypeError(
            compose(
                "load: the file must be a path or a file object opened in binary mode.",
                f"found {type(file).__name__}",
                remedy="for bytes in memory use load_buffer.",
            )
        )
    return BufferSource(content, _name_of(file))


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "the file object"


def _check_range(source: Source, start: int, size: int) -> None:
    if start < 0 or size < 0 or start + size > source.size:
        raise CorruptFileError(
            source.name,
            "",
            f"bytes {start} to {start + size} are needed, there are {source.size}",
        )
