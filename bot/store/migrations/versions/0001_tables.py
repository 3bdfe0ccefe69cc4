"""Creates all tables: the audit, jobs and shared values."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit_events",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workspace", sa.String(100), nullable=False),
        sa.Column("user", sa.String(100), nullable=False),
        sa.Column("entry_point", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(100), nullable=False),
        sa.Column("workflow", sa.String(100), nullable=False),
        sa.Column("result", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("email_hash", sa.String(64), nullable=False),
        sa.Column("uid_hash", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("reference", sa.String(20), nullable=False),
    )
    op.create_index("audit_events_by_time", "audit_events", ["time", "id"])
    op.create_index("audit_events_by_email", "audit_events", ["email_hash", "time", "id"])
    op.create_index("audit_events_by_uid", "audit_events", ["uid_hash", "time", "id"])
    op.create_index("audit_events_by_user", "audit_events", ["user", "time", "id"])
    op.create_table(
        "jobs",
        sa.Column("bot", sa.String(16), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("key_name", sa.String(16), nullable=False),
        sa.Column("work", sa.Text),
    )
    op.create_index("jobs_by_lease", "jobs", ["bot", "lease_until"])
    op.create_index("jobs_by_expiry", "jobs", ["expires"])
    op.create_table(
        "shared_values",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
    )
    op.create_index("shared_values_by_expiry", "shared_values", ["expires"])
