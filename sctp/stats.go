package sctp

import "time"

// Stats are counters since the start of the association, and gauges of now.
type Stats struct {
	PacketsSent, PacketsReceived uint64
	BytesSent, BytesReceived     uint64 // of SCTP packets, common headers included
	PacketsDropped               uint64 // received and not acceptable: checksum, tag, format

	MessagesSent, MessagesReceived     uint64 // accepted by Send; completed for Read
	MessagesAbandoned                  uint64 // by their reliability limit
	DataChunksSent, DataChunksReceived uint64 // retransmissions and duplicates included
	Retransmissions, FastRetransmits   uint64 // chunks; recoveries entered
	Timeouts                           uint64 // T3-rtx expiries
	TimeLosses                         uint64 // chunks found lost by RACK
	TailLossProbes                     uint64 // sent
	SpuriousRecoveries                 uint64 // taken back
	DuplicatesReceived                 uint64 // DATA chunks that had come in before
	SACKsSent, SACKsReceived           uint64

	SRTT, RTO           time.Duration // SRTT is 0 before a sample
	CongestionWindow    int           // bytes
	SlowStartThreshold  int           // bytes
	FlightSize          int           // bytes of outstanding chunks
	PeerWindow          int           // bytes that the peer is ready to take
	LocalWindow         int           // bytes that we are ready to take
	MTU                 int           // bytes of an SCTP packet
	UnackedDataChunks   int           // sent and not acknowledged
	SendBuffered        int           // bytes accepted by Send and not acknowledged
	ReceiveBuffered     int           // bytes not read by the application
	ZeroChecksumSending bool          // packets go out without their CRC32c (RFC 9653)
	SNAP                bool          // set up by ConnectWithToken, as the peer did
}

// counters are the counting part of Stats.
type counters struct {
	packetsSent, packetsReceived, bytesSent, bytesReceived, dropped uint64
	messagesSent, abandoned                                         uint64
	dataSent, dataReceived, retransmissions, recoveries, timeouts   uint64
	duplicates, sacksSent, sacksReceived                            uint64
	rackLosses, tailProbes, undone                                  uint64
}

// Stats returns the statistics.
func (a *Association) Stats() Stats {
	c, p := &a.counters, a.paths.primary()
	return Stats{
		PacketsSent: c.packetsSent, PacketsReceived: c.packetsReceived,
		BytesSent: c.bytesSent, BytesReceived: c.bytesReceived, PacketsDropped: c.dropped,
		MessagesSent: c.messagesSent, MessagesReceived: a.in.reads, MessagesAbandoned: c.abandoned,
		DataChunksSent: c.dataSent, DataChunksReceived: c.dataReceived,
		Retransmissions: c.retransmissions, FastRetransmits: c.recoveries, Timeouts: c.timeouts,
		TimeLosses: c.rackLosses, TailLossProbes: c.tailProbes, SpuriousRecoveries: c.undone,
		DuplicatesReceived: c.duplicates, SACKsSent: c.sacksSent, SACKsReceived: c.sacksReceived,
		SRTT: p.rto.srtt, RTO: p.rto.rto,
		CongestionWindow: p.cc.window(), SlowStartThreshold: p.cc.ssthresh(), FlightSize: a.sent.flight,
		PeerWindow: a.window.room(a.sent.flightPayload), LocalWindow: a.in.window(), MTU: p.mtu,
		UnackedDataChunks: a.sent.outstanding + a.sent.lost,
		SendBuffered:      a.out.buffered, ReceiveBuffered: a.in.bytes,
		ZeroChecksumSending: a.peer.zeroChecksum,
		SNAP:                a.hs.snap == snapHeard,
	}
}
