"""Where Optuna keeps the studies of a sweep: SQLite by default, any database, or a journal file."""

import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from segsweep.errors import ConfigError, StoreError
from segsweep.store.paths import SweepPaths
from segsweep.sweep.session import CommandExit
from segsweep.system.files import read_plain, write_text
from segsweep.system.optuna_log import quietly
from segsweep.system.secrets import masked, masked_address

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

DRIVERS = {"postgresql": "'segsweep[postgresql]'", "mysql": "mysqlclient"}
"""Database -> the package that connects to it."""

DELETE = (
    "put a copy back, or delete it: then the same command makes it again from the trials' runs and "
    "trains only what it would now try otherwise"
)
"""What to do about a damaged database of a sweep."""
GRACE = 30
"""Seconds after which the lock of a journal file counts as left by a killed process."""


def open_storage(
    address: str | None, sweep: SweepPaths, key: str = "search.storage"
) -> "BaseStorage":
    """Return the storage at *address*, by default the sweep's own; made if it does not exist.

    Raises ConfigError about *key*, without the password in the address, or about the sweep's own
    file, if it cannot be opened.
    """
    from optuna.storages import get_storage
    from sqlalchemy.exc import SQLAlchemyError

    if address is None:
        sweep.root.mkdir(parents=True, exist_ok=True)
        address = own_address(sweep)
    try:
        with quietly():
            return get_storage(_storage(address))  # with a cache of the trials that have ended
    except (ImportError, OSError, SQLAlchemyError, RuntimeError, ValueError) as error:
        if address == own_address(sweep):
            raise ConfigError(f"{sweep.search}: {_own_reason(error, address)}") from None
        raise _not_opened(key, address, error) from None  # the error may hold the password


def check_address(address: str | None) -> None:
    """Raise ConfigError, before anything is planned, for an address of no known kind."""
    if address is None or "://" not in address:
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        make_url(address).get_dialect()
    except (ImportError, SQLAlchemyError, ValueError) as error:
        raise _not_opened("search.storage", address, error) from None


def _not_opened(key: str, address: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"{key}={masked_address(address)}: cannot be opened ({_reason(error, address)}); give a "
        "database URL, such as postgresql+psycopg://user@host/name, or the path of a file"
    )


def _own_reason(error: Exception, address: str) -> str:
    """Return why a sweep's own storage cannot be opened, and what to do."""
    from sqlalchemy.exc import DatabaseError, OperationalError

    reason = _reason(error, address)
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        return f"damaged ({reason}); {DELETE}"
    return f"cannot be opened ({reason}); end what else uses it, or let this account write it"


def _reason(error: Exception, address: str) -> str:
    """Return why a storage cannot be opened, without the password in its address."""
    if address.partition("://")[2].count("@") > 1:  # taken for the end of the password
        return "an @ in the password must be written as %40"
    if isinstance(error, ImportError):
        for name, install in DRIVERS.items():
            if address.startswith(name):
                return f"needs pip install {install}"
    if not address or Path(address).is_dir():
        return "a folder, not a file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
    return masked(lines[0].replace(address, masked_address(address)))


@contextmanager
def kept_open(address: str | None) -> Iterator[None]:
    """End the command with one line if the storage can no longer be used."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        place = "search.db" if address is None else masked_address(address)
        reason = _reason(_first_cause(error), address or place)
        text = (
            f"search.storage={place}: lost ({reason}); what was trained is kept: once it can be "
            "reached, run the same command again to resume"
        )
        raise CommandExit(StoreError(text), 1) from None


def _first_cause(error: Exception) -> Exception:
    while isinstance(error.__cause__ or error.__context__, Exception):
        error = cast(Exception, error.__cause__ or error.__context__)
    return error


def stored_name(address: str | None, sweep: SweepPaths, study: str) -> str:
    """Return what a study is called in the storage.

    A storage that is not the sweep's own may hold the same study of another sweep, whose trials
    are none of this one's runs. So the name begins with the sweep's, and with an id that stays in
    its folder.
    """
    if address is None:
        return study
    own = _id_in(sweep.search_id)
    if not own:
        own = secrets.token_hex(4)
        write_text(sweep.search_id, own)
    return f"{sweep.root.resolve().name} {own} {study}"


def _id_in(path: Path) -> str:
    """Return the id in a file; empty without one. A damaged file is told."""
    try:
        text = read_plain(path).decode().strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        text = ""
    if re.fullmatch("[0-9a-f]{8}", text):
        return text
    again = "a new one names new studies, which take finished trials from their runs"
    print(f"{path}: damaged, not an id; {again}", file=sys.stderr)
    return ""


def own_address(sweep: SweepPaths) -> str:
    """Return the address of a sweep's own storage."""
    return f"sqlite:///{sweep.search}"


def is_own(address: str, sweep: SweepPaths) -> bool:
    """Whether a storage is a file in the folder of *sweep*, which one command at a time uses."""
    kind, _, path = address.partition(":///")
    return kind.startswith("sqlite") and Path(path).resolve().is_relative_to(sweep.root.resolve())


def _storage(address: str) -> "BaseStorage":
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    if "://" in address:
        storage = RDBStorage(address)
        if address.startswith("sqlite"):
            _commit_fast(storage.engine)
        return storage
    path = Path(address).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileSymlinkLock(str(path), grace_period=GRACE)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _commit_fast(engine: "Engine") -> None:
    """Let SQLite write ahead: a commit, one per epoch, then does not wait for the disk.

    After a power cut the last trials may be missing, never half there. Their runs are finished, so
    the same command takes their results without training them again.
    """
    from sqlalchemy import event

    def prepare(connection: "DBAPIConnection", _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    event.listen(engine, "connect", prepare)
    engine.dispose()  # connections of before
