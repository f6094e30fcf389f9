// Callers at work: what each measured, when its operations are due, and all of them until the time is over.

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What one caller measured; merged when all are done.
type caller struct {
	latency  histogram
	measured uint64
}

// Gives out the moments at which operations are due; what nobody takes in time is taken later, and counts from then on.
func dueTimes(o *options, begins, ends time.Time) <-chan time.Time {
	due := make(chan time.Time)
	go func() {
		runtime.LockOSThread() // it sleeps more exactly than the runtime's timers do
		for n := 0; ; n++ {
			at := begins.Add(seconds(float64(n) / o.rate))
			if !at.Before(ends) {
				close(due)
				return
			}
			if wait := time.Until(at); wait > 0 {
				t := syscall.NsecToTimespec(int64(wait))
				_ = syscall.Nanosleep(&t, nil) // woken early, it is a little early
			}
			due <- at
		}
	}()
	return due
}

// So many callers at once, each calling `one` with its number again and again: for the time of the run, or as often as
// --operations says.
func runCallers(o *options, count int, one func(i int)) (from, to mark, latency *histogram, measured uint64) {
	begins := time.Now()
	measures := begins
	if o.operations == 0 {
		measures = begins.Add(seconds(o.warmup))
	}
	ends := measures.Add(seconds(o.seconds))
	var due <-chan time.Time
	if o.rate > 0 {
		due = dueTimes(o, begins, ends)
	}
	var issued atomic.Int64
	next := func() (time.Time, bool) {
		if due != nil {
			at, more := <-due
			return at, more
		}
		now := time.Now()
		if o.operations > 0 {
			return now, issued.Add(1) <= int64(o.operations)
		}
		return now, now.Before(ends)
	}
	callers := make([]caller, count)
	var group sync.WaitGroup
	for i := range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			me := &callers[i]
			for began, more := next(); more; began, more = next() {
				one(i)
				now := time.Now()
				progress.Store(now.UnixNano())
				if !began.Before(measures) {
					me.latency.add(int64(now.Sub(began)))
				}
				if !now.Before(measures) && (o.operations > 0 || now.Before(ends)) {
					me.measured++
				}
			}
		}()
	}
	time.Sleep(time.Until(measures))
	from = markNow(o)
	if o.operations == 0 {
		time.Sleep(time.Until(ends))
		to = markNow(o)
	}
	group.Wait()
	if o.operations > 0 {
		to = markNow(o)
	}
	latency = &histogram{}
	for i := range callers {
		latency.merge(&callers[i].latency)
		measured += callers[i].measured
	}
	return from, to, latency, measured
}
