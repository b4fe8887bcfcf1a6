"""Traces by OpenTelemetry. Nothing of it is imported unless the environment switches traces on."""
