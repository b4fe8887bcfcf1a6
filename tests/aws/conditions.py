"""Evaluation of the template's conditions and `Fn::If` for given parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

ROOT: Final = Path(__file__).parents[2]
NO_VALUE: Final = {"Ref": "AWS::NoValue"}


class EvaluatedTemplate:
    """template.yaml as CloudFormation evaluates it.

    Args:
        account: The account's id.
        parameters: Values of parameters. All other parameters have their defaults.
    """

    def __init__(self, account: str, **parameters: str) -> None:
        self.template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
        self._values = {name: each.get("Default") for name, each in self.template["Parameters"].items()}
        self._values |= {"AWS::AccountId": account} | parameters

    def is_true(self, condition: Any) -> bool:
        """Evaluate a condition, given by name or as an expression."""
        if isinstance(condition, str):
            return self.is_true(self.template["Conditions"][condition])
        ((function, arguments),) = condition.items()
        if function == "Condition":
            return self.is_true(arguments)
        if function == "Fn::Equals":
            first, other = (self._value(value) for value in arguments)
            return first == other
        results = [self.is_true(each) for each in arguments]
        return {"Fn::And": all(results), "Fn::Or": any(results), "Fn::Not": not results[0]}[function]

    def _value(self, value: Any) -> str:
        return str(self._values[value["Ref"]] if isinstance(value, dict) else value)

    def evaluate(self, value: Any) -> Any:
        """Return a value with each `Fn::If` replaced by the chosen branch, without `AWS::NoValue`."""
        if isinstance(value, dict):
            if set(value) == {"Fn::If"}:
                condition, if_true, if_false = value["Fn::If"]
                return self.evaluate(if_true if self.is_true(condition) else if_false)
            return {key: result for key, inner in value.items() if (result := self.evaluate(inner)) != NO_VALUE}
        if isinstance(value, list):
            return [result for inner in value if (result := self.evaluate(inner)) != NO_VALUE]
        return value

    def environment(self) -> dict[str, Any]:
        """Return the agent function's variables."""
        agent = self.template["Resources"]["AgentFunction"]["Properties"]["Environment"]["Variables"]
        return dict(self.evaluate(self.template["Globals"]["Function"]["Environment"]["Variables"] | agent))
