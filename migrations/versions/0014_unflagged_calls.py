"""Calls that say booked and are not flagged have an index; calls and appointments are read once."""

from trueup.migration import run_sql

revision = "bookings_0014"
down_revision = "bookings_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
