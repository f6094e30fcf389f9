// Workload storm: sessions, as fast as they can be made.

package main

import (
	"sync"
	"time"
)

const closing = 512 // sessions being closed at once: in few transactions, since nobody measures that

// As storm.c: the measured time is that of the whole storm, from the first connection begun to the last session's first
// keep-alive answered. Another one each says afterwards that it is alive.
func runStorm(o *options) any {
	var lock sync.Mutex
	latency := &histogram{}
	from := markNow(o)
	sessions := openSessions(o, o.connections, o.outstanding, func(_ *session, took time.Duration) {
		lock.Lock()
		defer lock.Unlock()
		latency.add(int64(took))
	})
	to := markNow(o)
	each(len(sessions), closing, func(i int) { sessions[i].keepAlive() })
	closeSessions(sessions)
	return reportOf(o, from, to, to.at.Sub(from.at), uint64(o.connections), latency,
		map[string]any{"sessions_answered": o.connections})
}
