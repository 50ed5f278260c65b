"""The branch that a call or an appointment refers to is found by an index, and what they refer to is grouped in one."""

from trueup.migration import run_sql

revision = "bookings_0016"
down_revision = "bookings_0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
