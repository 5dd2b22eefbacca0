package sctp

import (
	"errors"
	"iter"
	"net/netip"
	"time"
)

// Endpoint is one socket with many associations: SCTP over UDP (RFC 6951), whose
// port it has for itself. It finds the association of a packet, answers what
// belongs to none (RFC 9260, section 8.4), and listens: a peer that connects
// costs no memory before its cookie has come back.
//
// It is driven as an Association is, with the same five verbs:
//
//	HandlePacket(now, from, packet)  a datagram came in
//	HandleTimeout(now)               the deadline passed
//	Timeout()                        when to call HandleTimeout
//	Transmit(now, dst)               the next datagram to send, with its address
//	NextEvent()                      what happened, with the association
//
// Their cost does not grow with the number of associations. Commands are called
// on the Association, which Association returns; after one that changes something
// (Send, Shutdown, ...; Read if WindowDue says so), call Update. Whoever wants to read what came in
// before the end of an association keeps the pointer: the Endpoint lets go of it
// after EventClosed. An Endpoint is not safe for concurrent use, and with what they share
// nor are its associations, with each other or with it, those included that it let go of.
//
// Associations are kept in slots. Everything else refers to them by slot.
type Endpoint struct {
	cfg    EndpointConfig
	common *common // of the associations

	assocs  []*Association // by slot; nil if it is free
	members []member       // what the Endpoint itself keeps of them
	free    []int32        // slots

	tags   slotTable[*Association] // by the tag in packets from the peer
	peers  slotTable[*Association] // by address and port: what comes with another tag
	hashes peerHash                // of those

	// listener is an association that never gets beyond Closed. In that state it
	// answers without keeping anything, whatever the address. It is made when there is something to
	// answer: who only connects may never need it.
	listener *Association
	keys     cookieKeys
	answers  answers // what it said

	sending   slotQueue // associations that may have something to send
	reporting slotQueue // associations that have events
	agenda    agenda
	fetched   int32     // the association that fetch was called for last
	touched   int       // of fetch
	restedAt  time.Time // when the pool was asked last what was not used
	stats     EndpointStats
}

// EndpointConfig holds the parameters of an Endpoint.
type EndpointConfig struct {
	// Config is that of each association. Seed is that of the Endpoint, from
	// which each association gets its own. RemotePort is the SCTP port of the
	// peers that Connect is called for. ZeroChecksum must be NoZeroChecksum (RFC
	// 6951, section 5.3). The default of MaxMTU is 1472, which fits a 1500-byte
	// IPv4 packet under UDP.
	Config

	// Listen accepts associations that peers initiate. Default: they are refused
	// with ABORT.
	Listen bool

	// MaxAssociations limits the associations at one time. Peers beyond it are
	// refused with ABORT, cause Out of Resource. Default 65536.
	MaxAssociations int

	// MaxHalfOpen limits those, of the associations, that Connect has begun and
	// whose peer has not answered yet. Default 1024.
	MaxHalfOpen int
}

// pooledBuffers is the buffers of how many associations are kept for reuse at most, restInterval
// how long after they were used.
const (
	pooledBuffers = 8
	restInterval  = 30 * time.Second
)

// udpMaxMTU is the default of MaxMTU under UDP alone.
const udpMaxMTU = 1472

// EndpointStats are figures of an Endpoint.
type EndpointStats struct {
	Associations int // now
	HalfOpen     int // of them begun by Connect and not established yet

	PacketsReceived uint64
	PacketsDropped  uint64 // by the Endpoint itself, without an answer
	OutOfTheBlue    uint64 // packets that belonged to no association
	Accepted        uint64 // associations that peers initiated
	Refused         uint64 // attempts of peers, by ABORT
	AnswersDropped  uint64 // not sent, because too many waited to be
}

// An AssociationID names an association of an Endpoint. It is not used again
// for another. 0 names none.
type AssociationID uint64

func newAssociationID(slot int32, turn uint32) AssociationID {
	return AssociationID(uint64(turn)<<32 | uint64(uint32(slot)))
}

// Slot returns a number that no other association of the Endpoint has at the same time, and
// that is as small as can be: an index for whoever keeps something of each.
func (id AssociationID) Slot() int { return int(int32(id)) }

// EndpointEvent is an Event with its association. An association that nobody
// called Connect for comes up with EventConnected.
type EndpointEvent struct {
	ID AssociationID
	Event
}

// Datagram is a packet to send and where to.
type Datagram struct {
	ID     AssociationID // 0: an answer of the Endpoint
	To     netip.AddrPort
	Packet []byte // the bytes that were appended to dst
	Whole  bool   // as Transmit.Whole
	ECN    ECN    // as Transmit.ECN
}

// Errors of Connect.
var (
	ErrTooManyAssociations = errors.New("sctp: too many associations")
	ErrPeerInUse           = errors.New("sctp: there is an association with this peer already")
	ErrInvalidAddress      = errors.New("sctp: not the address of one peer")
)

// NewEndpoint returns an Endpoint. The error is a *ConfigError.
func NewEndpoint(cfg EndpointConfig) (*Endpoint, error) {
	set(&cfg.MaxAssociations, 1<<16)
	set(&cfg.MaxHalfOpen, 1<<10)
	set(&cfg.MaxMTU, max(cfg.MTU, udpMaxMTU))
	switch {
	case cfg.ZeroChecksum != NoZeroChecksum: // 6951-5.3-a
		return nil, &ConfigError{"ZeroChecksum", "must be NoZeroChecksum over UDP (RFC 6951, section 5.3)"}
	case cfg.MaxAssociations < 0 || cfg.MaxAssociations > 1<<30:
		return nil, &ConfigError{"MaxAssociations", "must be 1 to 2^30"}
	case cfg.MaxHalfOpen < 0:
		return nil, &ConfigError{"MaxHalfOpen", "must not be negative"}
	}
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	e := &Endpoint{cfg: cfg, fetched: noSlot}
	e.common = newCommon(&cfg.Config, min(cfg.MaxAssociations, pooledBuffers))
	e.common.kept.shared = true
	e.hashes.key = [2]uint64{e.common.rng.Uint64(), e.common.rng.Uint64()}
	e.agenda.clock = &e.common.clock
	return e, nil
}

// newAssociation returns another association.
func (e *Endpoint) newAssociation() *Association { return newAssociation(e.common) }

// Connect begins an association with the peer at an address, and at
// Config.RemotePort there. It returns ErrTooManyAssociations, ErrPeerInUse or
// ErrInvalidAddress if it cannot.
func (e *Endpoint) Connect(now time.Time, to netip.AddrPort) (AssociationID, error) {
	to = canonical(to)
	key := keyOf(to, e.cfg.RemotePort)
	switch {
	case !unicast(to):
		return 0, ErrInvalidAddress
	case e.known(key) != noSlot:
		return 0, ErrPeerInUse
	case e.stats.Associations >= e.cfg.MaxAssociations || e.stats.HalfOpen >= e.cfg.MaxHalfOpen:
		return 0, ErrTooManyAssociations
	}
	a := e.newAssociation()
	for e.byTag(a.id.localTag, key) != noSlot {
		a.id.localTag, _ = a.cfg.TagShard.random(a.rng.Uint64)
	}
	if err := a.Connect(now); err != nil {
		panic("sctp: BUG: a new association has started: " + err.Error())
	}
	slot := e.insert(a, key)
	e.members[slot].halfOpen = true
	e.stats.HalfOpen++
	e.wake(slot)
	return newAssociationID(slot, e.members[slot].turn), nil
}

// Association returns an association, nil if there is none of this name (any
// more).
func (e *Endpoint) Association(id AssociationID) *Association {
	if slot := e.slot(id); slot != noSlot {
		a := e.assocs[slot]
		e.fetch(slot, a, true)
		return a
	}
	return nil
}

// RemoteAddr returns where the peer of an association was heard of last; the zero
// AddrPort if there is no such association. Its port may change (RFC 6951,
// section 5.1).
func (e *Endpoint) RemoteAddr(id AssociationID) netip.AddrPort {
	if slot := e.slot(id); slot != noSlot {
		return e.members[slot].peer.addr()
	}
	return netip.AddrPort{}
}

// Update takes note of what a command has changed in an association.
func (e *Endpoint) Update(id AssociationID) {
	if slot := e.slot(id); slot != noSlot {
		e.wake(slot)
	}
}

// Listen changes EndpointConfig.Listen.
func (e *Endpoint) Listen(on bool) { e.cfg.Listen = on }

// All iterates over the associations, in an order that only depends on what
// happened. Its cost does grow with their number.
func (e *Endpoint) All() iter.Seq2[AssociationID, *Association] {
	return func(yield func(AssociationID, *Association) bool) {
		for slot, a := range e.assocs {
			if a != nil && !yield(newAssociationID(int32(slot), e.members[slot].turn), a) {
				return
			}
		}
	}
}

// Stats returns the figures of the Endpoint.
func (e *Endpoint) Stats() EndpointStats { return e.stats }
