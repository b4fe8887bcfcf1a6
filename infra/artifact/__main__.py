"""`python -m infra.artifact agent --to DIRECTORY`: what the Makefile's targets for `sam build` call."""

import argparse
import subprocess
import sys
from pathlib import Path

from infra.artifact.build import FUNCTIONS, PLATFORMS, build, runtime_version
from infra.artifact.interpreter import OVERRIDE
from infra.artifact.size import MEGABYTE, size


def main(arguments: list[str] | None = None) -> int:
    """Build what the command line names; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.artifact", description="Build a function's artifact.")
    parser.add_argument("function", choices=FUNCTIONS)
    parser.add_argument("--to", required=True, type=Path, metavar="DIRECTORY")
    parser.add_argument("--architecture", choices=sorted(PLATFORMS), default="x86_64")
    parser.add_argument("--uv", default="uv", help="the uv to install with")
    options = parser.parse_args(arguments)
    directory = options.to.resolve()
    try:
        compiled = build(options.function, directory, options.architecture, options.uv)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"The {options.function} artifact was not built. {error}", file=sys.stderr)
        return 1
    print(f"The {options.function} artifact for {options.architecture} has {size(directory) / MEGABYTE:.1f} MB.")
    if not compiled:
        version = runtime_version()
        print(
            f"It holds no bytecode, so a cold start takes about three times as long: there is no Python {version} here "
            f"to make it. Install one, or name it with {OVERRIDE}=path.",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
