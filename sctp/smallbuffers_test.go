package sctp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A tight is a sender and a reader whose buffers hold a few messages, or not even one, over a network
// that loses and reorders. The reader takes all that there is, so everything has to arrive.
type tight struct {
	net     *netsim.Network
	link    netsim.Link
	now     time.Time
	from    *sctp.Association
	to      *sctp.Association
	queue   []sctp.Message // to send
	rest    map[uint16][]byte
	parts   dice // in what sizes
	lossy   int  // of the messages need not arrive
	reading map[uint16][]byte
	got     map[uint32]bool
	order   map[uint16]uint32 // the last ordered one, by stream
	buf     []byte
}

// newTight draws one.
func newTight(t *testing.T, seed uint64) (*tight, string) {
	d := newDice(seed, 30)
	cfg := sctp.Config{
		MTU: pick(d, 576, 1188), MaxMTU: -1, HeartbeatInterval: -1, MaxRetransmits: 1000, MaxInitRetransmits: 1000,
		RTOMax: time.Second, RTOMin: 100 * time.Millisecond, RTOInitial: 300 * time.Millisecond,
		ReceiveBuffer: pick(d, 4096, 4096, 6000, 16_384), SendBuffer: pick(d, 4096, 8192, 200_000),
		NoInterleaving: d.chance(0.3), Frugal: d.chance(0.5), Scheduler: sctp.Scheduler(d.IntN(int(sctp.FairCapacity) + 1)),
		LossDetection: pick(d, sctp.RACK, sctp.MissIndications), CongestionControl: pick(d, sctp.CUBIC, sctp.Reno, sctp.BBR),
	}
	cfg.NRSACK = !cfg.Frugal && d.chance(0.3)
	c := netsim.Conditions{
		Latency: 10 * time.Millisecond, Loss: pick(d, 0, 0.05, 0.2), Reorder: pick(d, 0, 0.1, 0.5),
		ReorderDelay: d.span(100 * time.Millisecond), Duplicate: 0.05,
	}
	w := &tight{
		net: netsim.New(seed, simStart), now: simStart, buf: make([]byte, 1<<16), parts: newDice(seed, 31),
		rest: map[uint16][]byte{}, reading: map[uint16][]byte{}, got: map[uint32]bool{}, order: map[uint16]uint32{},
	}
	w.link = w.net.AddLink(c, c)
	for i, end := range []**sctp.Association{&w.from, &w.to} {
		cfg.Seed = [32]byte{byte(i), byte(seed), byte(seed >> 8)}
		a, err := sctp.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		*end = a
	}
	streams, unordered, large := pick(d, 1, 1, 4), pick(d, 0.1, 0.5, 1), pick(d, 0.02, 0.1, 0.5)
	limited, short := pick(d, 0, 0, 0.2), pick(d, 10, 20, 100)
	for i := range d.between(50, 400) {
		n := d.between(4, short)
		if d.chance(large) {
			n = d.scale(500, 3*cfg.ReceiveBuffer)
		}
		m := sctp.Message{Stream: uint16(d.IntN(streams)), Unordered: d.chance(unordered), Payload: numbered(uint32(i+1), n)}
		if d.chance(limited) {
			m.Reliability = sctp.Reliability{LimitRetransmits: true, MaxRetransmits: uint16(d.IntN(2))}
			w.lossy++
		} else {
			m.More = n > 100 && !cfg.NoInterleaving && d.chance(0.5)
		}
		w.queue = append(w.queue, m)
	}
	eager := pick(d, 0, 0.5, 1)
	if err := w.from.Connect(w.now); err != nil {
		t.Fatal(err)
	}
	for w.to.State() != sctp.Established {
		if err := w.step(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	for id := range uint16(streams) {
		w.to.DeliverParts(id, d.chance(eager))
	}
	return w, fmt.Sprintf("seed %d: %d messages on %d streams, %+v, %+v", seed, len(w.queue), streams, cfg, c)
}

// numbered is the payload of a message.
func numbered(i uint32, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, i)
	for len(b) < n {
		b = append(b, byte(i)+byte(len(b)))
	}
	return b
}

// send hands over as much as is taken: parts of the messages that are open, and the next messages.
func (w *tight) send() error {
	for id := range uint16(8) {
		for len(w.rest[id]) > 0 {
			n := w.parts.between(1, min(len(w.rest[id]), 1000))
			err := w.from.SendMore(w.now, id, w.rest[id][:n], n < len(w.rest[id]))
			if errors.Is(err, sctp.ErrSendBufferFull) {
				break
			}
			if err != nil {
				return err
			}
			w.rest[id] = w.rest[id][n:]
		}
	}
	for len(w.queue) > 0 {
		m := w.queue[0]
		whole := m.Payload
		if m.More {
			m.Payload = whole[:w.parts.between(1, len(whole)-1)]
		}
		err := w.from.Send(w.now, m)
		if errors.Is(err, sctp.ErrSendBufferFull) || errors.Is(err, sctp.ErrMessageOpen) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.More {
			w.rest[m.Stream] = whole[len(m.Payload):]
		}
		w.queue = w.queue[1:]
	}
	return nil
}

// read takes all that there is of a stream.
func (w *tight) read(stream uint16) error {
	for {
		n, info, err := w.to.Read(w.now, stream, w.buf)
		switch {
		case errors.Is(err, sctp.ErrWouldBlock):
			return nil
		case errors.Is(err, sctp.ErrMessageAborted):
			delete(w.reading, stream)
			continue
		case err != nil:
			return err
		}
		if w.reading[stream] = append(w.reading[stream], w.buf[:n]...); !info.Complete {
			continue
		}
		b := w.reading[stream]
		delete(w.reading, stream)
		i := binary.BigEndian.Uint32(b)
		switch {
		case !bytes.Equal(b, numbered(i, len(b))), w.got[i]:
			return fmt.Errorf("message %d is damaged, or is there again", i)
		case !info.Unordered && i < w.order[stream]:
			return fmt.Errorf("message %d came after %d", i, w.order[stream])
		case !info.Unordered:
			w.order[stream] = i
		}
		w.got[i] = true
	}
}

// step lets both work, and time pass to what happens next.
func (w *tight) step() error {
	ends := [2]*sctp.Association{w.from, w.to}
	for range 2 { // reading may open the window
		if w.from.State() == sctp.Established && w.to.State() == sctp.Established {
			if err := w.send(); err != nil {
				return err
			}
		}
		for i, a := range ends {
			for e, ok := a.NextEvent(); ok; e, ok = a.NextEvent() {
				if e.Kind == sctp.EventClosed {
					return fmt.Errorf("end %d: %w", i, e.Err)
				}
				if i == 1 && e.Kind == sctp.EventReadable {
					if err := w.read(e.Stream); err != nil {
						return err
					}
				}
			}
			for tx, ok := a.Transmit(w.now, w.buf[:0]); ok; tx, ok = a.Transmit(w.now, w.buf[:0]) {
				w.net.Send(w.now, w.link, netsim.Dir(i), tx.Packet)
			}
		}
	}
	next, ok := w.net.Next()
	for _, a := range ends {
		if at, on := a.Timeout(); on && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	if !ok {
		return errors.New("nothing is left to happen")
	}
	if next.After(w.now) {
		w.now = next
	}
	if p, ok := w.net.Deliver(w.now); ok {
		ends[1-int(p.Dir)].HandlePacket(w.now, 0, p.Packet)
	}
	for _, a := range ends {
		if at, on := a.Timeout(); on && !at.After(w.now) {
			a.HandleTimeout(w.now)
		}
	}
	return nil
}

// TestEverythingArrivesInSmallBuffers, whatever is lost or overtaken, of messages of all kinds, whole or
// in parts, larger than the buffers or many to a buffer, on streams that are read in pieces or not,
// interleaved or not: no association stands still. // 9260-6.2-c 9260-6.9-a 8260-2.2.3-a PIONS-5
func TestEverythingArrivesInSmallBuffers(t *testing.T) {
	count := uint64(300)
	if testing.Short() || sctp.RaceDetector {
		count = 40
	}
	for seed := uint64(1); seed <= count; seed++ {
		w, desc := newTight(t, seed)
		all := len(w.queue)
		moved, got := w.now, -1
		for len(w.got) < all-w.lossy || len(w.queue) > 0 || w.from.Stats().SendBuffered > 0 {
			if err := w.step(); err != nil {
				t.Fatalf("%s: %v", desc, err)
			}
			if s := int(w.to.Stats().DataChunksReceived - w.to.Stats().DataChunksDropped); s != got {
				moved, got = w.now, s
			}
			if w.now.Sub(moved) > time.Minute || w.now.Sub(simStart) > time.Hour {
				t.Fatalf("%s: %d of %d messages arrived after %v, %d wait; sender %+v, reader %+v",
					desc, len(w.got), all, w.now.Sub(simStart), len(w.queue), w.from.Stats(), w.to.Stats())
			}
		}
	}
}
