"""What is asked of a patient for the pharmacist: the same fields for the patient and for the pharmacist."""

import json

from wtforms import Form, HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.i18n import lazy_gettext as _l
from csss.prescriptions.safety import Kidney, Pregnancy
from csss.prescriptions.stated_facts import ANSWERS, Stated
from csss.scans.presenters import Words
from csss.web.forms import clean

PREGNANCY_WORDS: Words[Pregnancy] = Words(
    {
        Pregnancy.NO: _l("Neither"),
        Pregnancy.POSSIBLE: _l("Perhaps pregnant"),
        Pregnancy.PREGNANT: _l("Pregnant"),
        Pregnancy.BREAST_FEEDING: _l("Breast-feeding"),
        Pregnancy.BOTH: _l("Pregnant and breast-feeding"),
    }
)
KIDNEY_WORDS: Words[Kidney] = Words(
    {Kidney.NONE_KNOWN: _l("No kidney disease known"), Kidney.DISEASE: _l("A kidney disease is known")}
)
NAMES = ANSWERS
_NOT_SAID = SelectChoice("", _l("Not known"))


class StatedFields(Form):
    """The service checks the answers; none of them is required."""

    weight = StringField(
        _l("Weight in kg"), filters=[clean], render_kw={"maxlength": 20, "inputmode": "decimal"}
    )
    pregnancy = SelectField(
        _l("Pregnant or breast-feeding"),
        choices=lambda: [
            _NOT_SAID,
            *(SelectChoice(each.value, words) for each, words in PREGNANCY_WORDS.items()),
        ],
        validate_choice=False,
    )
    kidney = SelectField(
        _l("Kidneys"),
        choices=lambda: [
            _NOT_SAID,
            *(SelectChoice(each.value, words) for each, words in KIDNEY_WORDS.items()),
        ],
        validate_choice=False,
    )
    egfr = StringField(
        _l("eGFR (kidney function)"), filters=[clean], render_kw={"maxlength": 10, "inputmode": "numeric"}
    )
    medicines = TextAreaField(_l("Medicines taken now"), filters=[clean])
    allergies = TextAreaField(_l("Allergies"), filters=[clean])

    facts_shown = HiddenField()  # what the fields had shown, so that an open form takes nothing back

    @property
    def stated(self) -> Stated:
        return Stated(**{name: self[name].data or "" for name in NAMES}, shown=self._shown)

    @property
    def _shown(self) -> Stated | None:
        try:
            sent = json.loads(self.facts_shown.data or "")
            return Stated(**{name: clean(str(sent.get(name, ""))) for name in NAMES}, shown=None)
        except (ValueError, AttributeError):
            return None

    def put(self, stated: Stated) -> None:
        """Fill the fields with what is known."""
        for name in NAMES:
            self[name].data = getattr(stated, name)
        self.catch_up(stated)

    def catch_up(self, known: Stated) -> None:
        """Show what is known now in the fields that were not changed here."""
        shown = self._shown
        for name in NAMES:
            if shown is not None and (self[name].data or "").strip() == getattr(shown, name).strip():
                self[name].data = getattr(known, name)
        self.facts_shown.data = json.dumps({name: getattr(known, name) for name in NAMES})
