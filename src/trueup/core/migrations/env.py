"""Alembic's entry point; what it does is the same for every pack."""

from trueup.migration import run_environment

run_environment()
