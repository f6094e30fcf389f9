package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Where latencies are counted: callers of the same one wait for each other.
const shards = 32

// Each connection watches one key, which is set; a round lasts from that call until the last notification. Watches of
// etcd stay, so that there is nothing to set anew between two rounds.
func runFanout(o *options) any {
	l := newLoad(o)
	l.set(pb.NewKVClient(l.conns[0]), 0)
	after := l.keys[0].revision + 1 // a server that is behind must not tell of that one
	var round, heard atomic.Int64
	all := make(chan time.Time, 1)
	var latencies [shards]struct {
		sync.Mutex
		histogram
	}
	var began atomic.Pointer[time.Time]
	each(o.connections, opening, func(i int) {
		stream, err := pb.NewWatchClient(l.conns[i]).Watch(context.Background())
		must(err, "watching")
		must(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{Key: l.path(0), StartRevision: after}}}), "watching")
		created, err := stream.Recv()
		must(err, "watching")
		if !created.Created || created.Canceled {
			fail("connection %d: no watch was made", i)
		}
		go func() {
			told := int64(0)
			for {
				r, err := stream.Recv()
				must(err, "a notification")
				now := time.Now()
				told += int64(len(r.Events))
				if told != round.Load() {
					fail("connection %d: told %d times in round %d", i, told, round.Load())
				}
				progress.Store(now.UnixNano())
				shard := &latencies[i%shards]
				shard.Lock()
				shard.add(int64(now.Sub(*began.Load())))
				shard.Unlock()
				if heard.Add(1) == int64(o.connections) {
					all <- now
				}
			}
		}()
	})
	rounds, spent := &histogram{}, time.Duration(0)
	one := func() time.Duration {
		start := time.Now()
		began.Store(&start)
		heard.Store(0)
		round.Add(1)
		l.set(pb.NewKVClient(l.conns[0]), 0)
		return (<-all).Sub(start)
	}
	for start := time.Now(); round.Load() == 0 || time.Since(start) < seconds(o.warmup); {
		one()
	}
	for i := range latencies {
		latencies[i].histogram = histogram{}
	}
	from := markNow(o)
	for start := time.Now(); rounds.count == 0 || time.Since(start) < seconds(o.seconds); {
		took := one()
		rounds.add(int64(took))
		spent += took
	}
	to := markNow(o)
	latency := &histogram{}
	for i := range latencies {
		latency.merge(&latencies[i].histogram)
	}
	l.read(pb.NewKVClient(l.conns[0]), 0, true)
	return reportOf(o, from, to, spent, rounds.count*uint64(o.connections), latency, map[string]any{
		"notifications_each_once": round.Load() * int64(o.connections), "rounds": rounds.count,
		"round_us": rounds.report()})
}
