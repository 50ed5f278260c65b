"""Decided items about failed bookings are kept: a check rests on them."""

from trueup.migration import run_sql

revision = "bookings_0013"
down_revision = "bookings_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
