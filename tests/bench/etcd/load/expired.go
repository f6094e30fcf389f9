package main

import (
	"sync"
	"time"
)

// What expiry.go counts; apart from the run, so that its arithmetic can be tested. As expiry.h.
type expiry struct {
	sync.Mutex
	sessions int64
	left     [expiryReaders]int64 // keys that each reader saw last
	// When the first and the last of the leases will have been silent for their time.
	firstDue, lastDue     time.Time
	cutAt                 time.Time
	first, last           time.Time // one was gone for some reader; all for all
	ended                 chan struct{}
	before, writes, reads histogram
}

func newExpiry(sessions int64) *expiry {
	e := &expiry{sessions: sessions, ended: make(chan struct{})}
	for i := range e.left {
		e.left[i] = sessions
	}
	return e
}

func (e *expiry) over() bool {
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}

func (e *expiry) cut(now time.Time) {
	e.Lock()
	defer e.Unlock()
	e.cutAt = now
}

// A call of one of the others. One that was under way at the cut counts as after it: it is among those that had to wait.
func (e *expiry) took(began, now time.Time, write bool) {
	e.Lock()
	defer e.Unlock()
	after := !e.cutAt.IsZero() && !now.Before(e.cutAt)
	switch took := int64(now.Sub(began)); {
	case after && write:
		e.writes.add(took)
	case after:
		e.reads.add(took)
	case write:
		e.before.add(took)
	}
}

// `reader` was told at `now` that so many keys are left. More than before end the run.
func (e *expiry) counted(reader int, now time.Time, left int64) {
	e.Lock()
	defer e.Unlock()
	if left > e.left[reader] {
		fail("%d keys are there, after %d", left, e.left[reader])
	}
	e.left[reader] = left
	if left < e.sessions && e.first.IsZero() {
		e.first = now
	}
	if e.left == [expiryReaders]int64{} && e.last.IsZero() {
		e.last = now
		close(e.ended)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (e *expiry) report() map[string]any {
	return map[string]any{
		"first_after_due_ms": milliseconds(e.first.Sub(e.firstDue)), "last_after_due_ms": milliseconds(e.last.Sub(e.lastDue)),
		"due_within_ms": milliseconds(e.lastDue.Sub(e.firstDue)), "took_ms": milliseconds(e.last.Sub(e.first)),
		"others_write_max_ms": float64(e.writes.max) / 1e6, "others_read_max_ms": float64(e.reads.max) / 1e6,
		"others_before_us": e.before.report(), "others_writes_us": e.writes.report(), "others_reads_us": e.reads.report()}
}
