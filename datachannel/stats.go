package datachannel

import "github.com/sluice-rtc/sluice/sctp"

// Stats describes a session (W3C webrtc-stats: RTCPeerConnectionStats and, per
// channel, RTCDataChannelStats).
type Stats struct {
	SCTP sctp.Stats `json:"sctp"` // zero before Start

	ChannelsRequested uint64 `json:"dataChannelsRequested"` // created here
	ChannelsAccepted  uint64 `json:"dataChannelsAccepted"`  // opened by the peer
	ChannelsOpened    uint64 `json:"dataChannelsOpened"`    // that were ever open
	ChannelsClosed    uint64 `json:"dataChannelsClosed"`    // that were open and are not any more
	StreamsRefused    uint64 `json:"streamsRefused"`        // streams closed because what came on them opens no channel

	// Channels are those in use: their identifiers are not free yet.
	Channels []ChannelStats `json:"channels,omitempty"`
}

// ChannelStats describes a channel. Bytes are payload bytes of messages.
type ChannelStats struct {
	Serial                uint64     `json:"-"` // tells the channels of a session apart, also those that had the same ID; from 1
	Label                 string     `json:"label"`
	Protocol              string     `json:"protocol"`
	DataChannelIdentifier *uint16    `json:"dataChannelIdentifier,omitempty"` // nil until it is known
	State                 ReadyState `json:"state"`

	MessagesSent     uint64 `json:"messagesSent"`
	BytesSent        uint64 `json:"bytesSent"`
	MessagesReceived uint64 `json:"messagesReceived"`
	BytesReceived    uint64 `json:"bytesReceived"`

	MessagesDropped uint64 `json:"messagesDropped,omitempty"` // of those received: thrown away by DropOldest
}

// counts are the counters of a session.
type counts struct{ requested, accepted, opened, closed, refused uint64 }

// channels is how many channels there have been.
func (c *counts) channels() uint64 { return c.requested + c.accepted }

// counters are the counters of a channel.
type counters struct{ messagesSent, bytesSent, messagesReceived, bytesReceived uint64 }

func (c *counters) sent(n int) { c.messagesSent++; c.bytesSent += uint64(n) }

func (c *counters) received(n int) { c.messagesReceived++; c.bytesReceived += uint64(n) }

// Stats returns the channel's statistics.
func (ch *Channel) Stats() ChannelStats {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.stats()
}

func (ch *Channel) stats() ChannelStats {
	st := ChannelStats{
		Serial: ch.serial, Label: ch.label, Protocol: ch.protocol, State: ch.state,
		MessagesSent: ch.sum.messagesSent, BytesSent: ch.sum.bytesSent,
		MessagesReceived: ch.sum.messagesReceived, BytesReceived: ch.sum.bytesReceived,
		MessagesDropped: ch.in.dropped,
	}
	if id, ok := ch.id(); ok {
		st.DataChannelIdentifier = &id
	}
	return st
}
