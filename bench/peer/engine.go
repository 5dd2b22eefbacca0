package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// engineRunners are those of the engine by itself: two associations on one goroutine,
// packets carried from one to the other by hand. Where both wait for time to pass, it is
// skipped: the clock is the real one and what was skipped.
var engineRunners = map[string]runner{
	"bulk": engineBulk, "pingpong": enginePingPong, "setup": engineSetUp, "idle": engineIdle,
}

type enginePair struct {
	a, b    *sctp.Association
	start   time.Time
	skipped time.Duration
	buffer  int                              // bytes, each way
	buf     []byte                           // a packet
	message []byte                           // or what is read of a message
	pieces  [2][][]byte                      // by stream of a and b, what was read of a message before: it comes in pieces if the buffer is half full
	onRead  [2]func(stream uint16, p []byte) // of a and b
}

func newEnginePair(buffer int) (*enginePair, error) {
	p := &enginePair{start: time.Now(), buffer: buffer}
	return p, p.renew()
}

// renew gives the pair other associations.
func (p *enginePair) renew() error {
	for _, at := range [2]**sctp.Association{&p.a, &p.b} {
		cfg := sctpConfig()
		cfg.SendBuffer, cfg.ReceiveBuffer = p.buffer, p.buffer
		rand.Read(cfg.Seed[:])
		var err error
		if *at, err = sctp.New(cfg); err != nil {
			return err
		}
	}
	return nil
}

// room makes room for packets and messages.
func (p *enginePair) room(j job) {
	p.buf, p.message = make([]byte, 0, 2048), make([]byte, j.size+1)
	for side := range p.pieces {
		p.pieces[side] = make([][]byte, j.streams)
	}
}

// now reads the monotonic clock alone, as the programs of the other engines do.
func (p *enginePair) now() time.Time { return p.start.Add(time.Since(p.start) + p.skipped) }

func (p *enginePair) connect() error {
	if err := p.a.Connect(p.now()); err != nil {
		return err
	}
	return p.connected()
}

// connected carries packets until both ends are.
func (p *enginePair) connected() error {
	for p.turn() {
	}
	if p.a.State() != sctp.Established || p.b.State() != sctp.Established {
		return errors.New("not connected")
	}
	return nil
}

// packetsAtOnce is how many packets go in one direction before the other side has its turn.
const packetsAtOnce = 32

// turn carries some packets in each direction, and lets both sides read.
func (p *enginePair) turn() (moved bool) {
	now := p.now()
	for i, from := range [2]*sctp.Association{p.a, p.b} {
		to := [2]*sctp.Association{p.b, p.a}[i]
		for range packetsAtOnce {
			tx, ok := from.Transmit(now, p.buf)
			if !ok {
				break
			}
			moved = true
			to.HandlePacket(now, 0, tx.Packet)
		}
		if p.read(now, to, 1-i) {
			moved = true
		}
	}
	return moved
}

func (p *enginePair) read(now time.Time, a *sctp.Association, side int) (moved bool) {
	for e, ok := a.NextEvent(); ok; e, ok = a.NextEvent() {
		if e.Kind != sctp.EventReadable {
			continue
		}
		for before := &p.pieces[side][e.Stream]; ; {
			n, info, err := a.Read(now, e.Stream, p.message)
			if err != nil {
				break
			}
			moved = true
			switch {
			case !info.Complete:
				*before = append(*before, p.message[:n]...)
			case len(*before) > 0:
				p.onRead[side](e.Stream, append(*before, p.message[:n]...))
				*before = (*before)[:0]
			default:
				p.onRead[side](e.Stream, p.message[:n])
			}
		}
	}
	return moved
}

// skip lets the time pass until something is due.
func (p *enginePair) skip() error {
	var next time.Time
	for _, a := range [2]*sctp.Association{p.a, p.b} {
		if at, ok := a.Timeout(); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		return errors.New("nothing goes on")
	}
	p.skipped += max(0, next.Sub(p.now()))
	now := p.now()
	p.a.HandleTimeout(now)
	p.b.HandleTimeout(now)
	return nil
}

func connectedPair(j job) (*enginePair, error) {
	p, err := newEnginePair(j.buffer)
	if err == nil {
		p.room(j)
		err = p.connect()
	}
	return p, err
}

func engineBulk(j job) (report, error) {
	p, err := connectedPair(j)
	if err != nil {
		return nil, err
	}
	k := newSink(j)
	p.onRead[1] = func(stream uint16, p []byte) { k.take(int(stream), p) }
	message := make([]byte, j.size)
	sent := int64(0)
	send := func(d time.Duration) error {
		for deadline := time.Now().Add(d); ; {
			now := p.now()
			over := now.Add(-p.skipped).After(deadline)
			for !over {
				stamp(message, uint64(sent)/uint64(j.streams))
				err := p.a.SendCopy(now, sctp.Message{Stream: uint16(sent % int64(j.streams)), Payload: message})
				if errors.Is(err, sctp.ErrSendBufferFull) {
					break
				}
				if err != nil {
					return err
				}
				sent++
			}
			if !p.turn() {
				if over && k.messages.Load() == sent {
					return k.await(sent)
				}
				if err := p.skip(); err != nil {
					return err
				}
			}
		}
	}
	if err := send(warmUp(j)); err != nil {
		return nil, err
	}
	before, m := sent, start()
	if err := send(j.duration); err != nil {
		return nil, err
	}
	return m.stop(sent-before, (sent-before)*int64(j.size)), nil
}

func enginePingPong(j job) (report, error) {
	p, err := connectedPair(j)
	if err != nil {
		return nil, err
	}
	message := make([]byte, j.size)
	times := make([]time.Duration, 0, 1<<20)
	back := -1
	p.onRead[1] = func(_ uint16, m []byte) { err = p.b.SendCopy(p.now(), sctp.Message{Payload: m}) }
	p.onRead[0] = func(_ uint16, m []byte) { back = int(binary.BigEndian.Uint64(m)) }
	deadline := time.Now().Add(warmUp(j))
	var m *meter
	for n := 0; ; n++ {
		begin := time.Now()
		if begin.After(deadline) && m != nil {
			break
		}
		if begin.After(deadline) {
			m = start()
			deadline, begin = m.at.Add(j.duration), time.Now()
		}
		stamp(message, uint64(n))
		if err := p.a.SendCopy(p.now(), sctp.Message{Payload: message}); err != nil {
			return nil, err
		}
		for back != n {
			if !p.turn() {
				if err := p.skip(); err != nil {
					return nil, err
				}
			}
			if err != nil {
				return nil, fmt.Errorf("answering: %w", err)
			}
		}
		if m != nil && len(times) < cap(times) {
			times = append(times, time.Since(begin))
		}
	}
	return m.stop(int64(len(times)), int64(len(times)*j.size)).quantiles(times), nil
}

func engineSetUp(j job) (report, error) { return setUpPairs(j, (*enginePair).connect) }

// roomySetUp lets the heap grow to eleven times what is in use before garbage is collected, which with
// associations that are thrown away at once is a matter of a few MiB.
func roomySetUp(j job) (report, error) {
	debug.SetGCPercent(1000)
	return engineSetUp(j)
}

// snapSetUp sets up associations with tokens that the signalling below carries, without packets.
func snapSetUp(j job) (report, error) { return setUpPairs(j, (*enginePair).exchangeTokens) }

func (p *enginePair) exchangeTokens() error {
	ofA, ofB, now := p.a.InitToken(), p.b.InitToken(), p.now()
	if err := p.a.ConnectWithToken(now, ofB); err != nil {
		return err
	}
	if err := p.b.ConnectWithToken(now, ofA); err != nil {
		return err
	}
	return p.connected()
}

// setUpPairs sets up two associations after the other, with one buffer for all packets.
func setUpPairs(j job, connect func(*enginePair) error) (report, error) {
	var times []time.Duration
	p := &enginePair{start: time.Now(), buffer: j.buffer, buf: make([]byte, 0, packetSize)}
	m := start()
	for deadline := time.Now().Add(j.duration); time.Now().Before(deadline); {
		begin := time.Now()
		if err := p.renew(); err != nil {
			return nil, err
		}
		if err := connect(p); err != nil {
			return nil, err
		}
		times = append(times, time.Since(begin))
	}
	return m.stop(int64(len(times)), 0).quantiles(times), nil
}

func engineIdle(j job) (report, error) {
	pairs := make([]*enginePair, 0, j.count)
	buf := make([]byte, 0, 2048)
	before := keeps()
	for range j.count {
		p, err := newEnginePair(j.buffer)
		if err != nil {
			return nil, err
		}
		p.buf = buf
		if err := p.connect(); err != nil {
			return nil, err
		}
		if err := p.skip(); err != nil { // what is still to be acknowledged, or probed
			return nil, err
		}
		for p.turn() {
		}
		pairs = append(pairs, p)
	}
	r := keeps().since(before, 2*len(pairs))
	pairs[0].buf = nil // they are in use until here
	return r, nil
}
