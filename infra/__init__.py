"""The system's infrastructure: AWS templates, builds, migrations, and the local stack."""
