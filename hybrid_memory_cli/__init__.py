"""The entry point of the installed command line.

The wheel has the modules of the command line in the folder `packages` beside this file, so that it installs no module
with a common name such as `shared`, and no second copy of `hybrid_memory_client`. A clone has no such folder: its
modules are found in the clone.
"""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    sys.path.insert(0, str(Path(__file__).parent / "packages"))
    from cli.main import app  # noqa: PLC0415 - found in the folder that was just added

    app()
