package main

import (
	"context"
	"fmt"
	"time"
)

// A pacer holds to a rate.
type pacer struct {
	rate int64 // bytes in a second, 0 for any
	next time.Time
}

func newPacer(rate int64) *pacer { return &pacer{rate: rate, next: time.Now()} }

// wait returns when n more bytes may go.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.rate <= 0 {
		return nil
	}
	wait := time.Until(p.next)
	if wait < 0 { // what was not used is gone
		p.next = time.Now()
	}
	p.next = p.next.Add(time.Duration(int64(n) * int64(time.Second) / p.rate))
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	f := float64(n)
	for _, unit := range []string{"bytes", "kB", "MB", "GB"} {
		if f < 1000 {
			if unit == "bytes" {
				return fmt.Sprintf("%d bytes", n)
			}
			return fmt.Sprintf("%.1f %s", f, unit)
		}
		f /= 1000
	}
	return fmt.Sprintf("%.1f TB", f)
}
