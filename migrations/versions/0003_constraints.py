"""Definitions of the constraints and indexes on the application's tables."""

from trueup.migration import run_sql

revision = "bookings_0003"
down_revision = "bookings_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
