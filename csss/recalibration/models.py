"""The versions of the classifier that were fitted to this hospital, and which version was put in use when."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model
from csss.people.models import User


class Recalibration(Model):
    """A version fitted to this hospital, whole: every machine makes the model folder from this row and the network of the
    version it was made of (`csss.recalibration.folders`)."""

    __tablename__ = "recalibrations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    number: Mapped[int] = mapped_column(unique=True)
    version: Mapped[str] = mapped_column(String(60), unique=True)
    made_at: Mapped[datetime] = mapped_column(default=now)
    labels: Mapped[dict[str, Any]] = mapped_column(JSON)  # labels.json
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON)  # metrics.json
    card: Mapped[str] = mapped_column(Text)  # MODEL_CARD.md

    __table_args__ = ({"info": APPEND_ONLY},)


class ModelChoice(Model):
    """An administrator has put a version in use. The row with the highest number counts."""

    __tablename__ = "model_choices"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    number: Mapped[int] = mapped_column(unique=True)  # from 1; 0 stands for what was before the first choice
    version: Mapped[str] = mapped_column(String(60))  # empty: the one that CSSS comes with
    goes_back_to: Mapped[int | None]  # the number of the choice that one step back returns to
    chosen_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    chosen_at: Mapped[datetime] = mapped_column(default=now)

    chosen_by: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)
