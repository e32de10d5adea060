import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.context.ignore_patterns import IgnoreRules
from models.rules.errors.source import IgnoreFileInvalid


def ignores(content: str | bytes, path: str) -> bool:
    """Judge a path with the folders above it, as a walk through the tree does."""
    rules = IgnoreRules.parse(content.encode() if isinstance(content, str) else content, ".dockerignore")
    matched = rules.nothing_matched
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        matched = rules.match("/".join(parts[:depth]), matched)
    return rules.ignores(matched)


# Every path of every row was compared with what `docker build` of Docker 20.10 sends. It differs in two: it takes
# a/b/c/other with `**/c` and `!a/b/c/kept` (moby/moby#41433), and aab with `a+(b)|c$`, which it does not escape.
@pytest.mark.parametrize(
    ("content", "ignored", "taken"),
    [
        ("", "", "a .env .git/HEAD"),
        ("*.go", "a.go", "src/a.go a.goo ago"),
        ("**/*.go", "a.go src/a.go src/pkg/a.go", "src/a.py"),
        ("*/*/*.go", "a/b/c.go", "c.go b/c.go a/b/c/d.go"),
        ("build", "build build/x build/x/y", "src/build BUILD buildx"),
        ("build/", "build build/x", "src/build"),
        ("/build", "build/x", "src/build"),
        ("./build", "build/x", "src/build"),
        ("../build", "", "build/x"),
        ("docs/../build", "build", "docs"),
        ("build/*", "build/x build/x/y", "build"),
        ("build/**", "build/x build/x/y", "build"),
        ("**", "a a/b", ""),
        ("*", "a a/b .git", ""),
        (".", "", "a"),
        ("/", "", "a"),
        ("temp?", "temp1 tempa/x", "temp temp12 a/temp1"),
        ("a?b", "axb", "a/b ab"),
        ("*.md\n!README*.md\nREADME-secret.md", "a.md README-secret.md", "README.md README-x.md"),
        ("!README.md\n*.md", "README.md", ""),
        ("*\n!src", "a b/c", "src src/a/b"),
        ("*\n!src/pkg", "src/a src", "src/pkg src/pkg/x"),
        ("src\n!src/pkg\nsrc/pkg/x", "src/a src/pkg/x src/pkg/x/y", "src/pkg/z"),
        ("docs/*\n!docs/b", "docs/a", "docs docs/b/c"),
        ("**/node_modules", "node_modules/x a/b/node_modules/c", "node_module"),
        ("**/c\n!a/b/c/kept", "a/b/c/other a/b/c", "a/b/c/kept"),
        ("**/pkg/**", "a/pkg/x pkg/x/y", "a/pkg pkg"),
        ("foo/**/bar", "foo/bar foo/x/bar foo/x/y/bar/z", "foobar foo/x foo/xbar"),
        ("foo**", "foo foobar foobar/q foo/x", "xfoo"),
        ("foo**/q", "fooq foo/q foobar/q foo/x/q", "foo/xq"),
        ("**foo", "foo a/foo", "xfoo a/xfoo"),
        ("f**r", "fr foo/r f/x/r", "foobar foo/bar"),
        ("*o*b*r", "foobar foo-bxr", "foo/bar bar"),
        ("**/a*b*c/**/d*e/f", "abc/de/f x/a-b-c/y/z/d-e/f/g", "abc/f abc/de/g"),
        ("[a-c]*", "a1 b c/x", "d A"),
        ("[^a]*.go", "b.go", "a.go"),
        ("[!a]x", "ax !x", "bx"),
        (r"[a\-c]x", "ax -x cx", "bx"),
        (r"x\[1\]", "x[1]", "x1"),
        ("x[[]1]", "x[1]", "x1"),
        (r"a\*b", "a*b", "axb"),
        ("*.{go,md}", "a.{go,md}", "a.go a.md"),
        ("# a comment\n  #no_comment", "#no_comment", "a #"),
        ("a.go\r\nb.go\r\n  c.go  \n\n! a.go", "b.go c.go", "a.go"),
        ("\ufeffa.go", "a.go", "b.go"),
        ("a+(b)|c$", "a+(b)|c$", "aab c"),
    ],
)
def test_patterns_mean_what_they_mean_to_docker(content: str, ignored: str, taken: str) -> None:
    assert [path for path in ignored.split() if not ignores(content, path)] == []
    assert [path for path in taken.split() if ignores(content, path)] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a\n!", "line 2: '!' without a pattern"),
        ("[", "line 1: '[' without ']'"),
        ("x[a-", "'[' without ']'"),
        ("[]", "'[]' without characters"),
        ("[^]", "'[]' without characters"),
        ("[a-]", "a range without an end"),
        ("[-a]", "a range without a beginning"),
        ("[b-a]", "a range that runs backwards"),
        ("a\\", "a backslash with nothing behind it"),
        ("x**" * 9 + "y", "too many '**'"),
        ("x" * 3000, "more than 2048 characters"),
        ("a\n" * 2001, "more than 2000 patterns"),
        ("# " + "x" * 200_000, "larger than"),
    ],
)
def test_an_ignore_file_that_means_nothing_is_refused_with_its_line(content: str, words: str) -> None:
    with pytest.raises(IgnoreFileInvalid) as refusal:
        IgnoreRules.parse(content.encode(), "app.dockerignore")
    assert refusal.value.detail.startswith("app.dockerignore")
    assert words in refusal.value.detail
    assert len(refusal.value.detail) < 300


# As `docker build` of Docker 20.10 takes them.
@pytest.mark.parametrize(
    ("content", "ignored", "taken"),
    [
        (b"# caf\xe9\na\n", b"a", b"b"),
        (b"caf\xe9\n", b"caf\xe9", b"cafe caf\xc3\xa9"),
        ("café\n".encode(), "café".encode(), b"caf\xe9"),
        (b"caf?\n", b"caf\xe9 cafe caf\xc3\xa9", b"caf"),
        (b"*\n!caf\xe9\n", b"a", b"caf\xe9"),
        (b"[\xe0-\xef]x\n", b"\xe9x", b"\xffx ex"),
        (b"Icon?\n", b"Icon\r Icon\n", b"Icon"),
        (b"a*b\n", b"a\nb a\rb", b"a"),
        (b"\xff\xfea\n", b"\xff\xfea", b"a"),
    ],
)
def test_patterns_and_names_are_bytes(content: bytes, ignored: bytes, taken: bytes) -> None:
    for path in ignored.split(b" "):
        assert ignores(content, os.fsdecode(path)), path
    for path in taken.split(b" "):
        assert not ignores(content, os.fsdecode(path)), path


@pytest.mark.parametrize(
    ("content", "folder", "is_looked_into"),
    [
        ("src", "src", False),
        ("src\n!src/a", "src", True),
        ("src\n!src/a", "src/b", False),
        ("src\n!srcs/a", "src", False),
        ("src\n!other", "src", False),
        ("src\n!**/a", "src", True),
        ("src\n!s*/a", "src", True),
        ("src\n!src/**/*.go", "src/pkg", True),
    ],
)
def test_an_ignored_folder_is_looked_into_only_when_something_may_come_back(
    content: str, folder: str, is_looked_into: bool
) -> None:
    rules = IgnoreRules.parse(content.encode(), ".dockerignore")
    assert rules.may_bring_back_below(folder) is is_looked_into


@pytest.mark.parametrize(
    "pattern", ["*a" * 60 + "b", "**/a/" * 60 + "b", "**/*a*a/" * 30 + "b", "a**" * 4 + "*a" * 40 + "b"]
)
def test_a_pattern_of_many_stars_does_not_keep_the_matcher_busy(pattern: str) -> None:
    """It would for longer than the universe lasts, were every way tried to share the text among the stars."""
    for path in ("a" * 250, "/".join(["a" * 20] * 80), "a/" * 90 + "a"):
        assert not ignores(pattern, path)


def plain_regex(pattern: str) -> str:
    """Each wild card written down as what it means, with no thought of speed."""
    meanings = {"**/": "(?:.*/)?", "**": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    *tokens, last = re.findall(r"\*\*/?|.", pattern)
    written = [meanings.get(token, re.escape(token)) for token in tokens]
    return "".join([*written, ".*" if last == "**" else meanings.get(last, re.escape(last))])


PATTERN = st.lists(st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "ab"]), min_size=1, max_size=7).map("".join)


@settings(max_examples=600, deadline=None)
@given(PATTERN, st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=5).map("/".join))
def test_quick_matching_finds_what_trying_everything_finds(pattern: str, path: str) -> None:
    pattern = re.sub("/+", "/", pattern).strip("/")
    if pattern and "***" not in pattern:
        rules = IgnoreRules.parse(pattern.encode(), ".dockerignore")
        assert rules.match(path, rules.nothing_matched)[0] == bool(re.fullmatch(plain_regex(pattern), path))
