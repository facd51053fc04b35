"""Libraries of native code: compiled once for a machine, and kept in a folder."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jaxlib.version

from jaxmeta.errors import MissingError, compose


SOURCES = Path(__file__).parent

# Not every compiler knows what machine it is on.
_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-w")
_TUNED = (("-march=native",), ("-mcpu=native",), ())
_COMPILERS = ("c++", "g++", "clang++")
_SECONDS = 300


def library(name: str) -> Path:
    """The path of a library, which is compiled if it is not in the folder yet.

    Its source is the file of this name in this folder. Several processes may compile it at
    the same time: each to a file of its own, which takes its place at once.

    Raises:
        MissingError: where there is no compiler, where it fails, and where there is no
            folder to write to.
    """
    compiler, source = _compiler(), SOURCES / f"{name}.cpp"
    path = _folder() / f"{name}-{_identity(compiler, source)}.so"
    if not path.is_file():
        _compile(compiler, source, path)
    return path


def _compiler() -> list[str]:
    """The command: that of the variable CXX, or the first one there is."""
    asked = shlex.split(os.environ.get("CXX", ""))
    for name in [asked[0]] if asked else _COMPILERS:
        found = shutil.which(name)
        if found:
            return [found, *asked[1:]]
    raise MissingError(
        compose(
            "native: there is no C++ compiler.",
            f"tried {', '.join([asked[0]] if asked else _COMPILERS)}",
            remedy="install one, or name one in the environment variable CXX.",
        )
    )


def _folder() -> Path:
    """Where libraries are kept: JAXMETA_CACHE, or the folder of the user for such files."""
    given = os.environ.get("JAXMETA_CACHE")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "jaxmeta"
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "jaxmeta"


def _identity(compiler: Sequence[str], source: Path) -> str:
    """What another library would be needed for: homes are shared by unlike machines."""
    parts = [
        source.read_text(),
        *compiler,
        *_FLAGS,
        jaxlib.version.__version__,
        _processor(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@functools.cache
def _processor() -> str:
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = ("model name", "flags", "Features", "CPU part")
        return "\n".join(sorted({line for line in lines if line.startswith(names)}))
    return f"{platform.machine()} {platform.processor()}"


def _compile(compiler: Sequence[str], source: Path, path: Path) -> None:
    reasons = []
    with _new_file(path) as target:
        for tuned in _TUNED:
            command = [*compiler, *_FLAGS, *tuned, f"-I{jax.ffi.include_dir()}"]
            failure = _failure([*command, str(source), "-o", str(target)])
            if not failure:
                os.replace(target, path)
                return
            reasons.append(failure)
    raise MissingError(
        compose(
            f"native: {source.name} could not be compiled.",
            f"compiler: {shlex.join(compiler)}",
            reasons[0],
            remedy="name another compiler in the environment variable CXX.",
        )
    )


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """The name of a file beside `path`, which is gone at the end."""
    target = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    except OSError as error:
        raise MissingError(
            compose(
                "native: compiled kernels can not be kept.",
                f"{path.parent}: {error.strerror}",
                remedy="name a folder in the environment variable JAXMETA_CACHE.",
            )
        ) from error
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)


def _failure(command: Sequence[str]) -> str:
    """What a compiler says when it fails; nothing when it does not."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    said = [line for line in done.stderr.splitlines() if line.strip()]
    return said[-1] if said else f"exit status {done.returncode}"
