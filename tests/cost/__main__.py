"""`python -m tests.cost` measures, and rewrites the measured parts of docs/cost.md and docs/recipes/sizing.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

from tests.cost.measure import Units, measure, to_json
from tests.cost.report import per_million, per_month, table
from tests.cost.sizing import COST_PAGE, ROOT, printed_figures, sizing

_SIZING_PAGE: Final = ROOT / "docs" / "recipes" / "sizing.md"
_BEGIN, _END = "<!-- measured -->", "<!-- end of what is measured -->"


def main() -> int:
    """Measure, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.cost", description=__doc__)
    parser.add_argument("--turns", type=int, default=1000)
    options = parser.parse_args()
    assumptions = tomllib.loads((Path(__file__).parent / "assumptions.toml").read_text())
    with tempfile.TemporaryDirectory() as state:
        units = measure(Path(state), options.turns, assumptions["turn"])
    sys.stdout.write(f"{to_json(units)}\n")
    _rewrite(COST_PAGE, measured_part(units, assumptions))
    _rewrite(_SIZING_PAGE, sizing(printed_figures(COST_PAGE.read_text()), assumptions))
    return 0


def _rewrite(page: Path, part: str) -> None:
    """Replace the measured part of a page."""
    text_before, _, rest = page.read_text().partition(_BEGIN)
    _, _, text_after = rest.partition(_END)
    page.write_text(f"{text_before}{_BEGIN}\n\n{part}\n\n{_END}{text_after}")
    sys.stdout.write(f"{page.relative_to(ROOT)} is written.\n")


def measured_part(units: Units, assumptions: dict[str, Any]) -> str:
    """Return the measured part of the page."""
    # The machine's load changes the times, but not the bytes.
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores with a load of {os.getloadavg()[0]:.0f}"
    facts = [
        ("request bodies per turn", f"{units.request_bytes:,.0f} bytes"),
        ("response bodies per turn", f"{units.response_bytes:,.0f} bytes"),
        ("agent function's run time per turn, without a model", f"{units.agent_ms:.0f} ms"),
        ("sync function's run time per turn", f"{units.drain_ms:.0f} ms, {units.batch:.1f} exchanges per batch"),
        ("import of the agent function", f"{units.import_ms:,.0f} ms"),
        ("memory of the agent function's process", f"{units.agent_megabytes:,.0f} MB"),
        ("Redis memory of a measured thread and its user", f"{units.redis_bytes_per_thread:,.0f} bytes"),
        ("Redis memory of a thread with a full window and its user", f"{units.redis_bytes_per_window:,.0f} bytes"),
        ("PostgreSQL storage of an exchange, with indexes", f"{units.postgres_bytes:,.0f} bytes"),
        ("PostgreSQL's CPU time per turn", f"{units.postgres_ms:.1f} ms"),
        ("logs and metrics per turn", f"{units.log_bytes:,.0f} bytes"),
    ]
    day, region = assumptions["day"], assumptions["region"]
    parts = [
        f"## Resources per turn\n\nMeasured over {units.turns:,} sequential turns, {machine}.\n",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]),
        f"\n## Cost of a million turns\n\nPrices of {region}, {day}.\n",
        table(per_million(units, assumptions), "a million turns"),
        "\n## Cost of an idle month\n\n`prod`, as in samconfig.toml:\n",
        table(per_month(assumptions, production=True), "a month of `prod`"),
        "\n`dev`, as in samconfig.toml:\n",
        table(per_month(assumptions, production=False), "a month of `dev`"),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
