"""A hospital with known truth, furnished once; each test of a validation study gets a copy."""

import shutil
from pathlib import Path

import pytest

from csss import create_app
from csss.config import Settings
from csss.database import db
from tests.conftest import settings_for
from tests.factories import Clinic
from tests.integration.command_line import done
from tests.studies import KnownHospital


@pytest.fixture(scope="module")
def furnished(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> KnownHospital:
    """Forty patients with one verified scan each, made once; every test gets a copy."""
    folder = tmp_path_factory.mktemp("hospital")
    shutil.copy(migrated_sqlite, folder / "csss.db")
    settings = settings_for(folder)
    app = create_app(settings)
    with app.app_context():
        found = KnownHospital(Clinic(app), settings)
        found.scans(40, verified=True)
        db.session.remove()
        db.engine.dispose()
    return found


@pytest.fixture
def hospital(clinic: Clinic, settings: Settings, furnished: KnownHospital) -> KnownHospital:
    db.session.remove()
    db.engine.dispose()
    made = furnished.settings.instance_folder
    shutil.copy(made / "csss.db", settings.instance_folder / "csss.db")
    shutil.copytree(made / "storage", settings.instance_folder / "storage", dirs_exist_ok=True)
    return KnownHospital(clinic, settings, furnished.truth, furnished.mrns)


@pytest.fixture
def read_study(hospital: KnownHospital, settings: Settings, tmp_path: Path) -> KnownHospital:
    """All forty scans, two readers and an adjudicator, and an observer who reads twice."""
    hospital.draw(
        "chest", 40, "--reader", "R1", "--reader", "R2", "--adjudicator", "R3", "--observer", "D1", "--prevalence", "0.1"
    )  # fmt: skip
    export = tmp_path / "export"
    done(settings, "study", "export", "chest", export)
    hospital.read("chest", export, sees=1.0, R1=0.9, D1=0.6)
    again = hospital.fill_in("chest", export / "sheet-D1.csv", sees=0.95, seed=50)
    done(settings, "study", "import", "chest", again, "--reader", "D1", "--with-classifier")
    return hospital
