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
	Label    string     `json:"label"`
	Protocol string     `json:"protocol"`
	ID       uint16     `json:"dataChannelIdentifier"`
	HasID    bool       `json:"-"` // false: ID is not known yet
	State    ReadyState `json:"state"`

	MessagesSent     uint64 `json:"messagesSent"`
	BytesSent        uint64 `json:"bytesSent"`
	MessagesReceived uint64 `json:"messagesReceived"`
	BytesReceived    uint64 `json:"bytesReceived"`
}

// counts are the counters of a session.
type counts struct{ requested, accepted, opened, closed, refused uint64 }

// counters are the counters of a channel.
type counters struct{ messagesSent, bytesSent, messagesReceived, bytesReceived uint64 }

func (c *counters) sent(n int)     { c.messagesSent++; c.bytesSent += uint64(n) }
func (c *counters) received(n int) { c.messagesReceived++; c.bytesReceived += uint64(n) }

// Stats returns the channel's statistics.
func (ch *Channel) Stats() ChannelStats {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.stats()
}

func (ch *Channel) stats() ChannelStats {
	st := ChannelStats{
		Label: ch.label, Protocol: ch.protocol, State: ch.state,
		MessagesSent: ch.sum.messagesSent, BytesSent: ch.sum.bytesSent,
		MessagesReceived: ch.sum.messagesReceived, BytesReceived: ch.sum.bytesReceived,
	}
	st.ID, st.HasID = ch.id()
	return st
}
