"""`python -m infra.build.artifact agent --to DIRECTORY`: called by the Makefile's targets for `sam build`."""

import argparse
import subprocess
import sys
from pathlib import Path

from infra.build.artifact.build import FUNCTIONS, PLATFORMS, build, runtime_version
from infra.build.artifact.ingredients import release
from infra.build.artifact.size import MEGABYTE, size


def main(arguments: list[str] | None = None) -> int:
    """Build the artifact named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.build.artifact",
        description="Build a function's artifact, or the stamp that changes with each release.",
    )
    parser.add_argument("what", choices=[*FUNCTIONS, "stamp"])
    parser.add_argument("--to", required=True, type=Path, metavar="DIRECTORY")
    parser.add_argument("--architecture", choices=sorted(PLATFORMS), default="x86_64")
    parser.add_argument("--uv", default="uv", help="the uv to install with")
    options = parser.parse_args(arguments)
    directory = options.to.resolve()
    try:
        if options.what == "stamp":
            (directory / "release.txt").write_text(release(runtime_version(), options.architecture))
            return 0
        ingredients = build(options.what, directory, options.architecture, options.uv)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"The {options.what} artifact was not built. {error}", file=sys.stderr)
        return 1
    print(f"The {options.what} artifact for {options.architecture} has {size(directory) / MEGABYTE:.1f} MB.")
    for warning in ingredients.warnings:
        # Warnings are printed to standard output, because `sam build` hides the standard error of a successful build.
        print(f"Warning: the {options.what} artifact. {warning}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
