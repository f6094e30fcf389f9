// Load on etcd, and what it made of it, as JSON: the arguments and the result are those of baton-bench-load, so that the
// driver treats both alike. It speaks etcd's own fastest public interface: gRPC, through the stubs and the connection
// of its official client, unary calls, one HTTP/2 connection for each of --connections, --outstanding calls on each.
//
// Reads are serializable: answered by the server that is asked, as ZooKeeper's are. Any error ends the run: a figure with
// an error in it is no figure.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	servers                        []string
	workload, root                 string
	connections, outstanding, keys int
	valueBytes, writePercent       int
	operations, together           int
	timeoutMs                      int
	seconds, warmup, rate          float64
	keep                           bool
	leaves, signal                 int
	serverPids                     []int
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "baton-bench-etcd: "+format+"\n", args...)
	os.Exit(1)
}

func parse() *options {
	o := &options{}
	servers := flag.String("servers", "", "`ADDRESS:PORT,…`")
	pids := flag.String("pids", "", "of the servers, for their processor time and memory")
	flag.StringVar(&o.workload, "workload", "", "set, read, mixed, create, churn, storm, fanout, expiry, gap, and, held until standard input\nends: sessions, watches")
	flag.StringVar(&o.root, "root", "/bench", "what keys begin with")
	flag.IntVar(&o.connections, "connections", 32, "spread over the servers")
	flag.IntVar(&o.outstanding, "outstanding", 16, "calls under way on each")
	flag.IntVar(&o.keys, "keys", 1000, "that are set and read")
	flag.IntVar(&o.valueBytes, "size", 1024, "bytes of a value")
	flag.IntVar(&o.writePercent, "writes", 30, "percent, of mixed")
	flag.IntVar(&o.operations, "operations", 0, "measures so many, instead of for a time")
	flag.IntVar(&o.together, "together", 1, "create: keys put in one transaction, to fill a server soon")
	flag.Float64Var(&o.seconds, "seconds", 5, "measured")
	flag.Float64Var(&o.warmup, "warmup", 1, "before that")
	flag.Float64Var(&o.rate, "rate", 0, "operations a second, each timed from when it was due")
	flag.IntVar(&o.timeoutMs, "timeout", 30000, "of a lease, in ms; etcd counts whole seconds")
	flag.BoolVar(&o.keep, "keep", false, "leaves what create created")
	flag.IntVar(&o.leaves, "leaves", 0, "gap: the process that gets the signal; it is the first of the servers")
	flag.IntVar(&o.signal, "signal", int(syscall.SIGKILL), "gap: the signal")
	flag.Parse()
	o.servers = split(*servers)
	for _, text := range split(*pids) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			fail("--pids wants numbers, not '%s'", text)
		}
		o.serverPids = append(o.serverPids, pid)
	}
	if len(o.servers) == 0 || flag.NArg() > 0 || o.connections < 1 || o.outstanding < 1 || o.keys < 1 ||
		o.valueBytes < valueHeadBytes || o.timeoutMs < 1000 || o.together < 1 {
		flag.Usage()
		os.Exit(2)
	}
	return o
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func main() {
	o := parse()
	run := map[string]func(*options) any{
		"set": runRequests, "read": runRequests, "mixed": runRequests, "create": runRequests,
		"churn": runChurn, "storm": runStorm, "fanout": runFanout, "expiry": runExpiry, "sessions": runSessions,
		"watches": runWatches, "gap": runGap,
	}[o.workload]
	if run == nil {
		fail("no workload '%s'", o.workload)
	}
	watchProgress()
	text, err := json.MarshalIndent(run(o), "", " ")
	must(err, "the result")
	fmt.Println(string(text))
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

// Of a lease.
func (o *options) ttl() int64 { return int64(o.timeoutMs / 1000) }

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second))
}
