"""Traces by OpenTelemetry, which is imported only if the environment turns tracing on."""
