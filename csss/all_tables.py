"""Import every table, so that the metadata is complete and relationships resolve."""


def load_models() -> None:
    """Import every module that defines a table."""
    from csss import key_checks, outbox  # noqa: F401 - their tables belong to the metadata
    from csss.audit import models as audit_models  # noqa: F401
    from csss.auth import models as auth_models  # noqa: F401
    from csss.auth.passkeys import models as passkey_models  # noqa: F401
    from csss.erasing import models as erasing_models  # noqa: F401
    from csss.hospital import models as hospital_models  # noqa: F401
    from csss.notices import models as mail_models  # noqa: F401
    from csss.people import record_models  # noqa: F401
    from csss.prescriptions import fact_models  # noqa: F401
    from csss.prescriptions import models as prescription_models  # noqa: F401
    from csss.recalibration import models as recalibration_models  # noqa: F401
    from csss.reports import models as report_models  # noqa: F401
    from csss.scans import claims as claim_models  # noqa: F401
    from csss.scans import (
        critical_models,  # noqa: F401
        together_models,  # noqa: F401
    )
    from csss.scans import draft_models as desk_models  # noqa: F401
    from csss.scans import models as scan_models  # noqa: F401
    from csss.scans.uploads import models as upload_models  # noqa: F401
    from csss.throttle import models as throttle_models  # noqa: F401
    from csss.watch import models as watch_models  # noqa: F401
