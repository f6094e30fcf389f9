package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	ticksPerSecond = 100 // of /proc/PID/stat, on every Linux this runs on
	ownPartMax     = 0.9 // of one processor: more, and the generator itself may be the limit
)

// A moment: its time, and what the servers and this process had used of the processor until then.
type mark struct {
	at      time.Time
	own     float64
	servers []float64
	rss     []int64
}

func procFields(pid int, name string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	must(err, "a server's processor time")
	return string(text)
}

func markNow(o *options) mark {
	var use syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &use), "getrusage")
	m := mark{at: time.Now(), own: float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9}
	for _, pid := range o.serverPids {
		stat := procFields(pid, "stat")
		fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
		user, _ := strconv.ParseFloat(fields[11], 64)
		kernel, _ := strconv.ParseFloat(fields[12], 64)
		m.servers = append(m.servers, (user+kernel)/ticksPerSecond)
		pages, _ := strconv.ParseInt(strings.Fields(procFields(pid, "statm"))[1], 10, 64)
		m.rss = append(m.rss, pages*int64(os.Getpagesize()))
	}
	return m
}

func reportOf(o *options, from, to mark, took time.Duration, measured uint64, latency *histogram, verified any) any {
	servers, sum := []any{}, 0.0
	for i, pid := range o.serverPids {
		used := to.servers[i] - from.servers[i]
		sum += used
		servers = append(servers, map[string]any{"pid": pid, "cpu_seconds": used, "rss_bytes": to.rss[i]})
	}
	own, wall := to.own-from.own, to.at.Sub(from.at).Seconds()
	perOperation := func(cpu float64) float64 {
		if measured == 0 {
			return 0
		}
		return cpu * 1e6 / float64(measured)
	}
	return map[string]any{
		"workload": o.workload, "servers_used": len(o.servers), "connections": o.connections,
		"outstanding": o.outstanding, "value_bytes": o.valueBytes, "write_percent": o.writePercent, "rate": o.rate,
		"seconds": took.Seconds(), "operations": measured, "per_second": float64(measured) / took.Seconds(),
		"latency_us": latency.report(), "servers": servers, "servers_us_per_operation": perOperation(sum),
		"generator": map[string]any{"cpu_seconds": own, "part_of_a_processor": own / wall,
			"us_per_operation": perOperation(own), "was_the_limit": own/wall > ownPartMax},
		"verified": verified,
	}
}
