"""Every task of every role by keyboard alone, and with JavaScript off (issue 4); the viewer and live updates aside.

The table names each task with the addresses that it asks for; the walks (tests/browser/walks) do it, in the words of the
page. Each is walked twice, and fails when an address of its row was never asked for. A new route without a row fails too.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page

from tests.browser.hands import Hand, Keyboard, Plain
from tests.browser.scene import Scene
from tests.browser.tasks import Task
from tests.browser.walks import admin, doctor, everybody, front_desk, patient, pharmacist, together
from tests.rules.routes import methods
from tests.stack import Stack

NewPage = Callable[..., Page]

TASKS = (
    # Everybody
    Task(
        "come_in_as_a_new_patient",
        everybody.register_as_patient,
        "auth.home auth.register POST auth.register auth.login POST auth.login auth.confirm POST "
        "auth.confirm",
    ),
    Task(
        "register_as_staff_after_a_refusal",
        everybody.register_as_staff,
        "auth.register POST auth.register POST auth.login",
    ),
    Task(
        "ask_for_the_confirmation_again",
        everybody.ask_for_the_confirmation_again,
        "account.page POST account.send_confirmation auth.confirm POST auth.confirm",
    ),
    Task("sign_in_and_out", everybody.sign_in_and_out, "auth.login POST auth.login POST auth.logout"),
    Task(
        "sign_in_with_a_code",
        everybody.sign_in_with_a_code,
        "auth.login_code POST auth.send_login_code POST auth.login_code",
    ),
    Task("sign_in_with_a_recovery_code", everybody.sign_in_with_a_recovery_code, "POST auth.login_code"),
    Task("stop_at_the_second_step", everybody.stop_at_the_second_step, "POST auth.logout"),
    Task(
        "set_a_forgotten_password_anew",
        everybody.forget_the_password,
        "auth.forgot_password POST auth.forgot_password auth.reset_password POST auth.reset_password",
    ),
    Task("change_the_details", everybody.change_the_details, "account.page POST account.change"),
    Task(
        "set_and_remove_the_pass_phrase",
        everybody.set_and_remove_the_pass_phrase,
        "POST account.change POST account.remove_passphrase",
    ),
    Task("change_the_password", everybody.change_the_password, "POST account.change"),
    Task("end_sessions", everybody.end_sessions, "POST account.end_session POST account.end_other_sessions"),
    Task(
        "set_up_an_app_and_recovery_codes",
        everybody.set_up_an_app_and_recovery_codes,
        "account.authenticator POST account.confirm_authenticator POST account.make_recovery_codes "
        "account.recovery_codes POST account.remove_authenticator",
    ),
    Task("remove_a_passkey", everybody.remove_a_passkey, "POST account.remove_passkey"),
    Task(
        "choose_the_colours",
        everybody.choose_the_colours,
        "assistant.page",
        plain="shell.colours POST shell.keep_colours",
    ),
    Task("ask_the_assistant", everybody.ask_the_assistant, "assistant.page POST assistant.ask"),
    Task("read_about_the_models", everybody.read_about_the_models, "models.index models.card"),
    # Patients
    Task(
        "send_a_scan",
        patient.send_a_scan,
        "patient.home patient.scan files.image",
        script="POST patient.begin_upload PATCH patient.add_piece",
        plain="POST patient.upload",
    ),
    Task(
        "cancel_an_upload",
        patient.cancel_an_upload,
        "POST patient.begin_upload DELETE patient.cancel_upload",
        needs_script="without scripts the browser itself sends the form, and its own Stop cancels it",
    ),
    Task(
        "resume_an_upload",
        patient.resume_an_upload,
        "HEAD patient.upload_state PATCH patient.add_piece",
        needs_script="no browser resumes a form by itself; without scripts it is sent again",
    ),
    Task(
        "follow_a_scan_and_get_the_report",
        patient.follow_a_scan_and_get_the_report,
        "patient.home patient.scan files.heatmap files.report files.image",
    ),
    Task(
        "tell_the_pharmacist_about_oneself",
        patient.tell_the_pharmacist,
        "patient.scan patient.about POST patient.keep_about",
    ),
    Task(
        "send_a_doubtful_picture_all_the_same",
        patient.send_it_all_the_same,
        "patient.home patient.scan",
        script="POST patient.begin_upload",
        plain="POST patient.upload",
    ),
    Task("withdraw_a_scan", patient.withdraw, "patient.scan POST patient.withdraw"),
    Task("send_again_what_was_closed", patient.send_again_what_was_closed, "patient.home patient.scan"),
    # Doctors
    Task("find_and_open_a_scan", doctor.find_and_open, "doctor.worklist doctor.scan"),
    Task(
        "filter_sort_and_save_the_worklist",
        doctor.filter_sort_and_save,
        "doctor.worklist POST doctor.save_view POST doctor.forget_view",
    ),
    Task("analyse_a_scan_from_the_list", doctor.analyse_from_the_list, "POST doctor.analyze"),
    Task(
        "analyse_a_scan_while_looking",
        doctor.analyse_while_looking,
        "POST doctor.analyze",
        script="doctor.analysis_state",
    ),
    Task("analyse_all_that_wait", doctor.analyse_all_that_wait, "POST doctor.analyze_all"),
    Task(
        "read_with_draft_and_template",
        doctor.read_with_draft_and_template,
        "doctor.scan POST doctor.claim POST doctor.save_draft POST doctor.discard_draft POST "
        "doctor.verify files.heatmap",
        plain="POST doctor.insert_template",
    ),
    Task(
        "verify_and_go_to_the_next",
        doctor.verify_and_go_on,
        "doctor.next_scan POST doctor.skip POST doctor.verify",
    ),
    Task(
        "take_over_and_give_back",
        doctor.take_over_and_give_back,
        "POST doctor.claim",
        plain="POST doctor.release",
    ),
    Task("read_without_the_classifier", doctor.read_without_the_classifier, "POST doctor.read_without_ai"),
    Task(
        "set_the_priority_and_close",
        doctor.set_the_priority_and_close,
        "POST doctor.priority POST doctor.close",
    ),
    Task("correct_the_kind", doctor.correct_the_kind, "POST doctor.correct_kind"),
    Task("answer_a_hold_as_doctor", doctor.answer_a_hold, "POST doctor.correct"),
    Task("take_a_signature_back", doctor.take_a_signature_back, "POST doctor.take_back POST doctor.correct"),
    Task("add_an_addendum", doctor.add_an_addendum, "files.report POST doctor.addendum"),
    Task("compare_with_an_earlier_scan", doctor.compare_with_an_earlier_scan, "doctor.scan"),
    Task(
        "keep_report_templates",
        doctor.keep_report_templates,
        "doctor.templates POST doctor.add_template POST doctor.move_template doctor.template POST "
        "doctor.change_template POST doctor.delete_template",
    ),
    Task(
        "look_where_a_finding_was_seen",
        doctor.look_where_a_finding_was_seen,
        "doctor.scan files.finding_map",
    ),
    Task("turn_the_pages_of_the_worklist", doctor.turn_the_pages, "doctor.worklist"),
    Task("mark_a_critical_result", together.mark_a_critical_result, "doctor.scan POST doctor.verify"),
    Task(
        "assign_a_scan_and_give_it_back",
        together.assign_and_give_back,
        "doctor.worklist POST doctor.assign POST doctor.give_back",
    ),
    Task(
        "ask_for_a_second_reading",
        together.ask_for_a_second_reading,
        "POST doctor.ask_second POST doctor.end_second POST doctor.verify",
    ),
    Task("write_a_second_reading", together.write_a_second_reading, "POST doctor.write_second"),
    # Pharmacists
    Task(
        "take_note_of_a_critical_result_as_pharmacist",
        together.take_note_as_pharmacist,
        "pharmacist.queue POST critical.take_note",
    ),
    Task(
        "find_a_scan_and_prescribe",
        pharmacist.find_and_prescribe,
        "pharmacist.queue pharmacist.scan POST pharmacist.complete files.heatmap",
        script="POST pharmacist.line",
    ),
    Task("fill_in_from_a_template", pharmacist.fill_in_from_a_template, "POST pharmacist.complete"),
    Task("override_a_warning", pharmacist.override_a_warning, "POST pharmacist.complete"),
    Task("say_that_no_medicine_is_needed", pharmacist.say_that_none_is_needed, "POST pharmacist.complete"),
    Task(
        "keep_a_draft_complete_print_and_take_back",
        pharmacist.draft_complete_print_and_take_back,
        "POST pharmacist.save_draft POST pharmacist.discard_draft pharmacist.completed pharmacist.printout "
        "POST pharmacist.recall POST pharmacist.correct",
    ),
    Task("answer_a_hold_as_pharmacist", pharmacist.answer_a_hold, "POST pharmacist.correct"),
    Task(
        "keep_prescription_templates",
        pharmacist.keep_templates,
        "pharmacist.template_list pharmacist.new_template POST pharmacist.add_template "
        "pharmacist.template POST pharmacist.change_template POST pharmacist.remove_template",
    ),
    # Administrators
    Task(
        "take_note_of_a_critical_result_as_administrator",
        together.take_note_as_administrator,
        "admin.queue admin.scan POST critical.take_note",
    ),
    Task(
        "approve_one_report",
        admin.approve_one,
        "admin.queue admin.scan admin.preview POST admin.send_code POST admin.approve",
    ),
    Task("get_a_released_report", admin.get_a_released_report, "admin.queue files.report"),
    Task(
        "approve_several_reports",
        admin.approve_several,
        "POST admin.prepare_batch admin.batch POST admin.leave_out admin.preview POST "
        "admin.send_batch_code POST admin.approve_batch",
    ),
    Task("hold_and_lift", admin.hold_and_lift, "POST admin.hold POST admin.lift"),
    Task(
        "approve_and_refuse_accounts",
        admin.approve_and_refuse_accounts,
        "admin.users admin.user POST admin.approve_user POST admin.refuse_user",
    ),
    Task(
        "shut_and_open_an_account",
        admin.shut_and_open_an_account,
        "admin.user POST admin.end_user_sessions POST admin.reset_second_factor POST "
        "admin.deactivate_user POST admin.reactivate_user",
    ),
    Task("send_a_message_again", admin.send_a_message_again, "admin.mail_log POST admin.resend_mail"),
    Task(
        "see_to_given_up_jobs",
        admin.see_to_given_up_jobs,
        "admin.jobs POST admin.retry_job POST admin.set_job_aside",
    ),
    Task(
        "search_and_export_the_audit_log",
        admin.search_and_export_the_audit_log,
        "admin.audit_log admin.audit_csv",
    ),
    Task(
        "invite_staff",
        admin.invite_staff,
        "admin.invitations POST admin.invite POST admin.send_invitation POST admin.withdraw_invitation "
        "auth.accept_invitation POST auth.accept_invitation",
    ),
    Task(
        "change_the_hospital",
        admin.change_the_hospital,
        "admin.hospital_settings POST admin.change_hospital shell.hospital_logo",
    ),
    Task(
        "correct_a_patient",
        admin.correct_a_patient,
        "admin.user admin.patient_details POST admin.correct_patient",
    ),
    Task(
        "choose_a_version_of_the_classifier",
        admin.choose_a_version_of_the_classifier,
        "models.index model_versions.page POST model_versions.use POST model_versions.back",
    ),
    Task("read_the_statistics", admin.read_the_statistics, "admin.statistics admin.statistics_csv"),
    Task("see_an_alarm_of_the_watch", admin.see_an_alarm_of_the_watch, "admin.watch POST admin.see_alarm"),
    Task(
        "place_and_lift_a_legal_hold",
        admin.place_and_lift_a_legal_hold,
        "POST admin.place_legal_hold POST admin.lift_legal_hold",
    ),
    Task(
        "erase_a_patient",
        admin.erase_a_patient,
        "admin.erasures admin.erase_form POST admin.send_erase_code POST admin.erase",
    ),
    # The front desk
    Task(
        "make_and_edit_a_patient",
        front_desk.make_and_edit_a_patient,
        "admin.patients admin.new_patient POST admin.make_patient admin.patient POST admin.edit_patient "
        "POST admin.add_patient_number POST admin.ask_for_address auth.confirm_record POST auth.confirm_record",
    ),
    Task(
        "claim_with_a_slip",
        front_desk.claim_with_a_slip,
        "POST admin.invite_patient admin.slip_again POST admin.withdraw_patient_invitation auth.claim POST auth.claim",
    ),
    Task(
        "merge_and_separate_two_records",
        front_desk.merge_and_separate_two_records,
        "admin.merge_form POST admin.merge_patients POST admin.separate_patients",
    ),
    Task(
        "keep_the_data_of_a_patient_without_an_account",
        front_desk.keep_the_data_of_a_patient_without_an_account,
        "POST admin.place_hold_on_record POST admin.lift_hold_on_record",
    ),
)

# What is no task of a person, and why.
PASSKEY = "a passkey is asked for by a script, whatever page it is on; a code does the same beside it (test_passkeys.py)"
REGION = "a region that renews itself; without scripts the page is loaded again"
MACHINES = "for machines"
ASIDE = {
    "GET account.new_passkey": PASSKEY,
    "POST account.add_passkey": PASSKEY,
    "POST account.passkey_question": PASSKEY,
    "POST admin.batch_passkey_question": PASSKEY,
    "POST admin.erase_passkey_question": PASSKEY,
    "POST admin.passkey_question": PASSKEY,
    "POST auth.passkey_login": PASSKEY,
    "POST auth.passkey_login_question": PASSKEY,
    "POST auth.passkey_question": PASSKEY,
    "POST doctor.reveal": "asked for by a setting alone (test_first_impression.py)",
    "GET admin.batch_code_state": REGION,
    "GET admin.code_state": REGION,
    "GET admin.erase_code_state": REGION,
    "GET admin.release_state": REGION,
    "GET auth.login_code_state": REGION,
    "GET critical.notices": REGION,
    "GET doctor.claim_state": REGION,
    "GET events.stream": "live changes; each page can be loaded again",
    "GET models.plot": "a picture in a model's card",
    "GET shell.offline": "shown by the service worker (test_installable.py)",
    "GET shell.worker": MACHINES,
    "GET static_file": MACHINES,
    "GET status.healthz": MACHINES,
    "GET status.metrics": MACHINES,
    "GET status.readyz": MACHINES,
}

# Each way has a process of the run for itself, with a browser and a stack.
WAYS = [
    pytest.param(task, hand, id=f"{task.words}-{way}", marks=pytest.mark.xdist_group(group))
    for task in TASKS
    for hand, way, group in (
        (Keyboard, "by_keyboard_alone", "browser, walks"),
        (Plain, "without_javascript", "browser, pages"),
    )
    if hand is Keyboard or not task.needs_script
]


def test_every_route_is_on_the_way_of_a_task_or_is_none_for_people(app: Flask) -> None:
    routes = {f"{method} {rule.endpoint}" for rule in app.url_map.iter_rules() for method in methods(rule)}
    walked = {address for task in TASKS for hand in (Keyboard, Plain) for address in task.addresses(hand)}
    assert routes - walked - set(ASIDE) == set(), "add a task, or say why it is none"
    assert walked - routes == set(), "these are gone"
    assert set(ASIDE) - routes == set(), "these are gone"
    assert walked & set(ASIDE) == set(), "these are tasks after all"


@pytest.mark.browser
@pytest.mark.parametrize(("task", "hand"), WAYS)
def test_people_can(stack: Stack, new_page: NewPage, tmp_path: Path, task: Task, hand: type[Hand]) -> None:
    page = new_page(stack, javascript=hand is Keyboard, may_break=bool(task.needs_script))
    scene = Scene(stack, page, hand(page), tmp_path)
    task.walk(scene)
    scene.has_asked_for(task.addresses(hand))
