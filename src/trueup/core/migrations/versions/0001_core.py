"""The layer's own tables: settings, runs, alerts, guards, repairs, the review queue."""

from trueup.migration import run_sql

revision = "core_0001"
down_revision = None
branch_labels = ("core",)
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
