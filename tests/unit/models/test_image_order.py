from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.errors.request import RequestInvalid
from models.rules.image_order import ImageOrder, check_context_path, check_dockerfile_path, check_repo

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHELL = [
    "$(touch /tmp/x)",
    "`id`",
    "; rm -rf /",
    "a'b\"c",
    "line one\nline two",
    "--network=host",
    "%s",
    "\\",
    "é😀",
    "",
]

NO_REPOSITORIES = [
    *(
        "",
        "hello",
        "/hello",
        "demo/",
        "a/b/c",
        "../hello",
        "demo/..",
        "demo/.",
        "-demo/x",
        "_demo/x",
        "demo /x",
        "de.mo/x",
    ),
    *("demo/x\n", "demo/x?y", "demo/x#y", "demo/%2e%2e", "demo/x@y", "demo\\x/y", "d\x00/x", "ä/x", "$(id)/x"),
    *("demo/x;id", "a" * 40 + "/x", "a/" + "r" * 101, "https://github.com/demo/hello", "git@github.com:demo/hello"),
]
PATHS_OUT = [
    *("", ".", "/", "/etc/passwd", "//etc/passwd", "..", "../Dockerfile", "a/../../Dockerfile", "a/../b", "a/.."),
    *("service/", "a\x00b", "a\nb", "a\rb", "a\tb", "a\x7fb", "a\\b", "..\\Dockerfile", "C:\\Dockerfile", "x" * 501),
]


def order(**changes: Any) -> ImageOrder:
    wanted: dict[str, Any] = {"repo": "demo/hello", "tag": "v1.0.0", "commit_sha": COMMIT, "image_name": "demo/hello"}
    return ImageOrder(**(wanted | changes))


@pytest.mark.parametrize(
    "repo", ["demo/hello", "a/b", "A-1/x.y_z-1", "octo/.github", "octo_corp/x", "0/0", "a" * 39 + "/" + "r" * 100]
)
def test_a_repository_as_github_spells_it_is_taken(repo: str) -> None:
    assert check_repo(repo) == repo


@pytest.mark.parametrize("repo", NO_REPOSITORIES)
def test_what_is_no_repository_is_refused(repo: str) -> None:
    with pytest.raises(RequestInvalid, match="repo must be"):
        order(repo=repo)


@pytest.mark.parametrize("commit", ["0123abc", COMMIT, COMMIT.upper(), "ABCDEF0"])
def test_a_whole_or_shortened_commit_is_taken(commit: str) -> None:
    assert order(commit_sha=commit).commit_sha == commit


@pytest.mark.parametrize(
    "commit", ["", "012345", COMMIT + "0", "master", "v1.0.0", "0123abg", "0123abc\n", "../..", "٠١٢٣٤٥٦"]
)
def test_what_is_no_commit_is_refused(commit: str) -> None:
    with pytest.raises(RequestInvalid, match="commit_sha must be"):
        order(commit_sha=commit)


@pytest.mark.parametrize(
    "path",
    ["Dockerfile", "service/Dockerfile", "./Dockerfile", "a/b/c/Dockerfile.prod", "..Dockerfile", "a..b/x", "ö/D f"],
)
def test_a_dockerfile_inside_the_repository_is_taken(path: str) -> None:
    assert check_dockerfile_path(path) == path


@pytest.mark.parametrize("path", PATHS_OUT)
def test_a_dockerfile_out_of_the_tree_is_refused(path: str) -> None:
    with pytest.raises(RequestInvalid, match="dockerfile_path m"):
        order(dockerfile_path=path)


@pytest.mark.parametrize("path", [".", "./", "service", "service/", "./a/b", "..a", "a..b/x", "ö/D f"])
def test_a_context_inside_the_repository_is_taken(path: str) -> None:
    assert check_context_path(path) == path
    assert order(context=path).context == path


@pytest.mark.parametrize("path", [path for path in PATHS_OUT if path not in (".", "service/")])
def test_a_context_out_of_the_tree_is_refused(path: str) -> None:
    with pytest.raises(RequestInvalid, match="context m"):
        order(context=path)


@given(st.text(max_size=60))
def test_a_dockerfile_path_that_is_taken_stays_in_the_tree(path: str) -> None:
    try:
        check_dockerfile_path(path)
    except RequestInvalid:
        return
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert "\n" not in path


@pytest.mark.parametrize("value", SHELL)
def test_build_args_are_values_whatever_they_hold(value: str) -> None:
    assert order(build_args={"VERSION": value}).build_args == {"VERSION": value}


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "A\n", "$A", "A;B", "ä", "a" * 101])
def test_a_build_args_name_is_a_name(name: str) -> None:
    with pytest.raises(RequestInvalid, match="is no name of an argument"):
        order(build_args={name: "x"})


@pytest.mark.parametrize(
    "build_args",
    [
        {"A": "\ud800"},
        {"A": "a\x00b"},
        {"A": "x" * 4097},
        {f"A{n}": "" for n in range(101)},
        {f"A{n}": "x" * 4000 for n in range(17)},
    ],
    ids=["half a character", "NUL", "long value", "many", "long together"],
)
def test_build_args_are_bounded(build_args: dict[str, str]) -> None:
    with pytest.raises(RequestInvalid, match="build_args"):
        order(build_args=build_args)


@pytest.mark.parametrize("target", ["release", "0", "build-1.x_y"])
def test_a_build_stages_name_is_taken_as_target(target: str) -> None:
    assert order(target=target).target == target


@pytest.mark.parametrize("target", ["", "-x", "a b", "a/b", "a\n", "--network=host", "x" * 129, "$(id)"])
def test_what_is_no_build_stages_name_is_refused_as_target(target: str) -> None:
    with pytest.raises(RequestInvalid, match="target must be"):
        order(target=target)


@pytest.mark.parametrize("name", ["npm", "NPM_TOKEN", "a.b-c", "0", "x" * 100])
def test_secrets_are_taken_by_their_names(name: str) -> None:
    assert order(secrets=(name,)).secrets == (name,)


@pytest.mark.parametrize("name", ["", "npm\ntoken", "../x", "a,b", "id=x", "-x", "x" * 101, "ä"])
def test_what_is_no_secrets_name_is_quoted_and_refused(name: str) -> None:
    with pytest.raises(RequestInvalid, match="is no name of a secret"):
        order(secrets=(name,))


def test_too_many_secrets_and_one_named_twice_are_refused() -> None:
    with pytest.raises(RequestInvalid, match="20 names at most"):
        order(secrets=tuple(map(str, range(21))))
    with pytest.raises(RequestInvalid, match="once"):
        order(secrets=("npm", "npm"))


@pytest.mark.parametrize(
    "change", [{"secrets": ("npm\ud800",)}, {"build_args": {"A\udfff": "x"}}], ids=["secret", "arg"]
)
def test_a_refusal_shows_half_a_character_as_a_question_mark(change: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid, match=r"'(npm|A)\?'") as refusal:
        order(**change)
    assert refusal.value.detail.encode()


@pytest.mark.parametrize("name", ["dockerfile_path", "third_party_id", "parser_id", "project_id"])
def test_half_a_character_is_refused_in_free_text(name: str) -> None:
    with pytest.raises(RequestInvalid, match=f"^{name} must be a string without lone surrogates"):
        order(**{"project" if name == "project_id" else name: "a\ud800"})


@pytest.mark.parametrize("priority", [0, 6, -1])
def test_a_priority_is_one_to_five(priority: int) -> None:
    with pytest.raises(RequestInvalid, match="priority must be"):
        order(priority=priority)


@pytest.mark.parametrize("field", ["third_party_id", "parser_id"])
@pytest.mark.parametrize("value", ["a\x00b", "a\nb", "x" * 256])
def test_ids_of_others_are_short_plain_texts(field: str, value: str) -> None:
    with pytest.raises(RequestInvalid, match=field):
        order(**{field: value})


def test_an_order_is_known_by_the_normal_form_of_its_name() -> None:
    assert order(image_name="docker.io/library/busybox").name_key == "busybox"


@pytest.mark.parametrize("image_name", ["busybox:1.36", "slipway/x", "Busybox"])
def test_an_order_for_an_unfit_name_is_refused(image_name: str) -> None:
    with pytest.raises(RequestInvalid, match="image_name"):
        order(image_name=image_name)
