package sctp

import "time"

// PathID names a path of an association. A WebRTC association has one, 0.
type PathID uint8

// State is a state of the association (RFC 9260, section 4).
type State uint8

// The states.
const (
	Closed State = iota
	CookieWait
	CookieEchoed
	Established
	ShutdownPending
	ShutdownSent
	ShutdownReceived
	ShutdownAckSent
)

// Association is one SCTP association.
type Association struct{}

// Transmit is a packet to send.
type Transmit struct {
	Path   PathID
	Packet []byte // the bytes appended to dst
}

// New returns an association in state Closed, which answers the handshake of a
// peer. Connect starts the handshake from this side; both sides may.
func New(cfg Config) (*Association, error) { panic("stub") }

// Connect sends INIT. It returns ErrAlreadyStarted if the association is past Closed.
func (a *Association) Connect(now time.Time) error { panic("stub") }

// HandlePacket takes a datagram that came in. The packet may be reused afterwards.
func (a *Association) HandlePacket(now time.Time, path PathID, packet []byte) { panic("stub") }

// HandleTimeout runs what is due at now.
func (a *Association) HandleTimeout(now time.Time) { panic("stub") }

// Timeout returns when HandleTimeout is to be called next.
func (a *Association) Timeout() (time.Time, bool) { panic("stub") }

// Transmit appends the next packet to dst; dst needs room for MTU bytes.
func (a *Association) Transmit(now time.Time, dst []byte) (Transmit, bool) { panic("stub") }

// NextEvent returns the next event.
func (a *Association) NextEvent() (Event, bool) { panic("stub") }

// Send queues a message. ErrSendBufferFull means: wait for EventWritable.
func (a *Association) Send(now time.Time, m Message) error { panic("stub") }

// Peek describes what Read on the stream would return next; ErrWouldBlock, io.EOF and
// ErrMessageAborted as Read, without consuming.
func (a *Association) Peek(stream uint16) (MessageInfo, error) { panic("stub") }

// Read moves the next bytes of the stream's current message into dst. It returns ErrWouldBlock
// when there is nothing, io.EOF once for each reset by the peer, ErrMessageAborted once when
// a message of which pieces were read will not be completed. After the association
// has ended and all is read: the error of EventClosed, or ErrClosed after a graceful end.
func (a *Association) Read(now time.Time, stream uint16, dst []byte) (int, MessageInfo, error) {
	panic("stub")
}

// ResetStreams resets the outgoing side of the streams (RFC 6525) once all messages queued on them are sent.
func (a *Association) ResetStreams(now time.Time, streams ...uint16) error { panic("stub") }

// Shutdown ends the association gracefully: all queued messages are delivered first.
func (a *Association) Shutdown(now time.Time) error { panic("stub") }

// Abort ends the association at once; the peer is told the reason.
func (a *Association) Abort(now time.Time, reason string) { panic("stub") }

// State returns the state.
func (a *Association) State() State { panic("stub") }

// OutboundStreams returns the number of outgoing streams usable (0 before Established);
// InboundStreams likewise for incoming ones.
func (a *Association) OutboundStreams() int { panic("stub") }

// InboundStreams returns the number of incoming streams.
func (a *Association) InboundStreams() int { panic("stub") }

// BufferedAmount returns the bytes of a stream queued and not yet handed to the transport.
func (a *Association) BufferedAmount(stream uint16) int { panic("stub") }

// SetBufferedAmountLowThreshold sets the threshold of EventBufferedAmountLow. Default 0.
func (a *Association) SetBufferedAmountLowThreshold(stream uint16, n int) { panic("stub") }

// Stats returns counters and gauges.
func (a *Association) Stats() Stats { panic("stub") }

// Stats are counters since the start and gauges of now.
type Stats struct {
	PacketsSent, PacketsReceived                        uint64
	BytesSent, BytesReceived                            uint64 // SCTP packets, common header included
	MessagesSent, MessagesReceived                      uint64
	DataChunksSent, DataChunksReceived, Retransmissions uint64
	MessagesAbandoned                                   uint64
	SRTT, RTO                                           time.Duration // SRTT is 0 before a sample
	CongestionWindow, Ssthresh, FlightSize              int           // bytes
	PeerWindow                                          int           // receiver window of the peer in bytes
	LocalWindow                                         int           // bytes advertised to the peer
	MTU                                                 int           // SCTP packet bytes
	UnackedDataChunks                                   int
	SendBuffered                                        int // bytes accepted and not acknowledged
	ReceiveBuffered                                     int // bytes not read by the application
}
