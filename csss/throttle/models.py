"""Table of the counters used while Redis is down."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from csss.database import Model


class ThrottleCounter(Model):
    """How often something was tried within a window that ends at `expires_at`; an expired row means nothing."""

    __tablename__ = "throttle_counters"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    count: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)
