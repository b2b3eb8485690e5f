"""Add the warnings of a prescription line with the reason in spite of them, and prescription templates.

The previous release runs beside it: two columns with defaults, and a table that it does not know.
"""

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAMES = uuid.UUID("0b3f7f8e-52a9-4a53-8d59-6a4f6a2d1c77")  # namespace of the starter set's ids
_ADDED = ("warnings", "override_reason")

# The starter set: usual adult courses, which the hospital adapts to its own guideline. Name, lines, notes.
_STARTER: tuple[tuple[str, tuple[tuple[str, str, str, str, str], ...], str], ...] = (
    (
        "Fever or pain",
        (("Paracetamol", "500 mg", "oral", "up to four times a day, at least 6 hours apart", "5 days"),),
        "Not together with other medicines that contain paracetamol.",
    ),
    (
        "Pneumonia, treated at home",
        (("Amoxicillin", "500 mg", "oral", "three times a day", "5 days"),),
        "Take the antibiotic to the end. Come back if you are not better after three days.",
    ),
    (
        "Pneumonia, penicillin allergy",
        (("Doxycycline", "100 mg", "oral", "twice a day", "5 days"),),
        "Take with plenty of water, upright, not together with milk.",
    ),
    (
        "Flare-up of COPD or asthma",
        (
            (
                "Salbutamol",
                "200 micrograms (2 puffs)",
                "inhaled",
                "every 4 to 6 hours when short of breath",
                "7 days",
            ),
            ("Prednisolone", "30 mg", "oral", "once a day, in the morning", "5 days"),
        ),
        "Use the inhaler with a spacer.",
    ),
    (
        "Heart failure, congestion",
        (("Furosemide", "40 mg", "oral", "once a day, in the morning", "14 days"),),
        "Weigh yourself every morning. Come back if you gain more than 2 kg in three days.",
    ),
    (
        "After a heart attack, secondary prevention",
        (
            ("Acetylsalicylic acid", "75 mg", "oral", "once a day", "long-term"),
            ("Atorvastatin", "80 mg", "oral", "once a day, in the evening", "long-term"),
            ("Bisoprolol", "2.5 mg", "oral", "once a day, in the morning", "long-term"),
            ("Ramipril", "2.5 mg", "oral", "once a day", "long-term"),
        ),
        "",
    ),
)


def upgrade() -> None:
    # Not in batch mode: SQLite would recreate the table and lose its triggers.
    for name in _ADDED:
        op.add_column(
            "prescription_items", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''"))
        )
    templates = op.create_table(
        "prescription_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_prescription_templates_owner_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prescription_templates")),
    )
    op.create_index("ix_prescription_templates_owner_id", "prescription_templates", ["owner_id"])
    keys = ("drug", "dose", "route", "frequency", "duration")
    op.bulk_insert(
        templates,
        [
            {
                "id": uuid.uuid5(_NAMES, name),
                "owner_id": None,
                "name": name,
                "lines": [dict(zip(keys, line, strict=True)) for line in lines],
                "notes": notes,
                "changed_at": datetime.now(UTC),
            }
            for name, lines, notes in _STARTER
        ],
    )


def downgrade() -> None:
    op.drop_table("prescription_templates")
    for name in _ADDED:
        op.drop_column("prescription_items", name)
