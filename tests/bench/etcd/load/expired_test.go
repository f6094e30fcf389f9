package main

import (
	"testing"
	"time"
)

func TestExpiryRunsFromTheFirstReaderToTheLast(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	e := newExpiry(10)
	e.firstDue, e.lastDue = at(1000), at(1200)
	e.counted(0, at(900), 10)
	e.counted(1, at(1010), 7)
	e.counted(0, at(1100), 0)
	e.counted(1, at(1200), 0)
	if e.over() {
		t.Error("over while one reader sees keys")
	}
	e.counted(2, at(1500), 0)
	e.counted(2, at(1600), 0)
	if !e.over() {
		t.Error("not over when no reader sees any")
	}
	r := e.report()
	for name, wanted := range map[string]float64{"first_after_due_ms": 10, "last_after_due_ms": 300, "due_within_ms": 200,
		"took_ms": 490} {
		if r[name] != wanted {
			t.Errorf("%s: %v instead of %v", name, r[name], wanted)
		}
	}
}

func TestACallUnderWayAtTheCutHadToWait(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	e := newExpiry(1)
	e.took(at(0), at(5), true)
	e.took(at(0), at(5), false)
	e.cut(at(10))
	e.took(at(8), at(12), true)
	e.took(at(11), at(14), false)
	if e.before.count != 1 || e.writes.count != 1 || e.reads.count != 1 || e.writes.max != int64(4*time.Millisecond) {
		t.Errorf("%d before, %d writes, %d reads, longest %d", e.before.count, e.writes.count, e.reads.count, e.writes.max)
	}
}
