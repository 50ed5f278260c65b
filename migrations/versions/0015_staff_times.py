"""Appointments of a member of staff are read in the order of their start without the table."""

from trueup.migration import run_sql

revision = "bookings_0015"
down_revision = "bookings_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
