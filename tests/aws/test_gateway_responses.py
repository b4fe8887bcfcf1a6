"""API Gateway sends its own responses. If any origin is allowed, every page may read these responses."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.aws.conditions import EvaluatedTemplate

_ALLOW_ORIGIN: Final = "gatewayresponse.header.Access-Control-Allow-Origin"
_EXPOSE_HEADERS: Final = "gatewayresponse.header.Access-Control-Expose-Headers"
# Causes of such a response: no route, no key, throttling, a body over 10 MB, a function that fails or takes too long.
_EXPECTED: Final = {
    "ACCESS_DENIED",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "THROTTLED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
}


def _responses(**parameters: str) -> dict[str, Any]:
    evaluated = EvaluatedTemplate("210987654321", **parameters)
    definition = evaluated.template["Resources"]["Api"]["Properties"]["DefinitionBody"]
    return dict(evaluated.evaluate(definition["x-amazon-apigateway-gateway-responses"]))


@pytest.mark.parametrize(
    "parameters", [{"Stage": "local"}, {"Stage": "prod", "CorsOrigins": "https://a.example,https://b.example"}]
)
def test_pages_may_read_every_response_if_an_origin_is_allowed(parameters: dict[str, str]) -> None:
    """A page can read every response, for example that of a throttle, and does not see a network error."""
    responses = _responses(**parameters)
    assert set(responses) >= _EXPECTED
    for name, response in responses.items():
        headers = response["responseParameters"]
        assert headers[_ALLOW_ORIGIN] == "'*'", name
        exposed = {name.lower() for name in headers[_EXPOSE_HEADERS].strip("'").split(", ")}
        assert {"retry-after", "allow", "date", "x-amzn-requestid"} <= exposed, name


def test_no_page_may_read_responses_without_origins() -> None:
    """Without allowed origins, no page may read the gateway's responses."""
    for name, response in _responses(Stage="prod", CorsOrigins="").items():
        assert not {_ALLOW_ORIGIN, _EXPOSE_HEADERS} & set(response["responseParameters"]), name


def test_responses_contain_no_data_of_a_user() -> None:
    """Any page may read the responses, so they contain only the gateway's message and the request's id."""
    for name, response in _responses(Stage="local").items():
        (template,) = response["responseTemplates"].values()
        words = {word.rstrip("\",}'") for word in template.replace(":", " ").replace(",", " ").split() if "$" in word}
        assert {word.strip('"') for word in words} <= {"$context.error.messageString", "$context.requestId"}, name
