"""`make chaos` runs `python -m tests.chaos`. It runs its own stack in a temporary directory."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from infra.local.environment import ignore_user_configuration
from tests.chaos.run import LearnsBy, Size, run

SECONDS = 600.0
EXCHANGES = 20_000


def main() -> int:
    """Run and print the report; return 1 if a guarantee was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"duration of the faults ({SECONDS:.0f})")
    parser.add_argument("--exchanges", type=int, help=f"minimum number of exchanges ({EXCHANGES} in {SECONDS:.0f} s)")
    parser.add_argument("--seed", type=int, help="random seed; by default a random one, which is printed")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--state-dir", type=Path, help="a directory for the stack; it is not deleted, and contains the logs"
    )
    parser.add_argument(
        "--hasten", action="store_true", help="run the sweep as soon as the callers have finished, for short runs"
    )
    parser.add_argument("--learning", choices=get_args(LearnsBy), default="model", help="what learns (model)")
    arguments = parser.parse_args()
    ignore_user_configuration()
    # SIGTERM also shuts everything down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    exchanges = arguments.exchanges or round(EXCHANGES * arguments.seconds / SECONDS)
    with tempfile.TemporaryDirectory(prefix="hybrid-memory-chaos-") as directory:
        size = Size(arguments.seconds, exchanges, invokes_sweep=arguments.hasten)
        result = run(arguments.state_dir or Path(directory), seed, size, _print_progress, learns_by=arguments.learning)
    if arguments.state_dir:
        (arguments.state_dir / "journal.json").write_text(json.dumps(asdict(result.journal), default=str))
    text = json.dumps(result.to_json(), indent=2) if arguments.json else result.table()
    sys.stdout.write(f"{text}\n")
    return 0 if result.verdict.is_clean else 1


def _print_progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
