"""Who is told what about alerts, what was said, and when nothing is to be said."""

from trueup.migration import run_sql

revision = "core_0008"
down_revision = "core_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
