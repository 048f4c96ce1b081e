#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one test program from a known start and leaves nothing of it behind.

`stage.py PARENT LIMIT_S LOG PROGRAM [ARGUMENT...]`, started by tests/run (whose pid is PARENT), one
process for each program, and ended with it.
Whoever started the run may have ignored or blocked signals, handed down files, a mask, limits or
odd variables; the program sees none of that: every signal at its default (also 32 and 33, which the
C library keeps to itself), nothing blocked, umask 022, stdin /dev/null, no other file open, a session
of its own, fixed limits, fixed addresses (old sanitisers fail under some random layouts), and only
the variables of environment(). What it leaves running is killed, its TMPDIR removed.
Prints one line: `exit CODE`, `signal NUMBER`, `limit`, or `broken TEXT`.
"""
import ctypes
import errno
import fcntl
import os
import pwd
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBC = ctypes.CDLL(None, use_errno=True)
# rt_sigaction and rt_sigprocmask by their numbers: glibc refuses signals 32 and 33.
SIGNAL_CALLS = {"x86_64": (13, 14), "aarch64": (134, 135)}
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ADDR_NO_RANDOMIZE = 0x0040000
MNT_DETACH = 2
KEPT = ("http_proxy", "https_proxy", "ftp_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STACK_BYTES = 8 << 20
FILES_SOFT, FILES_HARD = 1024, 524288
UNLIMITED = ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_NPROC")
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TERM_S = 5
KILL_S = 30
STALE_S = 3600
TMP_PREFIX = "hoy-test-"


# ---- what is inherited

def signal_call(which, number):
    """One of SIGNAL_CALLS with a zeroed second argument: the default action, the empty mask."""
    calls = SIGNAL_CALLS.get(os.uname().machine)
    if calls:
        long = ctypes.c_long
        LIBC.syscall(long(calls[which]), long(number), ctypes.create_string_buffer(64), None, long(8))


def unblock_signals():
    signal_call(1, signal.SIG_SETMASK)


def reset_signals():
    """Every signal at its default and none blocked, whatever was inherited."""
    for number in range(1, 65):
        signal_call(0, number)
    unblock_signals()


def open_standard_files():
    """Files 0 to 2 exist, so that none that is opened later gets such a number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def set_limit(name, soft, hard):
    """Sets a limit; without the right to raise it, as far as it goes."""
    kind = getattr(resource, name)
    top = resource.getrlimit(kind)[1]
    infinite = resource.RLIM_INFINITY
    for most in (hard, top):
        low = most if soft == infinite or most != infinite and soft > most else soft
        try:
            return resource.setrlimit(kind, (low, most))
        except (ValueError, OSError):
            continue


def set_limits():
    infinite = resource.RLIM_INFINITY
    set_limit("RLIMIT_CORE", 0, infinite)
    set_limit("RLIMIT_STACK", STACK_BYTES, infinite)
    set_limit("RLIMIT_NOFILE", FILES_SOFT, FILES_HARD)
    for name in UNLIMITED:
        set_limit(name, infinite, infinite)


def fix_addresses():
    """Fixed addresses from the next exec on; some sandboxes allow only the plain personality."""
    if LIBC.personality(ctypes.c_ulong(ADDR_NO_RANDOMIZE)) < 0:
        LIBC.personality(ctypes.c_ulong(0))


def home():
    """The home folder as an absolute path: HOME where it is usable, else the user's own."""
    path = os.environ.get("HOME", "")
    if os.path.isdir(path):
        return os.path.abspath(path)
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def environment(scratch):
    """All variables that a test program gets."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env.update((name, value) for name, value in os.environ.items() if name.startswith("HOY_"))
    env.update(PATH=PATH, HOME=home(), TMPDIR=scratch, LANG="C.UTF-8", LC_ALL="C.UTF-8", TZ="UTC",
               TERM="dumb", SHELL="/bin/sh", no_proxy="127.0.0.1,localhost",
               NO_PROXY="127.0.0.1,localhost", PYTHONDONTWRITEBYTECODE="1")
    return env


def clean_up_process():
    """What can be changed in this process itself, for the program to inherit."""
    reset_signals()
    os.umask(0o022)
    os.closerange(3, 1 << 16)
    set_limits()
    fix_addresses()
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as f:
            f.write("0")
    except OSError:
        pass


# ---- scratch folders

def mounts_below(path):
    """Mount points in a folder, the innermost first."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        points = [line.split()[4] for line in f]
    inside = path.replace(" ", "\\040").rstrip("/") + "/"
    return sorted((p for p in points if p.startswith(inside)), key=len, reverse=True)


def remove_tree(path):
    """Also what a test made unreadable for its owner; never what is mounted in there."""
    for point in mounts_below(path):
        LIBC.umount2(os.fsencode(point), MNT_DETACH)
    if mounts_below(path):
        return
    for folder, dirs, _ in os.walk(path):
        for name in dirs:
            full = os.path.join(folder, name)
            if not os.path.islink(full):
                os.chmod(full, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def scratch_root():
    """Where scratch folders stand: short, because paths of unix sockets have 107 bytes at most."""
    for path in ("/tmp", os.environ.get("TMPDIR", ""), "/var/tmp"):
        if os.path.isabs(path) and os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK):
            return path
    return TOP


def lock_is_free(path):
    """True when nobody holds the lock of a scratch folder: its run was killed."""
    try:
        with open(path, "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except OSError as e:
        return e.errno == errno.ENOENT


def remove_stale():
    """Scratch folders that killed runs of this user left behind an hour ago or earlier."""
    root = scratch_root()
    for name in os.listdir(root):
        path = os.path.join(root, name)
        try:
            st = os.lstat(path)
        except OSError:
            continue
        if not (name.startswith(TMP_PREFIX) and stat.S_ISDIR(st.st_mode)
                and st.st_uid == os.getuid() and time.time() - st.st_mtime > STALE_S):
            continue
        if lock_is_free(path + "/.lock"):
            remove_tree(path)


class Scratch:
    """A folder of one program's run, locked as long as this process lives."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="%s%d-" % (TMP_PREFIX, os.getpid()), dir=scratch_root())
        self.lock = open(self.path + "/.lock", "wb")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return self.path

    def __exit__(self, *_):
        remove_tree(self.path)
        self.lock.close()


# ---- processes

def parents():
    """pid -> parent's pid of all processes that /proc shows."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as f:
                    found[int(name)] = int(f.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                pass  # it ended meanwhile
    return found


def below(pid):
    """Pids of all descendants: orphans come here, because this process is their reaper."""
    of = parents()
    found = []
    front = {pid}
    while front:
        front = {child for child, parent in of.items() if parent in front}
        found += front
    return found


def reap(program):
    """Collects what ended; (is anything left, wait status of the program if it ended now)."""
    status = None
    while True:
        try:
            pid, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False, status
        if pid == 0:
            return True, status
        if pid == program:
            status = code


def command_name(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read(200).replace(b"\0", b" ").decode("utf-8", "replace").strip() or "?"
    except OSError:
        return ""


def send(pid, number, how=os.kill):
    try:
        how(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_rest(log):
    """Ends every process that the program left behind and names it in the log."""
    end = time.monotonic() + KILL_S
    named = set()
    while reap(0)[0] and time.monotonic() < end:
        for pid in below(os.getpid()):
            name = command_name(pid)
            if pid not in named and name:
                named.add(pid)
                log.write("# left running and killed: %s\n" % name)
                log.flush()
            send(pid, signal.SIGKILL)
        time.sleep(0.01)


def start(argv, scratch, log):
    """Forks and executes the program in a session of its own; its pid."""
    env = environment(scratch)
    pid = os.fork()
    if pid == 0:
        try:
            reset_signals()  # stop() is not for the child
            os.setsid()
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            for fd in (1, 2):
                os.dup2(log.fileno(), fd)
            os.closerange(3, 1 << 16)
            os.chdir(TOP)
            os.execve(argv[0], argv, env)
        except BaseException as e:
            os.write(2, b"cannot be run: %s\n" % str(e).encode())
        finally:
            os._exit(127)
    return pid


def watch(pid, limit_s):
    """Waits for the program; its wait status, or None when it had to be ended."""
    end = time.monotonic() + limit_s
    pause = 0.001
    over = False
    while True:
        _, status = reap(pid)
        if status is not None:
            return None if over else status
        if time.monotonic() > end:
            if over:
                return None
            over = True
            end = time.monotonic() + TERM_S
            send(pid, signal.SIGTERM, os.killpg)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def run(limit_s, path, argv):
    with open(path, "w", encoding="utf-8") as log, Scratch() as scratch:
        try:  # stop() may come between any two lines: also before the pid is known
            status = watch(start(argv, scratch, log), limit_s)
        finally:
            log.seek(0, os.SEEK_END)
            kill_rest(log)
    if status is None:
        return "limit"
    code = os.waitstatus_to_exitcode(status)
    return "signal %d" % -code if code < 0 else "exit %d" % code


def stop(_number, _frame):
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)  # cleaning up is not interrupted
    raise SystemExit("ended from outside")


def main(argv):
    # The run that started this one may be killed: then nothing of it must go on.
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    clean_up_process()
    for number in ENDINGS:
        signal.signal(number, stop)
    if os.getppid() != int(argv[0]):
        return 1  # it ended before it could be watched
    try:
        print(run(float(argv[1]), argv[2], argv[3:]), flush=True)
    except OSError as e:
        print("broken %s" % e, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
