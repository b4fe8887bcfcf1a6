"""L1: Redis. The Lua scripts are in the same directory."""

import sys
from typing import Any, Final, cast

# redis-py imports OpenTelemetry for its own metrics if OpenTelemetry is installed. This project does not use these
# metrics, and the import would add 30 ms to each cold start. So these modules are hidden during redis-py's import.
_UNUSED: Final = ("opentelemetry.metrics", "opentelemetry.sdk.metrics")
_hidden: Final = [name for name in _UNUSED if name not in sys.modules]
_modules: Final = cast(dict[str, Any], sys.modules)
_modules.update(dict.fromkeys(_hidden))
try:
    import redis  # noqa: F401 - the modules of this package import it from here
finally:
    for _name in _hidden:
        del _modules[_name]
