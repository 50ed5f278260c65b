"""What is kept for how long, and the storage parameters of the tables that churn."""

from trueup.migration import run_sql

revision = "core_0003"
down_revision = "core_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
