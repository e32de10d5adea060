"""Commands that end with us."""

import os
import shutil
import signal


def tied_to_us(command: tuple[str, ...], death_signal: signal.Signals) -> tuple[str, ...]:
    """Return the command as one that ends with this process; as it is where the system has no setpriv (macOS).

    The kernel ties a child to the *thread* that forked it (prctl(2), PR_SET_PDEATHSIG): start it from one that lasts
    as long as it does.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return command
    # The kernel tells nothing of a parent that died before the tie was made: look at the parent once after it.
    still_ours = 'parent=$1; shift; [ "$PPID" = "$parent" ] || exit 1; exec "$@"'
    name = death_signal.name.removeprefix("SIG")
    return (setpriv, "--pdeathsig", name, "--", "/bin/sh", "-c", still_ours, "sh", str(os.getpid()), *command)
