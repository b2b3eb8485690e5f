"""What an administrator does."""

import re
import uuid
from datetime import timedelta

from playwright.sync_api import expect
from sqlalchemy import select

from csss import outbox
from csss.auth import invitations, second_factor
from csss.clock import now
from csss.database import db, transaction
from csss.notices.models import MailKind, MailState
from csss.notices.services import owe
from csss.people.models import User
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.watch.figures import Figure
from csss.watch.models import WatchAlarm
from tests.browser.scene import Crowd, Scene
from tests.factories import PASSWORD, picture
from tests.hospital import keep_fitted_version
from tests.stack import eventually


def choose_a_version_of_the_classifier(scene: Scene) -> None:
    """One that was fitted to the hospital is put in use; then one goes back to the version before."""
    with scene.clinic() as clinic:
        version = keep_fitted_version()
        scene.come_in(clinic.person("admin"))
    hand, page = scene.hand, scene.page
    hand.open("/models")
    hand.follow("Versions for this hospital: compare, put in use, go back")
    hand.unfold(f"Use {version} …")
    hand.press(f"Put {version} in use")
    expect(page.get_by_text("The version is in use from the next scan on.")).to_be_visible()
    hand.unfold("Go back one step …")
    hand.act(page.get_by_role("button", name=re.compile("^Go back to ")))
    expect(page.locator("#choices tbody tr")).not_to_have_count(1)


def approve_one(scene: Scene) -> None:
    """Found in the queue, looked at as it will go out, a code asked for, released."""
    scan_id = scene.case("admin", Status.PHARMACIST_COMPLETED)
    hand = scene.hand
    hand.open("/admin/")
    hand.write("Patient’s name or MRN", scene.patient)
    hand.press("Search")
    expect(scene.page.locator("#queue tbody tr")).to_have_count(1)
    hand.follow(scene.patient, "#queue")
    hand.fetch(hand.link(re.compile("^Preview the report")), r"/preview\.pdf$")
    hand.press("Send me a code by e-mail")
    expect(hand.button("Send me another code")).to_be_visible()  # the mail may be quicker than the answer
    hand.write("Code", scene.stack.mailbox.code_for(scene.email))
    hand.press("Approve and release")
    scene.becomes(scan_id, Status.REPORT_READY)
    scene.reads("Approved by")


def get_a_released_report(scene: Scene) -> None:
    scene.case("admin", Status.REPORT_READY, lambda clinic, *_: clinic.run_jobs("render_report"))
    scene.hand.open("/admin/")
    scene.hand.follow("Released", ".tabs")
    scene.hand.write("Patient’s name or MRN", scene.patient)
    scene.hand.press("Search")
    expect(scene.page.locator("#queue tbody tr")).to_have_count(1)
    scene.hand.fetch(scene.hand.link(re.compile("^Version 1")), r"/reports/.*\.pdf$")


def approve_several(scene: Scene) -> None:
    """Three are ticked, one is left out, two are released with one code."""
    ids: list[uuid.UUID] = []
    names: list[str] = []

    def more(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        ids.append(scan.id)
        for number in (2, 3):
            names.append(f"{scene.patient} the {number}.")
            people["patient"] = clinic.person("patient", name=names[-1])
            ids.append(clinic.scan(Status.PHARMACIST_COMPLETED, **people).id)

    scene.case("admin", Status.PHARMACIST_COMPLETED, more)
    names.insert(0, scene.patient)
    hand = scene.hand
    hand.open(f"/admin/?q={scene.patient}")
    for name in names:
        hand.tick(f"Choose the report of {name}")
    hand.press(re.compile("^Approve (3|the ticked) reports"))
    expect(scene.page).to_have_url(re.compile("/admin/approvals/"))
    hand.press(f"Leave out the report of {names[1]}")
    expect(scene.page.locator(".chosen__report")).to_have_count(2)
    hand.fetch(hand.link(f"Preview the report of {names[2]} (PDF)"), r"/preview\.pdf$")
    hand.press("Send me a code by e-mail")
    expect(hand.button("Send me another code")).to_be_visible()  # the mail may be quicker than the answer
    hand.write("Code", scene.stack.mailbox.code_for(scene.email))
    hand.press("Approve and release 2 reports")
    scene.reads("2 reports have been released")
    scene.becomes(ids[0], Status.REPORT_READY)
    scene.becomes(ids[1], Status.PHARMACIST_COMPLETED)


def hold_and_lift(scene: Scene) -> None:
    scan_id = scene.case("admin", Status.PHARMACIST_COMPLETED)
    hand = scene.hand
    hand.open(f"/admin/scans/{scan_id}")
    hand.unfold("Put on hold …")
    hand.choose(re.compile("^The pharmacist"))
    hand.write("What has to be corrected?", "Which dose?")
    hand.press("Put on hold")
    scene.reads("While the scan is on hold it cannot be approved")
    hand.press("Lift the hold")
    scene.reads("Earlier holds")


def approve_and_refuse_accounts(scene: Scene) -> None:
    name = f"New {uuid.uuid4().hex[:8].title()}"
    with scene.clinic() as clinic:
        for each in ("One", "Two"):
            clinic.person("doctor", name=f"{name} {each}", active=False)
        scene.come_in(clinic.person("admin"))
    hand = scene.hand
    hand.open("/admin/")
    hand.follow(re.compile("^Accounts"), ".main-nav")
    hand.pick("Role", "Doctor")
    hand.write("Name or e-mail address", name)
    hand.press("Search")
    expect(scene.page.locator("#users tbody tr")).to_have_count(2)
    hand.follow(f"Approve {name} One")
    hand.write("Your current password", "not this one")
    hand.press("Approve")
    scene.reads("This is not your current password.")
    hand.write("Your current password", PASSWORD)
    hand.press("Approve")
    scene.reads("can sign in now and is told so by e-mail")
    hand.open(f"/admin/users?q={name}")
    expect(hand.link(f"Approve {name} One")).to_have_count(0)
    hand.unfold("Refuse …", "#users tr:has-text('Two')")
    hand.press(f"Refuse {name} Two")
    scene.reads("Refused", "#users")


def shut_and_open_an_account(scene: Scene) -> None:
    """Signed out everywhere, the second factor reset, shut, and opened again, on the account's own page."""
    name = f"Dr {uuid.uuid4().hex[:8].title()}"
    with scene.clinic() as clinic:
        doctor = clinic.person("doctor", name=name)
        clinic.visitor(doctor)
        with transaction():
            second_factor.new_recovery_codes(doctor)
        scene.come_in(clinic.person("admin"))
    hand = scene.hand
    hand.open(f"/admin/users?q={name}")
    hand.follow(name, "#users")
    for step in ("End all sessions", "Reset the second factor", "Deactivate"):
        hand.unfold(f"{step} …")
        if step == "Reset the second factor":
            hand.write("Your current password", PASSWORD)
        hand.press(step)
        expect(hand.fold(f"{step} …")).to_have_count(0)
    hand.write("Your current password", PASSWORD)
    hand.press("Reactivate")
    expect(hand.fold("Deactivate …")).to_be_visible()


def send_a_message_again(scene: Scene) -> None:
    name = f"Lost {uuid.uuid4().hex[:8].title()}"
    with scene.clinic() as clinic:
        doctor = clinic.person("doctor", name=name)
        with transaction():
            owe(MailKind.ACCOUNT_APPROVED, doctor, doctor.id).state = MailState.FAILED
        scene.come_in(clinic.person("admin"))
    hand = scene.hand
    hand.open("/admin/")
    hand.follow(re.compile("^Mail"), ".main-nav")
    hand.pick("State", "Not delivered")
    hand.write("Name or e-mail address", name)
    hand.press("Search")
    expect(scene.page.locator("#mail tbody tr")).to_have_count(1)
    hand.press(f"Send the message to {name} again")
    expect(hand.button(f"Send the message to {name} again")).to_have_count(0)


def see_to_given_up_jobs(scene: Scene) -> None:
    """One is tried again, one is set aside."""
    jobs: list[uuid.UUID] = []

    def given_up(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        clinic.scan(Status.REPORT_READY, **people)
        wanted = select(outbox.OutboxJob).where(
            outbox.OutboxJob.job == "render_report", outbox.OutboxJob.done_at.is_(None)
        )
        with transaction():
            for job in db.session.scalars(wanted.order_by(outbox.OutboxJob.created_at.desc()).limit(2)):
                job.failed_at = now()
                jobs.append(job.id)

    scene.case("admin", Status.REPORT_READY, given_up)
    scene.hand.open("/admin/mail")
    scene.hand.follow("Jobs", ".tabs")
    scene.hand.press(re.compile("^Try again"), f"#job-{jobs[0]}")
    scene.reads("The job is tried again")
    scene.hand.press(re.compile("^Stop trying"), f"#job-{jobs[1]}")
    scene.reads("The job will not be tried again")


def search_and_export_the_audit_log(scene: Scene) -> None:
    scene.case("admin", Status.AI_ANALYZED)
    hand, today = scene.hand, now().date()
    hand.open("/admin/")
    hand.follow("Audit log", ".main-nav")
    hand.pick("What", "Scans")
    hand.write_day("From", today - timedelta(days=2))
    hand.write_day("To", today + timedelta(days=1))
    hand.press("Search")
    expect(scene.page.locator("#audit tbody tr").first).to_be_visible()
    hand.fetch(hand.link("Export as CSV"), r"/admin/audit\.csv")


def read_the_statistics(scene: Scene) -> None:
    scene.as_a("admin")
    scene.hand.open("/admin/")
    scene.hand.follow("Statistics", ".main-nav")
    scene.hand.act(scene.page.locator(".tabs a:not([aria-current])").first)
    scene.hand.unfold("The same as a table", "#done")
    scene.hand.fetch(scene.hand.link("Figures as CSV"), r"/admin/statistics\.csv")


def see_an_alarm_of_the_watch(scene: Scene) -> None:
    """On the start page, where it then stands no longer; the page of the watch still has it."""
    alarm_id = uuid.uuid4()

    def darker(clinic: Crowd, people: dict[str, User], scan: Scan) -> None:
        with transaction():
            db.session.add(
                WatchAlarm(
                    id=alarm_id,
                    model_version=f"test-{alarm_id.hex[:8]}",
                    kind=scan.kind,
                    figure=Figure.MEAN_GREY,
                    higher=False,
                    was=0.48,
                    now=0.31,
                    since=now(),
                    opened_at=now(),
                    last_seen_at=now(),
                )
            )

    scene.case("admin", Status.AI_ANALYZED, darker)
    hand = scene.hand
    hand.open("/admin/")
    hand.press("Mark as seen", f"#watch-alarms li:has(#alarm-{alarm_id})")
    scene.reads("The alarm is marked as seen")
    hand.open("/admin/statistics")
    hand.follow("Watch on the classifier")
    scene.reads("pictures of chest X-rays are darker")


def place_and_lift_a_legal_hold(scene: Scene) -> None:
    name, _ = _patient_to_keep(scene)
    hand = scene.hand
    hand.open(f"/admin/users?q={name}")
    hand.follow(name, "#users")
    hand.unfold("Place a legal hold …")
    hand.write("Reason", "A lawsuit.", "#keeping")
    hand.press("Place the legal hold")
    hand.unfold("Lift the legal hold …")
    hand.write("Reason", "It is over.", "#legal-hold")
    hand.press("Lift the legal hold")
    scene.reads("Earlier legal holds")


def invite_staff(scene: Scene) -> None:
    """Invited, sent again, accepted by the invited person in the same browser; another invitation is withdrawn."""
    name = f"Nora {uuid.uuid4().hex[:8].title()}"
    email = f"{name.replace(' ', '.').lower()}@csss.example"
    with scene.clinic() as clinic:
        scene.come_in(clinic.person("admin"))
    hand = scene.hand

    def invite(name: str, email: str) -> None:
        hand.write("Full name", name)
        hand.write("E-mail address", email)
        hand.choose("Pharmacist")
        hand.write("Your current password", PASSWORD)
        hand.press("Send the invitation")
        scene.reads(f"The invitation of {name} is on its way.")

    hand.open("/admin/users")
    hand.follow("Invitations", ".tabs")
    invite(f"{name} Other", f"other.{email}")
    hand.unfold("Withdraw …")
    hand.press(f"Withdraw the invitation of {name} Other")
    scene.reads("is withdrawn")
    invite(name, email)
    hand.press(f"Send the invitation of {name} again")
    scene.reads("gets a new link")
    hand.open(_invitation(scene, email))
    hand.write("New password", "purple lantern orbit")
    hand.press("Make my account")
    scene.reads("Your account is ready.")


def change_the_hospital(scene: Scene) -> None:
    """A telephone number, and a logo."""
    scene.as_a("admin")
    hand = scene.hand
    hand.open("/admin/")
    hand.follow("Hospital", ".main-nav")
    telephone = f"+91 44 {uuid.uuid4().int % 10_000_000:07}"  # another one than the walk before has left
    hand.write("Telephone", telephone)
    logo = scene.folder / "logo.png"
    logo.write_bytes(picture(200, 100))
    hand.give("New logo", logo)
    hand.press("Save the settings")
    scene.reads("The settings of the hospital are changed.")
    scene.reads(telephone, ".footer")
    expect(scene.page.locator(".masthead__logo")).to_be_visible()


def _invitation(scene: Scene, email: str) -> str:
    """The path of the newest link, the one that works: the first mail may have been dropped."""
    mails = eventually(
        lambda: [
            found[0]
            for mail in scene.stack.mailbox.to(email, "invited")
            if (found := re.search(r"/invitation/\S+", mail.get_content())) and _is_open(scene, found[0])
        ]
    )
    return str(mails[-1])


def _is_open(scene: Scene, path: str) -> bool:
    with scene.clinic():
        return invitations.of_token(path.rpartition("/")[2]) is not None


def correct_a_patient(scene: Scene) -> None:
    """The name was misread; first the reason is forgotten."""
    name, _ = _patient_to_keep(scene)
    hand = scene.hand
    hand.open(f"/admin/users?q={name}")
    hand.follow(name, "#users")
    hand.follow("Correct name, birth date, sex or e-mail")
    hand.write("Full name", f"{name} Right")
    hand.pick("Sex", "Male")
    hand.write("Reason", "Identity card seen.")
    hand.write("Your current password", "not this one")
    hand.press("Save the corrected details")
    scene.reads("This is not your current password.")
    hand.write("Your current password", PASSWORD)
    hand.press("Save the corrected details")
    scene.reads(f"The details of {name} Right are corrected")
    scene.reads("Identity card seen.", "#corrections")


def erase_a_patient(scene: Scene) -> None:
    name, mrn = _patient_to_keep(scene)
    hand = scene.hand
    hand.open("/admin/users")
    hand.follow("Due for erasing", ".tabs")
    hand.follow("Accounts", ".tabs")
    hand.write("Name or e-mail address", name)
    hand.press("Search")
    expect(scene.page.locator("#users tbody tr")).to_have_count(1)
    hand.follow(name, "#users")
    hand.follow("Erase this patient …")
    hand.write("Reason", "Asked for by letter.")
    hand.write("MRN of this patient", mrn)
    hand.press("Send me a code by e-mail")
    code = scene.stack.mailbox.code_for(scene.email)
    expect(hand.field("MRN of this patient")).to_have_value(mrn)
    hand.write("Code", code)
    hand.press("Erase this patient permanently")
    scene.reads("This patient has been erased")


def _patient_to_keep(scene: Scene) -> tuple[str, str]:
    name = f"Eve {uuid.uuid4().hex[:8].title()}"
    with scene.clinic() as clinic:
        patient = clinic.person("patient", name=name).patient
        assert patient is not None
        mrn = patient.mrn
        scene.come_in(clinic.person("admin"))
    return name, mrn
