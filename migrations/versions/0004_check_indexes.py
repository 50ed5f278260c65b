"""Indexes that let the checks read violations and candidates instead of tables."""

from trueup.migration import run_sql

revision = "bookings_0004"
down_revision = "bookings_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
