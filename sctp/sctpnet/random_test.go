package sctpnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A ramble is some associations between sockets on an ether that loses packets, at each end of which
// many goroutines make calls of all kinds at random times.
type ramble struct {
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	net     *ether
	l       *Listener
	loss    float64
	linked  bool            // by links of their own, without the sockets
	quiet   bool            // there is little but questions and answers, so that calls may lead
	cut     bool            // something ends in the midst of it
	bound   context.Context // by then all is done that can be
	all     []*Conn         // clients and servers
	calls   []<-chan error  // of goroutines that come to an end
	lasting []<-chan error  // of those that go on until stopped ends
	stopped context.Context
	stop    context.CancelFunc
	number  uint64
}

// patience is how long a ramble may take, of virtual time: idle ends notice by heartbeats that their
// peer has gone.
const patience = 3 * time.Hour

// newRamble prepares the ramble of a seed.
func newRamble(t *testing.T, seed uint64) *ramble {
	rng := rand.New(rand.NewPCG(seed, 1))
	losses := rand.New(rand.NewPCG(seed, 2))
	r := &ramble{t: t, seed: seed, rng: rng, net: &ether{}, loss: []float64{0, 0.05, 0.3}[rng.IntN(3)]}
	r.cut, r.linked, r.quiet = rng.IntN(3) == 0, rng.IntN(4) == 0, rng.IntN(2) == 0
	r.net.drops = func() bool { return losses.Float64() < r.loss }
	r.l = listenOn(t, r.net, ListenConfig{Config: r.config()})
	return r
}

// config draws a configuration.
func (r *ramble) config() Config {
	var c Config
	c.SCTP.ReceiveBuffer = []int{0, 4096, 20_000}[r.rng.IntN(3)]
	c.SCTP.SendBuffer = []int{0, 2000, 20_000}[r.rng.IntN(3)]
	c.SCTP.Frugal = r.rng.IntN(3) == 0
	c.SCTP.NoInterleaving = r.rng.IntN(3) == 0
	c.SCTP.MaxInitRetransmits, c.SCTP.MaxRetransmits, c.SCTP.RTOMax = 30, 30, 3*time.Second // bad luck ends nothing
	return c
}

// begin lets a goroutine begin, with dice of its own.
func (r *ramble) begin(desc string, do func(rng *rand.Rand) error) <-chan error {
	r.number++
	rng := rand.New(rand.NewPCG(r.seed, 2+r.number))
	return result(func() error {
		if err := do(rng); err != nil && !(r.cut && isEnd(err)) {
			return fmt.Errorf("%s: %w", desc, err)
		}
		return nil
	})
}

// isEnd tells whether an error is what calls return when the association ends.
func isEnd(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, sctp.ErrShuttingDown) || errors.Is(err, io.EOF)
}

// dawdle waits for a time that matters to who reads the socket, or not at all.
func dawdle(rng *rand.Rand) {
	most := []time.Duration{0, 0, 0, promptTime, 2 * graceTime, 2 * maxGrace, 300 * time.Millisecond}[rng.IntN(7)]
	if most > 0 {
		netsim.Elapse(time.Duration(rng.Int64N(int64(most))))
	}
}

// impatient returns a context that ends some time, or with other calls, or never.
func (r *ramble) impatient(rng *rand.Rand) (context.Context, context.CancelFunc) {
	switch rng.IntN(4) {
	case 0:
		return context.WithTimeout(r.bound, time.Duration(rng.Int64N(int64(100*time.Millisecond))))
	case 1:
		ctx, cancel := context.WithCancel(r.bound)
		cancel()
		return ctx, cancel
	default:
		return r.bound, func() {}
	}
}

// passing tells whether a call that fails so may be made again.
func (r *ramble) passing(err error) bool {
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded)
	return late && r.bound.Err() == nil || errors.Is(err, sctp.ErrSendBufferFull) || errors.Is(err, sctp.ErrNotConnected) || errors.Is(err, sctp.ErrWouldBlock)
}

// numbered is message i of a stream.
func numbered(rng *rand.Rand, stream uint16, i int) sctp.Message {
	size := 4 + rng.IntN(60)
	if rng.IntN(4) == 0 {
		size = 4 + rng.IntN(9000)
	}
	m := message(stream, size, byte(i))
	binary.BigEndian.PutUint32(m.Payload, uint32(i))
	return m
}

// writes writes messages, each once.
func (r *ramble) writes(c *Conn, stream uint16, count int, rng *rand.Rand) error {
	for i := 0; i < count; {
		dawdle(rng)
		n, err := 0, error(nil)
		switch rng.IntN(4) {
		case 0:
			err = c.TryWriteMessage(numbered(rng, stream, i))
		case 1:
			ms := []sctp.Message{numbered(rng, stream, i), numbered(rng, stream, i+1)}
			n, err = c.TryWriteMessages(ms[:min(2, count-i)])
		default:
			ctx, cancel := r.impatient(rng)
			err = c.WriteMessage(ctx, numbered(rng, stream, i))
			cancel()
		}
		i += n
		switch {
		case err == nil && n == 0:
			i++
		case err != nil && !r.passing(err):
			return err
		case err != nil:
			netsim.Elapse(time.Millisecond)
		}
	}
	return nil
}

// A queue collects what several goroutines read of one stream, and knows what comes next.
type queue struct {
	turn  chan struct{} // holds one while nobody reads: time does not pass for who waits for a lock
	next  int
	count int
	part  []byte

	failed bool
}

// took takes what was read.
func (q *queue) took(b []byte, complete bool) error {
	if q.part = append(q.part, b...); !complete {
		return nil
	}
	m := q.part
	q.part = nil
	if len(m) < 4 || int(binary.BigEndian.Uint32(m)) != q.next {
		return fmt.Errorf("message of %d bytes, %x, want number %d", len(m), m[:min(4, len(m))], q.next)
	}
	for i := 4; i < len(m); i++ {
		if m[i] != byte(i)+byte(q.next) {
			return fmt.Errorf("message %d of %d bytes is damaged", q.next, len(m))
		}
	}
	q.next++
	return nil
}

// reads reads messages of a stream in turn with others.
func (r *ramble) reads(c *Conn, stream uint16, q *queue, rng *rand.Rand) error {
	buf := make([]byte, 10_000)
	for {
		dawdle(rng)
		<-q.turn
		if q.next >= q.count || q.failed {
			q.turn <- struct{}{}
			return nil
		}
		var n int
		var info sctp.MessageInfo
		var err error
		dst := buf[:1+rng.IntN(len(buf))]
		if rng.IntN(4) == 0 {
			n, info, err = c.TryReadMessage(stream, dst)
		} else {
			ctx, cancel := r.impatient(rng)
			n, info, err = c.ReadMessage(ctx, stream, dst)
			cancel()
		}
		if err == nil {
			err = q.took(buf[:n], info.Complete)
		} else if r.passing(err) {
			err = nil
		}
		q.failed = err != nil
		q.turn <- struct{}{}
		if err != nil {
			return err
		}
	}
}

// flow has messages of a stream written at one end and read at the other.
func (r *ramble) flow(from, to *Conn, stream uint16) {
	q := &queue{count: 1 + r.rng.IntN(60), turn: make(chan struct{}, 1)}
	q.turn <- struct{}{}
	desc := fmt.Sprintf("stream %d", stream)
	r.calls = append(r.calls, r.begin(desc+", writing", func(rng *rand.Rand) error { return r.writes(from, stream, q.count, rng) }))
	for range 1 + r.rng.IntN(2) {
		r.calls = append(r.calls, r.begin(desc+", reading", func(rng *rand.Rand) error { return r.reads(to, stream, q, rng) }))
	}
}

// echoes accepts streams and sends back what comes on them, but not on those of flows.
func (r *ramble) echoes(c *Conn) error {
	for {
		s, err := c.AcceptStream(r.stopped)
		if err != nil {
			return r.over(err)
		}
		if s.ID() < 100 {
			continue
		}
		go func() {
			io.Copy(s, s)
			s.Close()
		}()
	}
}

// refuses aborts associations that come up late: the peer of one that was aborted, and has not heard so, repeats
// its COOKIE ECHO.
func (r *ramble) refuses() error {
	for {
		c, err := r.l.Accept(r.stopped)
		if err != nil {
			return nil
		}
		c.Abort("")
	}
}

// over is no error if the ramble is.
func (r *ramble) over(err error) error {
	if r.stopped.Err() != nil || r.cut && isEnd(err) {
		return nil
	}
	return err
}

// asks opens a stream, asks and waits for the echo, while deadlines pass.
func (r *ramble) asks(c *Conn, id uint16, rng *rand.Rand) error {
	s, err := c.OpenStream(id)
	if err != nil {
		return err
	}
	buf := make([]byte, 100)
	rounds, late := 40, 5
	if r.quiet {
		rounds, late = 200, 60
	}
	for i := range rounds {
		if _, err := s.Write(message(id, 100, byte(i)).Payload); err != nil {
			return err
		}
		for got := 0; got < len(buf); {
			deadline := time.Now().Add(time.Duration(rng.Int64N(int64(60 * time.Millisecond))))
			if rng.IntN(late) == 0 {
				s.SetReadDeadline(deadline)
			} else {
				s.SetReadDeadline(time.Time{})
			}
			n, err := s.Read(buf[got:])
			if got += n; err != nil && !r.passing(err) {
				return fmt.Errorf("echo %d: %w", i, err)
			}
			if err != nil && time.Since(deadline) > maxGrace {
				return fmt.Errorf("echo %d: a deadline is heeded %v late", i, time.Since(deadline))
			}
		}
		if buf[0] != byte(i) || buf[99] != byte(99+i) {
			return fmt.Errorf("echo %d is %x", i, buf[:4])
		}
		if !r.quiet || rng.IntN(30) == 0 {
			dawdle(rng)
		}
	}
	return s.Close()
}

// waits makes calls that get nothing, and others that look.
func (r *ramble) waits(c *Conn, rng *rand.Rand) error {
	for r.stopped.Err() == nil {
		ctx, cancel := context.WithTimeout(r.stopped, time.Duration(rng.Int64N(int64(200*time.Millisecond))))
		deadline, _ := ctx.Deadline()
		_, _, err := c.ReadMessage(ctx, 50, make([]byte, 1))
		cancel()
		if err == nil || !r.passing(err) {
			return r.over(err)
		}
		if time.Since(deadline) > maxGrace {
			return fmt.Errorf("a context is heeded %v late", time.Since(deadline))
		}
		c.Stats()
		c.BufferedAmount(1)
		if rng.IntN(10) == 0 {
			c.PathChanged()
		}
		netsim.Elapse(10 * time.Millisecond)
		if r.quiet {
			netsim.Elapse(time.Duration(rng.Int64N(int64(3 * time.Second))))
		}
	}
	return nil
}

// busy begins all that goes on with one association.
func (r *ramble) busy(client, server *Conn) {
	for stream := range uint16(r.rng.IntN(4)) {
		if r.quiet {
			break
		}
		r.flow(client, server, stream)
		if r.rng.IntN(2) == 0 {
			r.flow(server, client, stream)
		}
	}
	r.lasting = append(r.lasting,
		r.begin("accepting", func(*rand.Rand) error { return r.echoes(server) }),
		r.begin("waiting", func(rng *rand.Rand) error { return r.waits(client, rng) }),
		r.begin("waiting", func(rng *rand.Rand) error { return r.waits(server, rng) }))
	for k := range 1 + r.rng.IntN(2) {
		r.calls = append(r.calls, r.begin("asking", func(rng *rand.Rand) error { return r.asks(client, uint16(100+k), rng) }))
	}
	if r.cut {
		r.calls = append(r.calls, r.begin("ending", func(rng *rand.Rand) error {
			netsim.Elapse(time.Duration(rng.Int64N(int64(3 * time.Second))))
			r.end(client, server, rng)
			return nil
		}))
	}
}

// end ends an association in some manner.
func (r *ramble) end(client, server *Conn, rng *rand.Rand) {
	if rng.IntN(2) == 0 {
		client, server = server, client
	}
	switch rng.IntN(5) {
	case 0:
		client.Abort("")
	case 1:
		client.Close()
	case 2:
		client.StartShutdown()
	case 3:
		done := result(client.Close)
		server.Close()
		<-done
	case 4:
		ctx, cancel := context.WithTimeout(r.bound, time.Second)
		defer cancel()
		client.Shutdown(ctx)
	}
}

// pair returns the ends of an association: of a socket on the ether and the Listener, or, for one ramble
// in four, over a link of their own.
func (r *ramble) pair(i int) (client, server *Conn) {
	var err error
	if r.linked {
		c := netsim.Conditions{Latency: latency, Loss: r.loss}
		a, b := netsim.Pipe(netsim.PipeConfig{Seed: r.seed, AtoB: c, BtoA: c})
		if server, err = New(b, r.config(), false); err != nil {
			r.t.Fatal(err)
		}
		if client, err = New(a, r.config(), true); err != nil {
			r.t.Fatal(err)
		}
		return client, server
	}
	client = dialFrom(r.t, r.net, fmt.Sprintf("192.0.2.%d:1", 2+i), r.config())
	if server, err = r.l.Accept(r.bound); err != nil {
		r.t.Fatal(err)
	}
	return client, server
}

// run lets all begin and waits for all.
func (r *ramble) run() {
	var cancel context.CancelFunc
	r.bound, cancel = context.WithTimeout(background, patience)
	defer cancel()
	r.stopped, r.stop = context.WithCancel(background)
	defer r.stop()
	for i := range 1 + r.rng.IntN(3) {
		client, server := r.pair(i)
		r.all = append(r.all, client, server)
	}
	for i := 0; i < len(r.all); i += 2 {
		r.busy(r.all[i], r.all[i+1])
	}
	r.lasting = append(r.lasting, r.begin("accepting others", func(*rand.Rand) error { return r.refuses() }))
	if r.rng.IntN(3) == 0 {
		r.l.Close() // those that are accepted go on
	}
	r.await(r.calls)
	r.stop()
	r.await(r.lasting)
	for i := 0; i < len(r.all); i += 2 {
		r.end(r.all[i], r.all[i+1], r.rng)
	}
	for _, c := range r.all {
		c.Abort("")
		<-c.Done()
	}
	r.l.Close()
	synctest.Wait()
}

// await waits for calls.
func (r *ramble) await(calls []<-chan error) {
	for _, call := range calls {
		select {
		case err := <-call:
			if err != nil {
				r.t.Errorf("seed %d: %v", r.seed, err)
			}
		case <-r.bound.Done():
			for _, c := range r.all {
				r.t.Errorf("%v, %v, %+v", c.State(), c.Err(), c.Stats())
			}
			r.t.Fatalf("seed %d: a call does not return", r.seed)
		}
	}
}

// TestRandomCalls: whatever calls many goroutines make on associations of one socket, and whatever ends
// meanwhile, each message is read once and in order, every call returns, and nothing is left behind.
func TestRandomCalls(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() || raceDetector {
		seeds = 10
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { newRamble(t, seed).run() })
		if t.Failed() {
			return
		}
	}
}
