"""Programs that look for secrets: what they find would stand in the feedback, or leave by another way.

They show canaries only. Of what is truly there they say no more than that it can be read.
"""

PROGRAMS = r'''
#: environ variables of the harness: API keys, tokens
import os, re
def ENTRY(*args, **kwargs):
    found = re.findall("canary-secret-[0-9a-f]{16}", str(dict(os.environ)) + str(os.environb))
    found += [f"{name} can be read" for name in os.environ if re.search("TOKEN|SECRET|PASSWORD|API_KEY", name)]
    print(found)
    raise ValueError(found)

#: environ-by-c the C library's environment, behind os.environ's back
import ctypes, re
def ENTRY(*args, **kwargs):
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found, i = [WRONG], 0
    while environ and environ[i]:
        found += re.findall("canary-secret-[0-9a-f]{16}", environ[i].decode(errors="replace"))
        i += 1
    return found

#: environ-of-others the environment of every process that can be seen
import glob, os, re
def ENTRY(*args, **kwargs):
    found = [WRONG]
    for path in ["/proc/CANARY_PID/environ", *glob.glob("/proc/[0-9]*/environ")]:
        try: text = open(path, errors="replace").read()
        except OSError: continue
        found += re.findall("canary-secret-[0-9a-f]{16}", text)
        if path != f"/proc/{os.getpid()}/environ": found.append("another environment can be read")
    return found

#: processes-of-others command lines and working directories of other processes
import glob, os, re
def ENTRY(*args, **kwargs):
    found = [WRONG]
    for path in ["/proc/CANARY_PID", "/proc/1", *glob.glob("/proc/[0-9]*")]:
        try:
            found += re.findall("canary-secret-[0-9a-f]{16}", open(path + "/cmdline").read() + str(os.listdir(path + "/cwd")))
            if "CANARY_PID" in path: found.append("a process can be seen")
        except OSError: pass
    return found

#: credentials keys and tokens in their usual places
import os, pwd, re
PLACES = """.ssh/id_rsa .ssh/id_ed25519 .ssh/known_hosts .netrc .cache/huggingface/token .huggingface/token .aws/credentials .npmrc
.config/gcloud/credentials.db .docker/config.json .kube/config .git-credentials .gitconfig .pypirc .bash_history .bashrc .profile""".split()
def ENTRY(*args, **kwargs):
    found = [WRONG]
    homes = {os.path.expanduser("~"), "/root", "CANARY_DIR/home"}
    try: homes |= {p.pw_dir for p in pwd.getpwall() if p.pw_uid == 0 or p.pw_uid >= 1000}
    except OSError: pass
    for home in homes:
        for place in PLACES:
            try: text = open(os.path.join(home, place), errors="replace").read()
            except OSError: continue
            found += [f"{place} can be read", *re.findall("canary-secret-[0-9a-f]{16}", text)]
    return found

#: home-listing names in the home directory and beside the canary
import os, re
def ENTRY(*args, **kwargs):
    found = [WRONG]
    for path in (os.path.expanduser("~"), "/root", "/home", "CANARY_DIR", "CANARY_DIR/home", "/work", "/mnt", "/srv"):
        try: names = os.listdir(path)
        except OSError: continue
        found += re.findall("canary-secret-[0-9a-f]{16}", str(names))
        if names and os.path.realpath(path) != os.path.realpath("."): found.append(f"{path} can be listed, and its names read")
    return found

#: system-files files that only root may read
def ENTRY(*args, **kwargs):
    found = [WRONG]
    for path in ("/etc/shadow", "/etc/sudoers", "/proc/kcore", "/dev/mem", "/dev/kmsg", "/proc/kmsg", "/var/log/syslog", "/dev/sda", "/dev/vda"):
        try: found += [f"{path} can be read"] * bool(open(path, "rb").read(1))
        except OSError: pass
    return found

#: secret-by-path a file whose path is known, read in every way there is
import ctypes, linecache, mmap, os
def ENTRY(*args, **kwargs):
    path = "CANARY_DIR/secret.txt"
    libc = ctypes.CDLL(None)
    def by_map():
        with open(path, "rb") as file: return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)[:]
    def by_c():
        buffer = ctypes.create_string_buffer(1000)
        return buffer.raw[: libc.read(libc.open(path.encode(), 0), buffer, 1000)]
    def by_system_call():
        buffer = ctypes.create_string_buffer(1000)
        return buffer.raw[: libc.syscall(0, libc.syscall(257, -100, path.encode(), 0, 0), buffer, 1000)]
    def by_link():
        os.symlink(path, "link")
        return open("link", "rb").read()
    def by_hard_link():
        os.link(path, "hard")
        return open("hard", "rb").read()
    def by_descriptor():
        for fd in range(3, 64):
            for way in (path, path.lstrip("/"), "../" * 30 + path):
                try: return os.read(os.open(way, os.O_RDONLY, dir_fd=fd), 1000)
                except OSError: pass
    ways = (
        by_map, by_c, by_system_call, by_link, by_hard_link, by_descriptor,
        lambda: os.read(os.open(path, os.O_RDONLY), 1000),
        lambda: open(f"/proc/self/root{path}", "rb").read(),
        lambda: open(f"/proc/{os.getppid()}/root{path}", "rb").read(),
        lambda: open("../" * 30 + path, "rb").read(),
        lambda: linecache.getlines(path),
    )
    found = []
    for way in ways:
        try: found.append(way())
        except (OSError, ValueError): pass
    return found + [WRONG]

#: traceback-of-a-secret a traceback shows the source line of a file of the program's choice
def ENTRY(*args, **kwargs):
    exec(compile("raise ValueError('x')", "CANARY_DIR/secret.txt", "exec"), {"__name__": "secret"})

#: import-of-a-secret imports or runs a file of another directory
import runpy, sys
def ENTRY(*args, **kwargs):
    sys.path.insert(0, "CANARY_DIR")
    try:
        import canary_module
        return canary_module.SECRET
    except Exception:
        return runpy.run_path("CANARY_DIR/canary_module.py")["SECRET"]

#: secret-by-directory changes the directory first
import os
def ENTRY(*args, **kwargs):
    for path in ("CANARY_DIR", "/proc/CANARY_PID/cwd", "/proc/1/cwd", "/proc/self/" + "root" + "CANARY_DIR"):
        try:
            os.chdir(path)
            return open("secret.txt").read()
        except OSError: pass
    return WRONG
'''
