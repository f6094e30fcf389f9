"""Ratios, verdicts and plots from results that are made up. Run by ctest as bench/tables."""
import unittest
import xml.etree.ElementTree as ET

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
        results = {plan.DISK_WORKLOAD: {"baton": runs(40), ZOOKEEPER: runs(40)}}
        disk = {"group": 10, "records_per_second": 100}
        rows = tables.limit_rows(results, {"disk": {"baton": disk, ZOOKEEPER: disk}}, ["baton", ZOOKEEPER])
        self.assertEqual([row[-2:] for row in rows], [["40 %", "MISS"], ["40 %", ""]])


class Plan(unittest.TestCase):
    def test_every_target_and_word_of_the_table_is_measured(self):
        for name in [t.workload for t in plan.TARGETS] + list(plan.TABLE):
            self.assertTrue(name in plan.WORKLOADS or name in plan.MEASURES, name)

    def test_every_target_is_in_the_table(self):
        self.assertLessEqual({t.workload for t in plan.TARGETS}, set(plan.TABLE))

    def test_a_rate_comes_after_what_it_is_a_part_of(self):
        self.assertEqual(plan.with_what_they_need(["set-half", "set-1"]), ["set-512", "set-half", "set-1"])

    def test_all_is_all(self):
        names = plan.names_of("all")
        self.assertEqual(set(names), set(plan.WORKLOADS) | set(plan.MEASURES))
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
