package datachannel

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// Every channel type, with every property, arrives as it was created (8832-5.1-b,
// w3c-open-b), up to the greatest label and protocol (8832-7-a).
func TestProperties(t *testing.T) {
	long := strings.Repeat("é", 32767) + "x"
	for _, c := range []struct {
		desc  string
		label string
		init  *Init
	}{
		{"defaults", "plain", nil},
		{"unordered", "", &Init{Unordered: true}},
		{"rexmit", "r", &Init{MaxRetransmits: ptr[uint16](65535)}},
		{"rexmit unordered", "r", &Init{Unordered: true, MaxRetransmits: ptr[uint16](0)}},
		{"timed", "t", &Init{MaxPacketLifeTime: ptr[uint16](0), Protocol: "p", Priority: 1024}},
		{"timed unordered", "t", &Init{Unordered: true, MaxPacketLifeTime: ptr[uint16](65535)}},
		{"long names", long, &Init{Protocol: strings.Repeat("p", 65535)}},
		{"id without negotiated is ignored", "", &Init{ID: ptr[uint16](65535)}}, // w3c-create-a
	} {
		t.Run(c.desc, func(t *testing.T) {
			bubble(t, setup{}, func(t *testing.T, p *pair) {
				a, b := p.open(c.label, c.init)
				init := c.init
				if init == nil {
					init = &Init{}
				}
				priority := init.Priority
				if priority == 0 {
					priority = dcep.PriorityNormal
				}
				for _, ch := range []*Channel{a, b} {
					lifetime, timed := ch.MaxPacketLifeTime()
					rtx, limited := ch.MaxRetransmits()
					if ch.Label() != c.label || ch.Protocol() != init.Protocol || ch.Ordered() == init.Unordered ||
						ch.Negotiated() || ch.Priority() != priority ||
						timed != (init.MaxPacketLifeTime != nil) || timed && lifetime != *init.MaxPacketLifeTime ||
						limited != (init.MaxRetransmits != nil) || limited && rtx != *init.MaxRetransmits {
						t.Errorf("%.20q %.20q ordered %v priority %d lifetime %d %v rtx %d %v", ch.Label(), ch.Protocol(), ch.Ordered(), ch.Priority(), lifetime, timed, rtx, limited)
					}
					wantID(t, ch, 0)
				}
				check(t, a.SendText("ping"))
				wantMessage(t, b, "ping", true)
				check(t, b.Send([]byte("pong")))
				wantMessage(t, a, "pong", false)
			})
		})
	}
}

// An OPEN larger than the receive buffer goes through, in pieces (8832-7-a, PIONS-5).
func TestOpenLargerThanReceiveBuffer(t *testing.T) {
	cfg := setup{b: Config{SCTP: sctp.Config{ReceiveBuffer: 8192}}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		label, protocol := strings.Repeat("l", 65535), strings.Repeat("p", 65535)
		a := value(p.a.CreateChannel(label, &Init{Protocol: protocol}))(t)
		b := p.accept(p.b)
		if b.Label() != label || b.Protocol() != protocol {
			t.Errorf("label of %d bytes, protocol of %d", len(b.Label()), len(b.Protocol()))
		}
		settle()
		wantState(t, a, Open)
		if n := p.b.recv.held; n != 0 || len(p.b.recv.partials) != 0 {
			t.Errorf("%d bytes of beginnings are kept", n)
		}
	})
}

// The errors of creation, in the order of w3c-create-a: of two things that are
// wrong, the earlier one is reported. Nothing changes (8831-6.5-a, PIONS-14).
func TestCreateErrors(t *testing.T) {
	long, bad := strings.Repeat("a", 65536), "\xff"
	id := ptr[uint16]
	cases := []struct {
		desc  string
		label string
		init  Init
		want  any
	}{
		{"label too long", long, Init{Protocol: long}, &TypeError{}},
		{"label not UTF-8", bad, Init{Negotiated: true}, &TypeError{}},
		{"protocol too long", "", Init{Protocol: long, Negotiated: true}, &TypeError{}},
		{"protocol not UTF-8", "", Init{Protocol: bad}, &TypeError{}},
		{"negotiated without id", "", Init{Negotiated: true}, &TypeError{}},
		{"both limits", "", Init{MaxRetransmits: id(0), MaxPacketLifeTime: id(0), Negotiated: true, ID: id(65535)}, &TypeError{}},
		{"id 65535", "", Init{Negotiated: true, ID: id(65535)}, &TypeError{}},
		{"id in use", "", Init{Negotiated: true, ID: id(7)}, &OperationError{}},
	}
	bubble(t, setup{before: func(p *pair) {
		p.negotiate(7, Init{})
		for _, c := range cases {
			wantCreateError(p.t, p.a, c.desc+" before the start", c.label, &c.init, c.want)
		}
	}}, func(t *testing.T, p *pair) {
		for _, c := range cases {
			wantCreateError(t, p.a, c.desc, c.label, &c.init, c.want)
		}
		if st := p.a.Stats(); st.ChannelsRequested != 1 || len(st.Channels) != 1 {
			t.Errorf("%+v, want one channel", st)
		}
		p.a.Abort("")
		for _, c := range cases {
			wantCreateError(t, p.a, c.desc+" after the end", c.label, &c.init, &InvalidStateError{})
		}
	})
}

func wantCreateError(t *testing.T, s *Session, desc, label string, init *Init, want any) {
	t.Helper()
	ch, err := s.CreateChannel(label, init)
	if fmt.Sprintf("%T", err) != fmt.Sprintf("%T", want) || ch != nil {
		t.Errorf("%s: %v, error %v, want %T", desc, ch, err, want)
	}
}

// maxChannels is the lesser of both directions; beyond it creation fails, and a
// channel created before is closed with an error (w3c-sctp-c, w3c-create-a).
func TestMaxChannels(t *testing.T) {
	var beyond *Channel
	var j journal
	cfg := setup{
		a: Config{SCTP: sctp.Config{OutboundStreams: 9, InboundStreams: 4}},
		before: func(p *pair) {
			beyond = value(p.a.CreateChannel("beyond", &Init{Negotiated: true, ID: ptr[uint16](4)}))(p.t)
			j.watch(beyond)
		},
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		if a, b := p.a.MaxChannels(), p.b.MaxChannels(); a != 4 || b != 4 {
			t.Errorf("MaxChannels %d and %d, want 4", a, b)
		}
		j.want(t, "error data-channel-failure", "close closed")
		wantCreateError(t, p.a, "id 4 of 4", "", &Init{Negotiated: true, ID: ptr[uint16](4)}, &OperationError{})
		p.open("0", nil)
		last, _ := p.open("2", nil)
		wantID(t, last, 2)
		wantCreateError(t, p.a, "no even id is left", "", nil, &OperationError{})
		value(p.b.CreateChannel("1", nil))(t)
		value(p.b.CreateChannel("3", nil))(t)
		last = value(p.b.CreateChannel("5", nil))(t)
		j.watch(last)
		settle()
		j.want(t, "error data-channel-failure", "close closed") // a grants no more
		wantCreateError(t, p.b, "no odd id is left", "", nil, &OperationError{})
	})
}

// Identifiers are given when the role is known, in the order of creation, around
// those in use: even ones to the DTLS client, odd ones to the server (8832-6-b,
// w3c-create-b).
func TestIDs(t *testing.T) {
	var first, second, later *Channel
	cfg := setup{before: func(p *pair) {
		first = value(p.b.CreateChannel("first", nil))(p.t)
		p.negotiate(3, Init{})
		second = value(p.b.CreateChannel("second", nil))(p.t)
		if _, ok := first.ID(); ok || p.b.MaxChannels() != 0 {
			p.t.Error("id before the role")
		}
		check(p.t, p.b.SetRole(false))
		wantID(p.t, first, 1)
		wantID(p.t, second, 5)
		later = value(p.b.CreateChannel("later", nil))(p.t)
		wantID(p.t, later, 7)
		wantState(p.t, later, Connecting)
		check(p.t, p.b.SetRole(false))
		var state *InvalidStateError
		if err := p.b.SetRole(true); !errors.As(err, &state) {
			p.t.Errorf("other role: %v", err)
		}
		ca, cb := netsim.Pipe(netsim.PipeConfig{})
		if err := p.b.Start(ca, Params{DTLSClient: true}); !errors.As(err, &state) {
			p.t.Errorf("start with the other role: %v", err)
		}
		ca.Close()
		cb.Close()
	}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		settle()
		for _, ch := range []*Channel{first, second, later} {
			wantState(t, ch, Open)
		}
		for _, id := range []uint16{0, 2, 4} {
			wantID(t, value(p.a.CreateChannel("even", nil))(t), id)
		}
		wantCreateError(t, p.a, "id opened by the peer", "", &Init{Negotiated: true, ID: ptr[uint16](5)}, &OperationError{})
	})
}

// The last identifier is 65534, and then there is none (8832-6-b). No association
// is needed to see that, nor the peer's patience.
func TestLastIDs(t *testing.T) {
	s := NewSession(Config{})
	defer s.Abort("")
	var last *Channel
	for range 32768 {
		last = value(s.CreateChannel("", nil))(t)
	}
	extra := value(s.CreateChannel("", nil))(t)
	check(t, s.SetRole(true))
	wantID(t, last, 65534)
	// w3c-create-b: the answer fixes the role, and none is free.
	wantState(t, extra, Closed)
	var failure *RTCError
	if err := extra.Err(); !errors.As(err, &failure) || failure.Detail != DataChannelFailure {
		t.Errorf("error %v", err)
	}
	wantCreateError(t, s, "all in use", "", nil, &OperationError{})
	last.Close()
	wantID(t, value(s.CreateChannel("", nil))(t), 65534)
}

func TestIDSet(t *testing.T) {
	for _, c := range []struct {
		used   []uint16
		client bool
		limit  int
		want   int // -1: none
	}{
		{nil, true, 65535, 0}, {nil, false, 65535, 1}, {nil, false, 1, -1}, {nil, true, 0, -1},
		{[]uint16{0, 2, 1}, true, 65535, 4}, {[]uint16{0, 2, 1}, false, 65535, 3}, {[]uint16{0, 2}, true, 4, -1},
		{[]uint16{65534}, false, 65535, 1},
	} {
		var s idSet
		for _, id := range c.used {
			s.add(id)
		}
		id, ok := s.free(c.client, c.limit)
		if want := c.want >= 0; ok != want || ok && int(id) != c.want {
			t.Errorf("%+v: %d, %v", c, id, ok)
		}
		for _, id := range c.used {
			if !s.has(id) {
				t.Errorf("%d is missing", id)
			}
			s.remove(id)
			if s.has(id) {
				t.Errorf("%d is there", id)
			}
		}
	}
}

// Channels are open when the association is established and not before, in-band ones
// with their OPEN on its way (PIONS-12, w3c-negotiated-a). OnConnected comes first
// (w3c-sctp-c).
func TestStatesUntilOpen(t *testing.T) {
	var inBand, negotiated *Channel
	var j journal
	cfg := setup{a: Config{OnConnected: func() { j.add("connected") }}, keepConnecting: true, before: func(p *pair) {
		inBand = value(p.a.CreateChannel("in-band", nil))(p.t)
		negotiated, _ = p.negotiate(10, Init{})
		inBand.OnOpen(func() { j.add("in-band open") })
		negotiated.OnOpen(func() { j.add("negotiated open") })
	}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		wantState(t, inBand, Connecting)
		wantState(t, negotiated, Connecting)
		var state *InvalidStateError
		if err := inBand.Send(nil); !errors.As(err, &state) { // w3c-send-a
			t.Errorf("Send: %v", err)
		}
		check(t, p.a.WaitConnected(background))
		wantState(t, negotiated, Open)
		wantState(t, inBand, Open)
		j.want(t, "connected", "in-band open", "negotiated open")
		p.accept(p.b)
		check(t, value(p.a.CreateChannel("again", nil))(t).Send([]byte("behind the OPEN")))
		wantMessage(t, p.accept(p.b), "behind the OPEN", false)
	})
}

// Hundred channels opened at once against an application that is late take no
// longer than one: nothing is dropped (PIONS-8).
func TestManyAtOnce(t *testing.T) {
	const n = 1000
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		var channels []*Channel
		for i := range n {
			ch := value(p.a.CreateChannel(fmt.Sprint(i), nil))(t)
			check(t, ch.WriteMessage(background, []byte(ch.Label()), true)) // behind the OPEN
			channels = append(channels, ch)
		}
		settle()
		for _, ch := range channels {
			wantState(t, ch, Open)
		}
		for range n {
			b := p.accept(p.b)
			wantMessage(t, b, b.Label(), true)
		}
		if st := p.b.Stats(); st.ChannelsAccepted != n || st.ChannelsOpened != n || len(st.Channels) != n {
			t.Errorf("%d accepted, %d opened, %d there", st.ChannelsAccepted, st.ChannelsOpened, len(st.Channels))
		}
	})
}

// Both sides open at once, under loss: identifiers do not collide (8832-4).
func TestCrossingOpens(t *testing.T) {
	cfg := setup{link: func(c *netsim.PipeConfig) { c.AtoB.Loss, c.BtoA.Loss, c.Seed = 0.2, 0.2, 1 }}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		for i := range 50 {
			value(p.a.CreateChannel(fmt.Sprintf("a%d", i), nil))(t)
			value(p.b.CreateChannel(fmt.Sprintf("b%d", i), nil))(t)
		}
		for range 50 {
			a, b := p.accept(p.a), p.accept(p.b)
			if a.Label()[0] != 'b' || b.Label()[0] != 'a' {
				t.Errorf("accepted %s and %s", a.Label(), b.Label())
			}
		}
	})
}
