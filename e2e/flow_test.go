package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

var flowBytes = flag.Int64("flow", 200e6, "bytes that TestFlow streams each way; make e2e-flow streams 10e9")

// A heapWatch notes the most memory that the heap took, in bytes.
type heapWatch struct {
	samples [2]metrics.Sample
	most    uint64
}

func newHeapWatch() *heapWatch {
	w := &heapWatch{}
	w.samples[0].Name = "/memory/classes/heap/objects:bytes"
	w.samples[1].Name = "/memory/classes/heap/unused:bytes" // what of the pages in use no object takes
	return w
}

func (w *heapWatch) look() {
	metrics.Read(w.samples[:])
	w.most = max(w.most, w.samples[0].Value.Uint64()+w.samples[1].Value.Uint64())
}

// TestFlow streams to a page, which sends everything back, both at once: every byte
// arrives, in order, and the memory of this side stays flat however much it is.
func TestFlow(t *testing.T) {
	const size, underway, heapBound = 64 << 10, 8 << 20, 64 << 20
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		count := int(*flowBytes / size)
		ctx, cancel := context.WithTimeout(t.Context(), testTime+time.Duration(*flowBytes/1e6)*time.Second)
		t.Cleanup(cancel)
		p := &pair{t: t, ctx: ctx, goOffer: true, page: openPage(t, ctx, b).newPeer("p"), golang: newGoPeer(t, ctx, sluice.Config{})}
		ch := p.connectWith("flow").Channel
		p.page.page.do(nil, "lab.echo(...args)", p.page.key("flow"))
		ch.OnMessage(nil) // this test reads by itself

		content := testMessage{Size: size, Seed: 1}.payload()
		back := make(chan struct{}, underway/size) // an item for each message that may be on its way
		writing := make(chan error, 1)
		start := time.Now()
		go func() {
			data := bytes.Clone(content)
			for i := range count {
				select {
				case back <- struct{}{}:
				case <-ctx.Done():
					writing <- ctx.Err()
					return
				}
				binary.BigEndian.PutUint64(data, uint64(i))
				if err := ch.WriteMessage(ctx, data, false); err != nil {
					writing <- err
					return
				}
			}
			writing <- nil
		}()
		heap := newHeapWatch()
		quarters := []uint64{}
		buf := make([]byte, size)
		for i := range count {
			m, err := ch.ReadMessageInto(ctx, buf)
			if err != nil {
				t.Fatalf("message %d of %d: %v (writing: %v)", i, count, err, poll(writing))
			}
			if checkFlow(m, content, i) != nil {
				t.Fatal(checkFlow(m, content, i))
			}
			<-back
			if i%16 == 0 {
				heap.look()
			}
			if (i+1)%max(1, count/4) == 0 {
				quarters = append(quarters, heap.most>>20)
				heap.most = 0
			}
		}
		if err := <-writing; err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		t.Logf("%s: %.1f MB each way in %.1f s, %.1f MB/s each way; heap in use, at most, in each quarter: %d MiB", b.Kind,
			float64(count*size)/1e6, took.Seconds(), float64(count*size)/1e6/took.Seconds(), quarters)
		for _, most := range quarters {
			if most > heapBound>>20 {
				t.Errorf("the heap took up to %d MiB", most)
			}
		}
	})
}

// checkFlow compares message i of a flow.
func checkFlow(m datachannel.Message, content []byte, i int) error {
	switch {
	case m.IsText || len(m.Data) != len(content):
		return fmt.Errorf("message %d: text %v, %d bytes", i, m.IsText, len(m.Data))
	case binary.BigEndian.Uint64(m.Data) != uint64(i) || !bytes.Equal(m.Data[8:], content[8:]):
		return fmt.Errorf("message %d is number %d, or damaged", i, binary.BigEndian.Uint64(m.Data))
	}
	return nil
}

// poll returns what is there of an outcome.
func poll(outcome <-chan error) error {
	select {
	case err := <-outcome:
		return err
	default:
		return nil
	}
}
