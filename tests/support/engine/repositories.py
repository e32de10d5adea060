"""Shapes of public repositories, rebuilt small: what strangers ask an engine to build, and how they ask for it."""

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers.sandbox_server import git

_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 123456\n"
_ALL = "FROM scratch\nCOPY . /app\n"


@dataclass(frozen=True)
class Repository:
    """Files by path (a name that is no UTF-8 bears surrogates), links by what they say, and the order to build it."""

    files: Mapping[str, str | bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    executables: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    dockerfile: str = "Dockerfile"
    context: str | None = None
    target: str | None = None
    says: str = ""  # what the one notice of the source names

    def clone(self, into: Path) -> None:
        """Write what a clone holds, but for git's own folder."""
        into.mkdir(parents=True)
        for path, content in self.files.items():
            place = into / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
            place.chmod(0o755 if path in self.executables else 0o644)
        for path, said in self.links.items():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(said, into / path)  # noqa: PTH211 - pathlib would tidy it up
        for path in self.submodules:
            (into / path).mkdir(parents=True)

    def archive(self, clone: Path, into: Path) -> None:
        """Pack the clone as GitHub does; `into` is the file, and what git keeps lies beside it."""
        where = (f"--git-dir={into}.git", f"--work-tree={clone}")
        git(clone, *where, "init", "--quiet")
        git(clone, *where, "add", "--all", "--force")
        for path in self.submodules:
            git(clone, *where, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{path}")
        git(clone, *where, "commit", "--quiet", "--message", "all of it")
        git(clone, *where, "archive", "--format=tar.gz", "--prefix=repository-0123abc/", f"--output={into}", "HEAD")


def _named(*paths: str) -> dict[str, str | bytes]:
    """Files that hold their own names."""
    return {path: path.encode("utf-8", "surrogateescape") for path in paths}


def _tarball() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        header = tarfile.TarInfo("inside/file")
        header.size, header.mode = 5, 0o640
        tar.addfile(header, io.BytesIO(b"hello"))
    return packed.getvalue()


LANGUAGES = {
    "node application": Repository(
        {
            **_named(
                "package.json", "package-lock.json", "src/index.js", "src/lib/a.js", "node_modules/left-pad/index.js"
            ),
            ".dockerignore": "node_modules\nnpm-debug.log\n",
            "Dockerfile": 'FROM scratch\nWORKDIR /app\nCOPY package*.json ./\nCOPY . .\nCMD ["node", "src/index.js"]\n',
        }
    ),
    "python package in src": Repository(
        {
            **_named(
                "pyproject.toml", "requirements.txt", "src/pkg/__init__.py", "src/pkg/__pycache__/a.pyc", "tests/t.py"
            ),
            ".dockerignore": "**/__pycache__\n**/*.pyc\ntests\n.venv\n",
            "Dockerfile": "FROM scratch\nCOPY requirements.txt /\nCOPY src/ /app/src/\nCOPY . /all/\n",
        }
    ),
    "go module in two stages": Repository(
        {
            **_named("go.mod", "go.sum", "cmd/server/main.go", "internal/x/x.go"),
            "Dockerfile": "FROM busybox:1.36 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nCOPY . .\n"
            "RUN cat $(find . -name '*.go' | sort) > /server && chmod 755 /server\n"
            'FROM scratch\nCOPY --from=build /server /server\nENTRYPOINT ["/server"]\n',
        }
    ),
    "rust workspace": Repository(
        {
            **_named(
                "Cargo.toml", "Cargo.lock", "crates/core/Cargo.toml", "crates/core/src/lib.rs", "crates/cli/src/main.rs"
            ),
            **_named("target/debug/deps/a.d", "crates/core/target/x"),
            ".dockerignore": "**/target\n",
            "Dockerfile": "FROM scratch\nCOPY Cargo.toml Cargo.lock /build/\nCOPY crates /build/crates\n",
        }
    ),
    "java of many modules": Repository(
        {
            **_named("pom.xml", "core/pom.xml", "core/src/main/java/org/example/App.java", "web/pom.xml", "mvnw"),
            ".dockerignore": "*\n!pom.xml\n!core\n!web\n!mvnw\n**/target\n",
            "Dockerfile": "FROM scratch\nCOPY pom.xml mvnw /build/\nCOPY core /build/core/\nCOPY web/ /build/web/\n",
        },
        executables=("mvnw",),
    ),
    "php with assets": Repository(
        {
            **_named(
                "composer.json", "public/index.php", "vendor/autoload.php", "assets/app.js", "assets/.dockerignore"
            ),
            ".dockerignore": "vendor/\n",
            "Dockerfile": "FROM scratch\nCOPY --chown=33:33 public /var/www/public\nCOPY --chown=33 . /var/www/\n",
        }
    ),
    "ruby of several targets": Repository(
        {
            **_named("Gemfile", "Gemfile.lock", "config.ru", "bin/rails"),
            "Dockerfile.prod": "FROM scratch AS base\nCOPY Gemfile* /app/\nFROM base AS dev\nCOPY . /app/\n"
            "FROM base AS prod\nCOPY config.ru /app/\nCOPY bin/ /app/bin/\n",
        },
        executables=("bin/rails",),
        dockerfile="Dockerfile.prod",
        target="dev",
    ),
    "c with a makefile": Repository(
        {
            **_named("Makefile", "src/main.c", "include/a.h", "a.out", "src/main.o", "configure"),
            ".dockerignore": "*.o\n**/*.o\n[a-c].out\n",
            "Dockerfile": "FROM busybox:1.36\nCOPY . /src\nWORKDIR /src\nRUN test -x configure\n",
        },
        executables=("configure",),
    ),
}

LAYOUTS = {
    "monorepo, a service by itself": Repository(
        {
            **_named("libs/common/a", "services/api/main", "services/api/.env.example", "services/web/main"),
            "services/api/Dockerfile": _ALL,
            "services/web/Dockerfile": _ALL,
            ".dockerignore": "services\n",
        },
        dockerfile="services/api/Dockerfile",
    ),
    "monorepo, a service with shared libraries": Repository(
        {
            **_named("libs/common/a", "services/api/main", "services/web/main"),
            "services/web/Dockerfile": "FROM scratch\nCOPY libs /libs\nCOPY services/web /app\n",
            ".dockerignore": "services/api\n",
        },
        dockerfile="services/web/Dockerfile",
        context=".",
    ),
    "a dockerfile in docker/": Repository(
        {
            **_named("src/a", "docker/entrypoint.sh"),
            "docker/Dockerfile": "FROM scratch\nCOPY src docker/entrypoint.sh /\n",
        },
        executables=("docker/entrypoint.sh",),
        dockerfile="docker/Dockerfile",
        context=".",
    ),
    "a dockerfile in docker/ with rules of its own": Repository(
        {
            **_named("src/a", "src/b", "docs/c"),
            "docker/Dockerfile": "FROM scratch\nCOPY . /app/\n",
            "docker/Dockerfile.dockerignore": "src/b\n",
            ".dockerignore": "docs\n",
        },
        dockerfile="docker/Dockerfile",
        context=".",
    ),
    "a dockerfile beside its context": Repository(
        {**_named("app/a", "app/b"), "docker/app.Dockerfile": _ALL, "app/.dockerignore": "b\n"},
        dockerfile="docker/app.Dockerfile",
        context="app",
    ),
    "a root file system with absolute links": Repository(
        {
            **_named("rootfs/etc/motd", "rootfs/usr/bin/run", "rootfs/etc/init.d/run"),
            "Dockerfile": "FROM scratch\nCOPY rootfs /\n",
        },
        links={
            "rootfs/etc/localtime": "/usr/share/zoneinfo/UTC",
            "rootfs/usr/bin/start": "/usr/bin/run",
            "rootfs/etc/rc.d": "/etc/init.d",
            "rootfs/var/run": "../run",
            "rootfs/lib": "usr/lib/",
        },
        executables=("rootfs/usr/bin/run",),
    ),
    "a committed virtual environment": Repository(
        {**_named("venv/lib/python3.11/site-packages/a.py", "venv/pyvenv.cfg", "app.py"), "Dockerfile": _ALL},
        links={
            "venv/bin/python3": "/Library/Frameworks/Python.framework/Versions/3.11/bin/python3",
            "venv/bin/python": "python3",
            "venv/lib64": "lib",
        },
    ),
    "a linked context": Repository(
        {**_named("releases/v2/a", "releases/v1/b"), "releases/v2/Dockerfile": _ALL},
        links={"current": "releases/v2"},
        dockerfile="current/Dockerfile",
    ),
    "a linked dockerfile": Repository(
        {**_named("a"), "docker/prod": _ALL}, links={"Dockerfile": "./docker/../docker/prod"}
    ),
    "a linked ignore file": Repository(
        {**_named("a", "b"), "config/ignore": "b\n", "Dockerfile": _ALL}, links={".dockerignore": "config//ignore"}
    ),
    "an archive that is unpacked": Repository(
        {**_named("conf/a.conf", "conf/b.conf", "conf/c.txt"), "files.tar.gz": _tarball()}
        | {"Dockerfile": "FROM scratch\nADD files.tar.gz /opt/\nCOPY conf/*.conf /etc/app/\nCOPY conf/c.tx? /etc/\n"}
    ),
    "links of every kind": Repository(
        {**_named("real/file", "deep/er/file"), "Dockerfile": _ALL},
        links={
            "to-file": "real/file",
            "to-folder": "./real/",
            "chain": "to-file",
            "up": "deep/../../../..//etc",
            "circle": "circle",
            "dangling": "no/such/./thing",
            "deep/back": "../real",
            "deep/er/out": "../../../../../etc/passwd",
            "ünï": "größe",
        },
    ),
}

NAMES = {
    "names in five scripts": Repository(
        {
            **_named("Ελληνικά/άλφα", "русский/файл.txt", "日本語/テスト", "العربية/ملف", "हिन्दी/फ़ाइल", "🚢/⚓"),
            "Dockerfile": "FROM scratch\nCOPY . /app\nCOPY 日本語 /日本語\nCOPY русский/файл.txt /\n",
            ".dockerignore": "العربية\n",
        }
    ),
    "odd names": Repository(
        {
            **_named(
                "Icon\r", "a\nb", "a b", " lead", "-rf", "a\\b", "a'b\"c", "[x]", "{y}", "$HOME", "*", "#c", "!d", "%20"
            ),
            "Dockerfile": _ALL,
            ".dockerignore": "\\#c\n[[]x]\na\\\\b\n",
        }
    ),
    "names of another time": Repository(
        {**_named("caf\udce9", "caf\udce9.txt", "na\udcefve/x", "plain"), "Dockerfile": _ALL}
        | {".dockerignore": b"# caf\xe9\ncaf\xe9.txt\n"}
    ),
    "a first name that is not ASCII": Repository({**_named("01-Einführung.md", "README.md"), "Dockerfile": _ALL}),
    "a first name as of packed files": Repository({**_named("BZh91AY", "z"), "Dockerfile": _ALL}),
    "long names": Repository(
        {
            **_named("0" * 120, "1" * 255, "/".join(["a_folder_with_quite_a_long_name"] * 12) + "/file"),
            "Dockerfile": _ALL,
        },
        links={"00": "/".join(["a_folder_with_quite_a_long_name"] * 12)},
    ),
    "names that differ in case": Repository(
        {**_named("README", "readme", "Readme", "BUILD/a", "build/b"), "Dockerfile": _ALL, ".dockerignore": "build\n"}
    ),
    "files whose names begin with a dot": Repository(
        {
            **_named(".env", ".env.example", ".config/a", ".github/workflows/ci.yml", ".gitignore", "a"),
            "Dockerfile": _ALL,
            ".dockerignore": ".*\n!.env.example\n!.config\n",
        }
    ),
}

RULES = {
    "an allow list": Repository(
        {
            **_named("src/a", "src/b.md", "docs/c", "go.mod", "secret"),
            "Dockerfile": "FROM scratch\nCOPY . /app\n",
            ".dockerignore": "*\n!src\n!go.mod\nsrc/*.md\n",
        }
    ),
    "exceptions to exceptions": Repository(
        {
            **_named(
                "README.md", "a.md", "docs/keep/a", "docs/lose", "temp1", "temp12", "x/y/temp2", "x/z.log", "z.log"
            ),
            "Dockerfile": _ALL,
            ".dockerignore": "# notes\n*.md\n!README*.md\ndocs/*\n!docs/keep\ntemp?\n**/*.log\n!x/z.log\n/x/y/\n",
        }
    ),
    "a dockerfile that is ignored": Repository(
        {**_named("a", "b"), "Dockerfile": _ALL, ".dockerignore": "Dockerfile\n.dockerignore\n"}
    ),
    "an ignore file that leads out": Repository(
        {**_named("app/a", "ignore"), "app/Dockerfile": _ALL},
        links={"app/.dockerignore": "../ignore"},
        dockerfile="app/Dockerfile",
        says=".dockerignore",
    ),
    "carriage returns": Repository(
        {
            **_named("a", "b"),
            "Dockerfile": "FROM busybox:1.36\r\nCOPY . /app\r\nRUN echo one \\\r\n  two > /said\r\n",
            ".dockerignore": "b\r\n# c\r\n",
        }
    ),
    "byte order marks": Repository(
        {**_named("a", "b"), "Dockerfile": "\ufeffFROM scratch\nCOPY . /app\n", ".dockerignore": "\ufeffb\n"}
    ),
}

LACKING = {
    "git lfs": Repository(
        {**_named("a"), "models/big.bin": _POINTER, ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"}
        | {"Dockerfile": _ALL},
        says="'models/big.bin'",
    ),
    "a submodule": Repository(
        {**_named("a"), ".gitmodules": '[submodule "lib"]\n\tpath = vendor/lib\n\turl = ../lib\n', "Dockerfile": _ALL},
        submodules=("vendor/lib",),
        says="'vendor/lib'",
    ),
    "an export that leaves out": Repository(
        {
            **_named("src/a", "tests/b"),
            ".gitattributes": "/tests export-ignore\n",
            "Dockerfile": "FROM scratch\nCOPY src /\n",
        },
        says="'/tests'",
    ),
}

REPOSITORIES = LANGUAGES | LAYOUTS | NAMES | RULES | LACKING
