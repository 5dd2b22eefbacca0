package datachannel

import (
	"cmp"
	"slices"
	"sync"
	"syscall/js"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/webjs"
)

// Session is the data channels of an RTCPeerConnection of the browser, which has the
// association.
//
// All methods may be called from any goroutine, and from callbacks.
type Session struct {
	cfg      Config
	pc       js.Value
	unlisten func()

	mu        sync.Mutex
	ended     bool
	err       error                 // of the callbacks: always nil
	remoteMax int64                 // bytes; 0 is any size
	unread    int                   // what the inboxes of all channels count
	live      map[*Channel]struct{} // those that are not closed, or not read to the end
	calls     calls                 // callbacks.go
	counts    counts                // stats.go
}

// NewBrowserSession returns the data channels of an RTCPeerConnection. Of the
// Config count OnChannel, MaxBufferedAmount and Logger: the rest is the browser's.
func NewBrowserSession(pc js.Value, cfg Config) *Session {
	s := &Session{cfg: cfg.withDefaults(), pc: pc, live: make(map[*Channel]struct{})}
	s.unlisten = webjs.Listen(pc, func(ev js.Value) { s.accept(ev.Get("channel")) }, "datachannel")
	return s
}

func (s *Session) lock()   { s.mu.Lock() }
func (s *Session) unlock() { s.mu.Unlock() }

// CreateChannel creates a channel; a nil init is a zero one. The errors are those of
// createDataChannel (W3C webrtc-pc, section 6.1): *InvalidStateError, *TypeError,
// *OperationError.
func (s *Session) CreateChannel(label string, init *Init) (*Channel, error) {
	const op = "CreateChannel"
	if init == nil {
		init = &Init{}
	}
	s.lock()
	defer s.unlock()
	if s.ended {
		return nil, &InvalidStateError{op, "the session is closed", true}
	}
	if err := init.check(op, label); err != nil {
		return nil, err
	}
	dc, err := webjs.Try(func() js.Value { return s.pc.Call("createDataChannel", label, init.toJS()) })
	if err != nil {
		return nil, callError(op, err)
	}
	ch := s.newChannel(label, init)
	ch.attach(dc)
	s.counts.requested++
	ch.serial = s.counts.channels()
	return ch, nil
}

// toJS writes an RTCDataChannelInit.
func (in *Init) toJS() map[string]any {
	m := map[string]any{"ordered": !in.Unordered, "protocol": in.Protocol, "negotiated": in.Negotiated}
	if in.MaxPacketLifeTime != nil {
		m["maxPacketLifeTime"] = int(*in.MaxPacketLifeTime)
	}
	if in.MaxRetransmits != nil {
		m["maxRetransmits"] = int(*in.MaxRetransmits)
	}
	if in.Negotiated {
		m["id"] = int(*in.ID)
	}
	// The names of RTCPriorityType (W3C webrtc-priority), which some browsers ignore.
	switch {
	case in.Priority == 0:
	case in.Priority < dcep.PriorityNormal:
		m["priority"] = "very-low"
	case in.Priority < dcep.PriorityHigh:
		m["priority"] = "low"
	case in.Priority < dcep.PriorityExtraHigh:
		m["priority"] = "medium"
	default:
		m["priority"] = "high"
	}
	return m
}

// accept takes a channel that the peer opened. It has to have its listeners before
// the browser goes on.
func (s *Session) accept(dc js.Value) {
	s.lock()
	defer s.unlock()
	if s.ended {
		return
	}
	limit := func(name string) *uint16 {
		v := dc.Get(name)
		if v.Type() != js.TypeNumber {
			return nil
		}
		n := uint16(v.Int())
		return &n
	}
	ch := s.newChannel(webjs.Text(dc.Get("label")), &Init{
		Unordered:         !dc.Get("ordered").Truthy(),
		MaxPacketLifeTime: limit("maxPacketLifeTime"),
		MaxRetransmits:    limit("maxRetransmits"),
		Protocol:          webjs.Text(dc.Get("protocol")),
	})
	ch.incoming = true
	ch.attach(dc)
	s.counts.accepted++
	ch.serial = s.counts.channels()
	if s.cfg.OnChannel != nil {
		ch.face.inOnChannel = true
		ch.raise(evAnnounce)
	}
	ch.opened()
}

// attach ties a new channel to the browser's object.
func (ch *Channel) attach(dc js.Value) {
	ch.dc = dc
	dc.Set("binaryType", "arraybuffer")
	message := webjs.Listen(dc, ch.onMessage, "message")
	other := webjs.Listen(dc, ch.onEvent, "open", "bufferedamountlow", "error", "closing", "close")
	ch.unlisten = func() { message(); other() }
	ch.s.live[ch] = struct{}{}
}

// SetRemoteMaxMessageSize says how large a message the peer accepts, in bytes; 0 is
// any size, and negative means that the peer did not say, which is 65536.
func (s *Session) SetRemoteMaxMessageSize(n int64) {
	s.lock()
	defer s.unlock()
	if n < 0 {
		n = DefaultRemoteMaxMessageSize
	}
	s.remoteMax = n
}

// Abort closes all channels at once, without further events: what has to be done
// before the RTCPeerConnection is closed.
func (s *Session) Abort(string) {
	s.lock()
	defer s.unlock()
	if s.ended {
		return
	}
	s.ended, s.calls.silent = true, true
	s.unlisten()
	for ch := range s.live {
		ch.local = true
		ch.freeze()
		ch.dropQueue(&InvalidStateError{"WriteMessage", "the association ended", true})
		if ch.state != Closed {
			ch.setClosed()
		}
		ch.discard()
	}
}

// Stats returns the session's statistics: of SCTP the browser has none to give.
func (s *Session) Stats() Stats {
	s.lock()
	defer s.unlock()
	st := Stats{
		ChannelsRequested: s.counts.requested, ChannelsAccepted: s.counts.accepted,
		ChannelsOpened: s.counts.opened, ChannelsClosed: s.counts.closed,
	}
	for ch := range s.live {
		if ch.state != Closed {
			st.Channels = append(st.Channels, ch.stats())
		}
	}
	slices.SortFunc(st.Channels, func(a, b ChannelStats) int { return cmp.Compare(a.Serial, b.Serial) })
	return st
}
