"""What everybody does: come in and go, the own account, the colours, help."""

import re
import uuid
from datetime import date

import pyotp
from playwright.sync_api import expect

from csss.auth import second_factor
from csss.auth.passkeys.models import Passkey
from csss.database import db, transaction
from tests.browser.scene import Scene
from tests.factories import PASSPHRASE, PASSWORD
from tests.stack import eventually

NEW_PASSWORD = "seven green boats at noon"


def _link_in_mail(scene: Scene, subject: str, path: str) -> str:
    mails = eventually(lambda: scene.stack.mailbox.to(scene.email, subject))
    found = re.search(rf"https?://\S+/{path}/\S+", mails[-1].get_content())  # type: ignore[index]
    assert found is not None
    return found[0]


def _password(scene: Scene, password: str) -> None:
    scene.hand.open("/login")
    scene.hand.write("E-mail address", scene.email)
    scene.hand.write("Password", password)
    scene.hand.press("Sign in")


def register_as_patient(scene: Scene) -> None:
    """From the start page to the own page, and the address confirmed with the link in the mail."""
    hand = scene.hand
    scene.email = f"walker-{uuid.uuid4().hex[:8]}@csss.example"
    hand.open("/")
    hand.follow("Register", ".account-nav")
    hand.choose("Patient")
    hand.write("Full name", "Walter Walker")
    hand.write("E-mail address", scene.email)
    hand.write("Password", PASSWORD)
    hand.write_day("Date of birth", date(1984, 5, 6))
    hand.pick("Sex", "Female")
    hand.write("Phone", "+91 44 5550 0199")
    hand.press("Register")
    expect(scene.page).to_have_url(re.compile("/login"))
    _password(scene, PASSWORD)
    expect(scene.page).to_have_url(re.compile("/patient/$"))
    hand.open(_link_in_mail(scene, "Confirm", "confirm"))
    hand.press("Confirm this address")
    scene.reads("confirmed")


def register_as_staff(scene: Scene) -> None:
    """A refused form first: what was typed is kept, and the summary leads to the field."""
    hand = scene.hand
    scene.email = f"staff-{uuid.uuid4().hex[:8]}@csss.example"
    hand.open("/register")
    hand.choose("Doctor")
    hand.write("Full name", "Dora Doctor")
    hand.write("E-mail address", scene.email)
    hand.write("Password", "short")
    hand.press("Register")
    summary = scene.page.locator("[data-error-summary]")
    expect(summary).to_be_visible()
    hand.act(summary.get_by_role("link").first)
    hand.write("Password", PASSWORD)
    hand.press("Register")
    expect(scene.page).to_have_url(re.compile("/login"))
    _password(scene, PASSWORD)
    scene.reads("administrator")


def ask_for_the_confirmation_again(scene: Scene) -> None:
    scene.as_a("patient", confirmed=False)
    scene.hand.open("/account")
    scene.hand.press("Send the confirmation link again")
    scene.hand.open(_link_in_mail(scene, "Confirm", "confirm"))
    scene.hand.press("Confirm this address")
    scene.reads("confirmed")


def sign_in_and_out(scene: Scene) -> None:
    with scene.clinic() as clinic:
        scene.email = clinic.person("doctor").email
    scene.hand.open("/")
    scene.hand.follow("Sign in", ".account-nav")
    expect(scene.page).to_have_url(re.compile("/login$"))
    _password(scene, PASSWORD + "x")
    expect(scene.page.locator("#login-problem")).to_be_visible()
    _password(scene, PASSWORD)
    expect(scene.page).to_have_url(re.compile("/doctor/$"))
    scene.hand.press("Sign out", ".account-nav")
    expect(scene.page.locator(".account-nav").get_by_role("link", name="Sign in")).to_be_visible()


def sign_in_with_a_code(scene: Scene) -> None:
    """An administrator: the first mail does not come, so another is asked for."""
    with scene.clinic() as clinic:
        scene.email = clinic.person("admin").email
    _password(scene, PASSWORD)
    scene.stack.mailbox.code_for(scene.email)
    expect(scene.page).to_have_url(re.compile("/login/code$"))
    scene.hand.press("Send a new code")
    scene.hand.write("Six-digit code", scene.stack.mailbox.code_for(scene.email, 2))
    scene.hand.press("Continue")
    expect(scene.page).to_have_url(re.compile("/admin/$"))


def sign_in_with_a_recovery_code(scene: Scene) -> None:
    with scene.clinic() as clinic:
        admin = clinic.person("admin")
        scene.email = admin.email
        with transaction():
            code = second_factor.new_recovery_codes(admin)[0]
    _password(scene, PASSWORD)
    scene.hand.unfold("Use a recovery code")
    scene.hand.write("Recovery code", code)
    scene.hand.press("Use this code")
    expect(scene.page).to_have_url(re.compile("/admin/$"))


def stop_at_the_second_step(scene: Scene) -> None:
    with scene.clinic() as clinic:
        scene.email = clinic.person("admin").email
    _password(scene, PASSWORD)
    scene.hand.press("Stop, and sign in as somebody else")
    expect(scene.page.locator(".account-nav").get_by_role("link", name="Sign in")).to_be_visible()


def forget_the_password(scene: Scene) -> None:
    with scene.clinic() as clinic:
        scene.email = clinic.person("pharmacist").email
    scene.hand.open("/login")
    scene.hand.follow("Forgotten your password?")
    scene.hand.write("E-mail address", scene.email)
    scene.hand.press("Send the link")
    scene.hand.open(_link_in_mail(scene, "password", "reset-password"))
    scene.hand.write("New password", NEW_PASSWORD)
    scene.hand.press("Set this password")
    expect(scene.page).to_have_url(re.compile("/login$"))
    _password(scene, NEW_PASSWORD)
    expect(scene.page).to_have_url(re.compile("/pharmacist/$"))


# The own account


def change_the_details(scene: Scene) -> None:
    scene.as_a("patient")
    hand = scene.hand
    hand.open("/patient/")
    hand.act(scene.page.locator(".account-nav").get_by_role("link"))
    hand.write("Full name", "Petra Patient", "#profile")
    hand.write("Address", "7 Beach Road", "#profile")
    hand.pick("Blood group", "AB+", "#profile")
    hand.write("Allergies", "penicillin", "#profile")
    hand.write("Emergency contact: name", "Paul Patient", "#profile")
    hand.press("Save my details")
    scene.reads("Petra Patient", ".account-nav")

    def kept() -> str | None:
        patient = scene.me().patient
        assert patient is not None
        return patient.allergies

    assert scene.look(kept) == "penicillin"


def set_and_remove_the_pass_phrase(scene: Scene) -> None:
    scene.as_a("patient")
    scene.hand.open("/account")
    scene.hand.write("Report pass phrase", PASSPHRASE, "#passphrase form")
    scene.hand.write("Current password", PASSWORD, "#passphrase form")
    scene.hand.press("Set the pass phrase")
    scene.hand.unfold("Remove the pass phrase")
    scene.hand.write("Current password", PASSWORD, "#remove-passphrase form")
    scene.hand.press("Remove the pass phrase", "#remove-passphrase form")
    expect(scene.hand.button("Set the pass phrase")).to_be_visible()


def change_the_password(scene: Scene) -> None:
    scene.as_a("pharmacist")
    scene.hand.open("/account")
    scene.hand.write("Current password", PASSWORD, "#password")
    scene.hand.write("New password", NEW_PASSWORD, "#password")
    scene.hand.press("Change the password")
    scene.reads("password has been changed")


def end_sessions(scene: Scene) -> None:
    """One elsewhere, then all others, then the own."""
    with scene.clinic() as clinic:
        user = clinic.person("doctor")
        for _ in range(3):
            clinic.visitor(user)
        scene.come_in(user)
    scene.hand.open("/account")
    elsewhere = scene.page.get_by_role("button", name=re.compile("^Sign out of .*, signed in"))
    expect(elsewhere).to_have_count(3)
    scene.hand.act(elsewhere.first)
    expect(elsewhere).to_have_count(2)
    scene.hand.press("Sign out everywhere else")
    expect(elsewhere).to_have_count(0)
    scene.hand.press(re.compile("^Sign out of .*, this device"))
    expect(scene.page).to_have_url(re.compile("/login|/$"))


def set_up_an_app_and_recovery_codes(scene: Scene) -> None:
    """The app on, ten codes, ten newer ones, and the app off again with one of them."""
    scene.as_a("doctor")
    hand, page = scene.hand, scene.page
    hand.open("/account")
    hand.follow("Set up an authenticator app")
    secret = page.locator(".setup-key").inner_text().replace(" ", "")
    hand.write("Current password", PASSWORD)
    hand.write("Six-digit code from the app", pyotp.TOTP(secret).now())
    hand.press("Turn on the app")
    for fold in ("Make ten recovery codes", "Make new recovery codes"):
        hand.unfold(fold)
        hand.write("Current password", PASSWORD, "#new-recovery-codes form")
        hand.press("Make ten new codes")
        if fold == "Make ten recovery codes":
            hand.follow("I have kept them")
    code = page.locator(".recovery-codes code").first.inner_text()
    hand.open("/account/recovery-codes")
    scene.reads("shown only once")
    hand.unfold("Remove the app")
    hand.write("Code from the app, or a recovery code", code, "#remove-app")
    hand.press("Remove the app", "#remove-app form")
    expect(hand.link("Set up an authenticator app")).to_be_visible()


def choose_the_colours(scene: Scene) -> None:
    scene.as_a("patient")
    scene.hand.open("/patient/")
    if scene.runs_script:
        scene.hand.act(scene.page.locator(".colour-menu summary"))
        scene.hand.press("Dark", ".theme-switch")
    else:
        scene.hand.follow("Colours")
        scene.hand.choose("Dark")
        scene.hand.press("Use these colours")
    scene.hand.open("/assistant")
    expect(scene.page.locator("html")).to_have_attribute("data-theme", "dark")


def ask_the_assistant(scene: Scene) -> None:
    """A question in one's own words, one of those that stand beside it, and one that is folded away."""
    scene.as_a("patient")
    hand, page = scene.hand, scene.page
    hand.open("/patient/")
    hand.follow("Help", ".main-nav")
    hand.write("Your question", "which files can I send?")
    hand.press("Ask")
    expect(page.locator("#conversation").get_by_text("which files can I send?")).to_be_visible()
    often = page.locator(".assistant__offers > .offers button").first
    words = often.inner_text()
    hand.act(often)
    expect(page.locator("#conversation").get_by_text(words).first).to_be_visible()
    hand.unfold(re.compile("^All .* questions"))
    last = page.locator(".assistant__offers details button").last
    words = last.inner_text()
    hand.act(last)
    expect(page.locator("#conversation").get_by_text(words).first).to_be_visible()


def read_about_the_models(scene: Scene) -> None:
    scene.as_a("doctor")
    scene.hand.open("/doctor/")
    scene.hand.follow("What it can do and where it fails")
    scene.hand.act(scene.page.locator("#models td a").first)
    expect(scene.page.locator(".model-card")).to_be_visible()


def remove_a_passkey(scene: Scene) -> None:
    """One of a device that is lost."""
    with scene.clinic() as clinic:
        user = clinic.person("doctor")
        values = {"name": "My phone", "public_key": b"", "sign_count": 0, "synced": True}
        with transaction():
            db.session.add(Passkey(user_id=user.id, credential_id=uuid.uuid4().hex, **values))
        scene.come_in(user)
    scene.hand.open("/account")
    scene.hand.unfold("Remove My phone")
    scene.hand.write("Current password", PASSWORD, "#passkeys")
    scene.hand.press("Remove the passkey")
    expect(scene.hand.fold("Remove My phone")).to_have_count(0)
