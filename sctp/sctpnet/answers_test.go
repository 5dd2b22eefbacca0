package sctpnet

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// What comes in together is answered with one call of the transport: with two SACKs of a few
// packets, and with one of many. 9260-6.2-a
func TestAnswersToABatch(t *testing.T) {
	for _, c := range []struct{ packets, answers int }{
		{2, 1}, {3, 1}, {4, 2}, {5, 2}, {6, 2}, {7, 2}, {8, 2}, {9, 1}, {16, 1}, {40, 1},
	} {
		t.Run(fmt.Sprint(c.packets), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub()
				defer h.close()
				a, b, _, pb := connectPushing(t, h, Config{}, Config{})
				defer end(a, b)
				for range 20 { // the window grows
					write(t, a, message(1, 20_000, 0))
					read(t, b, 1)
				}
				synctest.Wait()
				var held [][]byte
				pb.mu.Lock()
				bring := pb.f
				pb.f = func(packets [][]byte, _ error) {
					for _, p := range packets {
						held = append(held, bytes.Clone(p))
					}
				}
				pb.batches = nil
				pb.mu.Unlock()
				for range c.packets {
					write(t, a, message(1, 1000, 0))
				}
				synctest.Wait()
				if len(held) != c.packets {
					t.Fatalf("%d packets for %d messages", len(held), c.packets)
				}
				pb.mu.Lock()
				pb.f = bring
				pb.mu.Unlock()
				bring(held, nil)
				synctest.Wait()
				pb.mu.Lock()
				answers := slices.Clone(pb.batches)
				pb.mu.Unlock()
				if !slices.Equal(answers, []int{c.answers}) {
					t.Errorf("%d packets were answered with %d, want %d at once", c.packets, answers, c.answers)
				}
				for range c.packets {
					read(t, b, 1)
				}
			})
		})
	}
}
