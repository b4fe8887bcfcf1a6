"""The project's command line, `hybrid-memory`. Each group of commands is one module."""
