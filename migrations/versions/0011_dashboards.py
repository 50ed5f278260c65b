"""An index for what dashboards count of the calls of a week."""

from trueup.migration import run_sql

revision = "bookings_0011"
down_revision = "bookings_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
