"""batonctl as a person or a program runs it, against a server of one's choice."""
import json
import subprocess

from . import servers

TIMEOUT_S = 20
# Whoever proves to be this may do anything; its digest is in SUPER_DIGEST, as ZooKeeper wants it.
SUPER = "digest:super:admin"
SUPER_DIGEST = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="

# Settings of a server on which everything that batonctl can ask for is there.
SETTINGS = {
    "java_properties": ("-Dzookeeper.extendedTypesEnabled=true", "-Dzookeeper.enforceQuota=true",
                        "-Dzookeeper.DigestAuthenticationProvider.superDigest=%s" % SUPER_DIGEST),
    "baton_extra": {"extended_types": "yes", "enforce_quota": "yes", "super_digest": SUPER_DIGEST},
}


class Ctl:
    """batonctl with its options; calling it runs one command."""

    def __init__(self, hosts, *options):
        self.hosts = hosts
        self.options = ("--hosts", hosts, *options)

    @property
    def program(self):
        return str(servers.ENGINE.parent / "batonctl")

    def having(self, *options):
        """The same, with more options, such as --auth."""
        more = Ctl(self.hosts)
        more.options = (*self.options, *options)
        return more

    def command(self, *arguments):
        return [self.program, *self.options, *arguments]

    def __call__(self, *arguments, status=0, stdin=None):
        """What it prints: stdout, or stderr where it must fail."""
        done = subprocess.run(self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=TIMEOUT_S, input=stdin)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def json(self, *arguments, stdin=None):
        return json.loads(self(*arguments, "--json", stdin=stdin))
