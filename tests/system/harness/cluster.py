"""Three hosts with baton installed, as an administrator would have them."""
import json
import os
import subprocess
import time
from pathlib import Path

from .hosts import BOOT_WANTS, Host, wait_until

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BATON_BUILD") or ROOT / "build" / "release")
HOSTS = (1, 2, 3)
CONFIG_PATH = "/etc/baton/baton.conf"
SESSION_TIMEOUT_S = 2.0
STOP_BUDGET_S = 1.5
RATE = 0.1

CONFIG = """\
[node]
name = n{number}
id = {number}

[engine]
user = baton

[agent]
user = baton
session_timeout = {session_timeout}

[ensemble]
tick_time = 200
init_limit = 25
sync_limit = 4
{members}
four_letter_words = ruok,srvr,stat,mntr,conf,isro

[group web]
policy = {policy}
stop_budget = {stop_budget}

[plugin nginx]
module = unit
group = web
unit = nginx.service
user = baton
check_interval = 500

[plugin motd]
module = file
config = nginx/motd
path = /etc/nginx/motd
reload_unit = nginx.service
"""

# A page that is the host's own name, so that an answer says who gave it.
PAGE = """\
server {
        listen 80 default_server;
        location / { default_type text/plain; return 200 "n%d\\n"; }
}
"""


# What the installation of a package does on the machine once: here at each boot, since /etc is lost with the power.
PACKAGE = """\
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=basic.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/systemd-sysusers
ExecStart=/usr/bin/systemd-tmpfiles --create baton.conf
"""


def install(into):
    """`cmake --install` of the build, as a package would be made."""
    subprocess.run(["cmake", "--install", str(BUILD)], env={**os.environ, "DESTDIR": str(into)}, check=True,
                   stdout=subprocess.DEVNULL)
    return into


def config(number, policy="leader", connect=None):
    members = "\n".join("server.%d = 10.91.0.%d:2888:3888:participant;2181" % (n, n) for n in HOSTS)
    text = CONFIG.format(number=number, members=members, policy=policy,
                         session_timeout=int(SESSION_TIMEOUT_S * 1000), stop_budget=int(STOP_BUDGET_S * 1000))
    if connect:
        ensemble = text[text.index("[ensemble]"):text.index("[group")]
        engine = text[text.index("[engine]"):text.index("[agent]")]
        text = text.replace(engine, "").replace(ensemble, "[ensemble]\nconnect = %s\n\n" % connect).replace("id = %d\n" % number, "")
    return text


class Cluster:
    def __init__(self, network, home, tree, **settings):
        self.network = network
        self.connect = settings.get("connect")      # an ensemble elsewhere: none of the nodes leads
        self.hosts = [self._host(network, n, home, tree, settings) for n in HOSTS]

    @staticmethod
    def _host(network, number, home, tree, settings):
        files = {
            "etc/baton/baton.conf": config(number, **settings),
            "etc/nginx/sites-enabled/default": PAGE % number,
            "etc/nginx/motd": "",
            "etc/systemd/system/package.service": PACKAGE,
        }
        return Host(network, number, home, trees=[tree], files=files,
                    links={BOOT_WANTS + "package.service": "/etc/systemd/system/package.service"})

    def __getitem__(self, name):
        return next(h for h in self.hosts if h.name == name)

    # --- life

    def boot(self):
        for host in self.hosts:
            host.boot()
        for host in self.hosts:
            host.wait_booted()

    def enable(self, hosts=None):
        for host in hosts or self.hosts:
            host.run("systemctl", "enable", "--now", "--no-block", "batond")

    def close(self):
        for host in self.hosts:
            if host.nspawn is not None:
                host.lose_power()

    def come_back(self, host):
        """The power is there again."""
        host.boot()
        host.wait_booted()
        host.run("systemctl", "start", "--no-block", "batond")

    def reconfigure(self, hosts, change):
        """Writes what `change` makes of each host's configuration, and reloads. Returns what there was."""
        before = {}
        for host in hosts:
            path = host.path(CONFIG_PATH)
            before[host.name] = path.read_text()
            path.write_text(change(before[host.name]))
        for host in hosts:
            self.reload(host)
        return before

    @staticmethod
    def reload(host):
        """Until batond has told systemd that it is done, be the new configuration taken or refused."""
        host.run("systemctl", "reload", "batond")
        wait_until(lambda: host.out("systemctl", "show", "-P", "SubState", "batond").strip() != "reload",
                   "%s has reloaded" % host.name, 20)

    # --- what it says of itself

    def ctl(self, host, *arguments, check=True):
        return host.run("batonctl", *arguments, check=check)

    def json(self, host, *arguments):
        done = self.ctl(host, *arguments, "--json", check=False)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            return None

    def living(self):
        return [h for h in self.hosts if h.nspawn is not None]

    def active(self, probe=None):
        """The one host whose nginx answers; None while there is none."""
        names = probe.active() if probe else [h.name for h in self.living() if self.serves(h)]
        return self[names[0]] if len(names) == 1 else None

    @staticmethod
    def serves(host):
        return host.run("systemctl", "is-active", "--quiet", "nginx", check=False).returncode == 0

    def wait_settled(self, members=3, timeout=60.0):
        """Until so many members are there, one leads (where the ensemble is theirs), and nginx is active on exactly one host. Returns that host."""
        def settled():
            for host in self.living():
                status = self.json(host, "status")
                if not status or len(status["members"]) != members or not (status["leader"] or self.connect):
                    continue
                groups = [g for g in status["groups"] if g["group"] == "web" and g["state"] == "active"]
                on = [h for h in self.living() if self.serves(h)]
                if groups and len(on) == 1 and on[0].name == groups[0]["node"]:
                    return on[0]
            return None
        return wait_until(settled, lambda: "settled: " + self.describe(), timeout, step=0.1)

    def describe(self):
        parts = []
        for host in self.living():
            parts.append("--- %s\n%s%s" % (host.name, self.ctl(host, "status", check=False).stdout,
                                           host.journal("-u", "batond", "-u", "baton-guard*", "-n", "60")))
        return "\n".join(parts)

    def children(self, host):
        """What batond says of its children: kind or plugin -> pid, and its own as "batond"."""
        status = json.loads(host.path("/run/baton/status.json").read_text())
        found = {c["name"]: c["pid"] for c in status["children"]}
        found["batond"] = status["pid"]
        return found

    @staticmethod
    def processes(host):
        """Numbers, inside the host, of all processes of batond.service."""
        return host.out("cat", "/sys/fs/cgroup/system.slice/batond.service/cgroup.procs").split()


def lost_limit():
    """Session timeout + stop budget + 1 s, as promised."""
    return SESSION_TIMEOUT_S + STOP_BUDGET_S + 1.0


def wait_moved(probe, away_from, since, limit):
    """Until the probe sees a host other than `away_from` serve. Returns (host, seconds from `since`)."""
    def moved():
        for answer in probe.seen(since):
            if answer.served and answer.host is not away_from:
                return answer
        return None
    answer = wait_until(moved, "served elsewhere", limit)
    return answer.host, answer.ended - since


def now():
    return time.monotonic()
