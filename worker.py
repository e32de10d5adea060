"""A worker's entry: `python -m worker`. Its roles, workflows, builder and relay, stand in `roles/`."""

import asyncio
import logging
import os
import sys

from pydantic import ValidationError

from models.rules.errors.database import DatabaseUnreachable
from models.rules.errors.domain import DomainError
from process.ending import end_process
from process.log_lines import configure
from process.private_folder import make_private
from roles.process import main
from settings import Settings, complaints

log = logging.getLogger(__name__)


def run() -> int:
    try:
        settings = Settings()
    except ValidationError as invalid:
        print(*complaints(invalid), sep="\n", file=sys.stderr)  # noqa: T201
        return 2
    configure(log_format=settings.log_format, log_level=settings.log_level, secrets=settings.secrets())
    if complaint := make_private(settings.data_dir):
        log.warning("data_folder_open", extra={"why": complaint})
    try:
        return asyncio.run(main(settings, watcher=os.environ.get("NOTIFY_SOCKET")))
    except (DatabaseUnreachable, DomainError) as error:
        log.error("worker_cannot_start", extra={"why": error.detail})  # noqa: TRY400 - the sentence says it all
        return 1


if __name__ == "__main__":
    end_process(run())
