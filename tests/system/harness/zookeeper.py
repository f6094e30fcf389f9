"""Three servers of Apache ZooKeeper (Debian's) in the hosts' network, on addresses of their own at the bridge."""
import re
import socket
import subprocess
import threading
from pathlib import Path

from .hosts import enter_network, wait_until

JARS = [Path("/usr/share/java") / name for name in ("slf4j-log4j12.jar", "log4j-1.2.jar", "zookeeper.jar")]
START_TIMEOUT_S = 60.0
# Small heaps, the cheap compiler and no waiting for the disk: three servers share two cores with everything else.
JAVA = ["java", "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
        "-Dzookeeper.forceSync=no", "-Dzookeeper.admin.enableServer=false", "-Dzookeeper.4lw.commands.whitelist=srvr"]
LOG4J = """\
log4j.rootLogger=INFO, OUT
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.Target=System.err
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d{HH:mm:ss.SSS} %-5p %c{1} - %m%n
"""
CONFIG = """\
tickTime=200
initLimit=25
syncLimit=4
minSessionTimeout=400
maxSessionTimeout=40000
maxClientCnxns=0
dataDir=%s
"""


class Server:
    def __init__(self, network, number, home):
        self.network = network
        self.number = number
        self.address = "10.91.0.%d" % (100 + number)
        self.home = Path(home) / ("zookeeper-%d" % number)
        self.process = None

    def member(self):
        return "server.%d=%s:2888:3888:participant;%s:2181" % (self.number, self.address, self.address)

    def start(self, members):
        self.home.mkdir(parents=True)
        (self.home / "myid").write_text("%d\n" % self.number)
        (self.home / "log4j.properties").write_text(LOG4J)
        (self.home / "zoo.cfg").write_text(CONFIG % self.home + "\n".join(members) + "\n")
        with open(self.home / "log", "ab") as log:
            self.process = self.network.popen(
                *JAVA, "-Dlog4j.configuration=file:%s/log4j.properties" % self.home, "-cp", ":".join(map(str, JARS)),
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.home / "zoo.cfg"),
                stdout=log, stderr=subprocess.STDOUT)

    def mode(self):
        """leader, follower; None while it serves nobody."""
        found = re.search(r"^Mode: (\w+)", self._ask(b"srvr"), re.M)
        return found.group(1) if found else None

    def _ask(self, word):
        text = []

        def ask():      # by a thread, which alone enters the network
            enter_network("/run/netns/" + self.network.name)
            try:
                with socket.create_connection((self.address, 2181), 1.0) as s:
                    s.settimeout(1.0)
                    s.sendall(word)
                    while part := s.recv(4096):
                        text.append(part.decode())
            except OSError:
                pass

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return "".join(text)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Ensemble:
    def __init__(self, network, home):
        self.servers = [Server(network, number, home) for number in (1, 2, 3)]
        for server in self.servers:
            network.run("ip", "addr", "add", server.address + "/24", "dev", network.bridge)

    def start(self):
        for server in self.servers:
            server.start([s.member() for s in self.servers])
        wait_until(lambda: sorted(s.mode() or "" for s in self.servers) == ["follower", "follower", "leader"],
                   lambda: "three servers of ZooKeeper: " + (self.servers[0].home / "log").read_text()[-2000:],
                   START_TIMEOUT_S, step=0.2)

    def connect(self):
        return ",".join(s.address + ":2181" for s in self.servers)

    def leader(self):
        return next((s for s in self.servers if s.process.poll() is None and s.mode() == "leader"), None)

    def close(self):
        for server in self.servers:
            if server.process is not None and server.process.poll() is None:
                server.kill()
