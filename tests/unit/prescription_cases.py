"""Prescriptions and what must be said of them: the table of test_prescription_safety.py."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from csss.prescriptions.lines import Line
from csss.prescriptions.safety import Code, Kidney, PatientFacts, Pregnancy, Taken


def man(years: float = 45, **known: Any) -> PatientFacts:
    return PatientFacts(months=round(years * 12), female=False, **known)


def woman(years: float = 30, **known: Any) -> PatientFacts:
    return PatientFacts(months=round(years * 12), female=True, **known)


def kg(weight: float) -> dict[str, Fraction]:
    return {"weight_kg": Fraction(str(weight))}


def line(text: str) -> Line:
    """A line such as “Amoxicillin; 500 mg; oral; three times a day”."""
    drug, dose, route, frequency = (part.strip() for part in text.split(";"))
    return Line(drug, dose, route, frequency, "5 days")


@dataclass(frozen=True)
class Case:
    """The lines of a prescription, for whom, and the codes that ask for a reason at the last line."""

    facts: PatientFacts
    lines: tuple[str, ...]
    codes: frozenset[Code] = frozenset()

    def __str__(self) -> str:
        return " + ".join(self.lines)


def ask(facts: PatientFacts, *lines: str, codes: str) -> Case:
    return Case(facts, lines, frozenset(Code(code) for code in codes.split()))


PREGNANT = woman(pregnancy=Pregnancy.PREGNANT)
FEEDING = woman(pregnancy=Pregnancy.BREAST_FEEDING)


def taking(*drugs: str) -> dict[str, tuple[Taken, ...]]:
    return {"taking": tuple(map(Taken, drugs))}


# Something is said, and a reason asked for.
ASKED = [
    # Ten times too much, or worse
    ask(man(5), "Warfarin; 5000 mg; oral; ten times a day", codes="day_high age"),
    ask(man(), "Warfarin; 5000 mg; oral; ten times a day", codes="day_high"),
    ask(man(), "Warfarin; 50 mg; oral; once a day", codes="day_high"),
    ask(man(), "Amoxicillin; 5 g; oral; three times a day", codes="day_high"),
    ask(man(), "Digoxin; 2.5 mg; oral; once a day", codes="day_high"),
    ask(man(), "Methotrexate; 100 mg; oral; once a week", codes="day_high"),
    ask(man(), "Furosemide; 4 g; oral; once a day", codes="day_high"),
    ask(man(), "Morphine; 100 mg; subcutaneous; every 4 hours", codes="day_high"),
    ask(man(), "Salbutamol; 20 mg; inhaled; once a day", codes="dose_high"),
    ask(man(), "Insulin; 150 units; subcutaneous; once a day", codes="dose_high"),
    ask(man(**kg(60)), "Enoxaparin; 100 mg; subcutaneous; twice a day", codes="day_high"),
    ask(man(**kg(45)), "Paracetamol; 1 g; oral; four times a day", codes="day_high"),
    ask(man(), "Paracetamol; 2 g; oral; as needed", codes="dose_high"),
    # Too little
    ask(man(), "Amoxicillin; 25 mg; oral; three times a day", codes="dose_low"),
    ask(man(), "Azithromycin; 5 mg; oral; once a day", codes="dose_low"),
    ask(man(), "Ceftriaxone; 10 mg; intravenous; once a day", codes="dose_low"),
    ask(man(), "Heparin; 50 units; subcutaneous; every 8 hours", codes="dose_low"),
    ask(man(5, **kg(18)), "Amoxicillin; 5 mg; oral; three times a day", codes="day_low"),
    # The wrong unit
    ask(man(), "Digoxin; 250 mg; oral; once a day", codes="day_high"),
    ask(man(), "Levothyroxine; 100 mg; oral; once a day", codes="day_high"),
    ask(man(), "Paracetamol; 500 micrograms; oral; four times a day", codes="dose_low"),
    ask(man(), "Salbutamol; 100 mg; inhaled; four times a day", codes="day_high"),
    ask(man(), "Amoxicillin; 500 g; oral; three times a day", codes="day_high"),
    # How often
    ask(man(), "Methotrexate; 10 mg; oral; once a day", codes="frequency"),
    ask(man(), "Semaglutide; 1 mg; subcutaneous; daily", codes="frequency"),
    # A child
    ask(man(5, **kg(18)), "Paracetamol; 1 g; oral; four times a day", codes="dose_high day_high"),
    ask(man(5, **kg(18)), "Paracetamol; 250 mg; oral; every 4 hours", codes="day_high"),
    ask(man(5), "Paracetamol; 1 g; oral; four times a day", codes="dose_high day_high"),
    ask(man(2, **kg(12)), "Ibuprofen; 400 mg; oral; three times a day", codes="dose_high day_high"),
    ask(man(0.1), "Ibuprofen; 20 mg; oral; three times a day", codes="age"),
    ask(man(6, **kg(20)), "Doxycycline; 50 mg; oral; once a day", codes="age"),
    ask(man(8), "Codeine; 15 mg; oral; every 6 hours", codes="age"),
    ask(man(10), "Aspirin; 300 mg; oral; once a day", codes="age"),
    ask(man(7), "Simvastatin; 20 mg; oral; once a day", codes="age"),
    ask(man(3, **kg(14)), "Gentamicin; 240 mg; intravenous; once a day", codes="day_high"),
    # Pregnancy and breast-feeding
    ask(PREGNANT, "Warfarin; 5 mg; oral; once a day", codes="pregnancy"),
    ask(PREGNANT, "Ramipril; 5 mg; oral; once a day", codes="pregnancy"),
    ask(PREGNANT, "Doxycycline; 100 mg; oral; twice a day", codes="pregnancy"),
    ask(PREGNANT, "Ibuprofen; 400 mg; oral; three times a day", codes="pregnancy"),
    ask(woman(pregnancy=Pregnancy.POSSIBLE), "Atorvastatin; 20 mg; oral; at night", codes="pregnancy"),
    ask(PREGNANT, "Clarithromycin; 500 mg; oral; twice a day", codes="pregnancy"),
    ask(FEEDING, "Codeine; 30 mg; oral; every 6 hours", codes="breast_feeding"),
    ask(FEEDING, "Amiodarone; 200 mg; oral; once a day", codes="breast_feeding"),
    # Kidneys
    ask(man(egfr=25), "Metformin; 1 g; oral; twice a day", codes="kidney"),
    ask(man(egfr=20), "Enoxaparin; 40 mg; subcutaneous; once a day", codes="kidney"),
    ask(man(egfr=28), "Ibuprofen; 400 mg; oral; three times a day", codes="kidney"),
    ask(man(egfr=35), "Nitrofurantoin; 100 mg; oral; twice a day", codes="kidney"),
    ask(man(kidney=Kidney.DISEASE), "Digoxin; 125 micrograms; oral; once a day", codes="kidney"),
    ask(man(egfr=20), "Dabigatran; 110 mg; oral; twice a day", codes="kidney"),
    # Age
    ask(woman(82), "Diazepam; 5 mg; oral; at night", codes="age"),
    ask(man(70), "Promethazine; 25 mg; oral; at night", codes="age"),
    # Interactions
    ask(man(**taking("Warfarin 5 mg")), "Ibuprofen; 400 mg; oral; three times a day", codes="interaction"),
    ask(
        man(),
        "Warfarin; 5 mg; oral; once a day",
        "Metronidazole; 400 mg; oral; three times a day",
        codes="interaction",
    ),
    ask(man(**taking("simvastatin")), "Clarithromycin; 500 mg; oral; twice a day", codes="interaction"),
    ask(man(**taking("isosorbide mononitrate")), "Sildenafil; 50 mg; oral; as needed", codes="interaction"),
    ask(
        man(**taking("Methotrexate 15 mg weekly")),
        "Co-trimoxazole; 960 mg; oral; twice a day",
        codes="interaction",
    ),
    ask(man(**taking("azathioprine")), "Allopurinol; 100 mg; oral; once a day", codes="interaction"),
    ask(man(**taking("ramipril")), "Losartan; 50 mg; oral; once a day", codes="interaction"),
    ask(man(**taking("bisoprolol")), "Verapamil; 80 mg; oral; three times a day", codes="interaction"),
    ask(man(**taking("amiodarone")), "Moxifloxacin; 400 mg; oral; once a day", codes="interaction"),
    ask(man(**taking("morphine")), "Lorazepam; 1 mg; oral; at night", codes="interaction"),
    # The same medicine or class twice
    ask(
        man(),
        "Paracetamol; 1 g; oral; three times a day",
        "Tylenol; 500 mg; oral; twice a day",
        codes="duplicate",
    ),
    ask(man(**taking("Amlodipin 5 mg")), "Amlodipine; 5 mg; oral; once a day", codes="duplicate"),
    ask(man(**taking("Atorvastatin")), "Simvastatin; 20 mg; oral; at night", codes="duplicate_class"),
    ask(
        man(),
        "Ibuprofen; 400 mg; oral; three times a day",
        "Diclofenac; 50 mg; oral; twice a day",
        codes="duplicate_class",
    ),
    ask(man(**taking("Omeprazole")), "Pantoprazole; 40 mg; oral; once a day", codes="duplicate_class"),
    # Allergies, by name and by class
    ask(man(allergies="Amoxicillin"), "Amoxicillin; 500 mg; oral; tds", codes="allergy"),
    ask(man(allergies="Penicillin"), "Amoxicillin; 500 mg; oral; tds", codes="allergy_class"),
    ask(man(allergies="Penicillin"), "Ceftriaxone; 1 g; intravenous; once a day", codes="allergy_class"),
    ask(man(allergies="sulfa drugs"), "Co-trimoxazole; 960 mg; oral; bd", codes="allergy_class"),
    ask(man(allergies="aspirin"), "Ibuprofen; 400 mg; oral; three times a day", codes="allergy_class"),
    # More than one thing
    ask(
        woman(pregnancy=Pregnancy.PREGNANT, egfr=25, allergies="ibuprofen"),
        "Ibuprofen; 400 mg; oral; three times a day",
        codes="allergy pregnancy kidney",
    ),
]

# What a pharmacist writes all day, for the patients who come: nothing asks for a reason at any line.
HEART_FAILURE = man(72, egfr=55, **kg(80))
ORDINARY = [
    Case(man(), ("Amoxicillin; 500 mg; oral; three times a day",)),
    Case(man(), ("Amoxicillin; 1 g; oral; every 8 hours", "Clarithromycin; 500 mg; oral; twice a day")),
    Case(woman(), ("Amoxicillin; 500 mg; oral; tds", "Paracetamol; 1 g; oral; four times a day")),
    Case(man(egfr=80), ("Co-amoxiclav; 625 mg; oral; three times a day",)),
    Case(man(68, egfr=65), ("Co-amoxiclav; 1.2 g; intravenous; every 8 hours",)),
    Case(man(allergies="Penicillin"), ("Doxycycline; 100 mg; oral; twice a day",)),
    Case(woman(), ("Doxycycline; 200 mg; oral; once a day",)),
    Case(woman(pregnancy=Pregnancy.NO), ("Doxycycline; 100 mg; oral; twice a day",)),
    Case(PREGNANT, ("Amoxicillin; 500 mg; oral; three times a day",)),
    Case(PREGNANT, ("Paracetamol; 1 g; oral; up to four times a day",)),
    Case(PREGNANT, ("Labetalol; 100 mg; oral; twice a day",)),
    Case(FEEDING, ("Paracetamol; 500 mg; oral; every 6 hours",)),
    Case(man(), ("Azithromycin; 500 mg; oral; once a day",)),
    Case(man(), ("Ceftriaxone; 2 g; intravenous; once a day", "Azithromycin; 500 mg; oral; once a day")),
    Case(man(), ("Pip-taz; 4.5 g; intravenous; every 6 hours",)),
    Case(man(**kg(70)), ("Gentamicin; 5 mg/kg; intravenous; once a day",)),
    Case(man(**kg(70)), ("Vancomycin; 15 mg/kg; intravenous; every 12 hours",)),
    Case(man(), ("Levofloxacin; 500 mg; oral; od",)),
    Case(man(), ("Oseltamivir; 75 mg; oral; twice a day",)),
    Case(
        man(),
        (
            "Isoniazid; 300 mg; oral; once a day",
            "Rifampicin; 600 mg; oral; once a day",
            "Pyrazinamide; 1.5 g; oral; once a day",
            "Ethambutol; 1.2 g; oral; once a day",
        ),
    ),
    Case(
        man(60),
        (
            "Salbutamol; 200 micrograms; inhaled; every 4 to 6 hours",
            "Prednisolone; 30 mg; oral; once a day, in the morning",
        ),
    ),
    Case(
        man(60),
        (
            "Tiotropium; 18 micrograms; inhaled; once a day",
            "Formoterol and budesonide 6/200 micrograms; 2 puffs; inhaled; bd",
        ),
    ),
    Case(woman(40), ("Salbutamol; 2 puffs; inhaled; as needed", "Salmeterol; 50 micrograms; inhaled; bd")),
    Case(
        woman(),
        ("Salbutamol; 2.5 mg; inhaled; every 4 hours", "Ipratropium; 500 micrograms; inhaled; every 6 hours"),
    ),
    Case(
        HEART_FAILURE,
        (
            "Furosemide; 40 mg; oral; once a day",
            "Bisoprolol; 2.5 mg; oral; once a day",
            "Ramipril; 2.5 mg; oral; once a day",
            "Spironolactone; 25 mg; oral; once a day",
        ),
    ),
    Case(HEART_FAILURE, ("Entresto; 49/51 mg; oral; twice a day", "Empagliflozin; 10 mg; oral; once a day")),
    Case(HEART_FAILURE, ("Furosemide; 80 mg; intravenous; twice a day",)),
    Case(
        man(63),
        (
            "Acetylsalicylic acid; 75 mg; oral; once a day",
            "Clopidogrel; 75 mg; oral; once a day",
            "Atorvastatin; 80 mg; oral; at night",
            "Bisoprolol; 2.5 mg; oral; once a day",
            "Ramipril; 2.5 mg; oral; once a day",
            "Pantoprazole; 40 mg; oral; once a day",
        ),
    ),
    Case(man(63), ("Aspirin; 75 mg; oral; daily", "Ticagrelor; 90 mg; oral; twice a day")),
    Case(woman(75, egfr=60), ("Apixaban; 5 mg; oral; twice a day", "Metoprolol; 50 mg; oral; twice a day")),
    Case(man(66, egfr=70), ("Warfarin; 5 mg; oral; once a day", "Digoxin; 125 micrograms; oral; once a day")),
    Case(man(**kg(80)), ("Enoxaparin; 80 mg; subcutaneous; every 12 hours",)),
    Case(man(78, egfr=50), ("Enoxaparin; 40 mg; subcutaneous; once a day",)),
    Case(man(55), ("Amlodipine; 5 mg; oral; once a day", "Hydrochlorothiazide; 12.5 mg; oral; once a day")),
    Case(man(58, egfr=75), ("Metformin; 1 g; oral; twice a day", "Gliclazide; 80 mg; oral; twice a day")),
    Case(man(), ("Insulin; 10 IU; subcutaneous; three times a day",)),
    Case(woman(50), ("Levothyroxine; 100 micrograms; oral; before breakfast",)),
    Case(man(), ("Methotrexate; 15 mg; oral; once a week", "Folic acid; 5 mg; oral; once a week")),
    Case(
        man(65),
        (
            "Morphine; 10 mg; oral; every 4 hours",
            "Lactulose; 15 ml; oral; twice a day",
            "Metoclopramide; 10 mg; oral; three times a day",
        ),
    ),
    Case(man(5, **kg(18)), ("Amoxicillin; 250 mg; oral; three times a day",)),
    Case(man(5), ("Amoxicillin; 250 mg; oral; three times a day",)),
    Case(man(5, **kg(18)), ("Paracetamol; 250 mg; oral; every 6 hours",)),
    Case(man(5, **kg(18)), ("Paracetamol; 15 mg/kg; oral; every 6 hours",)),
    Case(man(1.5, **kg(11)), ("Ibuprofen; 100 mg; oral; three times a day",)),
    Case(man(4), ("Azithromycin; 160 mg; oral; once a day",)),
    Case(man(8), ("Salbutamol; 2 puffs; inhaled; as needed", "Montelukast; 5 mg; oral; at night")),
    Case(man(6, **kg(20)), ("Prednisolone; 20 mg; oral; once a day",)),
    Case(man(0.5, **kg(8)), ("Amoxicillin 125 mg/5 ml; 5 ml; oral; three times a day",)),
    Case(
        man(15, **kg(58)), ("Amoxicillin; 500 mg; oral; three times a day", "Paracetamol; 500 mg; oral; qds")
    ),
    Case(man(9), ("Cetirizine; 5 mg; oral; twice a day",)),
    Case(man(**taking("Ramipril 5 mg", "Amlodipine")), ("Amoxicillin; 500 mg; oral; tds",)),
    Case(man(**taking("Metformin", "vitamin C")), ("Doxycycline; 100 mg; oral; bd",)),
    Case(man(), ("Diclofenac; thin layer; topical; twice a day",)),
    Case(man(), ("Omeprazole; 20 mg; oral; once a day",)),
    Case(woman(28), ("Ibuprofen; 400 mg; oral; three times a day",)),
    Case(man(), ("Wondermycin; 500 mg; oral; twice a day",)),
]

# No dose at all: told beside the field, whoever the patient is.
REFUSED = [
    ("Amoxicillin; 0 mg; oral; three times a day", "more than zero"),
    ("Amoxicillin; -500 mg; oral; three times a day", "more than zero"),
    ("Amoxicillin; 500² mg; oral; three times a day", "plain digits"),
    ("Amoxicillin; 500₂ mg; oral; three times a day", "plain digits"),
    ("Amoxicillin; ⑤00 mg; oral; three times a day", "plain digits"),
    ("Insulin; 10 mg; subcutaneous; once a day", "is measured in IU"),
    ("Cetirizine; 10 IU; oral; once a day", "is measured in mg"),
    ("Amoxicillin; 500; oral; three times a day", "a unit after the number"),
]
