"""Which doses are taken as they are, which ask for a reason, and which cannot be meant."""

import pytest

from csss.prescriptions.amounts import Trouble, read
from csss.prescriptions.dose_checks import problem, warning
from csss.prescriptions.formulary import load
from csss.prescriptions.frequencies import times_a_day
from csss.prescriptions.models import Route
from tests.tables import for_each

BOOK = load()

# What pharmacists write all day: nothing is said of it.
ORDINARY = [
    ("Amoxicillin", "500 mg", "oral", "three times a day"),
    ("Amoxicillin", "1 g", "oral", "every 8 hours"),
    ("Amoxicillin 250 mg/5 ml", "5 ml", "oral", "tds"),
    ("Amoxicillin", "30 mg/kg", "oral", "every 8 hours"),
    ("Co-amoxiclav", "625 mg", "oral", "three times a day"),
    ("Co-amoxiclav", "500/125 mg", "oral", "1-1-1"),
    ("Co-amoxiclav", "1 g + 200 mg", "intravenous", "every 6 hours"),
    ("Benzylpenicillin", "2.4 million units", "intravenous", "every 4 hours"),
    ("Benzathine benzylpenicillin", "1.2 million units", "intramuscular", "every 4 weeks"),
    ("Pip-taz", "4.5 g", "intravenous", "every 6 hours"),
    ("Ceftriaxone", "2 g in 100 ml", "intravenous", "once a day"),
    ("Ceftriaxone", "1-2 g", "intravenous", "every 12 hours"),
    ("Doxycycline", "100 mg", "oral", "twice a day"),
    ("Azithromycin", "500 mg", "oral", "once a day"),
    ("Clarithromycin", "500 mg", "oral", "bd"),
    ("Gentamicin", "5 mg/kg", "intravenous", "once a day"),
    ("Vancomycin", "15 mg/kg", "intravenous", "every 12 hours"),
    ("Levofloxacin", "500 mg", "oral", "od"),
    ("Co-trimoxazole", "960 mg", "oral", "twice a day"),
    ("Co-trimoxazole", "2 tablets", "oral", "twice a day"),
    ("Colistin", "2 million units", "inhaled", "twice a day"),
    ("Isoniazid", "300 mg", "oral", "daily"),
    ("Rifampicin", "600 mg", "oral", "once a day, in the morning"),
    ("Oseltamivir", "75 mg", "oral", "twice a day"),
    ("Paxlovid", "300 mg + 100 mg", "oral", "every 12 hours"),
    ("Nystatin", "1 ml", "oral", "four times a day"),
    ("Nystatin", "500,000 units", "oral", "four times a day"),
    ("Salbutamol", "2 puffs", "inhaled", "as needed"),
    ("Salbutamol", "1-2 puffs", "inhaled", "up to four times a day"),
    ("Salbutamol", "10 puffs", "inhaled", "every 4 hours"),
    ("Salbutamol", "2.5 mg", "inhaled", "every 4-6 hours"),
    ("Salbutamol", "1 nebule", "inhaled", "every 6 hours"),
    ("Salbutamol", "100 micrograms", "inhaled", "when short of breath"),
    ("Tiotropium", "18 mcg", "inhaled", "once a day"),
    ("Tiotropium", "1 capsule", "inhaled", "once daily"),
    ("Salmeterol and fluticasone", "50/500 micrograms", "inhaled", "twice a day"),
    ("Formoterol and budesonide 6/200 micrograms", "2 puffs", "inhaled", "bd"),
    ("Budesonide", "2 sprays", "nasal", "once a day"),
    ("Xylometazoline", "2 drops", "nasal", "three times a day"),
    ("Montelukast", "10 mg", "oral", "at night"),
    ("Cetirizine", "10 mg", "oral", "once a day"),
    ("Cetirizine", "5 ml", "oral", "once a day"),
    ("Codeine", "15-30 mg", "oral", "every 4 to 6 hours as needed"),
    ("Prednisolone", "40 mg", "oral", "once a day"),
    ("Prednisolone 5 mg", "8 tablets", "oral", "in the morning"),
    ("Methotrexate", "15 mg", "oral", "once a week"),
    ("Paracetamol", "1 g", "oral", "four times a day"),
    ("Paracetamol", "2 x 500 mg", "oral", "every 6 hours"),
    ("Paracetamol", "2 tablets", "oral", "four times a day"),
    ("Paracetamol", "500 mg", "oral", "up to four times a day"),
    ("Paracetamol", "15 mg/kg", "oral", "every 6 hours"),
    ("Paracetamol", "1 suppository", "rectal", "every 6 hours"),
    ("Aspirin", "75 mg", "oral", "daily"),
    ("Aspirin", "1 tablet", "oral", "1-0-0"),
    ("Ibuprofen", "400 mg", "oral", "with meals"),
    ("Diclofenac", "2 g", "topical", "four times a day"),
    ("Diclofenac", "thin layer", "topical", "twice a day"),
    ("Morphine", "10 mg", "subcutaneous", "every 4 hours"),
    ("Fentanyl", "1 patch", "transdermal", "every 72 hours"),
    ("Fentanyl", "25 micrograms/h", "transdermal", "every 3 days"),
    ("Bisoprolol", "½ tablet", "oral", "once a day"),
    ("Carvedilol", "half a tablet", "oral", "twice a day"),
    ("Ramipril", "2,5 mg", "oral", "once a day"),
    ("Entresto", "49/51 mg", "oral", "twice a day"),
    ("Furosemide", "40 mg", "oral", "once a day"),
    ("Furosemide", "80 mg", "intravenous", "stat"),
    ("Digoxin", "125 micrograms", "oral", "once a day"),
    ("Digoxin", "62.5 µg", "oral", "alternate days"),
    ("Amiodarone", "200 mg", "oral", "tds"),
    ("Dopamine", "5 micrograms/kg/min", "intravenous", "continuous infusion"),
    ("Epinephrine", "500 micrograms", "intramuscular", "as a single dose"),
    ("Glyceryl trinitrate", "2 puffs", "sublingual", "as needed"),
    ("Heparin", "5,000 units", "subcutaneous", "every 8 hours"),
    ("Heparin", "18 units/kg/h", "intravenous", "continuous"),
    ("Enoxaparin", "1 mg/kg", "subcutaneous", "every 12 hours"),
    ("Warfarin", "5 mg", "oral", "once a day"),
    ("Apixaban", "5 mg", "oral", "1-0-1"),
    ("Metformin", "1 g", "oral", "twice a day"),
    ("Insulin", "10 IU", "subcutaneous", "three times a day"),
    ("Levothyroxine", "0.1 mg", "oral", "before breakfast"),
    ("Omeprazole", "20 mg", "oral", "twice a day"),
    ("Lactulose", "15 ml", "oral", "twice a day"),
    ("Macrogol", "1 sachet", "oral", "twice a day"),
    ("Potassium chloride", "20 mmol", "intravenous", "twice a day"),
    ("Potassium chloride", "2 tablets", "oral", "three times a day"),
    ("Vitamin D3", "25,000 units", "oral", "once a week"),
    ("Thiamine", "１００ ｍｇ", "oral", "once a day"),
    ("Nicotine", "21 mg", "transdermal", "daily"),
    ("Midazolam", "2 mg", "intravenous", "before the procedure"),
    ("Amlodipine and valsartan", "5/160 mg", "oral", "once a day"),
    ("Oxygen", "2 l/min", "inhaled", "continuous"),
    ("Wondermycin", "900 g", "oral", "hourly"),
    ("Eye drops of the ward", "1 drop", "ophthalmic", "every hour"),
    ("Chloramphenicol", "1 cm", "ophthalmic", "at night"),
    ("Something", "3 washes", "other", "daily"),
]

# Possible, and far above what the formulary knows: it asks for a reason, and says what the line comes to.
ASKED = [
    (
        "Cetirizine",
        "500 g",
        "oral",
        "once a day",
        "500 g a day. The maximum daily dose of Cetirizine is 10 mg",
    ),
    (
        "Warfarin",
        "5000 mg",
        "oral",
        "ten times a day",
        "50 g a day. The maximum daily dose of Warfarin is 15 mg",
    ),
    ("Warfarin", "5 mg", "oral", "ten times a day", "50 mg a day"),
    ("Warfarin", "5,000 mg", "oral", "daily", "5 g a day"),
    ("Warfarin", "५०० mg", "oral", "daily", "500 mg a day"),
    ("Warfarin", "30 tablets", "oral", "daily", "30 mg a day"),
    ("Paracetamol", "1 g", "oral", "every 4 hours", "6 g a day"),
    ("Paracetamol", "4 x 500 mg", "oral", "1-1-1", "6 g a day"),
    ("Paracetamol 1 g", "2 tablets", "oral", "tds", "6 g a day"),
    ("Paracetamol", "5 g", "oral", "as needed", "The frequency was not understood"),
    ("Paracetamol", "5 g/day", "oral", "twice a day", "5 g a day"),
    ("Paracetamol 250 mg/5 ml", "50 ml", "oral", "qid", "10 g a day"),
    ("Amoxicillin", "500 mg/kg", "oral", "daily", "compared for a person of 60 kg"),
    ("Digoxin", "1 mg", "oral", "daily", "1 mg a day. The maximum daily dose of Digoxin is 500 micrograms"),
    ("Digoxin", "250 mg", "oral", "daily", "250 mg a day"),
    ("Levothyroxine", "100 mg", "oral", "daily", "100 mg a day"),
    ("Insulin", "500 units", "subcutaneous", "daily", "500 IU a day"),
    ("Methotrexate", "100 mg", "oral", "once a week", "100 mg a day"),
    ("Salbutamol", "200 puffs", "inhaled", "as needed", "200 puffs of Salbutamol a day"),
    ("Salbutamol", "100 mg", "inhaled", "daily", "100 mg a day"),
    ("Metformin", "1 g", "oral", "every 4 hours", "6 g a day"),
    ("Apixaban", "50 mg", "oral", "twice a day", "100 mg a day"),
    ("Morphine", "100 mg", "subcutaneous", "q4h", "600 mg a day"),
    ("Furosemide", "4 g", "oral", "once a day", "4 g a day. The maximum daily dose of Furosemide is 600 mg"),
    ("Heparin", "500,000 units", "subcutaneous", "daily", "500,000 IU a day"),
    ("Colchicine", "1-5 mg", "oral", "daily", "5 mg a day"),
    ("Midazolam", "100 mg", "intravenous", "stat", "8 times the greatest strength was assumed"),
    ("Potassium chloride", "400 mmol", "intravenous", "daily", "400 mmol a day"),
    ("Co-trimoxazole", "960 mg", "oral", "ten times a day", "9.6 g a day"),
    ("Fentanyl", "2 patches", "transdermal", "ten times a day", "20 patches of Fentanyl a day"),
    ("Lactulose", "10 l", "oral", "daily", "10,000 ml of Lactulose a day"),
    ("Prednisolone", "1 kg", "oral", "daily", "1,000 g a day"),
]

# No dose at all: told beside the field.
REFUSED = [
    ("Amoxicillin", "-500 mg", "oral", "more than zero"),
    ("Amoxicillin", "−500 mg", "oral", "more than zero"),
    ("Amoxicillin", "– 500 mg", "oral", "more than zero"),
    ("Amoxicillin", "take -500 mg", "oral", "more than zero"),
    ("Amoxicillin", "minus 500 mg", "oral", "more than zero"),
    ("Amoxicillin", "➖500 mg", "oral", "more than zero"),
    ("Amoxicillin", "0 mg", "oral", "more than zero"),
    ("Amoxicillin", "0.0 g", "oral", "more than zero"),
    ("Amoxicillin", "0 tablets", "oral", "more than zero"),
    ("Amoxicillin", "mg", "oral", "a number and a unit"),
    ("Amoxicillin", "as directed", "oral", "a number and a unit"),
    ("Amoxicillin", "tablet", "oral", "a number and a unit"),
    ("Amoxicillin", "inf mg", "oral", "a number and a unit"),
    ("Amoxicillin", "500", "oral", "a unit after the number"),
    ("Amoxicillin", "500 apples", "oral", "a unit after the number"),
    ("Amoxicillin", "1e3 mg", "oral", "an exponent"),
    ("Amoxicillin", "12 days", "oral", "a unit after the number"),
    ("Amoxicillin", "2 puffs", "oral", "does not fit the route “Oral”"),
    ("Wondermycin", "2 puffs", "intravenous", "does not fit the route “Intravenous”"),
    ("Amoxicillin", "2 tablets", "intravenous", "does not fit the route “Intravenous”"),
    ("Amoxicillin", "1 tablet", "inhaled", "does not fit the route “Inhaled”"),
    ("Salbutamol", "1 patch", "inhaled", "does not fit the route “Inhaled”"),
    ("Fentanyl", "5 ml", "transdermal", "does not fit the route “Transdermal”"),
    ("Paracetamol", "1 suppository", "oral", "does not fit the route “Oral”"),
    ("Chloramphenicol", "1 capsule", "ophthalmic", "does not fit the route “Ophthalmic”"),
    ("Amoxicillin", "5 mg/h", "oral", "does not fit the route “Oral”"),
    ("Cetirizine", "10 IU", "oral", "Cetirizine is measured in mg, not in IU"),
    ("Insulin", "10 mg", "subcutaneous", "Insulin human is measured in IU, not in mg"),
    ("Heparin", "5000 mg", "subcutaneous", "Heparin is measured in IU, not in mg"),
    ("Something", "-3 washes", "other", "more than zero"),
    ("Something", "washes", "other", "a number and a unit"),
]


@for_each("drug, dose, route, frequency", ORDINARY)
def test_an_ordinary_prescription_is_taken_without_a_word(
    drug: str, dose: str, route: str, frequency: str
) -> None:
    assert problem(drug, dose, Route(route), BOOK) is None
    assert warning(drug, dose, Route(route), frequency, BOOK) is None


@for_each("drug, dose, route, frequency, sentence", ASKED)
def test_more_than_the_greatest_dose_a_day_is_asked_about(
    drug: str, dose: str, route: str, frequency: str, sentence: str
) -> None:
    assert problem(drug, dose, Route(route), BOOK) is None
    told = warning(drug, dose, Route(route), frequency, BOOK) or ""
    assert sentence in told.replace("\N{NO-BREAK SPACE}", " ")


@for_each("drug, dose, route, sentence", REFUSED)
def test_what_can_be_no_dose_is_refused(drug: str, dose: str, route: str, sentence: str) -> None:
    assert sentence in (problem(drug, dose, Route(route), BOOK) or "")


def test_every_strength_of_the_formulary_is_taken_once_a_day() -> None:
    """No maximum daily dose lies below a strength: a slip in the file would question every line."""
    for medicine in BOOK.medicines:
        for strength in medicine.strengths.replace(" + ", "+").split(", "):
            if not (amounts := read(strength).amounts) or any(each.in_ml for each in amounts):
                continue
            dose = f"{float(amounts[0].number):.6f} {'IU' if 'unit' in strength else 'mg'}"
            told = [warning(medicine.name, dose, route, "once a day", BOOK) for route in medicine.routes]
            assert None in told, (medicine.name, strength, told)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500 mg", 500),
        ("0,5 g", 500),
        ("1,000 mg", 1000),
        ("1 000 mg", 1000),
        ("1.000.000 IU", 1_000_000),
        ("1,00,000 IU", 100_000),
        ("1½ tablets", 1.5),
        ("1 1/2 tablets", 1.5),
        ("1/2 tablet", 0.5),
        ("two tablets", 2),
        ("a tablet", 1),
        ("two 500 mg tablets", 1000),
        ("500 mg x 2", 1000),
        ("5 - 10 mg", 10),
        ("5 mg to 10 mg", 10),
        ("24/26 mg", 50),
        ("0.25 micrograms", 0.00025),
        ("5 lakh units", 500_000),
        ("1.2 MU", 1_200_000),
        ("5…10 mg", 10),
        ("5...10 mg", 10),
        ("5\u200b10 mg", 510),  # nobody sees what stands between the digits
        ("5\u00ad10 mg", 510),
        ("1'500 mg", 1500),
        ("0·5 mg", 0.5),
    ],
)
def test_how_an_amount_is_read(text: str, number: float) -> None:
    assert max(float(each.number) for each in read(text).amounts) == pytest.approx(number)


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", Trouble.NO_NUMBER),
        ("12", Trouble.NO_UNIT),
        ("0 g", Trouble.NOT_POSITIVE),
        ("1e-3 g", Trouble.UNCLEAR),
        ("5\u030710 mg", Trouble.UNCLEAR),  # a dot above the five
    ],
)
def test_what_says_no_amount_has_a_reason(text: str, trouble: Trouble) -> None:
    assert read(text).trouble is trouble


@pytest.mark.parametrize(
    ("frequency", "times"),
    [
        ("once daily", 1),
        ("o.d.", 1),
        ("twice a day", 2),
        ("b.i.d.", 2),
        ("2x/day", 2),
        ("1-0-1", 2),
        ("1 – 1 – 1 – 1", 4),
        ("½-0-½", 1),
        ("tds", 3),
        ("every 8 hours", 3),
        ("8-hourly", 3),
        ("q6h", 4),
        ("every 4 to 6 hours as needed", 6),
        ("up to four times a day", 4),
        ("3-4 times a day", 4),
        ("ten times a day", 10),
        ("hourly", 24),
        ("every 15 minutes", 96),
        ("morning and evening", 2),
        ("with meals", 3),
        ("weekly", 1),
        ("twice a week", 1),
        ("every 72 hours", 1),
        ("alternate days", 1),
        ("as a single dose", 1),
        ("as needed", None),
        ("when short of breath", None),
        ("", None),
    ],
)
def test_how_often_a_day_is_read(frequency: str, times: int | None) -> None:
    assert times_a_day(frequency) == times


@pytest.mark.parametrize("unit", ["kg", "tablets"])
def test_numbers_without_end_are_warned_of_in_a_sentence(unit: str) -> None:
    """Also while a form is shown that is too long to be taken."""
    sentence = warning("Amoxicillin", f"{'9' * 190} {unit}", Route.ORAL, f"{'9' * 180} times a day", BOOK)
    assert sentence is not None and len(sentence) < 200
