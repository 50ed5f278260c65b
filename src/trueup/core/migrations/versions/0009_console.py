"""Who uses the review console: people, their sessions, their attempts, what they did."""

from trueup.migration import run_sql

revision = "core_0009"
down_revision = "core_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
