"""Who deployed what, when and from where; what each object was when it was deployed."""

from trueup.migration import run_sql

revision = "core_0006"
down_revision = "core_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
