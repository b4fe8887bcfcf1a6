"""The template as SAM transforms it on AWS, with values for its parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]  # ships no types
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).parents[2]


def transform(**parameters: str) -> dict[str, Any]:
    """Return the transformed template. All other parameters have their defaults."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"  # `sam package` writes such a URL
    values = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()} | parameters
    session = boto3.Session(region_name="us-east-1")
    return dict(Translator({}, Parser(), boto_session=session).translate(template, values))


def deployment(template: dict[str, Any]) -> str:
    """Return the logical id of the API's deployment. Each new deployment has a new id."""
    (logical_id,) = (
        name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::ApiGateway::Deployment"
    )
    return str(logical_id)
