"""What several processes have to know: claims on work, and values."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "claims",
        sa.Column("bot", sa.String(16), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sealed_with", sa.String(16), nullable=False),
        sa.Column("work", sa.Text),
    )
    op.create_index("claims_by_lease", "claims", ["bot", "lease_until"])
    op.create_index("claims_by_expiry", "claims", ["expires"])
    op.create_table(
        "shared_values",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
    )
    op.create_index("shared_values_by_expiry", "shared_values", ["expires"])


def downgrade() -> None:
    """Drops them: what is owed at that moment is lost."""
    op.drop_table("shared_values")
    op.drop_table("claims")
