// What is held while somebody else looks at the servers: sessions, and watches, until standard input ends.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// Nobody hears of a watch on a key that nobody writes: a call now and then says that its server is there.
const askEvery = 10 * time.Second

func untilInputEnds() {
	fmt.Println("holding")
	_, _ = io.Copy(io.Discard, os.Stdin) // that it cannot be read is an end as well
}

func holdReport(o *options, from mark, held int) any {
	to := markNow(o)
	return reportOf(o, from, to, to.at.Sub(from.at), uint64(held), &histogram{}, map[string]any{})
}

func runSessions(o *options) any {
	from := markNow(o)
	over, group := make(chan struct{}), sync.WaitGroup{}
	// From its beginning: the first must not end before the last is there.
	sessions := openSessions(o, o.connections, opening, func(s *session, _ time.Duration) {
		group.Add(1)
		go func() {
			defer group.Done()
			s.stay(over)
		}()
	})
	report := holdReport(o, from, o.connections)
	untilInputEnds()
	close(over)
	group.Wait()
	closeSessions(sessions)
	return report
}

// --keys watches on one stream, each of a key of its own that is not there.
func watchAbsent(o *options, conn *grpc.ClientConn, first int) {
	stream, err := pb.NewWatchClient(conn).Watch(context.Background())
	must(err, "watching")
	go func() {
		for i := range o.keys {
			must(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
				CreateRequest: &pb.WatchCreateRequest{Key: fmt.Appendf(nil, "%s/w%08d", o.root, first+i)}}}), "watching")
		}
	}()
	for range o.keys {
		created, err := stream.Recv()
		must(err, "watching")
		if !created.Created || created.Canceled {
			fail("no watch was made: %s", created.CancelReason)
		}
		progress.Store(time.Now().UnixNano())
	}
	go func() {
		told, err := stream.Recv()
		must(err, "holding watches")
		fail("watches on keys that nobody writes were told of %v", told)
	}()
}

func runWatches(o *options) any {
	from, conns := markNow(o), dialAll(o)
	each(len(conns), opening, func(i int) { watchAbsent(o, conns[i], i*o.keys) })
	report := holdReport(o, from, o.connections*o.keys)
	go func() {
		for range time.Tick(askEvery) {
			for _, conn := range conns {
				countKeys(conn, o.root+"/", true)
				progress.Store(time.Now().UnixNano())
			}
		}
	}()
	untilInputEnds()
	return report
}
