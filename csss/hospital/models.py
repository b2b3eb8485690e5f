"""Table of the hospital's settings."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from csss.clock import now
from csss.database import APPEND_ONLY, Model
from csss.people.models import User


class HospitalVersion(Model):
    """What an administrator has set; each change is a whole new row, and the newest one counts. Empty: not set."""

    __tablename__ = "hospital_versions"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(120), default="")
    address: Mapped[str] = mapped_column(Text, default="")  # one line of it per line
    telephone: Mapped[str] = mapped_column(String(40), default="")
    letterhead: Mapped[str] = mapped_column(String(160), default="")
    logo: Mapped[bytes | None] = mapped_column(LargeBinary)  # a JPEG that we have written, for reports
    small_logo: Mapped[bytes | None] = mapped_column(LargeBinary)  # the same for pages
    formulary: Mapped[str | None] = mapped_column(Text)  # the content of the file
    formulary_name: Mapped[str] = mapped_column(String(120), default="")
    changed_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(default=now)

    changed_by: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = ({"info": APPEND_ONLY},)
