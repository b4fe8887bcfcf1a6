"""Uploads the template and its nested stacks, as `sam package` does.

In the template, the URL of each uploaded file replaces the file's local path.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from infra.local.bundle import make_bundle

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT: Final = Path(__file__).parents[2]
BUCKET: Final = "packages"
_CODE: Final = "code.zip"


class Package:
    """A bucket with the template, its nested stacks and the code.

    Args:
        s3: The emulator's client.
        endpoint_url: The emulator's URL.
        changes: Replacements in the templates for features that the emulator lacks.
    """

    def __init__(self, s3: S3Client, endpoint_url: str, changes: dict[str, str]) -> None:
        self._s3, self._endpoint_url, self._changes = s3, endpoint_url, changes
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=_CODE, Body=_code())

    def upload(self, path: Path = ROOT / "template.yaml") -> str:
        """Upload a template and its local files, and return its URL."""
        text = path.read_text()
        for original, replacement in self._changes.items():
            text = text.replace(original, replacement)
        template = yaml_parse(text)
        sections = [template.get("Globals", {}).get("Function", {})]
        sections += [resource.get("Properties", {}) for resource in template["Resources"].values()]
        for section in sections:
            self._replace(section)
            _without_metric_math(section)
        key = f"{path.stem}.json"
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(template, default=str).encode())
        return f"{self._endpoint_url}/{BUCKET}/{key}"

    def _replace(self, section: dict[str, Any]) -> None:
        address = {"S3Bucket": BUCKET, "S3Key": _CODE}
        if section.get("CodeUri") == ".":
            section["CodeUri"] = f"s3://{BUCKET}/{_CODE}"
        for name in ("Code", "Content"):
            if section.get(name) == "../..":
                section[name] = address
        if "TemplateURL" in section:
            section["TemplateURL"] = self.upload(ROOT / section["TemplateURL"])


def _without_metric_math(section: dict[str, Any]) -> None:
    """Replace an alarm on a ratio by an alarm on the ratio's numerator, because the emulator has no metric math."""
    metrics = section.get("Metrics")
    if isinstance(metrics, list) and any("Expression" in metric for metric in metrics):
        section.pop("Metrics")
        stat = next(metric["MetricStat"] for metric in metrics if "MetricStat" in metric)
        section |= {**stat["Metric"], "Statistic": stat["Stat"], "Period": stat["Period"]}


def _code() -> bytes:
    """Return the code of the functions and migrations as one zip."""
    buffer = io.BytesIO(make_bundle().content)
    with zipfile.ZipFile(buffer, "a") as archive:
        folder = ROOT / "infra"
        for path in [folder / "__init__.py", *sorted((folder / "migrations").rglob("*"))]:
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, path.relative_to(ROOT).as_posix())
    return buffer.getvalue()
