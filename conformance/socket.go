package conformance

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A socket is what the application has opened.
type socket struct {
	style     int64 // SOCK_STREAM or SOCK_SEQPACKET
	nonblock  bool
	listening bool
	connected bool // connect was called, or accept returned it
	closed    bool
	linger0   bool // SO_LINGER with time 0: close aborts
	opts      map[string]int64
	subs      map[int64]bool // notifications that it wants, by type
}

// A stack is what stands behind the sockets: so far one association. It is the
// only place that knows this; an endpoint with more of them is to take its place.
type stack struct {
	assoc  *sctp.Association
	seeds  uint64
	inbox  []delivery
	ups    int   // times that the association was established or restarted
	ended  bool  // EventClosed
	err    error // with which it ended
	taken  bool  // a socket has the association: by connect or by accept
	dry    bool  // nothing is queued; a notification of it was made
	notify func(e sctp.Event) []notification
}

// A delivery is what the application may receive: a message of a stream, or a
// notification.
type delivery struct {
	stream uint16
	note   *notification
}

// timeout returns the engine's deadline.
func (s *stack) timeout() (time.Time, bool) {
	if s.assoc == nil {
		return time.Time{}, false
	}
	return s.assoc.Timeout()
}

// idle says whether there is no association that lives.
func (s *stack) idle() bool { return s.assoc == nil || s.assoc.State() == sctp.Closed }

// events takes the engine's events.
func (s *stack) events() {
	for {
		e, ok := s.assoc.NextEvent()
		if !ok {
			return
		}
		for _, n := range s.notify(e) {
			s.inbox = append(s.inbox, delivery{note: &n})
		}
		switch e.Kind {
		case sctp.EventConnected, sctp.EventRestarted:
			s.ups++
		case sctp.EventReadable:
			s.inbox = append(s.inbox, delivery{stream: e.Stream})
		case sctp.EventClosed:
			s.ended, s.err = true, e.Err
		}
	}
}

// open makes a new association with the options of a socket.
func (s *stack) open(r *runner, sock *socket) error {
	cfg := r.config(sock)
	s.seeds++
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], s.seeds)
	cfg.Seed = sha256.Sum256(seed[:])
	cfg.LocalPort, cfg.RemotePort = enginePort, testerPort
	assoc, err := sctp.New(cfg)
	if err != nil {
		return unsupportedf("%v", err)
	}
	*s = stack{assoc: assoc, seeds: s.seeds, notify: func(e sctp.Event) []notification { return r.notifications(sock, e) }}
	return nil
}

// arrived makes sure that somebody is there for a packet.
func (s *stack) arrived(r *runner, b []byte, p *Packet) error {
	if s.assoc != nil && !(s.ended && s.idle()) {
		return nil
	}
	for _, sock := range r.sockets {
		if sock.listening && !sock.closed {
			if s.assoc == nil || first(p) == "INIT" {
				return s.open(r, sock)
			}
			return nil
		}
	}
	if s.assoc == nil {
		return unsupportedf("a packet that no socket is there for: it needs an endpoint")
	}
	return nil
}

// config returns what the options of a socket mean to the engine.
func (r *runner) config(s *socket) sctp.Config {
	ms := func(key string) time.Duration { return time.Duration(s.opts[key]) * time.Millisecond }
	cfg := sctp.Config{
		MTU:        r.mtu,
		RTOInitial: ms("srto_initial"), RTOMin: ms("srto_min"), RTOMax: ms("srto_max"),
		OutboundStreams: uint16(s.opts["sinit_num_ostreams"]), InboundStreams: uint16(s.opts["sinit_max_instreams"]),
		MaxInitRetransmits: int(s.opts["sinit_max_attempts"]), MaxRetransmits: int(s.opts["sasoc_asocmaxrxt"]),
		CookieLife: ms("sasoc_cookie_life"), HeartbeatInterval: ms("spp_hbinterval"), SackDelay: ms("sack_delay"),
		MaxBurst: int(s.opts["SCTP_MAX_BURST"]), ReceiveBuffer: int(s.opts["SO_RCVBUF"]), SendBuffer: int(s.opts["SO_SNDBUF"]),
	}
	if n := int(s.opts["SCTP_MAXSEG"]); n > 0 {
		cfg.MTU = min(cfg.MTU, n+headerLen+16)
	}
	if r.heartbeats == heartbeatsOff {
		cfg.HeartbeatInterval = -1
	}
	return cfg
}

// newSocket returns a socket with the defaults of RFC 9260, section 16.
func newSocket(style int64) *socket {
	return &socket{style: style, subs: make(map[int64]bool), opts: map[string]int64{
		"srto_initial": 1000, "srto_min": 1000, "srto_max": 60000,
		"sinit_num_ostreams": 65535, "sinit_max_instreams": 65535, "sinit_max_attempts": 8, "sinit_max_init_timeo": 60000,
		"sasoc_asocmaxrxt": 10, "sasoc_cookie_life": 60000, "sasoc_number_peer_destinations": 1,
		"spp_hbinterval": 30000, "spp_pathmaxrxt": 10, "sack_delay": 200, "sack_freq": 2,
		"SCTP_MAX_BURST": 4, "SO_RCVBUF": 2 << 20, "SO_SNDBUF": 2 << 20,
	}}
}
