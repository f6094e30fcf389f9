// Workload expiry: 5,000 leases whose clients are cut off at once, and what others see and wait for meanwhile.

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// As expiry.c has them.
const (
	expiryOthers  = 6 // connections that live on: those that read, then those that write
	expiryReaders = 3
	expiryMax     = 60 * time.Second
	beforeCut     = 500 * time.Millisecond
	lastWords     = 512 // keep-alives under way at once
)

// One of the others, one call at a time without a pause, until the last key is gone for all.
func (e *expiry) goOn(l *load, i int, dir string) {
	c := pb.NewKVClient(l.conns[i])
	for !e.over() {
		began := time.Now()
		if i < expiryReaders {
			left, _ := countKeys(l.conns[i], dir, true)
			e.counted(i, time.Now(), left)
		} else {
			l.set(c, i)
		}
		now := time.Now()
		progress.Store(now.UnixNano())
		e.took(began, now, i >= expiryReaders)
	}
}

// A server may be behind.
func awaitAll(l *load, dir string, wanted int64) {
	deadline := time.Now().Add(expiryMax)
	for i := range expiryReaders {
		for left := int64(-1); left != wanted; left, _ = countKeys(l.conns[i], dir, true) {
			if time.Now().After(deadline) {
				fail("not every key was seen by all in %v", expiryMax)
			}
		}
	}
}

func runExpiry(o *options) any {
	if o.connections <= expiryOthers || o.keys < expiryOthers {
		fail("expiry needs more than %d connections, which are the other clients, and as many keys", expiryOthers)
	}
	l, dir := newLoadOn(o, dialSome(o, expiryOthers)), o.root+"/d/"
	_, before := countKeys(l.conns[0], dir, false)
	count := o.connections - expiryOthers
	sessions := openSessions(o, count, opening, func(*session, time.Duration) {})
	each(count, opening, func(i int) {
		_, err := pb.NewKVClient(sessions[i].conn).Put(context.Background(),
			&pb.PutRequest{Key: fmt.Appendf(nil, "%se%08d", dir, i), Lease: sessions[i].lease})
		must(err, "a key with a lease")
		progress.Store(time.Now().UnixNano())
	})
	each(expiryOthers, expiryOthers, func(i int) { l.set(pb.NewKVClient(l.conns[i]), i) })
	awaitAll(l, dir, int64(count))
	e := newExpiry(int64(count))
	// The last that the servers hear of the leases: each is due its time after that.
	e.firstDue = time.Now().Add(sessions[0].ttl)
	each(count, lastWords, func(i int) { sessions[i].keepAlive() })
	e.lastDue = time.Now().Add(sessions[0].ttl)
	var group sync.WaitGroup
	for i := range expiryOthers {
		group.Add(1)
		go func() {
			defer group.Done()
			e.goOn(l, i, dir)
		}()
	}
	time.Sleep(beforeCut)
	each(count, closing, func(i int) { sessions[i].drop() })
	e.cut(time.Now())
	from := markNow(o)
	select {
	case <-e.ended:
	case <-time.After(time.Until(e.lastDue.Add(expiryMax))):
		fail("keys are left %v after their leases were due", expiryMax)
	}
	to := markNow(o)
	group.Wait()
	e.verify(l, dir, before)
	removeAll(o, l.conns[0])
	return reportOf(o, from, to, e.last.Sub(e.first), uint64(count), &e.writes,
		map[string]any{"ephemerals_counted": count, "expiry": e.report()})
}

// Each key was put once and went once, and the others' writes are there.
func (e *expiry) verify(l *load, dir string, before int64) {
	left, after := countKeys(l.conns[0], dir, false)
	changes := after - before
	for i := range expiryOthers {
		l.read(pb.NewKVClient(l.conns[i]), i, true)
		changes -= l.keys[i].sets
	}
	if left != 0 || changes != 2*e.sessions {
		fail("%d keys were made and ended; the store counts %d changes and has %d left", e.sessions, changes, left)
	}
}
