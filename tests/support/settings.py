"""Settings of processes under test."""

from __future__ import annotations

import base64
from pathlib import Path

from infrastructure.settings import Settings
from tests.conftest import Database

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests"


def settings_for(database: Database, folder: Path, **changes: object) -> Settings:
    """On a database of their own, without Redis."""
    return Settings.model_validate(
        {
            "environment": "testing",
            "trialog_data_dir": folder,
            "database_url": database.app_url,
            "migration_database_url": database.owner_url,
            "secret_key": SECRET_KEY,
            "master_key": MASTER_KEY,
            **changes,
        }
    )
