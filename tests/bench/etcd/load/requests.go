package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

const (
	valueHeadBytes = 12 // the stamp of its write and the number of its key
	directories    = 100
)

// What is known of a key: enough to say what a read must yield.
type key struct {
	sync.Mutex
	revision int64 // of the last write acknowledged, and the stamp in it
	stamp    uint64
	sets     int64
}

type load struct {
	o      *options
	conns  []*grpc.ClientConn
	keys   []key
	filler []byte
	stamps atomic.Uint64
	made   atomic.Int64
}

func newLoad(o *options) *load { return newLoadOn(o, dialAll(o)) }

func newLoadOn(o *options, conns []*grpc.ClientConn) *load {
	l := &load{o: o, conns: conns, keys: make([]key, o.keys), filler: make([]byte, o.valueBytes)}
	for i := range l.filler {
		l.filler[i] = byte(i*31 + 7)
	}
	return l
}

func (l *load) path(k int) []byte { return fmt.Appendf(nil, "%s/k%08d", l.o.root, k) }

func (l *load) node(n int64) []byte {
	return fmt.Appendf(nil, "%s/d%08d/n%08d", l.o.root, n%directories, n)
}

func (l *load) value(stamp uint64, k int) []byte {
	value := bytes.Clone(l.filler)
	binary.BigEndian.PutUint64(value, stamp)
	binary.BigEndian.PutUint32(value[8:], uint32(k))
	return value
}

func (l *load) set(c pb.KVClient, k int) {
	stamp := l.stamps.Add(1)
	r, err := c.Put(context.Background(), &pb.PutRequest{Key: l.path(k), Value: l.value(stamp, k)})
	must(err, "set")
	known := &l.keys[k]
	known.Lock()
	defer known.Unlock()
	known.sets++
	if r.Header.Revision > known.revision {
		known.revision, known.stamp = r.Header.Revision, stamp
	}
}

func (l *load) read(c pb.KVClient, k int, last bool) {
	r, err := c.Range(context.Background(), &pb.RangeRequest{Key: l.path(k), Serializable: !last})
	must(err, "read")
	if len(r.Kvs) != 1 || len(r.Kvs[0].Value) != l.o.valueBytes {
		fail("read, key %d: not one value of the length that was written", k)
	}
	kv := r.Kvs[0]
	stamp := binary.BigEndian.Uint64(kv.Value)
	if binary.BigEndian.Uint32(kv.Value[8:]) != uint32(k) || stamp > l.stamps.Load() ||
		!bytes.Equal(kv.Value[valueHeadBytes:], l.filler[valueHeadBytes:]) {
		fail("read, key %d: a value that nobody wrote", k)
	}
	if known := &l.keys[k]; last && (stamp != known.stamp || kv.ModRevision != known.revision || kv.Version != known.sets) {
		fail("reading back, key %d: not the last write that was acknowledged, or another number of them", k)
	}
}

func (l *load) create(c pb.KVClient) {
	n := int64(l.o.together)
	n = l.made.Add(n) - n
	if l.o.together == 1 {
		_, err := c.Put(context.Background(), &pb.PutRequest{Key: l.node(n), Value: l.filler})
		must(err, "create")
		return
	}
	puts := make([]*pb.RequestOp, l.o.together)
	for i := range puts {
		puts[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestPut{
			RequestPut: &pb.PutRequest{Key: l.node(n + int64(i)), Value: l.filler}}}
	}
	_, err := c.Txn(context.Background(), &pb.TxnRequest{Success: puts})
	must(err, "create")
}

func (l *load) one(c pb.KVClient) {
	switch l.o.workload {
	case "create":
		l.create(c)
	case "set":
		l.set(c, rand.IntN(l.o.keys))
	case "mixed":
		if rand.IntN(100) < l.o.writePercent {
			l.set(c, rand.IntN(l.o.keys))
			return
		}
		l.read(c, rand.IntN(l.o.keys), false)
	default:
		l.read(c, rand.IntN(l.o.keys), false)
	}
}

// How many keys begin with `prefix`, and the store's revision.
func countKeys(conn *grpc.ClientConn, prefix string, serializable bool) (count, revision int64) {
	end := []byte(prefix)
	end[len(end)-1]++
	r, err := pb.NewKVClient(conn).Range(context.Background(),
		&pb.RangeRequest{Key: []byte(prefix), RangeEnd: end, CountOnly: true, Serializable: serializable})
	must(err, "counting")
	return r.Count, r.Header.Revision
}

func (l *load) count(prefix string, wanted int64) {
	if count, _ := countKeys(l.conns[0], prefix, false); count != wanted {
		fail("%d keys are there, %d were made", count, wanted)
	}
}

// Everything that was made, and etcd's history of it: or the next run would find a larger store than this one did.
func removeAll(o *options, conn *grpc.ClientConn) {
	c, end := pb.NewKVClient(conn), []byte(o.root+"0") // after everything below root + "/"
	r, err := c.DeleteRange(context.Background(), &pb.DeleteRangeRequest{Key: []byte(o.root + "/"), RangeEnd: end})
	must(err, "removing")
	_, err = c.Compact(context.Background(), &pb.CompactionRequest{Revision: r.Header.Revision, Physical: true})
	must(err, "compacting")
}

func runRequests(o *options) any {
	l := newLoad(o)
	client := func(i int) pb.KVClient { return pb.NewKVClient(l.conns[i%o.connections]) }
	if o.workload != "create" {
		each(o.keys, 64, func(k int) { l.set(client(k), k) })
	}
	from, to, latency, measured := runCallers(o, o.connections*o.outstanding, func(i int) { l.one(client(i)) })
	verified := map[string]any{}
	if o.workload == "create" {
		l.count(o.root+"/d", l.made.Load())
		verified["keys_counted"] = l.made.Load()
	} else {
		each(o.keys, 64, func(k int) { l.read(client(k), k, true) })
		verified["keys_read_back"] = o.keys
	}
	if !o.keep {
		removeAll(o, l.conns[0])
	}
	return reportOf(o, from, to, to.at.Sub(from.at), measured, latency, verified)
}
