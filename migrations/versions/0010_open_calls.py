"""Indexes for what a pass over the changes reads each time: calls under way, and doubtful ids."""

from trueup.migration import run_sql

revision = "bookings_0010"
down_revision = "bookings_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
