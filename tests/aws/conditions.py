"""Evaluates the template's conditions and `Fn::If` for given parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

ROOT: Final = Path(__file__).parents[2]
NOTHING: Final = {"Ref": "AWS::NoValue"}


class Evaluated:
    """template.yaml as CloudFormation evaluates it.

    Args:
        account: The account's id.
        parameters: Values of parameters; the others have their defaults.
    """

    def __init__(self, account: str, **parameters: str) -> None:
        self.template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
        self._values = {name: given.get("Default") for name, given in self.template["Parameters"].items()}
        self._values |= {"AWS::AccountId": account} | parameters

    def holds(self, condition: Any) -> bool:
        """Evaluate a condition, given by name or as an expression."""
        if isinstance(condition, str):
            return self.holds(self.template["Conditions"][condition])
        ((function, given),) = condition.items()
        if function == "Condition":
            return self.holds(given)
        if function == "Fn::Equals":
            one, other = (self._value(value) for value in given)
            return one == other
        results = [self.holds(one) for one in given]
        return {"Fn::And": all(results), "Fn::Or": any(results), "Fn::Not": not results[0]}[function]

    def _value(self, value: Any) -> str:
        return str(self._values[value["Ref"]] if isinstance(value, dict) else value)

    def chosen(self, value: Any) -> Any:
        """Return a value with each `Fn::If` replaced by the chosen branch, without `AWS::NoValue`."""
        if isinstance(value, dict):
            if set(value) == {"Fn::If"}:
                condition, yes, no = value["Fn::If"]
                return self.chosen(yes if self.holds(condition) else no)
            return {key: one for key, inner in value.items() if (one := self.chosen(inner)) != NOTHING}
        if isinstance(value, list):
            return [one for inner in value if (one := self.chosen(inner)) != NOTHING]
        return value

    def environment(self) -> dict[str, Any]:
        """Return the agent function's variables."""
        agent = self.template["Resources"]["AgentFunction"]["Properties"]["Environment"]["Variables"]
        return dict(self.chosen(self.template["Globals"]["Function"]["Environment"]["Variables"] | agent))
