"""What becomes of each table when a patient is erased. A test fails on a table that stands in neither list."""

# Rows that go, each table with the column that says whose they are: a scan's, a prescription's, a patient's or a user's.
GOES: dict[str, str] = {
    "addenda": "scan_id",
    "analysis_runs": "scan_id",
    "approval_batch_items": "scan_id",
    "approvals": "scan_id",
    "legal_holds": "patient_id",
    "one_time_codes": "user_id",
    "passkeys": "user_id",
    "password_resets": "user_id",
    "predictions": "scan_id",
    "prescription_items": "prescription_id",
    "prescriptions": "scan_id",
    "recovery_codes": "user_id",
    "report_versions": "scan_id",
    "review_drafts": "scan_id",
    "reviews": "scan_id",
    "scan_claims": "scan_id",
    "scan_closures": "scan_id",
    "scan_events": "scan_id",
    "scan_holds": "scan_id",
    "scans": "patient_id",
    "uploads": "patient_id",
    "user_sessions": "user_id",
}
# Rows that stay, and why nothing personal is left in them.
STAYS: dict[str, str] = {
    "approval_batches": "an administrator's choice of reports; holds no patient",
    "audit_events": "holds ids, choices and network addresses; its chain has to stay verifiable",
    "audit_seals": "hashes of audit events",
    "erased_files": "random names of files until they are gone",
    "erasure_door": "always empty",
    "erasures": "that somebody with this id was erased, when, by whom, why, and how much",
    "mail_messages": "kind, times and ids; what a mail server said of the address is blanked, what is owed is dropped",
    "outbox": "ids; open and given-up jobs about the patient are deleted with what they tell",
    "passkey_challenges": "random numbers of open sign-ins; they go with their session",
    "patients": "the id; every other column is overwritten",
    "prescription_templates": "written for nobody in particular",
    "report_templates": "written for nobody in particular",
    "throttle_counters": "counts under keyed hashes, for an hour at most",
    "users": "id, role and day of registration; every other column is overwritten",
}
