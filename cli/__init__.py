"""The project's command line, `hybrid-memory`: one file a group of commands."""
