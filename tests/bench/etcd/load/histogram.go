package main

import "math/bits"

// As histogram.h: 128 buckets for each doubling, so that what is read back is never too low, and too high by less than 1 %.
const (
	subBits  = 7
	valueMax = 1<<40 - 1
)

type histogram struct {
	count    uint64
	min, max int64
	sum      float64
	counts   [(40 - subBits + 1) << subBits]uint32
}

func bucketOf(value int64) int {
	if value < 1<<subBits {
		return int(value)
	}
	shift := bits.Len64(uint64(value)) - subBits - 1
	return shift<<subBits + int(value>>shift)
}

func bucketEnd(bucket int) int64 {
	if bucket < 2<<subBits {
		return int64(bucket)
	}
	shift := bucket>>subBits - 1
	return (int64(bucket-shift<<subBits)+1)<<shift - 1
}

func (h *histogram) add(value int64) {
	if h.count == 0 || value < h.min {
		h.min = value
	}
	h.max = max(h.max, value)
	h.count++
	h.sum += float64(value)
	h.counts[bucketOf(min(max(value, 0), valueMax))]++
}

func (h *histogram) merge(other *histogram) {
	if other.count == 0 {
		return
	}
	if h.count == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	h.count += other.count
	h.sum += other.sum
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

func (h *histogram) at(part float64) int64 {
	wanted := uint64(part * float64(h.count))
	if float64(wanted) < part*float64(h.count) || wanted == 0 {
		wanted++
	}
	seen := uint64(0)
	for bucket, n := range h.counts {
		seen += uint64(n)
		if seen >= wanted {
			return min(bucketEnd(bucket), h.max)
		}
	}
	return h.max
}

func (h *histogram) report() map[string]any {
	r := map[string]any{"count": h.count, "min": float64(h.min) / 1e3, "max": float64(h.max) / 1e3, "mean": 0.0}
	if h.count > 0 {
		r["mean"] = h.sum / float64(h.count) / 1e3
	}
	for name, part := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999} {
		r[name] = float64(h.at(part)) / 1e3
	}
	return r
}
