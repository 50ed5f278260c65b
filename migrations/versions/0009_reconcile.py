"""What the provider lists, synchronisation that is tried again, and notices of changed appointments."""

from trueup.migration import run_sql

revision = "bookings_0009"
down_revision = "bookings_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
