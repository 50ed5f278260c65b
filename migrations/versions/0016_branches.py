"""What calls and appointments refer to is grouped in two indexes, which find those of a branch, too."""

from trueup.migration import run_sql

revision = "bookings_0016"
down_revision = "bookings_0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
