"""What the phone-booking pack keeps beside the application: inbox, breakers, vocabularies."""

from trueup.migration import run_sql

revision = "bookings_0002"
down_revision = "bookings_0001"
branch_labels = None
depends_on = "core_0001"


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
