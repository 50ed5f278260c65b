"""The circuit breaker's state, its settings, and the rates of a day."""

from trueup.migration import run_sql

revision = "bookings_0008"
down_revision = "bookings_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
