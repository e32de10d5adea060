"""Who may be a website's script in a visitor's browser, and who is not."""

import pytest

from process.visitors import complaint_about_write, is_host_name, is_known_host

HOST = {"host": "127.0.0.1:8080"}


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8080", "127.0.0.1", "localhost", "LOCALHOST:8004", "localhost.", "localhost.:80", "localhost:"),
        *("[::1]:8080", "[::1]", "[0:0:0:0:0:0:0:1]", "127.1.2.3:9"),
    ],
)
def test_the_loopback_is_known_in_every_spelling(host: str) -> None:
    assert is_known_host(host, "http", ())


@pytest.mark.parametrize(
    "host",
    [
        *("", " ", "slipway.example:8080", "127.0.0.1.example", "localhost.evil.example:8080", "evil.localhost"),
        *("evil.example#@localhost", "localhost:8080@evil.example", "localhost@evil.example", "localhost/evil.example"),
        *(
            "127.0.0.1:port",
            "127.0.0.1:8080:8080",
            "127.0.0.1,evil.example",
            "127.0.0.1 ",
            "localhost..",
            "::1",
            "[::1",
        ),
        *("192.168.1.4:8080", "0.0.0.0", "[::]", "127.1", "2130706433", "0x7f000001", "[::1%25eth0]", "[localhost]"),
        *("\xb2", "locаlhost", "xn--localhost", "127.0.0.1:" + "8" * 5000, "[" * 100, "a" * 100_000),  # noqa: RUF001
    ],
)
def test_another_name_may_be_a_websites(host: str) -> None:
    assert not is_known_host(host, "http", ())


def test_a_name_can_be_made_known_for_every_port_or_for_one() -> None:
    named = ("Slipway.example", "api01:8080", "[fd00::1]:80", "192.168.1.4")
    for host in (
        "slipway.example",
        "SLIPWAY.EXAMPLE:9",
        "slipway.example.",
        "api01:8080",
        "[fd00::1]",
        "192.168.1.4:1",
    ):
        assert is_known_host(host, "http", named), host
    for host in ("x.slipway.example", "slipway.example.evil", "api01", "api01:8081", "[fd00::1]:81", "192.168.1.40"):
        assert not is_known_host(host, "http", named), host


@pytest.mark.parametrize("name", ["", "*", "*.example.com", "https://a.example", "a.example/x", "a b", "a:b"])
def test_what_cannot_be_a_host_is_no_name_for_one(name: str) -> None:
    assert not is_host_name(name)


@pytest.mark.parametrize(
    "headers",
    [
        HOST,
        {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"},
        {"host": "localhost", "origin": "http://localhost:80"},
        {"host": "LOCALHOST:8080", "origin": "http://localhost:8080"},
        {"host": "localhost:8080", "sec-fetch-site": "none"},
        {"host": "[::1]:8080", "origin": "http://[::1]:8080"},
    ],
)
def test_a_program_and_our_own_pages_may_write(headers: dict[str, str]) -> None:
    assert complaint_about_write("http", headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        HOST | {"origin": "null"},
        HOST | {"origin": ""},
        HOST | {"origin": "http://127.0.0.1:3000"},
        HOST | {"origin": "http://localhost:8080"},
        HOST | {"origin": "https://127.0.0.1:8080"},
        HOST | {"origin": "http://evil.example"},
        HOST | {"origin": "http://127.0.0.1:8080/"},
        HOST | {"origin": "http://127.0.0.1:8080, http://127.0.0.1:8080"},
        HOST | {"sec-fetch-site": "cross-site"},
        HOST | {"sec-fetch-site": "same-site"},
        HOST | {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "cross-site"},
        {"origin": "http://"},
        {"host": "", "origin": "http://"},
    ],
)
def test_a_website_may_not_write_however_it_asks(headers: dict[str, str]) -> None:
    assert complaint_about_write("http", headers) is not None
