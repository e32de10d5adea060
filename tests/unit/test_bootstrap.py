import re
from pathlib import Path

BOOTSTRAP = (Path(__file__).parents[2] / "standalone" / "bootstrap.sh").read_text()


def test_whatever_bootstrap_brings_by_pip_has_one_version() -> None:
    asked = re.findall(r"pip install\b(.*?)>", BOOTSTRAP)
    wanted = [word.strip('"') for line in asked for word in line.split() if not word.startswith("-")]
    assert wanted == ["$uv"]
    assert re.search(r"^uv=uv==\d+\.\d+\.\d+$", BOOTSTRAP, re.MULTILINE)


def test_packages_come_by_hash_from_the_lock_alone() -> None:
    (synced,) = re.findall(r"uv pip sync\b(.*)", BOOTSTRAP)
    assert "--require-hashes" in synced.split()
    assert synced.split()[-1] == "requirements.lock"
