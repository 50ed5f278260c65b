"""The inbox of provider events: order, waiting, and what becomes of each."""

from trueup.migration import run_sql

revision = "bookings_0007"
down_revision = "bookings_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
