"""The last step before a child becomes its program: its end with that of its parent, and the account it runs as.

`launched` wraps a command line so that this very file is run first, by path and without site-packages (some 20 ms),
and then replaces itself with the command. It exists because the same steps in a `preexec_fn` would run Python between
fork and exec of a process that may have threads. What to start, and when again, is the business of the caller.

Linux ties the death signal to the *thread* that made the child, so children belong to the main thread or to one that
lives as long. Elsewhere than on Linux a child simply does not notice the death of its parent.
"""

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_KEEP_THE_ACCOUNT = "-"
_CANNOT_EXECUTE = 126


@dataclass(frozen=True, slots=True)
class Account:
    """A system user for a child of root; `passes_closed_directories` keeps root's way through those of mode 0700."""

    uid: int
    gid: int
    passes_closed_directories: bool = False


def launched(argv: tuple[str, ...], *, death_signal: signal.Signals, account: Account | None = None) -> tuple[str, ...]:
    """Return the command line that runs `argv` and has it receive `death_signal` when this process dies."""
    who = _KEEP_THE_ACCOUNT
    if account is not None:
        who = f"{account.uid}:{account.gid}:{int(account.passes_closed_directories)}"
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), who, *argv)


def main(arguments: list[str]) -> None:
    """Take the steps and become the program; never returns normally."""
    parent_pid, death_signal, who, *argv = arguments
    try:
        if who != _KEEP_THE_ACCOUNT:
            uid, gid, passes = (int(part) for part in who.split(":"))
            _become(Account(uid, gid, bool(passes)))
        # A change of user clears the death signal, hence the order.
        if sys.platform == "linux":
            _prctl(_PR_SET_PDEATHSIG, int(death_signal))
            # The parent may have died before the line above; then no signal will ever come.
            if os.getppid() != int(parent_pid):
                sys.exit(_CANNOT_EXECUTE)
        os.umask(0o077)
        # This interpreter ignores SIGPIPE, and what is ignored stays ignored across an exec.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(argv[0], argv)  # noqa: S606 - a command line without a shell is what is wanted.
    except OSError as error:
        sys.stderr.write(f"{argv[0]} cannot be started: {error}\n")
        sys.exit(_CANNOT_EXECUTE)


def _become(account: Account) -> None:
    if account.passes_closed_directories:
        # Keeps the capabilities over the change of user, and has access(2) count them, by which initdb finds its files.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    if account.passes_closed_directories:
        _keep_only(_CAP_DAC_OVERRIDE)


def _keep_only(capability: int) -> None:
    """Give up every capability but one, and let that one survive the exec."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bit = 1 << capability
    low_then_high = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _libc().capset(header, low_then_high) != 0:
        raise _last_error()
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *values: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if _libc().prctl(option, *padded) != 0:
        raise _last_error()


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
