"""The one table of who may do what, and how a route is asked."""

from flask import Flask
from werkzeug.routing import Rule

from tests.rules.site import ROLES
from tests.visitor import Visitor

EVERYBODY = {None, *ROLES}
SIGNED_IN = set(ROLES)
PATIENT, DOCTOR, PHARMACIST, ADMIN = {"patient"}, {"doctor"}, {"pharmacist"}, {"admin"}
STAFF = DOCTOR | PHARMACIST | ADMIN


class Own(set[str | None]):
    """Roles of which those in `own` reach only what belongs to them: to another of that role it does not exist."""

    def __init__(self, roles: set[str], own: set[str]) -> None:
        super().__init__(roles)
        self.own = own


class _Table(dict[str, set[str | None]]):
    def __missing__(self, endpoint: str) -> set[str | None]:
        raise AssertionError(f"tests/rules/routes.py does not say who may open {endpoint}: add it to WHO")


# Add a new route here. One that is missing fails, and so does one that names no permission. Where an address names
# something that belongs to one person, say so with `Own`: test_strangers.py tries it as somebody else.
WHO: dict[str, set[str | None]] = {
    "account.add_passkey": SIGNED_IN,
    "account.authenticator": SIGNED_IN,
    "account.change": SIGNED_IN,
    "account.confirm_authenticator": SIGNED_IN,
    "account.end_other_sessions": SIGNED_IN,
    "account.end_session": Own(SIGNED_IN, own=SIGNED_IN),
    "account.make_recovery_codes": SIGNED_IN,
    "account.new_passkey": SIGNED_IN,
    "account.page": SIGNED_IN,
    "account.passkey_question": SIGNED_IN,
    "account.recovery_codes": SIGNED_IN,
    "account.remove_authenticator": SIGNED_IN,
    "account.remove_passkey": Own(SIGNED_IN, own=SIGNED_IN),
    "account.remove_passphrase": SIGNED_IN,
    "account.send_confirmation": SIGNED_IN,
    "admin.approve": ADMIN,
    "admin.approve_batch": Own(ADMIN, own=ADMIN),
    "admin.approve_user": ADMIN,
    "admin.audit_log": ADMIN,
    "admin.batch": Own(ADMIN, own=ADMIN),
    "admin.batch_code_state": Own(ADMIN, own=ADMIN),
    "admin.batch_passkey_question": Own(ADMIN, own=ADMIN),
    "admin.change_hospital": ADMIN,
    "admin.code_state": ADMIN,
    "admin.correct_patient": ADMIN,
    "admin.deactivate_user": ADMIN,
    "admin.end_user_sessions": ADMIN,
    "admin.erase": ADMIN,
    "admin.erase_code_state": ADMIN,
    "admin.erase_form": ADMIN,
    "admin.erase_passkey_question": ADMIN,
    "admin.erasures": ADMIN,
    "admin.hold": ADMIN,
    "admin.leave_out": Own(ADMIN, own=ADMIN),
    "admin.lift": ADMIN,
    "admin.lift_legal_hold": ADMIN,
    "admin.mail_log": ADMIN,
    "admin.passkey_question": ADMIN,
    "admin.patient_details": ADMIN,
    "admin.patient": ADMIN,
    "admin.patients": ADMIN,
    "admin.new_patient": ADMIN,
    "admin.make_patient": ADMIN,
    "admin.edit_patient": ADMIN,
    "admin.add_patient_number": ADMIN,
    "admin.ask_for_address": ADMIN,
    "admin.invite_patient": ADMIN,
    "admin.slip_again": ADMIN,
    "admin.withdraw_patient_invitation": ADMIN,
    "admin.merge_form": ADMIN,
    "admin.merge_patients": ADMIN,
    "admin.separate_patients": ADMIN,
    "admin.place_hold_on_record": ADMIN,
    "admin.lift_hold_on_record": ADMIN,
    "admin.place_legal_hold": ADMIN,
    "admin.prepare_batch": ADMIN,
    "admin.preview": ADMIN,
    "admin.queue": ADMIN,
    "admin.statistics_csv": ADMIN,
    "admin.statistics": ADMIN,
    "admin.retry_job": ADMIN,
    "admin.set_job_aside": ADMIN,
    "admin.hospital_settings": ADMIN,
    "admin.invitations": ADMIN,
    "admin.invite": ADMIN,
    "admin.jobs": ADMIN,
    "admin.audit_csv": ADMIN,
    "admin.reactivate_user": ADMIN,
    "admin.refuse_user": ADMIN,
    "admin.release_state": ADMIN,
    "admin.resend_mail": ADMIN,
    "admin.reset_second_factor": ADMIN,
    "admin.scan": ADMIN,
    "admin.send_batch_code": Own(ADMIN, own=ADMIN),
    "admin.send_code": ADMIN,
    "admin.send_invitation": ADMIN,
    "admin.withdraw_invitation": ADMIN,
    "admin.send_erase_code": ADMIN,
    "admin.see_alarm": ADMIN,
    "admin.watch": ADMIN,
    "admin.user": ADMIN,
    "admin.users": ADMIN,
    "assistant.ask": SIGNED_IN,
    "assistant.page": SIGNED_IN,
    "auth.accept_invitation": EVERYBODY,
    "auth.claim": EVERYBODY,
    "auth.confirm": EVERYBODY,
    "auth.confirm_record": EVERYBODY,
    "auth.forgot_password": EVERYBODY,
    "auth.home": EVERYBODY,
    "auth.login": EVERYBODY,
    "auth.login_code": EVERYBODY,
    "auth.login_code_state": EVERYBODY,
    "auth.logout": EVERYBODY,
    "auth.passkey_login": EVERYBODY,
    "auth.passkey_login_question": EVERYBODY,
    "auth.passkey_question": EVERYBODY,
    "auth.register": EVERYBODY,
    "auth.reset_password": EVERYBODY,
    "auth.send_login_code": EVERYBODY,
    "critical.notices": STAFF,
    "critical.take_note": PHARMACIST | ADMIN,
    "doctor.add_template": DOCTOR,
    "doctor.addendum": DOCTOR,
    "doctor.analysis_state": DOCTOR,
    "doctor.analyze": DOCTOR,
    "doctor.analyze_all": DOCTOR,
    "doctor.claim": DOCTOR,
    "doctor.claim_state": DOCTOR,
    "doctor.ask_second": DOCTOR,
    "doctor.assign": DOCTOR,
    "doctor.end_second": DOCTOR,
    "doctor.give_back": DOCTOR,
    "doctor.write_second": DOCTOR,
    "doctor.change_template": Own(DOCTOR, own=DOCTOR),
    "doctor.close": DOCTOR,
    "doctor.correct": DOCTOR,
    "doctor.correct_kind": DOCTOR,
    "doctor.forget_view": DOCTOR,
    "doctor.delete_template": Own(DOCTOR, own=DOCTOR),
    "doctor.discard_draft": DOCTOR,
    "doctor.insert_template": DOCTOR,
    "doctor.move_template": Own(DOCTOR, own=DOCTOR),
    "doctor.next_scan": DOCTOR,
    "doctor.priority": DOCTOR,
    "doctor.read_without_ai": DOCTOR,
    "doctor.save_draft": DOCTOR,
    "doctor.save_view": DOCTOR,
    "doctor.release": DOCTOR,
    "doctor.reveal": DOCTOR,
    "doctor.scan": DOCTOR,
    "doctor.skip": DOCTOR,
    "doctor.template": Own(DOCTOR, own=DOCTOR),
    "doctor.templates": DOCTOR,
    "doctor.take_back": DOCTOR,
    "doctor.verify": DOCTOR,
    "doctor.worklist": DOCTOR,
    "events.stream": SIGNED_IN,  # what is told to whom: tests/integration/test_live.py
    "files.finding_map": Own(SIGNED_IN, own=PATIENT),  # as the heat map
    "files.heatmap": Own(SIGNED_IN, own=PATIENT),  # and only once the report is released: below
    "files.image": Own(SIGNED_IN, own=PATIENT),
    "files.report": Own(SIGNED_IN, own=PATIENT),
    "models.card": STAFF,
    "models.index": STAFF,
    "models.plot": STAFF,
    "model_versions.back": ADMIN,
    "model_versions.page": ADMIN,
    "model_versions.use": ADMIN,
    "patient.about": Own(PATIENT, own=PATIENT),
    "patient.add_piece": Own(PATIENT, own=PATIENT),
    "patient.begin_upload": PATIENT,
    "patient.cancel_upload": Own(PATIENT, own=PATIENT),
    "patient.home": PATIENT,
    "patient.keep_about": Own(PATIENT, own=PATIENT),
    "patient.scan": Own(PATIENT, own=PATIENT),
    "patient.upload": PATIENT,
    "patient.upload_state": Own(PATIENT, own=PATIENT),
    "patient.withdraw": Own(PATIENT, own=PATIENT),
    "pharmacist.add_template": PHARMACIST,
    "pharmacist.change_template": Own(PHARMACIST, own=PHARMACIST),
    "pharmacist.complete": PHARMACIST,
    "pharmacist.completed": PHARMACIST,
    "pharmacist.correct": PHARMACIST,
    "pharmacist.discard_draft": PHARMACIST,
    "pharmacist.line": PHARMACIST,
    "pharmacist.new_template": PHARMACIST,
    "pharmacist.printout": PHARMACIST,
    "pharmacist.queue": PHARMACIST,
    "pharmacist.recall": PHARMACIST,
    "pharmacist.remove_template": Own(PHARMACIST, own=PHARMACIST),
    "pharmacist.save_draft": PHARMACIST,
    "pharmacist.scan": PHARMACIST,
    "pharmacist.template": Own(PHARMACIST, own=PHARMACIST),
    "pharmacist.template_list": PHARMACIST,
    "shell.colours": EVERYBODY,
    "shell.hospital_logo": EVERYBODY,
    "shell.keep_colours": EVERYBODY,
    "shell.offline": EVERYBODY,
    "shell.worker": EVERYBODY,
    "static_file": EVERYBODY,
    "status.healthz": EVERYBODY,
    "status.metrics": EVERYBODY,
    "status.readyz": EVERYBODY,
}
WHO = _Table(WHO)  # so that every test names a missing route in the same words


def rules(app: Flask) -> list[Rule]:
    return sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))


def methods(rule: Rule) -> list[str]:
    """The methods that do something: HEAD only where it stands alone, OPTIONS never."""
    found = (rule.methods or set()) - {"OPTIONS"}
    return sorted(found - {"HEAD"} if "GET" in found else found)


def send(visitor: Visitor, method: str, address: str, **headers: str) -> tuple[int, str]:
    """The status and where it leads."""
    if method == "GET":
        response = visitor.get(address, headers=headers)
    else:
        response = visitor.post(address, headers=headers, method=method)
    return response.status_code, response.headers.get("Location", response.headers.get("HX-Redirect", ""))
