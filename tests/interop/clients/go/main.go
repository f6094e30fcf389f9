// A Go program that uses the servers through go-zookeeper/zk, as programs in Go do. It reads the names of steps, one a
// line, carries each out against the servers in its first argument and answers "ok" or "failed: why" in one line. "before"
// and "after" belong together: what is done to the servers between them must not be felt.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	wait    = 20 * time.Second
	session = 10 * time.Second
)

var servers []string

// A client and what it was told of its session.
type client struct {
	*zk.Conn
	events <-chan zk.Event
}

func open() client {
	conn, events, err := zk.Connect(servers, session, zk.WithLogger(log.Default()))
	must(err)
	c := client{conn, events}
	c.await(zk.StateHasSession)
	return c
}

func (c client) await(state zk.State) {
	deadline := time.After(wait)
	for {
		select {
		case e := <-c.events:
			if e.State == state {
				return
			}
		case <-deadline:
			panic(fmt.Sprint("not within time: ", state))
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(fact bool, otherwise ...any) {
	if !fact {
		panic(fmt.Sprint(otherwise...))
	}
}

func refused(expected, err error) {
	check(errors.Is(err, expected), "expected ", expected, ", got ", err)
}

func expect(events <-chan zk.Event, kind zk.EventType, path string) {
	select {
	case e := <-events:
		check(e.Err == nil && e.Type == kind && e.Path == path, "expected ", kind, " ", path, ", got ", e)
	case <-time.After(wait):
		panic(fmt.Sprint("no event: ", kind, " ", path))
	}
}

var open4all = zk.WorldACL(zk.PermAll)

func nodes() {
	c := open()
	defer c.Close()
	path, err := c.Create("/go", []byte("one"), 0, open4all)
	must(err)
	check(path == "/go", path)
	_, err = c.Create("/go", nil, 0, open4all)
	refused(zk.ErrNodeExists, err)
	_, err = c.Create("/nope/x", nil, 0, open4all)
	refused(zk.ErrNoNode, err)
	data, stat, err := c.Get("/go")
	must(err)
	check(string(data) == "one" && stat.Version == 0 && stat.DataLength == 3, string(data), stat)
	stat, err = c.Set("/go", []byte("two"), 0)
	must(err)
	check(stat.Version == 1, stat)
	_, err = c.Set("/go", nil, 0)
	refused(zk.ErrBadVersion, err)
	for i := 0; i < 3; i++ {
		path, err = c.Create("/go/n-", nil, zk.FlagSequence, open4all)
		must(err)
		check(path == fmt.Sprintf("/go/n-%010d", i), path)
	}
	path, err = c.CreateProtectedEphemeralSequential("/go/p-", nil, open4all)
	must(err)
	check(strings.HasSuffix(path, "-p-0000000003"), path)
	_, err = c.Create(path+"/x", nil, 0, open4all)
	refused(zk.ErrNoChildrenForEphemerals, err)
	refused(zk.ErrNotEmpty, c.Delete("/go", -1))
	names, stat, err := c.Children("/go")
	must(err)
	sort.Strings(names)
	check(len(names) == 4 && stat.NumChildren == 4 && stat.Cversion == 4, names, stat)
	_, err = c.Sync("/go")
	must(err)
	for _, name := range names {
		must(c.Delete("/go/"+name, -1))
	}
	must(c.Delete("/go", 1))
	there, _, err := c.Exists("/go")
	must(err)
	check(!there, "still there")
}

func kinds() {
	c := open()
	defer c.Close()
	_, err := c.CreateContainer("/box", nil, zk.FlagContainer, open4all)
	must(err)
	_, err = c.Create("/box/in", nil, 0, open4all)
	must(err)
	_, err = c.CreateTTL("/short", nil, zk.FlagTTL, open4all, 100*time.Millisecond)
	must(err)
	_, err = c.CreateTTL("/long", nil, zk.FlagTTL, open4all, time.Hour)
	must(err)
	_, stat, err := c.Get("/long")
	must(err)
	check(stat.EphemeralOwner == 0, "a TTL node shows its mark")
	must(c.Delete("/box/in", -1))
	for _, path := range []string{"/box", "/short"} {
		there, _, gone, err := c.ExistsW(path)
		must(err)
		if there {
			expect(gone, zk.EventNodeDeleted, path)
		}
	}
	must(c.Delete("/long", -1))
}

func multi() {
	c := open()
	defer c.Close()
	results, err := c.Multi(
		&zk.CreateRequest{Path: "/multi", Data: []byte("a"), Acl: open4all},
		&zk.CreateRequest{Path: "/multi/s-", Acl: open4all, Flags: zk.FlagSequence},
		&zk.SetDataRequest{Path: "/multi", Data: []byte("b"), Version: 0},
		&zk.CheckVersionRequest{Path: "/multi", Version: 1},
		&zk.DeleteRequest{Path: "/multi/s-0000000000", Version: -1})
	must(err)
	check(len(results) == 5 && results[1].String == "/multi/s-0000000000" && results[2].Stat.Version == 1, results)
	results, err = c.Multi(
		&zk.SetDataRequest{Path: "/multi", Data: []byte("no"), Version: -1},
		&zk.DeleteRequest{Path: "/nope", Version: -1},
		&zk.CheckVersionRequest{Path: "/multi", Version: -1})
	refused(zk.ErrNoNode, err)
	check(errors.Is(results[1].Error, zk.ErrNoNode), results)
	data, _, err := c.Get("/multi")
	must(err)
	check(string(data) == "b", "half of a transaction")
	must(c.Delete("/multi", -1))
}

func watches() {
	c, writer := open(), open()
	defer c.Close()
	defer writer.Close()
	_, _, made, err := c.ExistsW("/watched")
	must(err)
	_, err = writer.Create("/watched", nil, 0, open4all)
	must(err)
	expect(made, zk.EventNodeCreated, "/watched")
	_, err = c.Sync("/")
	must(err)
	_, _, changed, err := c.GetW("/watched")
	must(err)
	_, _, children, err := c.ChildrenW("/watched")
	must(err)
	_, err = writer.Create("/watched/x", nil, 0, open4all)
	must(err)
	expect(children, zk.EventNodeChildrenChanged, "/watched")
	_, err = writer.Set("/watched", nil, -1)
	must(err)
	expect(changed, zk.EventNodeDataChanged, "/watched")
	_, _, deleted, err := c.GetW("/watched/x")
	must(err)
	must(writer.Delete("/watched/x", -1))
	expect(deleted, zk.EventNodeDeleted, "/watched/x")
	must(writer.Delete("/watched", -1))
}

func acls() {
	ann, anyone := open(), open()
	defer ann.Close()
	defer anyone.Close()
	must(ann.AddAuth("digest", []byte("ann:secret")))
	_, err := ann.Create("/mine", []byte("x"), 0, zk.DigestACL(zk.PermAll, "ann", "secret"))
	must(err)
	_, err = ann.Create("/mine/too", nil, 0, zk.AuthACL(zk.PermAll))
	must(err)
	list, _, err := ann.GetACL("/mine/too")
	must(err)
	check(len(list) == 1 && list[0] == zk.DigestACL(zk.PermAll, "ann", "secret")[0], list)
	_, err = anyone.Sync("/")
	must(err)
	_, _, err = anyone.Get("/mine")
	refused(zk.ErrNoAuth, err)
	_, err = anyone.Create("/mine/x", nil, 0, open4all)
	refused(zk.ErrNoAuth, err)
	refused(zk.ErrNoAuth, anyone.Delete("/mine/too", -1))
	_, err = anyone.Create("/odd", nil, 0, []zk.ACL{{Perms: 1, Scheme: "nonsense", ID: "x"}})
	refused(zk.ErrInvalidACL, err)
	_, err = ann.SetACL("/mine", append(zk.DigestACL(zk.PermAll, "ann", "secret"), zk.WorldACL(zk.PermRead)...), 0)
	must(err)
	_, err = anyone.Sync("/")
	must(err)
	_, _, err = anyone.Get("/mine")
	must(err)
	must(ann.Delete("/mine/too", -1))
	must(ann.Delete("/mine", -1))
}

func locks() {
	var (
		group  sync.WaitGroup
		guard  sync.Mutex
		inside int
		wrong  error
	)
	for i := 0; i < 4; i++ {
		c := open()
		defer c.Close()
		group.Add(1)
		go func() {
			defer group.Done()
			for k := 0; k < 5; k++ {
				lock := zk.NewLock(c.Conn, "/locks/one", open4all)
				err := lock.Lock()
				guard.Lock()
				inside++
				if inside > 1 {
					err = errors.New("two are inside")
				}
				if err != nil {
					wrong = err
				}
				inside--
				guard.Unlock()
				if err = lock.Unlock(); err != nil {
					guard.Lock()
					wrong = err
					guard.Unlock()
				}
			}
		}()
	}
	group.Wait()
	must(wrong)
}

// Its readers of srvr and cons understand no ZooKeeper since 3.6, whose average latency has decimals.
func words() {
	for _, each := range zk.FLWRuok(servers, wait) {
		check(each, "ruok")
	}
}

func config() {
	c := open()
	defer c.Close()
	_, err := c.IncrementalReconfig(nil, []string{"1"}, -1)
	refused(zk.ErrReconfigDisabled, err)
	data, _, err := c.Get("/zookeeper/config")
	must(err)
	check(len(servers) == 1 || strings.Count(string(data), "server.") == len(servers), string(data))
}

// ---- what must not be felt ----

var (
	held      client
	heldID    int64
	heldWatch <-chan zk.Event
)

func before() {
	held = open()
	heldID = held.SessionID()
	_, err := held.Create("/held", nil, zk.FlagEphemeral, open4all)
	must(err)
	there, err := exists(held, "/data")
	must(err)
	if !there {
		_, err = held.Create("/data", nil, 0, open4all)
		must(err)
	}
	_, _, heldWatch, err = held.GetW("/data")
	must(err)
}

func exists(c client, path string) (bool, error) {
	there, _, err := c.Exists(path)
	return there, err
}

func after() {
	defer held.Close()
	// Requests fail while there is no connection; one is made by and by.
	deadline := time.Now().Add(wait)
	for {
		_, err := held.Set("/data", []byte("after"), -1)
		if err == nil {
			break
		}
		check(time.Now().Before(deadline), err)
		time.Sleep(10 * time.Millisecond)
	}
	check(held.SessionID() == heldID, "another session")
	expect(heldWatch, zk.EventNodeDataChanged, "/data")
	fresh := open()
	defer fresh.Close()
	_, err := fresh.Sync("/held")
	must(err)
	_, stat, err := fresh.Get("/held")
	must(err)
	check(stat.EphemeralOwner == heldID, "another's")
	must(held.Delete("/held", -1))
}

var steps = map[string]func(){
	"nodes": nodes, "kinds": kinds, "multi": multi, "watches": watches, "acls": acls, "locks": locks, "words": words,
	"config": config, "before": before, "after": after,
}

func do(name string) (answer string) {
	defer func() {
		if e := recover(); e != nil {
			answer = strings.ReplaceAll(fmt.Sprint("failed: ", e), "\n", " ")
		}
	}()
	steps[name]()
	return "ok"
}

func main() {
	servers = strings.Split(os.Args[1], ",")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println(do(in.Text()))
	}
}
