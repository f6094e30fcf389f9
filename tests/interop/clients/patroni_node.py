"""One node of Patroni without its PostgreSQL: what Patroni itself uses to talk to ZooKeeper, told what to do line by line.

A line is a list in JSON: a method of Patroni's ZooKeeper class, and its arguments; the answer is what it returned, in JSON.
Some words of our own: "cluster" reads the whole state and tells it, "session" the id of the session.
"""
import json
import logging
import sys

from patroni.dcs import get_dcs


class Node:
    def __init__(self, name, hosts):
        self.dcs = get_dcs({
            "name": name, "scope": "demo", "namespace": "/service/", "ttl": 5, "loop_wait": 3, "retry_timeout": 4,
            "zookeeper": {"hosts": hosts.split(",")}})

    def session(self):
        """None while there is no connection."""
        session = self.dcs._client.client_id
        return session and "%x" % session[0]

    def cluster(self):
        state = self.dcs.get_cluster()
        return {
            "initialize": state.initialize, "leader": state.leader and state.leader.name,
            "leader_version": state.leader and state.leader.version, "members": sorted(m.name for m in state.members),
            "config": state.config and state.config.data, "config_version": state.config and state.config.version,
            "failover": [state.failover.leader, state.failover.candidate] if state.failover else None,
            "sync": [state.sync.leader, state.sync.sync_standby], "sync_version": state.sync.version,
            "last_lsn": state.status.last_lsn, "history": state.history and state.history.lines,
        }

    def update_leader(self, last_lsn):
        return self.dcs.update_leader(self.dcs.cluster, last_lsn)

    def delete_leader(self):
        return self.dcs.delete_leader(self.dcs.cluster.leader)

    def write_sync_state(self, leader, standby, version):
        written = self.dcs.write_sync_state(leader, standby, 0, version=version)
        return written and written.version


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    node = Node(*sys.argv[1:])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        word, *arguments = json.loads(line)
        try:
            answer = getattr(node, word, None) or getattr(node.dcs, word)
            answer = answer(*arguments)
        except Exception as e:
            logging.exception("%s", word)
            answer = {"error": repr(e)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
