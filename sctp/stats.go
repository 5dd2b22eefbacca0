package sctp

import (
	"time"
)

// Stats are counters since the start of the association, and gauges of now. They
// hold what SCTP_STATUS of RFC 6458, section 8.2.1, tells, what W3C's
// RTCSctpTransportStats do, and more.
type Stats struct {
	State State

	PacketsSent, PacketsReceived uint64
	BytesSent, BytesReceived     uint64 // of SCTP packets, common headers included
	PacketsDropped               uint64 // received and not acceptable: checksum, tag, format

	MessagesSent, MessagesReceived     uint64 // accepted by Send; completed for Read
	MessagesDelivered                  uint64 // completely acknowledged by the peer
	MessagesAbandoned                  uint64 // by their reliability limit; the sum of Abandoned
	Abandoned                          AbandonedStats
	DataChunksSent, DataChunksReceived uint64 // retransmissions and duplicates included
	DataChunksDropped                  uint64 // received, and not taken for want of room
	Retransmissions, FastRetransmits   uint64 // chunks; recoveries entered
	RetransmittedBytes                 uint64 // of those chunks, headers included
	RetransmittedPackets               uint64 // packets with such chunks
	Timeouts                           uint64 // T3-rtx expiries that retransmitted
	TimeLosses                         uint64 // chunks found lost by RACK
	TailLossProbes                     uint64 // sent
	SpuriousRecoveries                 uint64 // taken back
	DuplicatesReceived                 uint64 // DATA chunks that had come in before
	SACKsSent, SACKsReceived           uint64
	DelayedSACKs                       uint64 // sent because the delay of one had ended
	ForwardTSNsSent                    uint64 // FORWARD-TSN chunks
	ForwardTSNsReceived                uint64 // that moved the cumulative TSN
	MTUProbesSent, BlackHoles          uint64 // probes for a larger MTU; falls to Config.MTU
	CEReceived, ECNEReceived           uint64 // packets with data that had met congestion; chunks of the peer that say so

	// Of the primary path; PathStats has more.
	SRTT, RTO          time.Duration // SRTT is 0 before a sample
	CongestionWindow   int           // bytes
	SlowStartThreshold int           // bytes
	MTU                int           // bytes of an SCTP packet

	FlightSize           int // bytes of outstanding chunks
	FragmentationPoint   int // largest message that is sent in one chunk, bytes
	PeerWindow           int // bytes that the peer is ready to take
	PeerAdvertisedWindow int // bytes, as it said last: a_rwnd
	LocalWindow          int // bytes that we are ready to take
	UnackedDataChunks    int // sent and not acknowledged
	UnreadDataChunks     int // received and not read by the application
	QueuedMessages       int // not sent completely
	QueuedBytes          int // accepted by Send and not sent for the first time
	SendBuffered         int // bytes accepted by Send and neither acknowledged nor given up
	ReceiveBuffered      int // bytes not read by the application

	// Negotiated.
	OutboundStreams, InboundStreams int  // 0 before the association is established
	PartialReliability              bool // RFC 3758: reliability limits have effect
	StreamReset                     bool // RFC 6525: the peer knows RE-CONFIG
	ZeroChecksumSending             bool // RFC 9653: packets go out without their CRC32c
	Interleaving                    bool // RFC 8260: I-DATA instead of DATA
	NRSACK                          bool // both sides take NR-SACK
	ECN                             bool // RFC 3168: both sides take part
	SNAP                            bool // set up by ConnectWithToken, as the peer did
	Peer                            PeerImplementation
}

// PeerImplementation is which SCTP the peer seems to be, judged by the State
// Cookie that it made. Nothing depends on it but what probes for the path MTU are made of.
type PeerImplementation uint8

// The implementations whose cookies have a mark.
const (
	PeerUnknown PeerImplementation = iota // none, or there was no cookie of the peer
	PeerSluice
	PeerDCSCTP  // libwebrtc: Chromium, Safari, Firefox
	PeerUsrsctp // usrsctp: libdatachannel, older Firefox
)

var peerNames = [...]string{"unknown", "sluice", "dcSCTP", "usrsctp"}

func (p PeerImplementation) String() string { return peerNames[p] }

// MarshalText returns the name.
func (p PeerImplementation) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// guessPeer judges a State Cookie by its first bytes.
func guessPeer(cookie []byte) PeerImplementation {
	begins := func(with string) bool { return len(cookie) >= len(with) && string(cookie[:len(with)]) == with }
	switch {
	case begins(cookieName):
		return PeerSluice
	case begins("dcSCTP00"):
		return PeerDCSCTP
	case begins("KAME-BSD"):
		return PeerUsrsctp
	}
	return PeerUnknown
}

// PathStats are the figures of one path (RFC 6458, section 8.2.2).
type PathStats struct {
	Down               bool          // the peer has stopped to answer (RFC 9260, section 8.2)
	Errors             int           // timeouts in a row
	CongestionWindow   int           // bytes
	SlowStartThreshold int           // bytes
	FlightSize         int           // bytes of outstanding chunks
	MTU                int           // bytes of an SCTP packet
	SRTT, RTTVar       time.Duration // 0 before a sample
	LatestRTT          time.Duration // the last sample
	RTO                time.Duration // with backoff
}

// StreamStats are the figures of one outgoing stream.
type StreamStats struct {
	QueuedBytes int            // accepted by Send and not sent for the first time
	Abandoned   AbandonedStats // messages given up (RFC 7496, section 4.3)
}

// counters are the counting part of Stats.
type counters struct {
	rare                                                   *rareCounters // nil: all are 0
	delayedSACKs, mtuProbes                                uint64
	given                                                  uint64 // the sum of rareCounters.abandoned
	retransmissions, dataReceived, sacksSent               uint64
	packetsSent, packetsReceived, bytesSent, bytesReceived uint64
	dataSent, messagesSent, sacksReceived, delivered       uint64
}

// rareCounters are those that stay at 0 where nothing is lost or given up.
type rareCounters struct {
	rtxBytes, rtxPackets, recoveries, timeouts uint64
	dropped, dataDropped, duplicates           uint64
	forwardsSent, forwardsReceived             uint64
	rackLosses, tailProbes, undone             uint64
	blackHoles, ceReceived, ecneReceived       uint64
	abandoned                                  AbandonedStats
}

// seldom returns the rare counters to count with.
func (c *counters) seldom() *rareCounters {
	if c.rare == nil {
		c.rare = new(rareCounters)
	}
	return c.rare
}

// known returns the rare counters as they are.
func (c *counters) known() (r rareCounters) {
	if c.rare != nil {
		r = *c.rare
	}
	return r
}

// Stats returns the statistics.
func (a *Association) Stats() Stats {
	c, r, p := &a.counters, a.counters.known(), a.paths.primary()
	return Stats{
		State:       a.state,
		PacketsSent: c.packetsSent, PacketsReceived: c.packetsReceived,
		BytesSent: c.bytesSent, BytesReceived: c.bytesReceived, PacketsDropped: r.dropped,
		MessagesSent: c.messagesSent, MessagesReceived: a.in.reads, MessagesDelivered: c.delivered,
		MessagesAbandoned: c.given, Abandoned: r.abandoned,
		DataChunksSent: c.dataSent, DataChunksReceived: c.dataReceived, DataChunksDropped: r.dataDropped,
		Retransmissions: c.retransmissions, FastRetransmits: r.recoveries, Timeouts: r.timeouts,
		TimeLosses: r.rackLosses, TailLossProbes: r.tailProbes, SpuriousRecoveries: r.undone,
		RetransmittedBytes: r.rtxBytes, RetransmittedPackets: r.rtxPackets,
		DuplicatesReceived: r.duplicates,
		SACKsSent:          c.sacksSent, SACKsReceived: c.sacksReceived, DelayedSACKs: c.delayedSACKs,
		ForwardTSNsSent: r.forwardsSent, ForwardTSNsReceived: r.forwardsReceived,
		MTUProbesSent: c.mtuProbes, BlackHoles: r.blackHoles, CEReceived: r.ceReceived, ECNEReceived: r.ecneReceived,
		SRTT: p.rto.srtt, RTO: p.rto.rto,
		CongestionWindow: p.cc.window(), SlowStartThreshold: p.cc.ssthresh(), MTU: p.mtu,
		FlightSize:         a.sent.flight,
		FragmentationPoint: p.pmdcs() - a.dataHeader(),
		PeerWindow:         a.window.room(a.sent.flightPayload), PeerAdvertisedWindow: a.window.advertised,
		LocalWindow:       a.in.window(),
		UnackedDataChunks: a.sent.outstanding + a.sent.lost, UnreadDataChunks: int(a.in.entries),
		QueuedMessages: a.out.queued, QueuedBytes: a.out.waiting,
		SendBuffered: a.out.buffered, ReceiveBuffered: a.in.bytes,
		OutboundStreams: a.OutboundStreams(), InboundStreams: a.InboundStreams(),
		PartialReliability: a.forward.enabled, StreamReset: a.reconfig.enabled,
		Interleaving: a.peer.interleaving, NRSACK: a.peer.nrSack,
		ZeroChecksumSending: a.peer.zeroChecksum, ECN: p.ecn.on, SNAP: a.hs.snap == snapHeard, Peer: a.hs.peerKind,
	}
}

// PathStats returns the figures of a path; false if there is no such path.
func (a *Association) PathStats(id PathID) (PathStats, bool) {
	p := a.paths.get(id)
	if p == nil {
		return PathStats{}, false
	}
	return PathStats{
		Down: p.down, Errors: int(p.errors),
		CongestionWindow: p.cc.window(), SlowStartThreshold: p.cc.ssthresh(), FlightSize: a.sent.flight, MTU: p.mtu,
		SRTT: p.rto.srtt, RTTVar: p.rto.rttvar, LatestRTT: p.rto.latest, RTO: p.rto.rto,
	}, true
}

// StreamStats returns the figures of an outgoing stream, zero if it was not used.
func (a *Association) StreamStats(stream uint16) (st StreamStats) {
	if s := a.out.streams.get(stream); s != nil {
		st.QueuedBytes = s.queued
		if s.abandoned != nil {
			st.Abandoned = *s.abandoned
		}
	}
	return st
}
