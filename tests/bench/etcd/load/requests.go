package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

const (
	valueHeadBytes = 12 // the stamp of its write and the number of its key
	dialTimeout    = 10 * time.Second
	silenceMax     = 60 * time.Second
	opening        = 32 // connections being opened at once
	directories    = 100
)

func dial(server string) *grpc.ClientConn {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + server}, DialTimeout: dialTimeout,
		MaxCallRecvMsgSize: 64 << 20})
	must(err, "connecting to "+server)
	return client.ActiveConnection()
}

// All of them, each with a call answered.
func dialAll(o *options) []*grpc.ClientConn {
	conns := make([]*grpc.ClientConn, o.connections)
	each(o.connections, opening, func(i int) {
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

func newLoad(o *options) *load {
	l := &load{o: o, conns: dialAll(o), keys: make([]key, o.keys), filler: make([]byte, o.valueBytes)}
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
	n := l.made.Add(1) - 1
	_, err := c.Put(context.Background(), &pb.PutRequest{Key: l.node(n), Value: l.filler})
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

func (l *load) run() (from, to mark, latency *histogram, measured uint64) {
	o := l.o
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
	callers := make([]caller, o.connections*o.outstanding)
	var group sync.WaitGroup
	for i := range callers {
		group.Add(1)
		go func(me *caller, c pb.KVClient) {
			defer group.Done()
			for began, more := next(); more; began, more = next() {
				l.one(c)
				now := time.Now()
				progress.Store(now.UnixNano())
				if !began.Before(measures) {
					me.latency.add(int64(now.Sub(began)))
				}
				if !now.Before(measures) && (o.operations > 0 || now.Before(ends)) {
					me.measured++
				}
			}
		}(&callers[i], pb.NewKVClient(l.conns[i%o.connections]))
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

func (l *load) count(prefix string, wanted int64) {
	end := []byte(prefix)
	end[len(end)-1]++
	r, err := pb.NewKVClient(l.conns[0]).Range(context.Background(),
		&pb.RangeRequest{Key: []byte(prefix), RangeEnd: end, CountOnly: true})
	must(err, "counting")
	if r.Count != wanted {
		fail("%d keys are there, %d were made", r.Count, wanted)
	}
}

// Everything that was made, and etcd's history of it: or the next run would find a larger store than this one did.
func (l *load) removeAll() {
	c, end := pb.NewKVClient(l.conns[0]), []byte(l.o.root+"0") // after everything below root + "/"
	r, err := c.DeleteRange(context.Background(), &pb.DeleteRangeRequest{Key: []byte(l.o.root + "/"), RangeEnd: end})
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
	from, to, latency, measured := l.run()
	verified := map[string]any{}
	if o.workload == "create" {
		l.count(o.root+"/d", l.made.Load())
		verified["keys_counted"] = l.made.Load()
	} else {
		each(o.keys, 64, func(k int) { l.read(client(k), k, true) })
		verified["keys_read_back"] = o.keys
	}
	if !o.keep {
		l.removeAll()
	}
	return reportOf(o, from, to, to.at.Sub(from.at), measured, latency, verified)
}
