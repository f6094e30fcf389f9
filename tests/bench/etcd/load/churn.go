// Workload churn: what comes and goes.

package main

import (
	"context"
	"fmt"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// A lease, a key that goes with it, and its end, on a connection that stays: what etcd asks for of whoever wants an
// ephemeral for a moment.
func churnOnce(o *options, conn *grpc.ClientConn, name []byte) {
	leases := pb.NewLeaseClient(conn)
	granted, err := leases.LeaseGrant(context.Background(), &pb.LeaseGrantRequest{TTL: o.ttl()})
	must(err, "a lease")
	_, err = pb.NewKVClient(conn).Put(context.Background(), &pb.PutRequest{Key: name, Lease: granted.ID})
	must(err, "a key with a lease")
	_, err = leases.LeaseRevoke(context.Background(), &pb.LeaseRevokeRequest{ID: granted.ID})
	must(err, "revoking a lease")
}

// As storm.c has it: connection 0 counts, and does not churn itself.
func runChurn(o *options) any {
	if o.connections < 2 {
		fail("churn needs 2 connections: one of them counts")
	}
	conns, dir := dialAll(o), o.root+"/d/"
	_, before := countKeys(conns[0], dir, false)
	var cycles atomic.Int64
	from, to, latency, measured := runCallers(o, o.connections-1, func(i int) {
		churnOnce(o, conns[1+i], fmt.Appendf(nil, "%se%08d", dir, cycles.Add(1)))
	})
	// Each key that was put and each that went with its lease is a revision of the store.
	left, after := countKeys(conns[0], dir, false)
	if left != 0 || after-before != 2*cycles.Load() {
		fail("%d keys were made and ended; the store counts %d changes and has %d left", cycles.Load(), after-before, left)
	}
	removeAll(o, conns[0])
	return reportOf(o, from, to, to.at.Sub(from.at), measured, latency, map[string]any{"ephemerals_counted": cycles.Load()})
}
