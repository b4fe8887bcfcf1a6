"""A substitute for Lambda's Python image, which the tests cannot download.

The image consists of the runtime interface client and boto3 from PyPI, and of files of this machine. These files are an
interpreter of the runtime's version, the libraries of the interpreter and of the artifacts, and the programs that the
SAM CLI's layer needs. Paths, the start of a function and its environment are the same as in Lambda's image.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.sam_local.engine import Engine

# System libraries that wheels require: parts of the C library and the compiler's runtime.
_SYSTEM_LIBRARIES: Final = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libutil.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
)
_PROGRAMS: Final = ("sh", "mv", "cp", "chmod", "rm")
_LANG: Final = "var/lang"
_RUNTIME: Final = "var/runtime"
_BOOTSTRAP: Final = """#!/bin/sh
exec /var/lang/bin/python{version} -m awslambdaric "$_HANDLER"
"""
_CHANGES: Final = (
    "ENV PATH=/var/lang/bin:/bin",
    "ENV LD_LIBRARY_PATH=/var/lang/lib",
    "ENV PYTHONPATH=/var/runtime",
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "ENV LAMBDA_RUNTIME_DIR=/var/runtime",
    "ENV TZ=:UTC",
    "WORKDIR /var/task",
)


def build_image(engine: Engine, tag: str, *, python: Path, version: str, runtime: Path) -> None:
    """Build the image.

    Args:
        engine: The engine that gets the image.
        tag: The image's name.
        python: An interpreter of `version`.
        version: The runtime's version, such as `3.13`.
        runtime: The runtime interface client and boto3, installed for that version and this machine.
    """
    changes = [word for change in _CHANGES for word in ("--change", change)]
    engine.run("import", *changes, "-", tag, data=_archive(python, version, runtime))


def _archive(python: Path, version: str, runtime: Path) -> bytes:
    script = "import sys, sysconfig as s; print(sys.base_prefix, s.get_path('stdlib'), s.get_config_var('LIBDIR'))"
    output = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    prefix, standard_library, library_directory = map(Path, output)
    interpreter = (prefix / "bin" / f"python{version}").resolve()
    extensions = sorted((standard_library / "lib-dynload").glob("*.so"))
    programs = [Path(path) for name in _PROGRAMS if (path := shutil.which(name, path="/bin:/usr/bin"))]

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("tmp", "var/task", "opt", "etc"):
            _add_directory(archive, directory, 0o1777 if directory == "tmp" else 0o755)
        _add_text(archive, "etc/passwd", "root:x:0:0:root:/tmp:/bin/sh\n")
        _add_text(archive, f"{_RUNTIME}/bootstrap", _BOOTSTRAP.format(version=version), 0o755)
        for program in programs:
            archive.add(program.resolve(), f"bin/{program.name}", recursive=False)
        archive.add(interpreter, f"{_LANG}/bin/python{version}", recursive=False)
        archive.add(standard_library, f"{_LANG}/lib/python{version}", filter=_filter_needed)
        archive.add(runtime, _RUNTIME, filter=_filter_needed)
        for library in _libraries([interpreter, *extensions, *programs]):
            # A Python with its own prefix has its own library. The system's libraries are on the loader's path.
            has_own_prefix = library.is_relative_to(library_directory) and not library.is_relative_to("/lib")
            name = f"{_LANG}/lib/{library.name}" if has_own_prefix else library.as_posix().removeprefix("/")
            archive.add(library.resolve(), name, recursive=False)
    return buffer.getvalue()


def _libraries(programs: Iterable[Path]) -> list[Path]:
    """Return the absolute paths of the programs' libraries and of the system libraries that wheels require."""
    cache = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    listed = re.findall(r"^\s+(\S+) .*=> (\S+)$", cache, re.MULTILINE)
    system_libraries = [Path(path) for name, path in listed if name in _SYSTEM_LIBRARIES]
    libraries = set(system_libraries)
    for program in [*programs, *system_libraries]:
        # `ldd` fails for a static program, which has no libraries. This is not an error.
        output = subprocess.run(["ldd", program], check=False, capture_output=True, text=True).stdout
        libraries |= {Path(path) for path in re.findall(r"(/\S+) \(0x", output)}
    return sorted(libraries)


def _filter_needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = entry.name.split("/")
    return None if {"__pycache__", "test", "site-packages", "idlelib", "tkinter", "ensurepip"} & set(parts) else entry


def _add_directory(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _add_text(archive: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), mode
    archive.addfile(entry, io.BytesIO(text.encode()))
