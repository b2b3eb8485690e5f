"""What is asked of a patient for the pharmacist: the same fields for the patient and for the pharmacist."""

from wtforms import Form, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from csss.i18n import lazy_gettext as _l
from csss.prescriptions.safety import Kidney, Pregnancy
from csss.prescriptions.stated_facts import Stated
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
NAMES = ("weight", "pregnancy", "kidney", "egfr", "medicines", "allergies")
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

    @property
    def stated(self) -> Stated:
        return Stated(**{name: self[name].data or "" for name in NAMES})

    def put(self, stated: Stated) -> None:
        """Fill the fields with what is known."""
        for name in NAMES:
            self[name].data = getattr(stated, name)
