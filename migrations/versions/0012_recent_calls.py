"""The index for the calls of a week holds each call."""

from trueup.migration import run_sql

revision = "bookings_0012"
down_revision = "bookings_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
