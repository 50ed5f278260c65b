"""Dashboards: logins that see one company only, and an index for the alerts that came back."""

from trueup.migration import run_sql

revision = "core_0010"
down_revision = "core_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
