"""A call may start or end at infinity."""

from trueup.migration import run_sql

revision = "bookings_0019"
down_revision = "bookings_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
