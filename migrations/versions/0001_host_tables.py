"""The application's own tables; stamped, not run, when an existing database is adopted."""

from trueup.migration import run_sql

revision = "bookings_0001"
down_revision = None
branch_labels = ("bookings",)
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up", search_path="public")


def downgrade() -> None:
    run_sql(__file__, "down")
