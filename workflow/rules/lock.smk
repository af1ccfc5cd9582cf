# The lock of a Snakemake that was killed, which would stay, goes with the next start.
import contextlib
import fcntl


def clear_stale_lock():
    """Remove Snakemake's locks on this folder unless a Snakemake lives in it; return the sign of our own life.

    That is a file which every Snakemake that reads this Snakefile holds as long as it lives, whatever ends it: the
    kernel lets go of it, on a network file system, too.
    """
    Path(".snakemake").mkdir(exist_ok=True)
    sign = open(".snakemake/alive", "a")
    with contextlib.suppress(BlockingIOError):  # another one lives
        fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in Path(".snakemake/locks").glob("*.lock"):
            lock.unlink()
    fcntl.flock(sign, fcntl.LOCK_SH)
    return sign


# Where files cannot be held, or the folder is read-only, a lock stays until --unlock.
with contextlib.suppress(OSError):
    ALIVE = clear_stale_lock()
