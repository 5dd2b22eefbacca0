package usrsctp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/sctp"
)

// ppid is the payload protocol identifier of all messages, that of peer.c.
const ppid = 53

// Policies of RFC 7496 as usrsctp numbers them.
const (
	reliable = iota
	policyLifetime
	policyBuffer
	policyRetransmits
)

// A batch is messages of one size with consecutive numbers, message i on stream
// first + i modulo streams.
type batch struct {
	first, streams uint16
	unordered      bool
	policy, value  int // as usrsctp's; value in milliseconds or retransmissions
	count, size    int
	seq            int // number of the first message
}

func (b batch) order() string {
	if b.unordered {
		return "u"
	}
	return "o"
}

// reliability is the batch's policy in our terms.
func (b batch) reliability() (r sctp.Reliability) {
	switch b.policy {
	case policyRetransmits:
		r.LimitRetransmits, r.MaxRetransmits = true, uint16(b.value)
	case policyLifetime:
		r.LimitLifetime, r.Lifetime = true, milliseconds(b.value)
	}
	return r
}

// send sends the batch from our side. It may run on any goroutine.
func (a *assoc) send(b batch) error {
	for i := range b.count {
		err := a.WriteMessage(a.ctx, sctp.Message{
			Stream: b.first + uint16(i)%b.streams, PPID: ppid, Unordered: b.unordered,
			Reliability: b.reliability(), Payload: link.Payload(b.seq+i, b.size),
		})
		if err != nil {
			return fmt.Errorf("message %d: %w", b.seq+i, err)
		}
	}
	return nil
}

// send sends the batch from usrsctp.
func (p *peer) send(b batch) {
	p.t.Helper()
	p.do("send %d %d %s %d %d %d %d %d", b.first, b.streams, b.order(), b.policy, b.value, b.count, b.size, b.seq)
}

// An arrival is a message as a receiver saw it.
type arrival struct {
	stream    uint16
	unordered bool
	size, seq int
}

// check checks that the arrivals are exactly the batch: each message once, intact,
// and in order within its stream if the batch is ordered. Partially reliable ones
// may be missing.
func (b batch) check(t *testing.T, arrivals []arrival) {
	t.Helper()
	seen := map[int]bool{}
	last := map[uint16]int{}
	for _, m := range arrivals {
		i := m.seq - b.seq
		switch {
		case i < 0 || i >= b.count || m.stream != b.first+uint16(i)%b.streams || m.size != b.size || m.unordered != b.unordered:
			t.Fatalf("received %+v, which was never sent", m)
		case seen[m.seq]:
			t.Fatalf("message %d received twice", m.seq)
		case !b.unordered && len(seen) > 0 && last[m.stream] > m.seq:
			t.Fatalf("stream %d: message %d received after message %d", m.stream, m.seq, last[m.stream])
		}
		seen[m.seq] = true
		last[m.stream] = m.seq
	}
	if b.policy == reliable && len(seen) != b.count {
		t.Fatalf("%d messages received, %d sent", len(seen), b.count)
	}
}

// receive reads the batch on our side, where it must be all that arrives on its
// streams. It may run on any goroutine.
func (a *assoc) receive(b batch) (arrivals []arrival, err error) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for i := range int(b.streams) { // all at once: an unread stream would stop the others
		group.Go(func() {
			for n := i; n < b.count; n += int(b.streams) {
				m, e := a.next(b.first + uint16(i))
				mu.Lock()
				arrivals, err = append(arrivals, m), errors.Join(err, e)
				mu.Unlock()
				if e != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return arrivals, err
}

// next reads a message on our side and verifies its content.
func (a *assoc) next(stream uint16) (arrival, error) {
	message, info, err := a.read(stream)
	if err != nil {
		return arrival{}, fmt.Errorf("stream %d: %w", stream, err)
	}
	if len(message) < 4 || info.PPID != ppid {
		return arrival{}, fmt.Errorf("stream %d: %d bytes with PPID %d", stream, len(message), info.PPID)
	}
	seq := int(binary.BigEndian.Uint32(message))
	if !bytes.Equal(message, link.Payload(seq, len(message))) {
		return arrival{}, fmt.Errorf("stream %d: content of message %d is not what was sent", stream, seq)
	}
	return arrival{info.Stream, info.Unordered, len(message), seq}, nil
}

// nextMessage waits for usrsctp's report of a message and verifies its content.
func (p *peer) nextMessage() arrival {
	p.t.Helper()
	words := p.next("msg")
	m := arrival{
		stream: uint16(number(p.t, words[0])), unordered: words[2] == "u",
		size: number(p.t, words[3]), seq: number(p.t, words[4]),
	}
	hash := fnv.New64a()
	_, _ = hash.Write(link.Payload(m.seq, m.size))
	if words[1] != fmt.Sprint(ppid) || words[5] != fmt.Sprintf("%016x", hash.Sum64()) {
		p.t.Fatalf("usrsctp received message %d with PPID %s and another content than was sent", m.seq, words[1])
	}
	return m
}

// receive waits until usrsctp has received as many messages as the batch has.
func (p *peer) receive(b batch) (arrivals []arrival) {
	p.t.Helper()
	for range b.count {
		arrivals = append(arrivals, p.nextMessage())
	}
	return arrivals
}

// exchange sends the batch both ways at once and checks what arrives.
func exchange(t *testing.T, a *assoc, p *peer, b batch) {
	t.Helper()
	sent, received := make(chan error, 1), make(chan error, 1)
	var arrivals []arrival
	go func() { sent <- a.send(b) }()
	go func() {
		var err error
		arrivals, err = a.receive(b)
		received <- err
	}()
	p.send(b)
	b.check(t, p.receive(b))
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	b.check(t, arrivals)
	p.next("send-done")
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }
