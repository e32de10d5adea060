"""How much is measured: enough for percentiles that mean something, little enough for fifteen minutes on two cores."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    cached_builds: int = 20
    new_builds: int = 10
    first_looks: int = 40  # builds that are watched from the POST to their first log line
    stamped_lines: int = 400
    log_seconds: int = 22
    large_log_seconds: int = 40
    noop_builds: int = 60  # a round
    noop_rounds: int = 3
    images: int = 1_000_000
    requests: int = 500  # of each kind


THOROUGH = Effort()
QUICK = Effort(
    cached_builds=5,
    new_builds=3,
    first_looks=8,
    stamped_lines=80,
    log_seconds=6,
    large_log_seconds=10,
    noop_builds=20,
    noop_rounds=1,
    images=50_000,
    requests=60,
)
