"""The API's responses agree with its description, for valid and invalid requests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infra.local import PROJECT_ROOT
from tests.e2e.deployment import Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.openapi.special_ids import SPECIAL_IDS
from tests.e2e.stores import Layers

_SCRIPT = Path(sys.executable).with_name("schemathesis")
_SETTINGS = Path(__file__).parent / "openapi"


def test_every_response_agrees_with_the_description(
    deployment: Deployment, api: MemoryApi, layers: Layers, tmp_path: Path
) -> None:
    """The API returns no 5xx, and only described statuses, content types and bodies.

    It accepts valid requests and refuses invalid requests.
    """
    for name in SPECIAL_IDS:  # so that some requests are about existing data
        api.invoked("Hello", "Hi", thread_id=name)
    layers.wait_stored(SPECIAL_IDS[-1], 2)
    url = deployment.api_url
    command = [str(_SCRIPT), "--config-file", str(_SETTINGS / "schemathesis.toml"), "run", f"{url}/openapi.json"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.e2e.openapi.hooks",
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "COLUMNS": "120",
    }
    result = subprocess.run(
        [*command, "--url", url, "--checks", "all", "--no-color"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert result.returncode == 0, "\n".join(line[:500] for line in result.stdout.splitlines()) + result.stderr
