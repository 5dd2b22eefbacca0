package rust

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// ppid is the payload protocol identifier of all messages.
const ppid = 53

// A batch is messages of one size with consecutive numbers, message i on stream
// first + i modulo streams.
type batch struct {
	first, streams uint16
	unordered      bool
	rtx, life      int // limits: retransmissions plus 1, milliseconds; 0 is none
	count, size    int
	seq            int // number of the first message
}

// theySend lets the peer send the batch.
func (p *pair) theySend(b batch) {
	p.t.Helper()
	order, policy, value := "o", 0, 0
	if b.unordered {
		order = "u"
	}
	switch {
	case b.rtx > 0:
		policy, value = 3, b.rtx-1
	case b.life > 0:
		policy, value = 1, b.life
	}
	p.do("send %d %d %s %d %d %d %d %d", b.first, b.streams, order, policy, value, b.count, b.size, b.seq)
}

// weSend sends the batch from our side.
func (p *pair) weSend(b batch) error {
	for i := range b.count {
		m := sctp.Message{
			Stream: b.first + uint16(i)%b.streams, PPID: ppid, Unordered: b.unordered, Payload: link.Payload(b.seq+i, b.size),
		}
		switch {
		case b.rtx > 0:
			m.Reliability = sctp.Reliability{LimitRetransmits: true, MaxRetransmits: uint16(b.rtx - 1)}
		case b.life > 0:
			m.Reliability = sctp.Reliability{LimitLifetime: true, Lifetime: time.Duration(b.life) * time.Millisecond}
		}
		if err := p.WriteMessage(p.ctx, m); err != nil {
			return fmt.Errorf("message %d: %w", b.seq+i, err)
		}
	}
	return nil
}

// has reports whether a message is of the batch.
func (b batch) has(stream uint16, seq, size int) bool {
	i := seq - b.seq
	return i >= 0 && i < b.count && stream == b.first+uint16(i)%b.streams && size == b.size
}

// A tally checks what arrives of batches: each message once and intact, in order within
// its stream if they are ordered.
type tally struct {
	batches []batch // with rising numbers, all ordered or none
	seen    map[int]bool
	last    map[uint16]int
}

func newTally(batches ...batch) *tally {
	return &tally{batches, make(map[int]bool), make(map[uint16]int)}
}

func (y *tally) unordered() bool { return y.batches[0].unordered }

// take takes the arrival of a message.
func (y *tally) take(stream uint16, seq, size int) error {
	last, any := y.last[stream]
	switch {
	case !slices.ContainsFunc(y.batches, func(b batch) bool { return b.has(stream, seq, size) }):
		return fmt.Errorf("stream %d: received message %d of %d bytes, which was never sent", stream, seq, size)
	case y.seen[seq]:
		return fmt.Errorf("message %d received twice", seq)
	case any && !y.unordered() && last > seq:
		return fmt.Errorf("stream %d: message %d received after message %d", stream, seq, last)
	}
	y.seen[seq], y.last[stream] = true, seq
	return nil
}

// theyReceived takes the peer's next report of a message.
func (p *pair) theyReceived(y *tally) {
	p.t.Helper()
	var stream, proto, size, seq int
	var sum string
	report := p.next("msg")
	if _, err := fmt.Sscan(report, &stream, &proto, &size, &seq, &sum); err != nil {
		p.t.Fatal(report, err)
	}
	hash := fnv.New64a()
	_, _ = hash.Write(link.Payload(seq, size))
	if proto != ppid || sum != fmt.Sprintf("%016x", hash.Sum64()) {
		p.t.Fatalf("the peer received message %d with PPID %d and another content than was sent", seq, proto)
	}
	if err := y.take(uint16(stream), seq, size); err != nil {
		p.t.Fatal("the peer: ", err)
	}
}

// weReceived reads the next message of a stream.
func (p *pair) weReceived(stream uint16, y *tally) error {
	var message []byte
	buf := make([]byte, 64<<10)
	for {
		n, info, err := p.ReadMessage(p.ctx, stream, buf)
		switch message = append(message, buf[:n]...); {
		case errors.Is(err, sctp.ErrMessageAborted):
			message = nil
			continue
		case err != nil:
			return err
		case !info.Complete:
			continue
		}
		seq := int(binary.BigEndian.Uint32(message))
		if info.PPID != ppid || info.Unordered != y.unordered() || !bytes.Equal(message, link.Payload(seq, len(message))) {
			return fmt.Errorf("stream %d: %+v is not as it was sent", stream, info)
		}
		return y.take(stream, seq, len(message))
	}
}

// exchange sends the batch both ways at once.
func (p *pair) exchange(b batch) {
	p.t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- p.weSend(b) }()
	p.theySend(b)
	ours, theirs := newTally(b), newTally(b)
	for i := range b.count { // in turn, so that no stream stops the others
		err := p.weReceived(b.first+uint16(i)%b.streams, ours)
		for p.repeats && errors.Is(err, io.EOF) {
			err = p.weReceived(b.first+uint16(i)%b.streams, ours)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	for range b.count {
		p.theyReceived(theirs)
	}
	if err := <-sent; err != nil {
		p.t.Fatal(err)
	}
}

// TestExchange: the handshake in every role, messages of all sizes both ways, on a good
// network and a bad one, and the end that we begin.
func TestExchange(t *testing.T) {
	for _, s := range []struct {
		desc string
		setup
	}{
		{"dcsctp, we begin", setup{crate: "dcsctp"}},
		{"dcsctp, they begin", setup{crate: "dcsctp", theyBegin: true}},
		{"dcsctp, both begin", setup{crate: "dcsctp", bothBegin: true}},
		{"dcsctp, interleaving", setup{crate: "dcsctp", options: []string{"interleaving=1"}}},
		{"sctp-proto, we begin", setup{crate: "sctp-proto"}},
		{"sctp-proto, they begin", setup{crate: "sctp-proto", theyBegin: true}},
	} {
		for name, conditions := range map[string]*netsim.Conditions{"good network": nil, "bad network": link.Lossy} {
			t.Run(s.desc+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := s.setup
				s.conditions = conditions
				p := connect(t, s)
				p.exchange(batch{streams: 3, count: 60, size: 10})
				p.exchange(batch{first: 3, streams: 3, count: 30, size: 20_000, seq: 1000})
				p.exchange(batch{first: 9, streams: 1, count: 30, size: 1000, seq: 2000, unordered: true})
				p.exchange(batch{first: 10, streams: 1, count: 4, size: 65_000, seq: 3000})
				if err := p.Shutdown(p.ctx); err != nil {
					t.Fatalf("our side ends with %v", err)
				}
				if s.crate == "dcsctp" && conditions == nil {
					p.next("closed")
				}
			})
		}
	}
}

// TestPartialReliability: under loss, what arrives is intact, once and in order, and the
// streams go on behind what is missing.
func TestPartialReliability(t *testing.T) {
	for _, crate := range []string{"dcsctp", "sctp-proto"} {
		for _, b := range []batch{
			{rtx: 1, size: 500},
			{rtx: 1, size: 500, unordered: true},
			{rtx: 2, size: 5000},
			{life: 40, size: 5000},
		} {
			t.Run(fmt.Sprintf("%s, %d retransmissions or %d ms, %d bytes, unordered %v", crate, b.rtx-1, b.life, b.size, b.unordered), func(t *testing.T) {
				t.Parallel()
				p := connect(t, setup{crate: crate, conditions: link.Lossy})
				b.first, b.streams, b.count = 1, 3, 100
				last := batch{first: 1, streams: 3, count: 3, size: 10, seq: 5000, unordered: b.unordered}
				sent := make(chan error, 1)
				go func() { sent <- errors.Join(p.weSend(b), p.weSend(last)) }()
				p.theySend(b)
				p.theySend(last)
				ours, theirs := newTally(b, last), newTally(b, last)
				for stream := range b.streams {
					for !ours.seen[last.seq+int(stream)] {
						if err := p.weReceived(b.first+stream, ours); err != nil {
							t.Fatal(err)
						}
					}
				}
				for !theirs.seen[last.seq] || !theirs.seen[last.seq+1] || !theirs.seen[last.seq+2] {
					p.theyReceived(theirs)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
