package main

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// As failover.py has them for the others.
const (
	loadEvery    = 2 * time.Millisecond
	loadWindow   = 16
	settleWrites = 50
	roundMax     = 30 * time.Second
	probeEvery   = time.Millisecond
	probeTimeout = 50 * time.Millisecond // a call that was lost with the old leader must not hold up the next
	probesMax    = 64                    // under way at one server
)

// Writes to one server without end, so many at once; errors are what is expected of them.
func loadOne(server string, name []byte, acknowledged *atomic.Int64) {
	c := pb.NewKVClient(dial(server))
	slots := make(chan struct{}, loadWindow)
	for range time.Tick(loadEvery) {
		slots <- struct{}{}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			if _, err := c.Put(ctx, &pb.PutRequest{Key: name, Value: make([]byte, 100)}); err == nil {
				acknowledged.Add(1)
			}
			<-slots
		}()
	}
}

// Puts to one server until one is acknowledged under a later term than `old`; its time goes to `done`.
func probe(c pb.KVClient, name []byte, old uint64, done chan<- time.Time, over <-chan struct{}) {
	slots := make(chan struct{}, probesMax)
	for {
		select {
		case <-over:
			return
		case <-time.After(probeEvery):
		}
		select {
		case slots <- struct{}{}:
		case <-over:
			return
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
			defer cancel()
			r, err := c.Put(ctx, &pb.PutRequest{Key: name, Value: make([]byte, 100)})
			if err == nil && r.Header.RaftTerm > old {
				select {
				case done <- time.Now():
				default:
				}
			}
			<-slots
		}()
	}
}

// The first of the servers leads and gets the signal; the time runs until another one acknowledges a write under a later
// term. All are under load.
func runGap(o *options) any {
	counts := make([]atomic.Int64, len(o.servers))
	for i, server := range o.servers {
		go loadOne(server, []byte(o.root+"/load-"+server), &counts[i])
	}
	for i := range counts {
		for deadline := time.Now().Add(roundMax); counts[i].Load() < settleWrites; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				fail("load does not flow at %s", o.servers[i])
			}
		}
	}
	name := []byte(o.root + "/probe")
	r, err := pb.NewKVClient(dial(o.servers[0])).Put(context.Background(), &pb.PutRequest{Key: name})
	must(err, "a write to the leader")
	done, over := make(chan time.Time, 1), make(chan struct{})
	survivors := make([]pb.KVClient, 0, len(o.servers))
	for _, server := range o.servers[1:] {
		survivors = append(survivors, pb.NewKVClient(dial(server)))
	}
	began := time.Now()
	must(syscall.Kill(o.leaves, syscall.Signal(o.signal)), "the signal")
	var group sync.WaitGroup
	for _, c := range survivors {
		group.Add(1)
		go func() {
			defer group.Done()
			probe(c, name, r.Header.RaftTerm, done, over)
		}()
	}
	select {
	case ended := <-done:
		close(over)
		group.Wait()
		return map[string]any{"gap_ms": float64(ended.Sub(began)) / float64(time.Millisecond)}
	case <-time.After(roundMax):
		fail("no write in %v", roundMax)
		return nil
	}
}
