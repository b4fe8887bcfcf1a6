"""The cost page has correct sums, and tables that `make cost` can rewrite."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cost.__main__ import measured_part
from tests.cost.measure import Units
from tests.cost.report import Line, per_million, per_month, table
from tests.cost.sizing import Figures, cached_threads, capacity_for, main, node_for, printed_figures, sizing

_ROOT = Path(__file__).parents[2]
_ASSUMPTIONS = tomllib.loads((_ROOT / "tests" / "cost" / "assumptions.toml").read_text())
_UNITS = Units(
    turns=100,
    request_bytes=1000,
    response_bytes=10_000,
    agent_ms=20,
    drain_ms=5,
    batch=4,
    import_ms=800,
    agent_megabytes=90,
    redis_bytes_per_thread=30_000,
    redis_bytes_per_window=90_000,
    postgres_bytes=2000,
    postgres_ms=5,
    log_bytes=1000,
)
_FIGURES = Figures(thread_bytes=30_000, window_bytes=90_000, postgres_ms=5)


def test_the_cost_of_a_million_turns_is_units_times_price() -> None:
    """A line's cost is the number of units of a million turns times the unit's price."""
    lines = {line.name: line.dollars for line in per_million(_UNITS, _ASSUMPTIONS)}
    price = _ASSUMPTIONS["prices"]
    assert lines["API Gateway"] == pytest.approx(2e6 * price["api_request"])
    assert lines["SQS"] == pytest.approx(1e6 * 1.5 * price["queue_request"])
    assert lines["Sync function"] == pytest.approx(5000 * price["function_gigabyte_second"])
    assert lines["Agent function, run time"] == pytest.approx(20_000 * price["function_gigabyte_second"])
    assert lines["Responses to the internet"] == pytest.approx(10 * price["transfer_out_gigabyte"])
    assert lines["PostgreSQL storage"] == pytest.approx(2 * price["database_gigabyte_month"])


def test_production_pays_for_redundancy_without_turns() -> None:
    """Without turns, production pays for its redundant resources, and a paused database costs nothing."""
    prod, dev = (
        {line.name: line for line in per_month(_ASSUMPTIONS, production=is_production)}
        for is_production in (True, False)
    )
    assert prod["NAT gateways"].dollars == 2 * dev["NAT gateways"].dollars
    assert (dev["PostgreSQL"].dollars, "RDS Proxy" in dev) == (0, False)
    assert prod["Alarms and dashboard"].dollars > dev["Alarms and dashboard"].dollars


def test_the_tables_sum_is_rounded() -> None:
    """The sum is rounded to the table's precision."""
    written_table = table([Line("a", "b", 0.123), Line("c", "d", 1234.4)], "all")
    assert written_table.splitlines()[2:] == ["| a | b | 0.12 |", "| c | d | 1,234 |", "| **all** | | **1,235** |"]


def test_the_page_has_the_written_tables() -> None:
    """The page has the same tables and lines as `make cost` writes."""
    page = (_ROOT / "docs" / "cost.md").read_text()
    measured = page.partition("<!-- measured -->")[2].partition("<!-- end of what is measured -->")[0]
    written_names = [
        line.split("|")[1] for line in measured_part(_UNITS, _ASSUMPTIONS).splitlines() if line.startswith("| ")
    ]
    assert [line.split("|")[1] for line in measured.splitlines() if line.startswith("| ")] == written_names


def test_redis_has_memory_for_all_cached_threads() -> None:
    """Redis needs the bytes of a thread times the number of threads within the time to live.

    The node is the smallest node with enough usable memory.
    """
    sizes = _ASSUMPTIONS["sizes"]
    assert cached_threads(10, 24, _ASSUMPTIONS["turn"]) == 86_400
    small = sizes["nodes"]["cache.t4g.small"] * 2**30 * sizes["usable_share"]
    assert node_for(small, sizes) == "cache.t4g.small"
    assert node_for(small + 1, sizes) == "cache.t4g.medium"
    assert node_for(1e15, sizes) is None
    assert list(sizes["nodes"].values()) == sorted(sizes["nodes"].values())


def test_postgresql_has_capacity_for_the_turns_cpu_time() -> None:
    """The size of PostgreSQL is the turns' CPU time per second, rounded up to half an ACU, with a minimum."""
    sizes = {"cores_per_acu": 0.25, "busy_share": 0.5}
    assert capacity_for(100, _FIGURES, sizes) == 4
    assert capacity_for(101, _FIGURES, sizes) == 4.5
    assert capacity_for(0.1, _FIGURES, sizes) == 0.5


def test_the_sizing_table_names_the_default_rate_limit() -> None:
    """The sizing recipe names the template's default limit of requests per second. A turn has two requests."""
    template = (_ROOT / "template.yaml").read_text()
    limit = template.partition("  ApiRateLimit:")[2].partition("Default: ")[2].split()[0]
    text = (_ROOT / "docs" / "recipes" / "sizing.md").read_text()
    assert f"{limit} requests a second" in text
    assert f"| {int(limit) // 2} | {limit} |" in text


def test_the_recipe_has_the_sizes_of_the_measured_figures() -> None:
    """The recipe's table is computed from the figures of the cost page, so the two pages cannot differ."""
    page = (_ROOT / "docs" / "recipes" / "sizing.md").read_text()
    part = page.partition("<!-- measured -->")[2].partition("<!-- end of what is measured -->")[0]
    figures = printed_figures((_ROOT / "docs" / "cost.md").read_text())
    assert part.strip() == sizing(figures, _ASSUMPTIONS).strip(), "run `make cost`"
    assert figures.window_bytes > figures.thread_bytes > 1000
    with pytest.raises(ValueError, match="Redis memory of a measured thread"):
        printed_figures("")


def test_the_command_computes_the_sizes_of_a_load(capsys: pytest.CaptureFixture[str]) -> None:
    """For a load of the table, the command prints the table's sizes. For other threads, it prints other sizes."""
    load = ["--turns-per-second", "20", "--ttl-hours", "6"]
    main(load)
    output = capsys.readouterr().out
    row = next(
        line
        for line in sizing(printed_figures((_ROOT / "docs" / "cost.md").read_text()), _ASSUMPTIONS).splitlines()
        if line.startswith("| 20 |")
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    node, _, memory = cells[3].partition(" (")
    assert output.startswith(f"CacheNodeType={node}: 43,200 threads with {memory.removesuffix(')')}\n")
    assert output.endswith(f"ACU: {cells[5]}\nApiRateLimit={cells[1]}\n")
    main([*load, "--turns-per-thread", "1", "--bytes-per-thread", "1e9"])
    assert capsys.readouterr().out.startswith("CacheNodeType=none: 432,000 threads with ")
