package sctp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// A foreignSender is a peer that keeps the rules, but may leave off amid a message, and does otherwise what it likes: fragments of any
// size, messages of several streams between each other, and a network that lets chunks come in any
// order, several times, and in any packet. What it may send next is what the window lets it, and the
// last chunk that was taken in turn.
type foreignSender struct {
	tc          *testConn
	rng         *rand.Rand
	interleaved bool
	chunks      []foreignChunk // by TSN
	messages    []*foreignMessage
	sent        int // TSNs that were sent once
	end         int // from this TSN on each is sent when all before has come in
	rwnd        int // bytes, as far as the sender knows
	eager       float64
	next        [4]int // id of the least ordered message that may come next, by stream
	reading     [4]string
}

type foreignMessage struct {
	id          int
	stream      uint16
	unordered   bool
	fragile     bool // it may be given up
	abandoned   bool
	cut         bool // its rest is never sent, and nothing says so
	read        bool
	first, last int // TSNs
	number      uint32
	size        int
}

type foreignChunk struct {
	m     *foreignMessage
	fsn   int
	flags wire.DataFlags
	text  string
}

// content is the payload of a message; its number is its first byte or two.
func (m *foreignMessage) content() string {
	b := make([]byte, m.size)
	for i := range b {
		b[i] = byte(m.id * (i + 7) >> (i % 3))
	}
	return string(b)
}

func newForeignSender(t *testing.T, rng *rand.Rand) *foreignSender {
	cfg := Config{
		ReceiveBuffer: []int{4096, 4096, 5000, 16_384}[rng.IntN(4)], Frugal: rng.IntN(4) > 0, HeartbeatInterval: -1,
	}
	s := &foreignSender{rng: rng, interleaved: rng.IntN(2) == 0, eager: []float64{0, 0.01, 0.2}[rng.IntN(3)]}
	if s.interleaved {
		s.tc = newInterleaved(t, cfg)
	} else {
		s.tc = newConnected(t, cfg)
	}
	s.draw()
	return s
}

// draw draws the messages, and gives their fragments TSNs.
func (s *foreignSender) draw() {
	rng := s.rng
	streams, short := 1+rng.IntN(len(s.next)), rng.Float64()
	unordered, fragile, cut := rng.Float64()*1.5, []float64{0, 0, 0.1, 0.6}[rng.IntN(4)], []float64{0, 0, 0.1, 0.4}[rng.IntN(4)]
	var numbers [4][2]uint32 // by stream, of ordered and unordered messages
	var open [4][]foreignChunk
	opened := 0
	put := func(id int) {
		c := open[id][0]
		if open[id] = open[id][1:]; len(open[id]) == 0 {
			opened--
		}
		if c.flags&wire.FlagBegin != 0 {
			c.m.first = len(s.chunks)
		}
		c.m.last = len(s.chunks)
		s.chunks = append(s.chunks, c)
	}
	count := 20 + rng.IntN(150)
	for i := range count + streams {
		m := &foreignMessage{id: len(s.messages), size: 2 + rng.IntN(40), unordered: rng.Float64() < unordered, fragile: rng.Float64() < fragile}
		if rng.Float64() > short {
			m.size = 1 + rng.IntN(6000)
		}
		id := rng.IntN(streams)
		if i >= count { // what was left off goes when a later message of the stream is complete
			id, m.fragile = i-count, false
		}
		for len(open[id]) > 0 || !s.interleaved && opened > 0 {
			for i := range open {
				for j := (i + id) % len(open); len(open[j]) > 0 && rng.IntN(3) > 0; {
					put(j)
				}
			}
		}
		if i == count {
			s.end = len(s.chunks)
		}
		m.stream = uint16(id)
		kind := &numbers[id][0]
		if m.unordered {
			kind = &numbers[id][1]
		}
		m.number = *kind
		*kind++
		s.messages = append(s.messages, m)
		open[id] = s.cut(m)
		if n := len(open[id]); n > 1 && i < count && rng.Float64() < cut {
			m.cut, open[id] = true, open[id][:1+rng.IntN(n-1)]
		}
		opened++
	}
	for i := range open {
		for len(open[i]) > 0 {
			put(i)
		}
	}
}

// cut cuts a message into fragments.
func (s *foreignSender) cut(m *foreignMessage) (chunks []foreignChunk) {
	text, most := m.content(), 1+s.rng.IntN(1400)
	for len(text) > 0 {
		n := min(len(text), max(most-s.rng.IntN(40), 1+len(text)/20))
		c := foreignChunk{m: m, fsn: len(chunks), text: text[:n]}
		if text = text[n:]; c.fsn == 0 {
			c.flags = wire.FlagBegin
		}
		if m.unordered {
			c.flags |= wire.FlagUnordered
		}
		chunks = append(chunks, c)
	}
	chunks[len(chunks)-1].flags |= wire.FlagEnd
	return chunks
}

// written returns a chunk as it is written.
func (s *foreignSender) written(tsn int) written {
	c := &s.chunks[tsn]
	ppid := uint32(c.m.id + 1)
	if !s.interleaved {
		d := data{tsn: tsn, sid: c.m.stream, ppid: ppid, flags: c.flags, payload: c.text}
		if !c.m.unordered {
			d.ssn = wire.SSN(c.m.number)
		}
		return d
	}
	d := iData{tsn: tsn, sid: c.m.stream, mid: wire.MID(c.m.number), fsn: wire.FSN(c.fsn), flags: c.flags, payload: c.text}
	if c.fsn == 0 {
		d.ppid = ppid
	}
	return d
}

// cum returns the TSN up to which all is acknowledged.
func (s *foreignSender) cum() int { return s.tc.a.tsns.cum.Since(s.tc.peerTSN) }

func (s *foreignSender) seen(tsn int) bool { return s.tc.a.tsns.seen(s.tc.peerTSN.Add(tsn)) }

// send sends what the window lets it that the last SACK told, or one chunk into a closed one. It is on
// its way now; receive has some of it come in.
func (s *foreignSender) send() {
	if s.rng.IntN(3) == 0 {
		s.rwnd = s.tc.a.in.offer(1188)
	}
	room := s.rwnd - s.outstanding()
	for s.sent < len(s.chunks) && (len(s.chunks[s.sent].text) <= room && s.sent < s.end || s.sent == s.cum()+1) {
		room -= len(s.chunks[s.sent].text)
		s.sent++
	}
}

// receive has a packet come in with chunks that were sent, and mostly not acknowledged.
func (s *foreignSender) receive() {
	var packet []written
	first := s.cum() + 1
	for range 1 + s.rng.IntN(8) {
		if first >= s.sent {
			break
		}
		tsn := first + s.rng.IntN(s.sent-first)
		if !s.chunks[tsn].m.abandoned && (!s.seen(tsn) || s.rng.IntN(10) == 0) {
			packet = append(packet, s.written(tsn))
		}
	}
	if len(packet) > 0 {
		s.tc.write(packet...)
	}
}

// outstanding returns how many bytes were sent and not acknowledged.
func (s *foreignSender) outstanding() (n int) {
	for tsn := s.cum() + 1; tsn < s.sent; tsn++ {
		if !s.seen(tsn) {
			n += len(s.chunks[tsn].text)
		}
	}
	return n
}

// giveUp gives up a message of which something was sent.
func (s *foreignSender) giveUp() {
	if tsn := s.cum() + 1; tsn < s.sent {
		if m := s.chunks[tsn+s.rng.IntN(s.sent-tsn)].m; m.fragile && m.last < s.sent && !m.abandoned {
			m.abandoned = true
		}
	}
}

// forward says which messages that were given up will not come.
func (s *foreignSender) forward() {
	cum := s.cum()
	var skipped []*foreignMessage
	for ; cum+1 < s.sent && s.chunks[cum+1].m.abandoned; cum++ {
		if m := s.chunks[cum+1].m; len(skipped) == 0 || skipped[len(skipped)-1] != m {
			skipped = append(skipped, m)
		}
	}
	if len(skipped) == 0 {
		return
	}
	if s.interleaved {
		f := iForwardTSN{cum: cum}
		for _, m := range skipped {
			f.messages = append(f.messages, wire.SkippedMessage{Stream: m.stream, Unordered: m.unordered, MID: wire.MID(m.number)})
		}
		s.tc.write(f)
		return
	}
	f := forwardTSN{cum: cum}
	for _, m := range skipped {
		if !m.unordered {
			f.streams = append(f.streams, wire.SkippedStream{Stream: m.stream, SSN: wire.SSN(m.number)})
		}
	}
	s.tc.write(f)
}

// readAll reads all that can be read, in pieces of any size.
func (s *foreignSender) readAll() error {
	buf := make([]byte, 8000)
	for id := range s.next {
		for {
			n, info, err := s.tc.a.Read(s.tc.now, uint16(id), buf[:1+s.rng.IntN(len(buf))])
			if errors.Is(err, ErrWouldBlock) {
				break
			}
			if errors.Is(err, ErrMessageAborted) {
				s.reading[id] = ""
				continue
			}
			if err != nil {
				return err
			}
			if s.reading[id] += string(buf[:n]); info.Complete {
				text := s.reading[id]
				s.reading[id] = ""
				if err := s.took(id, int(info.PPID)-1, text); err != nil {
					return err
				}
			}
		}
	}
	s.tc.drain()
	return nil
}

// took checks a message that was read.
func (s *foreignSender) took(stream, id int, text string) error {
	if id < 0 || id >= len(s.messages) {
		return fmt.Errorf("message %d, which was not sent", id)
	}
	m := s.messages[id]
	switch {
	case m.read || int(m.stream) != stream || text != m.content():
		return fmt.Errorf("stream %d: %d bytes of message %+v", stream, len(text), *m)
	case !m.unordered && id < s.next[stream]:
		return fmt.Errorf("stream %d: message %d after %d", stream, id, s.next[stream]-1)
	case !m.unordered:
		s.next[stream] = id + 1
	}
	m.read = true
	return nil
}

// turn is the next chunk alone, when all that can be was read: it must be taken.
func (s *foreignSender) turn() error {
	if err := s.readAll(); err != nil {
		return err
	}
	s.forward()
	if err := s.readAll(); err != nil {
		return err
	}
	cum := s.cum()
	if cum+1 >= s.sent {
		return nil
	}
	s.tc.write(s.written(cum + 1))
	if s.cum() == cum {
		in := &s.tc.a.in
		return fmt.Errorf("TSN %d, which is the next, is not taken, though all was read: %d bytes in %d chunks are held of %d", cum+1, in.bytes, in.entries, in.limit)
	}
	return nil
}

func (s *foreignSender) run() error {
	for turns := 0; s.cum()+1 < len(s.chunks); turns++ {
		switch s.rng.IntN(12) {
		case 0:
			if err := s.readAll(); err != nil {
				return err
			}
		case 1:
			if err := s.turn(); err != nil {
				return err
			}
		case 2:
			s.giveUp()
		case 3:
			s.forward()
		case 4:
			s.tc.a.rest()
		case 5, 6:
			s.send()
		default:
			s.receive()
		}
		if s.rng.Float64() < s.eager {
			s.tc.a.DeliverParts(uint16(s.rng.IntN(len(s.next))), s.rng.IntN(3) > 0)
		}
		if turns%8 == 0 {
			if bad := s.tc.a.invariants(s.tc.now); bad != "" {
				return errors.New(bad)
			}
		}
		if turns > 100*len(s.chunks)+1000 {
			return fmt.Errorf("%d of %d chunks after %d turns", s.cum()+1, len(s.chunks), turns)
		}
		s.tc.sent, s.tc.events = s.tc.sent[:0], s.tc.events[:0]
	}
	if err := s.readAll(); err != nil {
		return err
	}
	for _, m := range s.messages {
		if !m.read && !m.abandoned && !m.cut {
			return fmt.Errorf("message %+v was not read", *m)
		}
	}
	if s.tc.a.in.entries != 0 || s.tc.a.in.bytes != 0 {
		return fmt.Errorf("%d chunks of %d bytes are left", s.tc.a.in.entries, s.tc.a.in.bytes)
	}
	return nil
}

// TestForeignSender: whatever a sender makes of its messages, and in whatever order they come, the
// receiver has room for what comes next as soon as all was read that can be, and all arrives once.
// // 9260-6.2-f 9260-6.9-a 8260-2.2.3-a
func TestForeignSender(t *testing.T) {
	seeds := 400
	if testing.Short() || raceDetector {
		seeds = 60
	}
	for seed := range seeds {
		s := newForeignSender(t, rand.New(rand.NewPCG(uint64(seed), 77)))
		if err := s.run(); err != nil {
			t.Fatalf("seed %d, interleaved %v, %+v: %v", seed, s.interleaved, s.tc.a.cfg.Frugal, err)
		}
	}
}
