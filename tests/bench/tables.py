"""Results as numbers, tables and JSON."""
import statistics

import phases
import plan

RATE_KEPT_PART = 0.97


def value_at(result, path):
    """A number in a result by its path; names may hold dots (latency_us.p99.9)."""
    head, _, rest = path.partition(".")
    value = result[head]
    return value[rest] if rest else value


def samples_of(results, workload, kind, metric):
    return [value_at(r, metric) for r in results.get(workload, {}).get(kind, ())]


def spread(samples):
    return {"min": min(samples), "median": statistics.median(samples), "max": max(samples)}


def ratio_of(results, workload, metric, kind, reference):
    """The medians' ratio, or None where one is missing or nothing."""
    ours, theirs = samples_of(results, workload, kind, metric), samples_of(results, workload, reference, metric)
    if not ours or not theirs or statistics.median(theirs) == 0:
        return None
    return statistics.median(ours) / statistics.median(theirs)


def verdict(target, ratio):
    if ratio is None:
        return "-"
    met = ratio <= target.ratio if target.relation == "<=" else ratio >= target.ratio
    return "pass" if met else "MISS"


def number(value):
    if abs(value) >= 100:
        return "{:,.0f}".format(value)
    return "%.1f" % value if abs(value) >= 10 else "%.2f" % value if abs(value) >= 0.1 else "%.3f" % value


def percent(part):
    return "%.0f %%" % (100 * part) if part >= 0.1 else "%.1f %%" % (100 * part)


def three(results, workload, kind, metric, scale):
    samples = samples_of(results, workload, kind, metric)
    if not samples:
        return "-"
    if len(samples) == 1:
        return number(samples[0] * scale)
    s = spread(samples)
    return " / ".join(number(s[key] * scale) for key in ("min", "median", "max"))


def disk_part(results, limits, name, kind):
    """The part of what the disk allows that a kind of server makes of it, or None."""
    samples, limit = samples_of(results, name, kind, "per_second"), limits.get("disk", {}).get(name, {}).get(kind)
    return statistics.median(samples) / limit["records_per_second"] if samples and limit else None


def disk_target_rows(results, limits, kinds):
    """The one target that is no ratio to another kind of server."""
    parts = {kind: disk_part(results, limits, plan.DISK_TARGET, kind) for kind in kinds}
    if parts.get(plan.BATON) is None:
        return []
    return [["writes, one server: as a part of append + fdatasync", *(
        "-" if part is None else percent(part) for part in parts.values()), "-", ">= %s" % percent(plan.DISK_PART),
        "pass" if parts[plan.BATON] >= plan.DISK_PART else "MISS"]]


def target_rows(results, kinds, reference):
    """Rows of the table of targets: text, each kind's min / median / max, ratio, target, verdict."""
    rows = []
    for t in plan.TARGETS:
        if t.workload not in results:
            continue
        ratio = ratio_of(results, t.workload, t.metric, plan.BATON, reference)
        rows.append(["%s [%s]" % (t.text, t.unit),
                     *(three(results, t.workload, kind, t.metric, t.scale) for kind in kinds),
                     "-" if ratio is None else "%.2fx" % ratio,
                     "%s %gx" % (t.relation, t.ratio), verdict(t, ratio)])
    return rows


def limit_rows(results, limits, kinds):
    """Each throughput beside what the loopback allows, and the writes of one server beside what the disk allows."""
    rows = []
    for name, limit in limits.get("echo", {}).items():
        for kind in kinds:
            samples = samples_of(results, name, kind, "per_second")
            if not samples:
                continue
            ours = statistics.median(samples)
            rows.append([plan.WORKLOADS[name].title, kind, number(ours), "echo on loopback",
                         number(limit["per_second"]), percent(ours / limit["per_second"]), ""])
    for name, by_kind in limits.get("disk", {}).items():
        for kind, found in by_kind.items():
            samples, part = samples_of(results, name, kind, "per_second"), disk_part(results, limits, name, kind)
            if part is None:
                continue
            judged = name == plan.DISK_TARGET and kind == plan.BATON
            rows.append([plan.WORKLOADS[name].title, kind, number(statistics.median(samples)),
                         "append + fdatasync, groups of %d, %d at once" % (found["group"], found["processes"]),
                         number(found["records_per_second"]), percent(part),
                         ("pass" if part >= plan.DISK_PART else "MISS") if judged else ""])
    return rows


def missed_rate(runs):
    """Whether any run at a fixed rate fell behind it: its latencies are then those of a queue that grew."""
    return any(r.get("rate", 0) > 0 and r["per_second"] < RATE_KEPT_PART * r["rate"] for r in runs)


def workload_rows(results, kinds, reference):
    """All runs of the load generator: throughput, p50, p99, p99.9, processor time per operation, ratio."""
    rows = []
    for name, by_kind in results.items():
        if name not in plan.WORKLOADS or name == "expiry":      # that is told apart
            continue
        for kind in kinds:
            if not by_kind.get(kind):
                continue
            ratio = ratio_of(results, name, "per_second", kind, reference)
            cells = [three(results, name, kind, "per_second", 1)]
            for key in ("p50", "p99", "p99.9"):
                cells.append(number(statistics.median(samples_of(results, name, kind, "latency_us." + key)) / 1e3))
            cells.append(number(statistics.median(samples_of(results, name, kind, "servers_us_per_operation"))))
            generators = [r["generator"] for r in by_kind[kind]]
            share = "%.0f %%" % (100 * max(g["part_of_a_processor"] for g in generators))
            if any(g.get("was_the_limit") for g in generators):
                share += " (the limit)"
            if missed_rate(by_kind[kind]):
                cells[0] += " (rate not kept)"
            # At a rate that was set the operations are those that were asked for.
            told = ratio is not None and not plan.WORKLOADS[name].rate_of
            rows.append([plan.WORKLOADS[name].title, kind, *cells, "%.2fx" % ratio if told else "-", share])
    return rows


def fanout_rows(results, kinds):
    """How long it takes until the last watcher is told, over all writes of a run: medians of the runs."""
    rows = []
    for name in ("fanout-1000", "fanout-10000"):
        for kind in kinds:
            told = {name: {kind: [r["verified"] for r in results.get(name, {}).get(kind, ()) if "verified" in r]}}
            if told[name][kind]:
                rows.append([plan.WORKLOADS[name].title, kind, three(told, name, kind, "round_us.p50", 1e-3),
                             middle(told, name, kind, "round_us.p99", 1e-3), middle(told, name, kind, "round_us.max", 1e-3)])
    return rows


def middle(results, name, kind, metric, scale=1.0):
    """The median as text, "-" where it was not measured."""
    samples = [value_at(r, metric) for r in results.get(name, {}).get(kind, ()) if has(r, metric)]
    return number(statistics.median(samples) * scale) if samples else "-"


def has(result, path):
    head, _, rest = path.partition(".")
    return head in result and (not rest or rest in result[head])


def gap_rows(results, kinds):
    """What is known of each way in which a leader goes; etcd's gap is told as a whole."""
    return [[plan.MEASURES[name].title, kind, *(middle(results, name, kind, metric) for metric in
                                               ("gap_ms", *("parts_ms." + part for part in phases.PARTS)))]
            for name in plan.MEASURES if name.startswith("gap-") for kind in kinds if results.get(name, {}).get(kind)]


def expiry_rows(results, kinds):
    rows = []
    for kind in kinds:
        told = {"expiry": {kind: [r["verified"]["expiry"] for r in results.get("expiry", {}).get(kind, ())]}}
        if told["expiry"][kind]:
            rows.append([kind, *(middle(told, "expiry", kind, metric) for metric in (
                "first_after_due_ms", "last_after_due_ms", "took_ms")),
                middle(told, "expiry", kind, "others_before_us.p50", 1e-3),
                middle(told, "expiry", kind, "others_before_us.max", 1e-3),
                middle(told, "expiry", kind, "others_write_max_ms"), middle(told, "expiry", kind, "others_read_max_ms")])
    return rows


def znodes_rows(results, kinds):
    return [["{:,d}".format(count), kind, middle(results, name, kind, "rss_bytes", 1 / 1048576),
             middle(results, name, kind, "bytes_each"), middle(results, name, kind, "start_seconds"),
             middle(results, name, kind, "recovery_seconds")]
            for name, count in plan.ZNODES.items() for kind in kinds if results.get(name, {}).get(kind)]


def growth_rows(results, kinds):
    """Each level, with what the same load costs beside it."""
    rows = []
    for word, growth in plan.GROWTHS.items():
        for level in growth.levels:
            names = {what: plan.growth_name(word, level, what) for what in (*plan.GROWTH_LOADS, "held")}
            for kind in [k for k in kinds if results.get(names["held"], {}).get(k)]:
                rows.append([growth.title, "{:,d}".format(level), kind, *(
                    middle(results, names[what], kind, metric, scale) for what in plan.GROWTH_LOADS
                    for metric, scale in (("servers_us_per_operation", 1.0), ("latency_us.p50", 1e-3))),
                    middle(results, names["held"], kind, "rss_bytes", 1 / 1048576)])
    return rows


def other_rows(results, other):
    """Baton's medians beside those of a kind that is not the reference, with their ratio, where both were measured."""
    metrics = (("per_second", "/s", 1), ("latency_us.p50", "p50 ms", 1e-3), ("servers_us_per_operation", "us/op", 1))
    asked = [(name, work.title, metrics) for name, work in plan.WORKLOADS.items() if name != "expiry"]
    asked += [(t.workload, t.text, ((t.metric, t.unit, t.scale),)) for t in plan.TARGETS if t.workload in plan.MEASURES]
    rows = []
    for name, title, wanted in asked:
        for metric, unit, scale in wanted:
            if metric == "per_second" and name in plan.WORKLOADS and plan.WORKLOADS[name].rate_of:
                continue                # what was asked for
            ratio = ratio_of(results, name, metric, plan.BATON, other)
            if ratio is not None:
                rows.append(["%s [%s]" % (title, unit), middle(results, name, plan.BATON, metric, scale),
                             middle(results, name, other, metric, scale), "%.2fx" % ratio])
    return rows


def other_head(other):
    return ["work: medians", plan.BATON, other, "ratio"]


FANOUT_HEAD = ["work", "servers", "the last is told after ms: min / median / max", "p99 ms", "longest ms"]
GAP_HEAD = ["leader", "servers", "gap", *phases.PARTS]
EXPIRY_HEAD = ["servers", "first gone after the first was due", "last gone after the last was due", "first to last", "others' write before: p50",
               "longest", "longest write after the cut", "longest read"]
ZNODES_HEAD = ["znodes", "servers", "MiB", "bytes each", "start s", "after kill -9 s"]
GROWTH_HEAD = ["what grows", "to", "servers", "write us/op", "p50 ms", "read us/op", "p50 ms", "MiB"]
TARGET_HEAD = ["work [unit]", None, "ratio", "target", ""]
LIMIT_HEAD = ["work", "servers", "operations/s", "limit", "limit/s", "part", ""]
WORKLOAD_HEAD = ["work", "servers", "operations/s: min / median / max", "p50 ms", "p99 ms", "p99.9 ms", "us/op",
                 "ratio", "generator"]


def target_head(kinds):
    at = TARGET_HEAD.index(None)
    return TARGET_HEAD[:at] + ["%s: min / median / max" % kind for kind in kinds] + TARGET_HEAD[at + 1:]


def text_table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [head, *rows]]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown_table(head, rows):
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |"
                     for row in [head, ["---"] * len(head), *rows])
