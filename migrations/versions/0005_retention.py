"""How long the pack's own tables keep what is over."""

from trueup.migration import run_sql

revision = "bookings_0005"
down_revision = "bookings_0003"
branch_labels = None
depends_on = "core_0003"


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
