import asyncio
import sys

from standalone.free_ports import claim, free_port

TAKES_ONE = "from standalone.free_ports import free_port; print(free_port(), flush=True); input()"


async def test_a_port_that_another_process_was_given_is_kept_for_it_until_it_ends() -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TAKES_ONE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout
    port = int(await other.stdout.readline())
    assert not claim(port)
    await other.communicate(b"\n")
    assert claim(port)


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
