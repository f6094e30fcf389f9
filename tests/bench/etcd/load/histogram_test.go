package main

import "testing"

// Run by hand (`go test ./load`): whoever has no Go has no etcd to measure.
func TestBucketsHoldWhatTheyEndWith(t *testing.T) {
	for _, value := range []int64{0, 1, 127, 128, 129, 255, 256, 257, 1000, 123456, 1 << 30, 987654321012, valueMax} {
		bucket := bucketOf(value)
		end := bucketEnd(bucket)
		if end < value || float64(end-value) > 0.01*float64(value) || bucketOf(end) != bucket {
			t.Errorf("%d: bucket %d ends at %d", value, bucket, end)
		}
		if end < valueMax && bucketOf(end+1) != bucket+1 {
			t.Errorf("%d: after bucket %d comes %d", value, bucket, bucketOf(end+1))
		}
	}
}

func TestPercentilesOfTwoMergedHalves(t *testing.T) {
	var low, high histogram
	for i := int64(1); i <= 500; i++ {
		low.add(i * 1000)
		high.add((500 + i) * 1000)
	}
	low.merge(&high)
	low.merge(&histogram{})
	for part, wanted := range map[float64]int64{0.5: 500000, 0.99: 990000, 1: 1000000, 0: 1000} {
		if got := low.at(part); got < wanted || float64(got) > 1.01*float64(wanted) {
			t.Errorf("%g: %d instead of %d", part, got, wanted)
		}
	}
	if low.count != 1000 || low.min != 1000 || low.max != 1000000 || low.sum != 500500000 {
		t.Errorf("count %d, min %d, max %d, sum %g", low.count, low.min, low.max, low.sum)
	}
	if (&histogram{}).at(0.5) != 0 {
		t.Error("nothing has a median")
	}
}
