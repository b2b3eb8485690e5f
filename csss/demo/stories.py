"""Who the demo's other patients are, and what happened to them in the weeks before: invented, and told as such a hospital
would know it. A reading, its diagnosis and its medicines belong together.
"""

from dataclasses import dataclass
from datetime import date

from csss.people.models import Sex
from csss.prescriptions.lines import Line
from csss.prescriptions.safety import Pregnancy
from csss.scans.states import Agreement


@dataclass(frozen=True)
class Person:
    name: str
    sex: Sex
    born: date
    weight: str
    allergies: str = "None known"

    @property
    def pregnancy(self) -> str:
        """What is said after an upload: women of that age are asked."""
        asked = self.sex is Sex.FEMALE and 1970 < self.born.year < 2014
        return Pregnancy.NO.value if asked else ""


@dataclass(frozen=True)
class Reading:
    """What a doctor writes and what a pharmacist prescribes for it."""

    findings: str
    impression: str
    diagnosis: str
    medicines: tuple[Line, ...] = ()
    notes: str = ""
    agreement: Agreement = Agreement.AGREE


@dataclass(frozen=True)
class Story:
    """One scan: so many days ago, of whom, which picture, why, and how it was read."""

    days_ago: int
    who: str
    picture: str
    indication: str
    reading: Reading
    urgent: bool = False


def _person(name: str, sex: Sex, born: str, weight: str, allergies: str = "None known") -> Person:
    return Person(name, sex, date.fromisoformat(born), weight, allergies)


PEOPLE: tuple[Person, ...] = (
    _person("Devika Menon", Sex.FEMALE, "1949-05-04", "58"),
    _person("Arjun Pillai", Sex.MALE, "1976-02-11", "81"),
    _person("Fatima Begum", Sex.FEMALE, "1963-09-23", "64"),
    _person("George Mathew", Sex.MALE, "1965-07-19", "77", "Aspirin: wheezing"),
    _person("Revathi Natarajan", Sex.FEMALE, "2004-01-30", "52"),
    _person("Suresh Babu", Sex.MALE, "1990-11-08", "73"),
    _person("Saraswathi Nair", Sex.FEMALE, "1958-03-17", "61"),
    _person("Mohammed Rafi", Sex.MALE, "1957-12-02", "84"),
    _person("Anitha Krishnan", Sex.FEMALE, "1969-06-25", "59"),
    _person("Thomas Varghese", Sex.MALE, "1951-10-14", "70"),
    _person("Priya Sundaram", Sex.FEMALE, "1995-08-09", "55"),
    _person("Balaji Ramesh", Sex.MALE, "1982-04-28", "79"),
    _person("Shanthi Govindan", Sex.FEMALE, "1962-01-06", "66"),
    _person("Imran Sheikh", Sex.MALE, "2012-05-21", "46"),
    _person("Padma Venkatesh", Sex.FEMALE, "1966-11-30", "62"),
    _person("Xavier D’Souza", Sex.MALE, "1979-07-03", "88"),
)

_PARACETAMOL = Line("Paracetamol", "500 mg", "oral", "up to four times a day", "5 days")
_CLEAR = Reading(
    "Both lungs are clear. The heart is of normal size. No pleural effusion.",
    "No active disease.",
    "Normal chest",
)
_CLEARED = Reading(
    "The opacities of the last picture have gone. Both lungs are clear. The heart is of normal size.",
    "Complete recovery.",
    "Normal chest after pneumonia",
)
_COVID = Reading(
    "Patchy opacities in both lungs, more on the outside and below. No pleural effusion.",
    "Changes on both sides that fit a viral infection.",
    "Viral pneumonia, COVID-19 likely",
    (_PARACETAMOL,),
    "Drink enough. Come at once if breathing becomes harder.",
)
_PNEUMONIA = Reading(
    "An opacity in the right lower lobe with an air bronchogram. No pleural effusion.",
    "Consolidation of the right lower lobe.",
    "Pneumonia of the right lower lobe",
    (Line("Amoxicillin", "500 mg", "oral", "three times a day", "7 days"), _PARACETAMOL),
    "Take the amoxicillin to the end, even if you feel better. Control picture in four weeks.",
)
_ATYPICAL = Reading(
    "Faint opacity in the left lower zone. No pleural effusion. The heart is of normal size.",
    "Beginning infiltrate on the left.",
    "Pneumonia of the left lower lobe",
    (Line("Doxycycline", "100 mg", "oral", "twice a day", "7 days"),),
    "Take with a full glass of water, not just before lying down.",
)
_VIRAL = Reading(
    "Perihilar markings are increased on both sides. No consolidation, no pleural effusion.",
    "Bronchial pattern without a focus.",
    "Viral pneumonia",
    (_PARACETAMOL,),
    "Rest and drink enough. Come back if the fever lasts longer than three days.",
)
_LARGE_HEART = Reading(
    "The heart is slightly enlarged, cardiothoracic ratio 0.54. Both lungs are clear.",
    "Slightly enlarged heart, no congestion.",
    "Mild cardiomegaly",
    notes="No medicine for now. An echocardiogram is arranged.",
)
_WEAK_HEART = Reading(
    "The left ventricle is enlarged; its front wall moves less. Ejection fraction about 40 %.",
    "Reduced function of the left ventricle.",
    "Ischaemic cardiomyopathy",
    (
        Line("Ramipril", "2.5 mg", "oral", "once a day", "30 days"),
        Line("Bisoprolol", "2.5 mg", "oral", "once a day", "30 days"),
    ),
    "Measure blood pressure every morning. Blood test of kidneys and potassium in two weeks.",
)
_BRONCHITIS = Reading(
    "Bronchial walls are slightly thickened. No infiltrate, no pleural effusion.",
    "No pneumonia.",
    "Acute bronchitis",
    (Line("Salbutamol", "100 micrograms", "inhaled", "when short of breath", "2 weeks"),),
    "Use the spacer.",
    Agreement.DISAGREE,
)
_COLLAPSE = Reading(
    "A band of opacity above the right diaphragm, which is raised. No air bronchogram.",
    "Loss of volume rather than an infection.",
    "Atelectasis of the right lower lobe",
    notes="No medicine. Breathing exercises; control picture in two weeks.",
    agreement=Agreement.PARTLY,
)

RELEASED: tuple[Story, ...] = (
    Story(27, "Devika Menon", "COVID-1", "Fever and cough for four days, loss of smell", _COVID),
    Story(26, "Thomas Varghese", "Sick-1", "Breathless on climbing one floor", _WEAK_HEART),
    Story(25, "Arjun Pillai", "Lung_Opacity-1", "High fever and cough with sputum", _PNEUMONIA, urgent=True),
    Story(24, "Fatima Begum", "Normal-1", "Before an operation of the gall bladder", _CLEAR),
    Story(23, "George Mathew", "NIH_MERGED-1", "High blood pressure for ten years", _LARGE_HEART),
    Story(22, "Priya Sundaram", "Viral_Pneumonia-1", "Dry cough and temperature since Friday", _VIRAL),
    Story(21, "Imran Sheikh", "Normal-2", "Pain in the chest after a fall at football", _CLEAR),
    Story(20, "Mohammed Rafi", "Sick-2", "Heart attack in spring, control", _WEAK_HEART),
    Story(19, "Anitha Krishnan", "COVID-2", "Cough; her daughter has COVID-19", _COVID),
    Story(18, "Balaji Ramesh", "Viral_Pneumonia-2", "Wheezing and cough for two weeks", _BRONCHITIS),
    Story(17, "Shanthi Govindan", "NIH_MERGED-1", "Swollen ankles in the evening", _LARGE_HEART),
    Story(16, "Padma Venkatesh", "Lung_Opacity-1", "Fever and pain when breathing in", _PNEUMONIA),
    Story(14, "Devika Menon", "Normal-1", "Control after COVID-19", _CLEARED),
    Story(13, "Revathi Natarajan", "Viral_Pneumonia-1", "Cough at night, fever of 38.5", _VIRAL),
    Story(12, "Xavier D’Souza", "Normal-2", "Cough for three weeks, smoker", _CLEAR),
    Story(11, "Arjun Pillai", "Normal-2", "Control after pneumonia", _CLEARED),
    Story(10, "Suresh Babu", "Lung_Opacity-2", "Fever comes back in the evening", _ATYPICAL),
    Story(9, "Saraswathi Nair", "COVID-1", "Fever, headache and cough", _COVID, urgent=True),
    Story(8, "Fatima Begum", "NIH_MERGED-2", "Palpitations on climbing stairs", _LARGE_HEART),
    Story(6, "Balaji Ramesh", "Normal-1", "Control: the cough has gone", _CLEAR),
    Story(5, "Padma Venkatesh", "Lung_Opacity-1", "Pain has come back after pneumonia", _COLLAPSE),
    Story(4, "Anitha Krishnan", "Normal-2", "Control after COVID-19", _CLEARED),
)
WAITING: tuple[Story, ...] = (
    Story(2, "Shanthi Govindan", "Sick-2", "The echocardiogram showed a weak heart", _WEAK_HEART),
    Story(2, "Xavier D’Souza", "Viral_Pneumonia-2", "Cough is worse, fever since yesterday", _VIRAL),
    Story(1, "Revathi Natarajan", "Normal-1", "Control after viral pneumonia", _CLEARED),
    Story(1, "George Mathew", "COVID-2", "Fever and sore throat for three days", _COVID),
    Story(1, "Mohammed Rafi", "Lung_Opacity-1", "Shivering, fever of 39.4", _PNEUMONIA, urgent=True),
    Story(1, "Suresh Babu", "Normal-2", "Control after pneumonia", _CLEARED),
)
