import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.errors.request import RequestInvalid
from models.rules.identifiers import new_id
from models.rules.image_reference import attempt_reference, check_tag, normalise_name

DIGEST = "sha256:" + "0" * 64
SAME_IMAGE = [
    ("busybox", ["library/busybox", "docker.io/busybox", "docker.io/library/busybox", "index.docker.io/busybox"]),
    ("busybox", ["index.docker.io/library/busybox", "Docker.io/library/busybox", "INDEX.DOCKER.IO/busybox"]),
    ("team/app", ["docker.io/team/app", "index.docker.io/team/app"]),
    ("library/team/app", ["docker.io/library/team/app"]),
    ("registry.example.com/app", ["Registry.Example.COM/app"]),
    ("localhost/app", ["localhost/app"]),
    ("localhost:5000/app", ["localhost:5000/app"]),
    ("registry:5000/team/app", ["registry:5000/team/app"]),
    ("127.0.0.1:5000/app", ["127.0.0.1:5000/app"]),
    ("a.b/c", ["a.b/c"]),
    ("localhost", ["localhost", "library/localhost"]),
    ("docker.io", ["docker.io"]),
]
PLAIN = ["a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c/d", "x" * 237, "0123abcd/e"]
REFUSED = [
    *("", "/", "a/", "/a", "a//b", ".a", "a.", "-a", "a-", "_a", "a_", "a..b", "a___b", "a._b", "a.-b"),
    *("busybox:1.36", "busybox:latest", f"busybox@{DIGEST}", f"busybox:1@{DIGEST}", "host:5000/app:1", "team/app:1"),
    *("Busybox", "team/App", "Team/app", "docker.io/Team/app", "registry.example.com/App", "ÄPFEL", "äpfel"),
    *("a b", " a", "a ", "a\n", "a\nb", "a\x00b", "a\tb", "a\\b", "a;b", "a$(b)", "a`b`", "a|b", "a&b", "a'b", 'a"b'),
    *("../a", "a/../b", "./a", "~/a", "a%2fb", "http://a/b", "https://docker.io/a", "a?b", "a#b", "a*b"),
    *("-host.example.com/a", "host-.example.com/a", "host.example.com:/a", "host:port/a", "host:5000", "a.b/"),
    *("[::1/a", "::1/a", "[::1]x/a", "٣", "a/\u0661"),
    *("docker.io/a:1/x", "docker.io/"),
]
RESERVED = ["slipway/x", "docker.io/slipway/x", "index.docker.io/slipway/x", "Docker.io/slipway/x", "slipway/a/b"]
IMAGE_ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(("normal", "spelling"), [(normal, name) for normal, names in SAME_IMAGE for name in names])
def test_every_spelling_of_a_name_is_the_same_image(normal: str, spelling: str) -> None:
    assert normalise_name(spelling) == normal


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_of_dockers_grammar_is_taken_as_it_is(name: str) -> None:
    assert normalise_name(name) == name


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_plain_image_name_is_refused(name: str) -> None:
    with pytest.raises(RequestInvalid, match="image_name must be an image name"):
        normalise_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x" * 238, "255 characters at most, .* this one has 256"),
        ("team/" + "x" * 241, "this one has 256"),
        ("localhost:5000/" + "x" * 250, "this one has 265"),
        ("[::1]:5000/app", "IPv6"),
        ("[FE80::1]/team/app", "IPv6"),
        ("docker.io/a.b/c", "another registry, 'a.b/c'"),
        ("docker.io/localhost/x", "another registry, 'localhost/x'"),
        (IMAGE_ID, "reads like an image's id"),
        ("a/" * 2_000_000, "characters at most"),
        ("a." * 2_000_000 + "!/x", "characters at most"),
        ("localhost:0/app", "port"),
        ("registry.example.com:65536/app", "port"),
        ("localhost:05000/app", "port"),
        ("localhost:" + "5" * 5000 + "/" + "x", "characters at most"),
    ],
)
def test_a_name_that_no_engine_or_not_every_engine_takes_is_told_why(name: str, why: str) -> None:
    with pytest.raises(RequestInvalid, match=why):
        normalise_name(name)


@pytest.mark.parametrize("name", RESERVED)
def test_slipways_own_names_are_refused_in_every_spelling(name: str) -> None:
    with pytest.raises(RequestInvalid, match="Slipway's own"):
        normalise_name(name)


@pytest.mark.parametrize("name", ["slipway", "my/slipway", "slipways/x", "registry.example.com/slipway/x"])
def test_names_that_only_look_like_slipways_own_are_free(name: str) -> None:
    assert normalise_name(name) == name


@pytest.mark.parametrize("name", [IMAGE_ID, f"library/{IMAGE_ID}", f"docker.io/{IMAGE_ID}"])
def test_a_name_that_reads_like_an_image_id_is_refused(name: str) -> None:
    with pytest.raises(RequestInvalid):
        normalise_name(name)


@given(st.text(max_size=40))
def test_a_normal_form_stays_as_it_is(name: str) -> None:
    try:
        normal = normalise_name(name)
    except RequestInvalid:
        return
    assert normalise_name(normal) == normal


@given(st.from_regex(r"[A-Za-z.]{1,10}(/[A-Za-z]{1,6}){0,2}", fullmatch=True))
def test_a_normal_form_has_no_capital_letters(name: str) -> None:
    try:
        normal = normalise_name(name)
    except RequestInvalid:
        return
    assert normal == normal.lower()


@pytest.mark.parametrize("tag", ["latest", "1", "v1.0.0", "_x", "A-b.C_d", "x" * 100, "1.0-rc.1"])
def test_a_tag_of_dockers_grammar_is_taken(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        "",
        ".1",
        "-1",
        "x" * 101,
        "a b",
        "a/b",
        "a:b",
        "a@b",
        "v1\n",
        "\nv1",
        "v1\x00",
        "a+b",
        "ä",
        "$(id)",
        "a;b",
        "../x",
    ],
)
def test_a_tag_of_another_grammar_is_refused(tag: str) -> None:
    with pytest.raises(RequestInvalid, match="tag must be"):
        check_tag(tag)


def test_an_attempts_own_name_is_one_that_nobody_can_ask_for() -> None:
    name, _, tag = attempt_reference(new_id(), 7).partition(":")
    assert re.fullmatch(r"[0-9]+", check_tag(tag))
    with pytest.raises(RequestInvalid):
        normalise_name(name)
