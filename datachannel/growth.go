//go:build !js

package datachannel

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-rtc/sluice/sctp"
)

// growth asks for more streams when the identifier of a channel needs them (RFC
// 6525, sections 5.1.5 and 5.1.6): Firefox, for one, used to begin with 256.
type growth struct {
	target  int  // streams asked for in each direction; 0: none are
	tries   int  // times that the peer was busy
	refused bool // there will be no more
}

// maxGrowthTries bounds how often a busy peer is asked again.
const maxGrowthTries = 10

// potential returns how many channels the association may be able to carry: as many
// as this side grants, until the peer has refused some.
func (s *Session) potential() int {
	const most = maxID + 1
	switch {
	case !s.connected:
		return most
	case s.growth.refused:
		return s.maxChannels
	}
	cfg := &s.cfg.SCTP
	out := cmp.Or(cfg.PeerReconfig.OutboundStreams, cfg.OutboundStreams, most)
	in := cmp.Or(cfg.PeerReconfig.InboundStreams, cfg.InboundStreams, most)
	return max(s.maxChannels, min(int(out), int(in)))
}

// reaches reports whether the association has the identifier or, after asking the
// peer for more streams, may have it.
func (s *Session) reaches(id uint16) bool {
	n := int(id) + 1
	switch g := &s.growth; {
	case !s.connected, n <= s.maxChannels, n <= g.target:
		return true
	case n > s.potential():
		return false
	default:
		have := g.target
		out, in := n-max(have, s.conn.OutboundStreams()), n-max(have, s.conn.InboundStreams())
		if s.conn.AddStreams(max(out, 0), max(in, 0)) != nil {
			return false
		}
		g.target = n
		return true
	}
}

// onStreamsAdded connects the channels for which there are streams now.
func (s *Session) onStreamsAdded() {
	s.maxChannels = min(s.conn.OutboundStreams(), s.conn.InboundStreams(), maxID+1)
	if s.maxChannels >= s.growth.target {
		s.growth.target, s.growth.tries = 0, 0
	}
	for _, ch := range s.unconnected() {
		ch.connect()
	}
	s.flush()
}

// onGrowthRefused fails the channels that wait for streams, unless the peer was
// only busy.
func (s *Session) onGrowthRefused(err error) {
	const busy = 4 // RFC 6525, section 4.4
	var e *sctp.ReconfigError
	if !errors.As(err, &e) || e.Request != sctp.AddOutgoing && e.Request != sctp.AddIncoming {
		return
	}
	g := &s.growth
	g.target = 0
	g.tries++
	g.refused = g.refused || e.Result != busy || g.tries > maxGrowthTries
	for _, ch := range s.unconnected() {
		if !g.refused && s.reaches(ch.st.id) {
			continue
		}
		ch.beyond(err)
	}
}

// unconnected returns the channels that are beyond the streams that there were, in
// the order of their identifiers.
func (s *Session) unconnected() (list []*Channel) {
	for _, id := range slices.Sorted(maps.Keys(s.streams)) {
		if ch := s.streams[id].ch; ch != nil && !ch.ready && ch.state == Connecting {
			list = append(list, ch)
		}
	}
	return list
}

// beyond fails a channel for which there is no stream.
func (ch *Channel) beyond(err error) {
	ch.fail(channelError(fmt.Sprintf("ID %d is beyond the %d streams of the association", ch.st.id, ch.s.maxChannels), err))
}
