package datachannel

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// TestSimulation runs two sessions over a bad network, on which both sides create
// channels, send and close at random, and checks: a channel is what its creator
// made it; its messages are whole, its own, and in order and unique as its type
// has it; nothing is lost that was sent before a close, but by channels that may
// lose; everything ends closed, with all identifiers free. SIM_SEEDS is the number
// of seeds, SIM_SEED runs one.
func TestSimulation(t *testing.T) {
	first, n := 1, 15
	if v, err := strconv.Atoi(os.Getenv("SIM_SEEDS")); err == nil {
		n = v
	}
	if v, err := strconv.Atoi(os.Getenv("SIM_SEED")); err == nil {
		first, n = v, 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { simulate(t, uint64(seed)) })
	}
}

// A world is one run.
type world struct {
	t        *testing.T
	rng      *rand.Rand // of the goroutine of the test
	sessions [2]*Session

	mu       sync.Mutex
	channels map[string]*simChannel // by label
}

// simChannel is a channel and what both ends saw of it.
type simChannel struct {
	label string
	init  Init
	ends  [2]simEnd
}

type simEnd struct {
	ch      *Channel
	sent    int          // messages that Send accepted
	got     map[int]bool // messages received
	last    int          // the latest
	local   bool         // Close was called on this end
	closes  int          // OnClose was called
	errored error
}

func simulate(t *testing.T, seed uint64) {
	bad := func(c *netsim.PipeConfig) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c.Seed = seed
		for _, d := range []*netsim.Conditions{&c.AtoB, &c.BtoA} {
			d.Latency = time.Duration(rng.IntN(60)) * time.Millisecond
			d.Loss = rng.Float64() * 0.1
			d.Reorder, d.ReorderDelay = rng.Float64()*0.2, 50*time.Millisecond
			d.Duplicate, d.DuplicateDelay = rng.Float64()*0.1, 300*time.Millisecond
			if rng.IntN(3) == 0 {
				d.Rate = 20000 + rng.IntN(1e6)
			}
		}
	}
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 2)), channels: map[string]*simChannel{}}
	small := sctp.Config{SendBuffer: 1 << (12 + w.rng.IntN(10)), ReceiveBuffer: 1 << (12 + w.rng.IntN(10))}
	cfg := setup{link: bad}
	for i, c := range []*Config{&cfg.a, &cfg.b} {
		c.SCTP = small
		c.SCTP.NoInterleaving = w.rng.IntN(4) == 0
		c.OnChannel = func(ch *Channel) { w.accepted(1^i, i, ch) }
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		w.sessions = [2]*Session{p.a, p.b}
		for range 150 {
			w.act()
			netsim.Elapse(time.Duration(w.rng.IntN(50)) * time.Millisecond)
		}
		w.finish()
	})
}

// act does something at random.
func (w *world) act() {
	side := w.rng.IntN(2)
	switch c := w.pick(); {
	case c == nil || w.rng.IntN(5) == 0:
		w.create(side)
	case w.rng.IntN(4) > 0:
		w.send(c, side)
	default:
		w.close(c, side)
	}
}

// pick returns one of the channels that neither side closed, or nil.
func (w *world) pick() *simChannel {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 20 {
		label := strconv.Itoa(w.rng.IntN(len(w.channels) + 1))
		if c := w.channels[label]; c != nil && !c.ends[0].local && !c.ends[1].local {
			return c
		}
	}
	return nil
}

func (w *world) create(side int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &simChannel{label: strconv.Itoa(len(w.channels)), init: Init{Unordered: w.rng.IntN(2) == 0}}
	switch w.rng.IntN(4) {
	case 0:
		c.init.MaxRetransmits = ptr(uint16(w.rng.IntN(3)))
	case 1:
		c.init.MaxPacketLifeTime = ptr(uint16(w.rng.IntN(300)))
	}
	w.channels[c.label] = c
	ch, err := w.sessions[side].CreateChannel(c.label, &c.init)
	if err != nil {
		w.t.Fatal(err)
	}
	w.watch(c, side, ch)
}

// accepted is OnChannel.
func (w *world) accepted(creator, side int, ch *Channel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.channels[ch.Label()]
	if c == nil || c.ends[creator].ch == nil || c.ends[side].ch != nil || ch.Ordered() == c.init.Unordered {
		w.t.Errorf("accepted %q", ch.Label())
		return
	}
	w.watch(c, side, ch)
}

// watch records what happens at one end. Half of them read by callback.
func (w *world) watch(c *simChannel, side int, ch *Channel) {
	end := &c.ends[side]
	end.ch, end.got, end.last = ch, map[int]bool{}, -1
	if last := c.label[len(c.label)-1]; (int(last)+side)%2 == 0 {
		ch.OnMessage(func(m Message) { w.received(c, side, m) })
	} else {
		go func() {
			for {
				m, err := ch.ReadMessage(context.Background())
				if err != nil {
					return
				}
				w.received(c, side, m)
			}
		}()
	}
	ch.OnError(func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		end.errored = err
	})
	ch.OnClose(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		end.closes++
	})
}

// send sends some messages: number, side and channel, and filler.
func (w *world) send(c *simChannel, side int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := &c.ends[side]
	for range 1 + w.rng.IntN(20) {
		if end.ch == nil {
			return
		}
		m := binary.BigEndian.AppendUint32(nil, uint32(end.sent))
		m = append(m, byte(side), byte(len(c.label)))
		m = append(m, c.label...)
		m = append(m, pattern(w.rng.IntN(1<<w.rng.IntN(15)), byte(end.sent))...)
		if end.ch.Send(m) != nil {
			return
		}
		end.sent++
	}
}

// received checks a message.
func (w *world) received(c *simChannel, side int, m Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := &c.ends[side]
	n := int(binary.BigEndian.Uint32(m.Data))
	body := m.Data[6+int(m.Data[5]):]
	label := string(m.Data[6 : 6+int(m.Data[5])])
	switch {
	case label != c.label || int(m.Data[4]) == side || string(body) != string(pattern(len(body), byte(n))):
		w.t.Errorf("channel %s, side %d: message %d of channel %s, side %d, %d bytes", c.label, side, n, label, m.Data[4], len(m.Data))
	case end.got[n]:
		w.t.Errorf("channel %s: message %d twice", c.label, n)
	case !c.init.Unordered && n < end.last, !c.init.Unordered && c.reliable() && n != end.last+1:
		w.t.Errorf("channel %s: message %d after %d", c.label, n, end.last)
	}
	end.got[n] = true
	end.last = n
}

func (c *simChannel) reliable() bool {
	return c.init.MaxPacketLifeTime == nil && c.init.MaxRetransmits == nil
}

func (w *world) close(c *simChannel, side int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := &c.ends[side]; end.ch != nil {
		end.local = true
		end.ch.Close()
	}
}

// finish closes what is open, from one side or both, and judges.
func (w *world) finish() {
	for i := range len(w.channels) {
		c := w.channels[strconv.Itoa(i)]
		if !c.ends[0].local && !c.ends[1].local {
			w.close(c, w.rng.IntN(2))
			if c.ends[0].ch == nil || c.ends[1].ch == nil {
				w.close(c, 0)
				w.close(c, 1)
			}
		}
	}
	netsim.Elapse(10 * time.Minute)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.channels {
		for side := range c.ends {
			end, far := &c.ends[side], &c.ends[1^side]
			if end.ch == nil {
				continue // closed before its OPEN was out
			}
			if end.ch.ReadyState() != Closed || end.closes != 1 || end.errored != nil {
				w.t.Errorf("channel %s, side %d: %v, %d close events, error %v", c.label, side, end.ch.ReadyState(), end.closes, end.errored)
			}
			if c.reliable() && !end.local && len(end.got) != far.sent {
				w.t.Errorf("channel %s, side %d: %d messages of %d", c.label, side, len(end.got), far.sent)
			}
		}
	}
	for i, s := range w.sessions {
		s.lock()
		for id, st := range s.streams {
			w.t.Errorf("side %d: stream %d is in use: %+v", i, id, *st)
		}
		if len(s.recv.early)+len(s.recv.partials)+s.blocked.len()+s.incoming.named+s.incoming.unannounced != 0 {
			w.t.Errorf("side %d: something remains", i)
		}
		s.unlock()
	}
}
