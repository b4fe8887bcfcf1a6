"""L1: Redis, with its Lua scripts beside."""

import sys
from typing import Any, Final, cast

# redis-py imports OpenTelemetry wherever that is installed, for metrics of its own that nothing here switches on: 30 ms
# at each cold start. While it is imported, these look as if they were not installed.
_UNUSED: Final = ("opentelemetry.metrics", "opentelemetry.sdk.metrics")
_hidden: Final = [name for name in _UNUSED if name not in sys.modules]
_modules: Final = cast(dict[str, Any], sys.modules)
_modules.update(dict.fromkeys(_hidden))
try:
    import redis  # noqa: F401 - what the modules of this package import is this one
finally:
    for _name in _hidden:
        del _modules[_name]
