"""Failover times: what `batonctl config check` promises for a group, beside what was measured."""

# A commit, the job and the probe's period take longer where three hosts and the tests share two cores.
BUSY_S = 0.3

_rows = []


def promised(cluster, host, group="web"):
    """Seconds: what the host's own configuration check says of the group."""
    for entry in cluster.json(host, "config", "check"):
        if entry["group"] == group:
            return {key[:-3]: value / 1000 for key, value in entry.items() if key.endswith("_ms")}
    raise AssertionError("no group %s in the contract" % group)


def _between(host, unit, first, then):
    times = [int(host.out("systemctl", "show", "-P", name + "TimestampMonotonic", unit)) for name in (first, then)]
    return (times[1] - times[0]) / 1e6


def start_of(host, unit="nginx"):
    """Seconds the unit's last start took, by systemd's own account."""
    return _between(host, unit, "InactiveExit", "ActiveEnter")


def stop_of(host, unit="nginx"):
    """Seconds the unit's last stop took."""
    return _between(host, unit, "ActiveExit", "InactiveEnter")


def assert_kept(what, measured_s, promised_s, start_s=0.0):
    """The contract leaves out the start of the service itself; that is measured."""
    _rows.append((what, "%.2f s" % measured_s, "%.2f s" % promised_s, "%.2f s" % start_s if start_s else "-"))
    assert measured_s <= promised_s + start_s + BUSY_S, "%s: away %.2f s, promised %.2f s and a start of %.2f s" % (
        what, measured_s, promised_s, start_s)


def table():
    if not _rows:
        return []
    rows = [("FAULT", "AWAY", "PROMISED", "START ON TOP"), *_rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
