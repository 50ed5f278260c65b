"""What the planner expects each check to cost, now and at every evaluation."""

from trueup.migration import run_sql

revision = "core_0005"
down_revision = "core_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
