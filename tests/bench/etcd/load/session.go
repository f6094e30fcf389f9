// A session, where etcd has none.

package main

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// What stands for a session of the others: etcd knows none, but its clients have a connection each, a lease, and a stream
// on which the lease is kept alive.
type session struct {
	conn   *grpc.ClientConn
	lease  int64
	ttl    time.Duration
	stream pb.Lease_LeaseKeepAliveClient
}

// It is there when its first keep-alive is answered.
func openSession(o *options, i int) *session {
	// Others may be kept alive meanwhile, so that not all is silent.
	late := time.AfterFunc(silenceMax, func() { fail("a session was not made within %v", silenceMax) })
	defer late.Stop()
	conn := dial(o.servers[i%len(o.servers)])
	granted, err := pb.NewLeaseClient(conn).LeaseGrant(context.Background(), &pb.LeaseGrantRequest{TTL: o.ttl()})
	must(err, "a lease")
	stream, err := pb.NewLeaseClient(conn).LeaseKeepAlive(context.Background())
	must(err, "keeping a lease alive")
	s := &session{conn, granted.ID, time.Duration(granted.TTL) * time.Second, stream}
	s.keepAlive()
	return s
}

func openSessions(o *options, count, atOnce int, opened func(s *session, took time.Duration)) []*session {
	sessions := make([]*session, count)
	each(count, atOnce, func(i int) {
		began := time.Now()
		sessions[i] = openSession(o, i)
		opened(sessions[i], time.Since(began))
	})
	return sessions
}

func (s *session) keepAlive() {
	must(s.stream.Send(&pb.LeaseKeepAliveRequest{ID: s.lease}), "keeping a lease alive")
	kept, err := s.stream.Recv()
	must(err, "keeping a lease alive")
	if kept.ID != s.lease || kept.TTL <= 0 {
		fail("lease %x: it has ended, or another one was kept alive", s.lease)
	}
	progress.Store(time.Now().UnixNano())
}

// Keeps it alive as often as etcd's own client does, until `over`.
func (s *session) stay(over <-chan struct{}) {
	for every := time.Tick(s.ttl / 3); ; s.keepAlive() {
		select {
		case <-over:
			return
		case <-every:
		}
	}
}

func (s *session) close() {
	_, err := pb.NewLeaseClient(s.conn).LeaseRevoke(context.Background(), &pb.LeaseRevokeRequest{ID: s.lease})
	must(err, "revoking a lease")
	progress.Store(time.Now().UnixNano())
	s.drop()
}

// Without a word to the server but that the connection ends.
func (s *session) drop() { _ = s.conn.Close() }

func closeSessions(sessions []*session) {
	each(len(sessions), closing, func(i int) { sessions[i].close() })
}
