"""The engine's words hold nothing of its host, and nothing by which two equal failures differ."""

import pytest

from activities.adapters.docker.progress.engine_words import plain

ROOT = "/srv/docker"
MOUNT = "/var/lib/docker/tmp/buildkit-mount3704219"
REF = "fad4f8f8-1619-4253-a970-191d28b96138::yp038ow7k77so3arj0ndnwgrg"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            f"failed to compute cache key: failed to walk {MOUNT}/target: lstat {MOUNT}/target: no such file or folder",
            "lstat /target: no such file or folder",
        ),
        ("mkdir /var/lib/docker/overlay2/c0cocj1zvfw3hhjuvy85jjhqx/merged/f: not a directory", "mkdir /f: not a dir"),
        ("open /srv/docker/overlay2/abc/diff/etc/x: too large", "open /etc/x: too large"),
        (
            "open /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/112/fs/app: denied",
            "open /app: denied",
        ),
        ("open /srv/docker/rootfs/overlayfs/0123456789abcdef/app: denied", "open /app: denied"),
        ("stat /var/lib/docker/buildkit/executor/n3x8/rootfs/usr/bin/x: gone", "stat /usr/bin/x: gone"),
        ("readdir /tmp/buildkit-mount77: gone", "readdir /: gone"),
        ("write /srv/docker/tmp/docker-builder99/Dockerfile: broken", "write the engine's own files: broken"),
        ("dial unix /run/containerd/containerd.sock: refused", "dial unix the engine's own files: refused"),
        ("mount overlay2/of/mine in /home/var/lib", "mount overlay2/of/mine in /home/var/lib"),
        (
            f'failed to calculate checksum of ref {REF}: "/app": not found',
            '"/app": not found',
        ),
        ("lookup r on 10.2.5.3:53: read udp 10.21.16.2:34973->10.2.5.3:53: i/o timeout", "read udp 10.2.5.3:53: i/o"),
        ("Failed to connect to 127.0.0.1 port 1 after 12 ms: refused", "connect to 127.0.0.1 port 1: refused"),
        ("current time 2026-11-27T00:00:01Z is after 2024", "the current time is after 2024"),
        ("Get http://me:secret@example.test/a: refused", "Get http://***@example.test/a: refused"),
        ('process "/bin/sh -c a: b" did not complete successfully: exit code: 3', "exit code: 3"),
        ("dockerfile parse error line 3: unknown instruction", "dockerfile parse error on line 3: unknown"),
    ],
)
def test_what_differs_by_host_or_by_chance_is_left_out(said: str, told: str) -> None:
    assert told in plain(said, ROOT)
    for part in ("/var/lib/docker", "/srv/docker", "buildkit-mount", "->", "secret", "fad4f8f8"):
        assert part not in plain(said, ROOT)


@pytest.mark.parametrize("piece", ["/a", "a", "/a:", "a:", "-> ", "0x"], ids=len)
def test_a_long_text_of_one_kind_is_read_as_any_other(piece: str) -> None:
    text = piece * (16_000 // len(piece))
    assert plain(text, ROOT) == text.strip()
