package netsim

import (
	"time"
)

// Dir is a direction over a link, which has the ends A and B.
type Dir uint8

// The directions.
const (
	AtoB Dir = iota
	BtoA
)

// Reverse returns the other direction.
func (d Dir) Reverse() Dir { return d ^ 1 }

func (d Dir) String() string {
	if d == AtoB {
		return "A->B"
	}
	return "B->A"
}

// Link names a link of a Network.
type Link int

// Network is a set of links and the packets on their way over them. It is
// driven from outside and not safe for concurrent use.
type Network struct {
	seed   uint64
	start  time.Time
	now    time.Duration // since start; never runs backwards
	links  [][2]direction
	flight flight
	spare  [][]byte // buffers to use again
	lent   []byte   // buffer behind the last Delivery
	trace  trace
}

// New returns a network without links whose time begins at start.
func New(seed uint64, start time.Time) *Network {
	return &Network{seed: seed, start: start, trace: newTrace()}
}

// AddLink adds a link with the conditions of its two directions. It panics on
// conditions that mean nothing.
func (n *Network) AddLink(aToB, bToA Conditions) Link {
	l := Link(len(n.links))
	n.links = append(n.links, [2]direction{
		newDirection(n.seed, l, AtoB, aToB),
		newDirection(n.seed, l, BtoA, bToA),
	})
	return l
}

// SetConditions changes a direction for the packets sent from now on.
func (n *Network) SetConditions(l Link, d Dir, c Conditions) { n.links[l][d].setConditions(c) }

// Now returns the latest time that the network was told.
func (n *Network) Now() time.Time { return n.start.Add(n.now) }

// advance moves the time on.
func (n *Network) advance(now time.Time) {
	t := now.Sub(n.start)
	if t < n.now {
		panic("netsim: time runs backwards")
	}
	n.now = t
}

// Send puts a copy of packet on the link. One larger than the MTU is lost.
func (n *Network) Send(now time.Time, l Link, d Dir, packet []byte) { n.send(now, l, d, packet, true) }

// SendFragments is Send for a packet that the network may fragment: its size does not
// matter, and all fragments share its fate.
func (n *Network) SendFragments(now time.Time, l Link, d Dir, packet []byte) {
	n.send(now, l, d, packet, false)
}

func (n *Network) send(now time.Time, l Link, d Dir, packet []byte, whole bool) {
	n.advance(now)
	f := n.links[l][d].decide(n.now, len(packet), whole)
	n.trace.sent(n.now, l, d, packet, f)
	for i := range f.copies {
		data := append(n.buffer(), packet...)
		if i == 0 && f.flip > 0 {
			flipBits(data, f.flip, f.flipSeed)
		}
		n.flight.push(parcel{at: f.at[i], link: l, dir: d, data: data})
	}
}

// Next returns when the next packet arrives; ok is false if none is on its way.
func (n *Network) Next() (at time.Time, ok bool) {
	t, ok := n.flight.next()
	if !ok {
		return time.Time{}, false
	}
	return n.start.Add(t), true
}

// A Delivery is a packet that has arrived.
type Delivery struct {
	At     time.Time // when it arrived, at or before now
	Link   Link
	Dir    Dir
	Packet []byte // the caller's until the next call of Deliver, which uses it again
}

// Deliver returns the next packet that has arrived by now, in order of
// arrival; ok is false if there is no more.
func (n *Network) Deliver(now time.Time) (d Delivery, ok bool) {
	n.advance(now)
	if n.lent != nil {
		n.spare = append(n.spare, n.lent[:0])
		n.lent = nil
	}
	p, ok := n.flight.pop(n.now)
	if !ok {
		return Delivery{}, false
	}
	n.links[p.link][p.dir].stats.Arrived++
	n.trace.arrived(p)
	n.lent = p.data
	return Delivery{At: n.start.Add(p.at), Link: p.link, Dir: p.dir, Packet: p.data}, true
}

// InFlight returns the number of packets on their way.
func (n *Network) InFlight() int { return len(n.flight.heap) }

// Stats returns the counters of one direction.
func (n *Network) Stats(l Link, d Dir) Stats { return n.links[l][d].stats }

// TraceHash returns a hash over all that was sent and all that arrived: times,
// directions, fates and bytes. Two runs with equal hashes were the same run.
func (n *Network) TraceHash() uint64 { return n.trace.sum() }

// buffer returns an empty buffer.
func (n *Network) buffer() []byte {
	if len(n.spare) == 0 {
		return make([]byte, 0, 1500)
	}
	b := n.spare[len(n.spare)-1]
	n.spare = n.spare[:len(n.spare)-1]
	return b
}
