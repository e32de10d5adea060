"""Shapes of public repositories, rebuilt small: what strangers ask an engine to build, and how they ask for it."""

from tests.support.engine.repository_shapes import ALL, POINTER, Repository, named, tarball

LANGUAGES = {
    "node application": Repository(
        {
            **named(
                "package.json", "package-lock.json", "src/index.js", "src/lib/a.js", "node_modules/left-pad/index.js"
            ),
            ".dockerignore": "node_modules\nnpm-debug.log\n",
            "Dockerfile": 'FROM scratch\nWORKDIR /app\nCOPY package*.json ./\nCOPY . .\nCMD ["node", "src/index.js"]\n',
        }
    ),
    "python package in src": Repository(
        {
            **named(
                "pyproject.toml", "requirements.txt", "src/pkg/__init__.py", "src/pkg/__pycache__/a.pyc", "tests/t.py"
            ),
            ".dockerignore": "**/__pycache__\n**/*.pyc\ntests\n.venv\n",
            "Dockerfile": "FROM scratch\nCOPY requirements.txt /\nCOPY src/ /app/src/\nCOPY . /all/\n",
        }
    ),
    "go module in two stages": Repository(
        {
            **named("go.mod", "go.sum", "cmd/server/main.go", "internal/x/x.go"),
            "Dockerfile": "FROM busybox:1.36 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nCOPY . .\n"
            "RUN cat $(find . -name '*.go' | sort) > /server && chmod 755 /server\n"
            'FROM scratch\nCOPY --from=build /server /server\nENTRYPOINT ["/server"]\n',
        }
    ),
    "rust workspace": Repository(
        {
            **named(
                "Cargo.toml", "Cargo.lock", "crates/core/Cargo.toml", "crates/core/src/lib.rs", "crates/cli/src/main.rs"
            ),
            **named("target/debug/deps/a.d", "crates/core/target/x"),
            ".dockerignore": "**/target\n",
            "Dockerfile": "FROM scratch\nCOPY Cargo.toml Cargo.lock /build/\nCOPY crates /build/crates\n",
        }
    ),
    "java of many modules": Repository(
        {
            **named("pom.xml", "core/pom.xml", "core/src/main/java/org/example/App.java", "web/pom.xml", "mvnw"),
            ".dockerignore": "*\n!pom.xml\n!core\n!web\n!mvnw\n**/target\n",
            "Dockerfile": "FROM scratch\nCOPY pom.xml mvnw /build/\nCOPY core /build/core/\nCOPY web/ /build/web/\n",
        },
        executables=("mvnw",),
    ),
    "php with assets": Repository(
        {
            **named(
                "composer.json", "public/index.php", "vendor/autoload.php", "assets/app.js", "assets/.dockerignore"
            ),
            ".dockerignore": "vendor/\n",
            "Dockerfile": "FROM scratch\nCOPY --chown=33:33 public /var/www/public\nCOPY --chown=33 . /var/www/\n",
        }
    ),
    "ruby of several targets": Repository(
        {
            **named("Gemfile", "Gemfile.lock", "config.ru", "bin/rails"),
            "Dockerfile.prod": "FROM scratch AS base\nCOPY Gemfile* /app/\nFROM base AS dev\nCOPY . /app/\n"
            "FROM base AS prod\nCOPY config.ru /app/\nCOPY bin/ /app/bin/\n",
        },
        executables=("bin/rails",),
        dockerfile="Dockerfile.prod",
        target="dev",
    ),
    "c with a makefile": Repository(
        {
            **named("Makefile", "src/main.c", "include/a.h", "a.out", "src/main.o", "configure"),
            ".dockerignore": "*.o\n**/*.o\n[a-c].out\n",
            "Dockerfile": "FROM busybox:1.36\nCOPY . /src\nWORKDIR /src\nRUN test -x configure\n",
        },
        executables=("configure",),
    ),
}

LAYOUTS = {
    "monorepo, a service by itself": Repository(
        {
            **named("libs/common/a", "services/api/main", "services/api/.env.example", "services/web/main"),
            "services/api/Dockerfile": ALL,
            "services/web/Dockerfile": ALL,
            ".dockerignore": "services\n",
        },
        dockerfile="services/api/Dockerfile",
    ),
    "monorepo, a service with shared libraries": Repository(
        {
            **named("libs/common/a", "services/api/main", "services/web/main"),
            "services/web/Dockerfile": "FROM scratch\nCOPY libs /libs\nCOPY services/web /app\n",
            ".dockerignore": "services/api\n",
        },
        dockerfile="services/web/Dockerfile",
        context=".",
    ),
    "a dockerfile in docker/": Repository(
        {
            **named("src/a", "docker/entrypoint.sh"),
            "docker/Dockerfile": "FROM scratch\nCOPY src docker/entrypoint.sh /\n",
        },
        executables=("docker/entrypoint.sh",),
        dockerfile="docker/Dockerfile",
        context=".",
    ),
    "a dockerfile in docker/ with rules of its own": Repository(
        {
            **named("src/a", "src/b", "docs/c"),
            "docker/Dockerfile": "FROM scratch\nCOPY . /app/\n",
            "docker/Dockerfile.dockerignore": "src/b\n",
            ".dockerignore": "docs\n",
        },
        dockerfile="docker/Dockerfile",
        context=".",
    ),
    "a dockerfile beside its context": Repository(
        {**named("app/a", "app/b"), "docker/app.Dockerfile": ALL, "app/.dockerignore": "b\n"},
        dockerfile="docker/app.Dockerfile",
        context="app",
    ),
    "a root file system with absolute links": Repository(
        {
            **named("rootfs/etc/motd", "rootfs/usr/bin/run", "rootfs/etc/init.d/run"),
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
        {**named("venv/lib/python3.11/site-packages/a.py", "venv/pyvenv.cfg", "app.py"), "Dockerfile": ALL},
        links={
            "venv/bin/python3": "/Library/Frameworks/Python.framework/Versions/3.11/bin/python3",
            "venv/bin/python": "python3",
            "venv/lib64": "lib",
        },
    ),
    "a linked context": Repository(
        {**named("releases/v2/a", "releases/v1/b"), "releases/v2/Dockerfile": ALL},
        links={"current": "releases/v2"},
        dockerfile="current/Dockerfile",
    ),
    "a linked dockerfile": Repository(
        {**named("a"), "docker/prod": ALL}, links={"Dockerfile": "./docker/../docker/prod"}
    ),
    "a linked ignore file": Repository(
        {**named("a", "b"), "config/ignore": "b\n", "Dockerfile": ALL}, links={".dockerignore": "config//ignore"}
    ),
    "an archive that is unpacked": Repository(
        {**named("conf/a.conf", "conf/b.conf", "conf/c.txt"), "files.tar.gz": tarball()}
        | {"Dockerfile": "FROM scratch\nADD files.tar.gz /opt/\nCOPY conf/*.conf /etc/app/\nCOPY conf/c.tx? /etc/\n"}
    ),
    "links of every kind": Repository(
        {**named("real/file", "deep/er/file"), "Dockerfile": ALL},
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
            **named("Ελληνικά/άλφα", "русский/файл.txt", "日本語/テスト", "العربية/ملف", "हिन्दी/फ़ाइल", "🚢/⚓"),
            "Dockerfile": "FROM scratch\nCOPY . /app\nCOPY 日本語 /日本語\nCOPY русский/файл.txt /\n",
            ".dockerignore": "العربية\n",
        }
    ),
    "odd names": Repository(
        {
            **named(
                "Icon\r", "a\nb", "a b", " lead", "-rf", "a\\b", "a'b\"c", "[x]", "{y}", "$HOME", "*", "#c", "!d", "%20"
            ),
            "Dockerfile": ALL,
            ".dockerignore": "\\#c\n[[]x]\na\\\\b\n",
        }
    ),
    "names of another time": Repository(
        {**named("caf\udce9", "caf\udce9.txt", "na\udcefve/x", "plain"), "Dockerfile": ALL}
        | {".dockerignore": b"# caf\xe9\ncaf\xe9.txt\n"}
    ),
    "a first name that is not ASCII": Repository({**named("01-Einführung.md", "README.md"), "Dockerfile": ALL}),
    "a first name as of packed files": Repository({**named("BZh91AY", "z"), "Dockerfile": ALL}),
    "long names": Repository(
        {
            **named("0" * 120, "1" * 255, "/".join(["a_folder_with_quite_a_long_name"] * 12) + "/file"),
            "Dockerfile": ALL,
        },
        links={"00": "/".join(["a_folder_with_quite_a_long_name"] * 12)},
    ),
    "names that differ in case": Repository(
        {**named("README", "readme", "Readme", "BUILD/a", "build/b"), "Dockerfile": ALL, ".dockerignore": "build\n"}
    ),
    "files whose names begin with a dot": Repository(
        {
            **named(".env", ".env.example", ".config/a", ".github/workflows/ci.yml", ".gitignore", "a"),
            "Dockerfile": ALL,
            ".dockerignore": ".*\n!.env.example\n!.config\n",
        }
    ),
}

RULES = {
    "an allow list": Repository(
        {
            **named("src/a", "src/b.md", "docs/c", "go.mod", "secret"),
            "Dockerfile": "FROM scratch\nCOPY . /app\n",
            ".dockerignore": "*\n!src\n!go.mod\nsrc/*.md\n",
        }
    ),
    "exceptions to exceptions": Repository(
        {
            **named(
                "README.md", "a.md", "docs/keep/a", "docs/lose", "temp1", "temp12", "x/y/temp2", "x/z.log", "z.log"
            ),
            "Dockerfile": ALL,
            ".dockerignore": "# notes\n*.md\n!README*.md\ndocs/*\n!docs/keep\ntemp?\n**/*.log\n!x/z.log\n/x/y/\n",
        }
    ),
    "a dockerfile that is ignored": Repository(
        {**named("a", "b"), "Dockerfile": ALL, ".dockerignore": "Dockerfile\n.dockerignore\n"}
    ),
    "an ignore file that leads out": Repository(
        {**named("app/a", "ignore"), "app/Dockerfile": ALL},
        links={"app/.dockerignore": "../ignore"},
        dockerfile="app/Dockerfile",
        says=".dockerignore",
    ),
    "carriage returns": Repository(
        {
            **named("a", "b"),
            "Dockerfile": "FROM busybox:1.36\r\nCOPY . /app\r\nRUN echo one \\\r\n  two > /said\r\n",
            ".dockerignore": "b\r\n# c\r\n",
        }
    ),
    "byte order marks": Repository(
        {**named("a", "b"), "Dockerfile": "\ufeffFROM scratch\nCOPY . /app\n", ".dockerignore": "\ufeffb\n"}
    ),
}

LACKING = {
    "git lfs": Repository(
        {**named("a"), "models/big.bin": POINTER, ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"}
        | {"Dockerfile": ALL},
        says="'models/big.bin'",
    ),
    "a submodule": Repository(
        {**named("a"), ".gitmodules": '[submodule "lib"]\n\tpath = vendor/lib\n\turl = ../lib\n', "Dockerfile": ALL},
        submodules=("vendor/lib",),
        says="'vendor/lib'",
    ),
    "an export that leaves out": Repository(
        {
            **named("src/a", "tests/b"),
            ".gitattributes": "/tests export-ignore\n",
            "Dockerfile": "FROM scratch\nCOPY src /\n",
        },
        says="'/tests'",
    ),
}

REPOSITORIES = LANGUAGES | LAYOUTS | NAMES | RULES | LACKING
