"""What is built here: small repositories in the sandbox, as somebody's product would have them."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.git import GIT, git_environment

OWNER = "bench"
LINE_BYTES = 80
_LONGEST_SECONDS = 30
_WHO = {
    "GIT_AUTHOR_NAME": "Bench",
    "GIT_AUTHOR_EMAIL": "bench@slipway.invalid",
    "GIT_COMMITTER_NAME": "Bench",
    "GIT_COMMITTER_EMAIL": "bench@slipway.invalid",
}

PAGE = "<!doctype html>\n<title>hello</title>\n<p>A page that is a few hundred bytes long.</p>\n" * 4
HELLO: Mapping[str, str] = {
    "Dockerfile": """\
FROM busybox:1.36
WORKDIR /srv/hello
COPY www/ www/
ARG RELEASE=none
RUN echo "release $RELEASE" && sed -i "s/hello/hello $RELEASE/" www/*.html
RUN wc -c www/* && echo checked
CMD ["httpd", "-f", "-p", "8000", "-h", "/srv/hello/www"]
""",
    **{f"www/page{number}.html": PAGE for number in range(1, 11)},
}


@dataclass(frozen=True)
class Source:
    """A tag of a repository that the sandbox serves."""

    repo: str
    tag: str
    commit: str


def commit_source(root: Path, name: str, tag: str, files: Mapping[str, str]) -> Source:
    """Commit these files to `bench/<name>` below the sandbox's root, made when missing, and tag the commit."""
    folder = root / OWNER / name
    if not folder.exists():
        folder.mkdir(parents=True)
        _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--allow-empty", f"--message=Release {tag}")
    _git(folder, "tag", tag)
    return Source(f"{OWNER}/{name}", tag, _git(folder, "rev-parse", "HEAD"))


def writing_lines(count: int, lines_a_second: int, release: str) -> str:
    """Return a Dockerfile whose step writes numbered lines of 80 bytes at about this pace.

    Not faster: each pause takes as long as it should at least. `release` makes it a step that no cache knows.
    """
    at_once = max(lines_a_second // 10, 1)
    pad = "x" * (LINE_BYTES - 10)
    program = (
        f'BEGIN {{ for (i = 1; i <= {count}; i++) {{ printf "%08d {pad}\\n", i;'
        f' if (i % {at_once} == 0) {{ fflush(); system("usleep 95000") }} }} }}'
    )
    return f"FROM busybox:1.36\nRUN : {release}; awk '{program}'\n"


def numbered_lines(count: int) -> bytes:
    """Return what the step of `writing_lines` writes."""
    pad = "x" * (LINE_BYTES - 10)
    return b"".join(f"{number:08d} {pad}\n".encode() for number in range(1, count + 1))


def stamping_lines(count: int, release: str) -> str:
    """Return a Dockerfile whose step writes lines with the moment of their writing, some twenty a second.

    busybox' date knows no fractions; a file's times do, to the clock's tick. They are early rather than late, by what
    the tick and the two programs take: some milliseconds, which count as latency.
    """
    loop = f"for i in $(seq {count}); do touch /tmp/now; stat -c 'at %y' /tmp/now; usleep 43000; done"
    return f"FROM busybox:1.36\nRUN : {release}; {loop}\n"


def _git(folder: Path, *arguments: str) -> str:
    command = [GIT, "-C", str(folder), "-c", "safe.directory=*", *arguments]
    environment = git_environment(**_WHO)
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=_LONGEST_SECONDS
    )
    return done.stdout.strip()
