// Connections of gRPC, and the watch over all of them: a run in which nothing comes any more ends as a failure.

package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

const (
	dialTimeout = 10 * time.Second
	silenceMax  = 60 * time.Second
	opening     = 32 // connections being opened at once
)

func dial(server string) *grpc.ClientConn {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + server}, DialTimeout: dialTimeout,
		MaxCallRecvMsgSize: 64 << 20})
	must(err, "connecting to "+server)
	return client.ActiveConnection()
}

// All of them, each with a call answered.
func dialAll(o *options) []*grpc.ClientConn {
	return dialSome(o, o.connections)
}

func dialSome(o *options, n int) []*grpc.ClientConn {
	conns := make([]*grpc.ClientConn, n)
	each(n, opening, func(i int) {
		conns[i] = dial(o.servers[i%len(o.servers)])
		_, err := pb.NewKVClient(conns[i]).Range(context.Background(), &pb.RangeRequest{Key: []byte(o.root), Serializable: true})
		must(err, "the first call")
		progress.Store(time.Now().UnixNano())
	})
	return conns
}

// Calls `do` with 0 to n - 1, `atOnce` at a time.
func each(n, atOnce int, do func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(n, atOnce) {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		}()
	}
	group.Wait()
}

// When the last answer came, in nanoseconds. A bound of its own for each call would cost a timer each.
var progress atomic.Int64

// Ends the run when nothing came for too long.
func watchProgress() {
	progress.Store(time.Now().UnixNano())
	go func() {
		for range time.Tick(time.Second) {
			if time.Since(time.Unix(0, progress.Load())) > silenceMax {
				fail("nothing has come for %v", silenceMax)
			}
		}
	}()
}
