package sctp

import "strconv"

// EventKind says what an Event reports.
type EventKind uint8

// The events of an association. "Stream" in a comment refers to the field.
const (
	// EventConnected: the association is established; data may flow.
	EventConnected EventKind = iota + 1
	// EventRestarted: the peer restarted the association (RFC 9260, section
	// 5.2.4, action A). Messages not yet acknowledged are lost, streams start anew.
	EventRestarted
	// EventReadable: Read on Stream will return data, ErrMessageAborted or
	// io.EOF. Reported once when a stream turns readable, again only after a
	// Read found it empty (ErrWouldBlock).
	EventReadable
	// EventWritable: after a Send was refused with ErrSendBufferFull, there is
	// room again.
	EventWritable
	// EventBufferedAmountLow: the bytes of Stream not yet handed to the
	// transport fell from above to at or below its threshold.
	EventBufferedAmountLow
	// EventTotalBufferedAmountLow: the same of all streams together, if a
	// threshold was set.
	EventTotalBufferedAmountLow
	// EventStreamReset: the peer reset its outgoing side of Stream (RFC 6525).
	// What was received before is still readable and ends with io.EOF. A reset that
	// only repeats the last is not reported.
	EventStreamReset
	// EventStreamResetDone: our reset of outgoing Stream was performed; its
	// sequence numbers start anew.
	EventStreamResetDone
	// EventStreamResetFailed: the peer refused our reset of Stream; Err, a
	// *ReconfigError, says why.
	EventStreamResetFailed
	// EventStreamResetAsked: the peer asked us to reset our outgoing side of Stream.
	// That happens once what was sent on it is acknowledged; until
	// EventStreamResetDone or EventStreamResetFailed, Send on it is refused.
	EventStreamResetAsked
	// EventStreamResetRefused: the peer does not reset its side of Stream as
	// RequestReset asked; Err says why.
	EventStreamResetRefused
	// EventAssociationReset: the numbers of all streams and the TSNs start anew, as
	// we or the peer wanted. Messages are not affected.
	EventAssociationReset
	// EventStreamsAdded: there are more outgoing or incoming streams now, as we or
	// the peer wanted.
	EventStreamsAdded
	// EventReconfigFailed: the peer refused ResetAssociation or AddStreams; Err, a
	// *ReconfigError, says which.
	EventReconfigFailed
	// EventMessageAbandoned: a message on Stream ran into its reliability limit, or was in
	// parts (Message.More) and given up. Message is its ID. Begun says that a part of it was sent: the peer may have
	// it all the same if that was all of it.
	EventMessageAbandoned
	// EventMessageSent: the last byte of a message with an ID was handed to the
	// transport; Stream and Message name it.
	EventMessageSent
	// EventMessageDelivered: the peer has acknowledged all of a message with an
	// ID; Stream and Message name it. Messages of which neither this nor
	// EventMessageAbandoned is reported before EventClosed or EventRestarted
	// may or may not have arrived.
	EventMessageDelivered
	// EventPeerError: the peer sent an ERROR chunk; Err is a *PeerError.
	EventPeerError
	// EventPathDown and EventPathUp: the peer stopped or began to answer on Path.
	EventPathDown
	EventPathUp
	// EventShutdownReceived: the peer is shutting down; Send is refused from now on.
	EventShutdownReceived
	// EventClosed: the association has ended; it is the last event. Err is nil
	// after a graceful shutdown, else a *PeerAbortError, an *AbortedError or
	// one of the Err values. What was received before stays readable.
	EventClosed
)

var eventNames = [...]string{
	EventConnected: "connected", EventRestarted: "restarted", EventReadable: "readable", EventWritable: "writable",
	EventBufferedAmountLow: "buffered-amount-low", EventTotalBufferedAmountLow: "total-buffered-amount-low",
	EventStreamReset: "stream-reset", EventStreamResetDone: "stream-reset-done", EventStreamResetFailed: "stream-reset-failed",
	EventStreamResetAsked: "stream-reset-asked", EventStreamResetRefused: "stream-reset-refused",
	EventAssociationReset: "association-reset", EventStreamsAdded: "streams-added", EventReconfigFailed: "reconfig-failed",
	EventMessageAbandoned: "message-abandoned", EventMessageSent: "message-sent", EventMessageDelivered: "message-delivered",
	EventPeerError: "peer-error", EventPathDown: "path-down", EventPathUp: "path-up",
	EventShutdownReceived: "shutdown-received", EventClosed: "closed",
}

func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "event " + strconv.Itoa(int(k))
}

// An Event tells the application what happened. Only the fields that the
// comment of its Kind names are set.
type Event struct {
	Kind    EventKind
	Begun   bool
	Path    PathID
	Stream  uint16
	Message uint64 // Message.ID; 0 if the message has none
	Err     error
}
