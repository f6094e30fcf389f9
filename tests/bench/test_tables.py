"""Ratios, verdicts and plots from results that are made up. Run by ctest as bench/tables."""
import unittest
import xml.etree.ElementTree as ET

import phases
import plan
import plot
import tables

ZOOKEEPER = "zookeeper-3.8"


def runs(*per_second):
    return [{"per_second": value, "latency_us": {"p50": 1e6 / value, "p99": 2e6 / value, "p99.9": 3e6 / value},
             "servers_us_per_operation": 1.0, "generator": {"part_of_a_processor": 0.5}} for value in per_second]


class Tables(unittest.TestCase):
    def test_a_path_may_hold_dots_in_its_last_name(self):
        self.assertEqual(tables.value_at({"latency_us": {"p99.9": 7}}, "latency_us.p99.9"), 7)

    def test_a_rate_that_was_not_kept_is_told(self):
        kept, missed = {"rate": 100.0, "per_second": 99.0}, {"rate": 100.0, "per_second": 90.0}
        self.assertFalse(tables.missed_rate([kept, {"rate": 0, "per_second": 5}]))
        self.assertTrue(tables.missed_rate([kept, missed]))

    def test_the_ratio_is_that_of_the_medians(self):
        results = {"set-512": {"baton": runs(10, 500, 20), ZOOKEEPER: runs(4, 1, 2)}}
        self.assertEqual(tables.ratio_of(results, "set-512", "per_second", "baton", ZOOKEEPER), 10)

    def test_without_the_reference_there_is_no_ratio(self):
        results = {"set-512": {"baton": runs(10)}}
        self.assertIsNone(tables.ratio_of(results, "set-512", "per_second", "baton", ZOOKEEPER))
        self.assertEqual(tables.verdict(plan.TARGETS[1], None), "-")

    def test_a_target_is_met_at_its_very_value_and_missed_beyond(self):
        most, least = plan.TARGETS[0], plan.TARGETS[1]
        self.assertEqual((most.relation, least.relation), ("<=", ">="))
        self.assertEqual(tables.verdict(most, most.ratio), "pass")
        self.assertEqual(tables.verdict(most, most.ratio + 0.01), "MISS")
        self.assertEqual(tables.verdict(least, least.ratio), "pass")
        self.assertEqual(tables.verdict(least, least.ratio - 0.01), "MISS")

    def test_the_table_has_a_row_for_each_target_that_was_measured(self):
        results = {"set-512": {"baton": runs(50), ZOOKEEPER: runs(10)}}
        rows = tables.target_rows(results, ["baton", ZOOKEEPER], ZOOKEEPER)
        self.assertEqual(len(rows), sum(t.workload == "set-512" for t in plan.TARGETS))
        self.assertEqual(rows[0][-3:], ["5.00x", ">= 5x", "pass"])
        self.assertTrue(all(len(row) == len(tables.target_head(["baton", ZOOKEEPER])) for row in rows))

    def test_a_part_of_the_disk_is_judged_for_baton_alone(self):
        results = {name: {"baton": runs(40), ZOOKEEPER: runs(40)} for name in (plan.DISK_TARGET, "set-1")}
        disk = {"group": 10, "processes": 1, "records_per_second": 100}
        limits = {"disk": {name: {"baton": disk, ZOOKEEPER: disk} for name in results}}
        rows = tables.limit_rows(results, limits, ["baton", ZOOKEEPER])
        self.assertEqual([row[-2:] for row in rows], [["40 %", "MISS"], ["40 %", ""], ["40 %", ""], ["40 %", ""]])

    def test_the_disk_is_a_target_too(self):
        results = {plan.DISK_TARGET: {"baton": runs(60), ZOOKEEPER: runs(9)}}
        disk = {"group": 10, "processes": 1, "records_per_second": 100}
        limits = {"disk": {plan.DISK_TARGET: {"baton": disk, ZOOKEEPER: disk}}}
        kinds = ["baton", ZOOKEEPER, plan.ETCD]
        rows = tables.disk_target_rows(results, limits, kinds)
        self.assertEqual([row[1:] for row in rows], [["60 %", "9.0 %", "-", "-", ">= 50 %", "pass"]])
        self.assertEqual(len(rows[0]), len(tables.target_head(kinds)))
        self.assertEqual(tables.disk_target_rows(results, {}, kinds), [])

    def test_one_sample_is_no_spread(self):
        self.assertEqual(tables.three({"idle": {"baton": [{"cpu_percent": 2.0}]}}, "idle", "baton", "cpu_percent", 1), "2.00")

    def test_a_rate_that_was_set_has_no_ratio_and_a_generator_at_its_limit_is_told(self):
        limited = runs(50)
        limited[0]["generator"] = {"part_of_a_processor": 0.97, "was_the_limit": True}
        rows = tables.workload_rows({"set-half": {"baton": runs(10), ZOOKEEPER: limited},
                                     "set-512": {"baton": runs(10), ZOOKEEPER: runs(5)}}, ["baton", ZOOKEEPER], ZOOKEEPER)
        self.assertEqual([row[-2:] for row in rows], [
            ["-", "50 %"], ["-", "97 % (the limit)"], ["2.00x", "50 %"], ["1.00x", "50 %"]])

    def test_a_fanout_tells_when_the_last_watcher_was_told(self):
        run = {"verified": {"round_us": {"p50": 8000.0, "p99": 9000.0, "max": 12000.0}}}
        rows = tables.fanout_rows({"fanout-1000": {"baton": [run]}}, ["baton", ZOOKEEPER])
        self.assertEqual([row[1:] for row in rows], [["baton", "8.00", "9.00", "12.0"]])
        self.assertEqual(len(rows[0]), len(tables.FANOUT_HEAD))


class Parts(unittest.TestCase):
    def test_the_parts_of_a_gap_are_medians_of_the_rounds_that_tell_them(self):
        parts = dict.fromkeys(phases.PARTS, 2.0)
        results = {"gap-kill": {"baton": [{"gap_ms": 9, "parts_ms": parts}, {"gap_ms": 7, "parts_ms": {}}],
                                plan.ETCD: [{"gap_ms": 1000.0}]}}
        rows = tables.gap_rows(results, ["baton", ZOOKEEPER, plan.ETCD])
        self.assertEqual([row[1:4] for row in rows], [["baton", "8.00", "2.00"], [plan.ETCD, "1,000", "-"]])
        self.assertTrue(all(len(row) == len(tables.GAP_HEAD) for row in rows))

    def test_an_expiry_is_told_with_what_others_waited(self):
        run = {"verified": {"expiry": {
            "first_after_due_ms": -5.0, "last_after_due_ms": 300.0, "took_ms": 305.0, "others_write_max_ms": 40.0,
            "others_read_max_ms": 4.0, "others_before_us": {"p50": 500.0, "max": 2000.0}}}}
        rows = tables.expiry_rows({"expiry": {"baton": [run]}}, ["baton", ZOOKEEPER])
        self.assertEqual(rows, [["baton", "-5.00", "300", "305", "0.50", "2.00", "40.0", "4.00"]])
        self.assertEqual(len(rows[0]), len(tables.EXPIRY_HEAD))

    def test_a_kind_that_is_not_the_reference_has_a_table_of_its_own(self):
        results = {"set-512": {"baton": runs(100), plan.ETCD: runs(50), ZOOKEEPER: runs(10)}, "storm": {"baton": runs(1)},
                   "gap-kill": {"baton": [{"gap_ms": 20.0}], plan.ETCD: [{"gap_ms": 1000.0}]},
                   "session-memory": {"baton": [{"bytes_each": 10.0}], plan.ETCD: [{"bytes_each": 100.0}]}}
        rows = tables.other_rows(results, plan.ETCD)
        self.assertEqual([row[-1] for row in rows], ["2.00x", "0.50x", "1.00x", "0.02x", "0.10x"])
        self.assertEqual(tables.other_rows({"set-512": {plan.ETCD: runs(50)}}, plan.ETCD), [])
        self.assertTrue(all(len(row) == len(tables.other_head(plan.ETCD)) for row in rows))

    def test_growth_has_a_row_for_each_level_that_was_reached(self):
        word = "grow-znodes"
        level = plan.GROWTHS[word].levels[0]
        results = {plan.growth_name(word, level, "held"): {"baton": [{"rss_bytes": 2 << 20}]},
                   plan.growth_name(word, level, "write"): {"baton": runs(1000)}}
        rows = tables.growth_rows(results, ["baton"])
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0][-5:], ["1.00", "1.00", "-", "-", "2.00"])
        self.assertEqual(len(rows[0]), len(tables.GROWTH_HEAD))

    def test_znodes_have_their_bytes_and_both_starts(self):
        results = {"start-10k": {"baton": [{"rss_bytes": 1 << 20, "bytes_each": 330.0, "start_seconds": 0.5,
                                            "recovery_seconds": 0.25}]}}
        self.assertEqual(tables.znodes_rows(results, ["baton"]), [["10,000", "baton", "1.00", "330", "0.50", "0.25"]])


class Plan(unittest.TestCase):
    def test_every_target_and_word_of_the_table_is_measured(self):
        for name in [t.workload for t in plan.TARGETS] + list(plan.TABLE):
            self.assertTrue(name in plan.WORKLOADS or name in plan.MEASURES, name)

    def test_every_point_of_a_curve_is_measured(self):
        for word, curve in plan.CURVES.items():
            for line in curve.lines.values():
                self.assertTrue(line.metric or curve.metric, word)
            for name in plan.names_of(word):
                self.assertTrue(name in plan.WORKLOADS or name in plan.MEASURES or name in plan.GROWTHS, name)

    def test_etcd_is_asked_for_what_its_generator_has_and_no_more(self):
        for name in ("set-512", "churn", "storm", "expiry", "gap-kill", "idle", "grow-znodes", "million"):
            self.assertTrue(plan.can(plan.ETCD, name), name)
        for name in ("seq-512", "fanout-10000"):
            self.assertFalse(plan.can(plan.ETCD, name), name)
            self.assertTrue(plan.can("baton", name), name)

    def test_etcd_gets_fewer_rounds_of_what_takes_it_long(self):
        for name, long in plan.ETCD_LONG.items():
            self.assertEqual(plan.rounds_of(name, plan.ETCD, 5, plan.ROUNDS_OF_ALL), long.rounds, name)
            self.assertGreater(plan.rounds_of(name, "baton", 5, plan.ROUNDS_OF_ALL), long.rounds, name)
        self.assertEqual(plan.rounds_of("storm", plan.ETCD, 1), 1)
        self.assertEqual(plan.rounds_of("set-512", plan.ETCD, 7), 7)

    def test_a_server_is_filled_with_as_many_znodes_whatever_its_kind(self):
        self.assertIn("--operations 10000", plan.fill("baton", 10000))
        self.assertIn("--operations 1000 --together 10", plan.fill(plan.ETCD, 10000))

    def test_everything_has_a_time_and_more_kinds_take_more(self):
        for name in plan.names_of("all"):
            alone = plan.seconds_of(name, ["baton"], 5)
            self.assertGreater(alone, 0, name)
            self.assertGreater(plan.seconds_of(name, ["baton", ZOOKEEPER], 5), alone, name)
        self.assertGreater(plan.seconds_of_all(["set-512"], ["baton"], 5), plan.seconds_of("set-512", ["baton"], 5))

    def test_every_target_is_in_the_table(self):
        self.assertLessEqual({t.workload for t in plan.TARGETS}, set(plan.TABLE))

    def test_a_rate_comes_after_what_it_is_a_part_of(self):
        self.assertEqual(plan.with_what_they_need(["set-half", "set-1"]), ["set-512", "set-half", "set-1"])

    def test_all_is_all(self):
        names = plan.names_of("all")
        self.assertEqual(set(names), set(plan.WORKLOADS) | set(plan.MEASURES) | set(plan.GROWTHS))
        self.assertRaises(KeyError, plan.names_of, "nothing")


class Plots(unittest.TestCase):
    def test_a_curve_is_xml_with_a_line_for_each_series_and_a_point_for_each_value(self):
        curve = plan.CURVES["writes"]
        results = {name: {"baton": runs(10 * n, 20 * n), ZOOKEEPER: runs(n)}
                   for n, name in enumerate(plan.names_of("writes"), 1)}
        series = plot.series_of(results, curve, ["baton", ZOOKEEPER])
        root = ET.fromstring(plot.svg(curve, series))
        names = [e.tag.rpartition("}")[2] for e in root.iter()]
        self.assertEqual(names.count("polyline"), 2 * len(plan.SERVERS))
        self.assertEqual(names.count("circle"), 2 * len(plan.SERVERS) * len(plan.CLIENTS))
        for circle in (e for e in root.iter() if e.tag.endswith("circle")):
            self.assertTrue(plot.LEFT <= float(circle.get("cx")) <= plot.WIDTH - plot.RIGHT)
            self.assertTrue(plot.TOP <= float(circle.get("cy")) <= plot.HEIGHT - plot.BOTTOM)

    def test_an_axis_puts_its_ends_at_its_ends(self):
        axis = plot.Axis(1, 1000, 100, 400, True)
        self.assertEqual([round(axis.at(v)) for v in axis.ticks()], [100, 200, 300, 400])
        axis = plot.Axis(5, 80, 0, 80, False)
        self.assertEqual((axis.at(0), axis.at(80)), (0, 80))
        self.assertEqual(axis.ticks()[0], 0)


if __name__ == "__main__":
    unittest.main()
