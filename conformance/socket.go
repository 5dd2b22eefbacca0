package conformance

import (
	"maps"
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
	opts      map[string]int64
	subs      map[int64]bool // notifications that it wants, by type
}

// config returns what the options of a socket mean to the engine.
func (r *runner) config(s *socket) sctp.Config {
	if late, ok := r.late["srto_max"]; ok && late < s.opts["srto_initial"] { // it cannot be so from the start
		delete(r.late, "srto_max")
		delete(r.late, "srto_min")
	}
	opts := maps.Clone(s.opts)
	maps.Copy(opts, r.late)
	ms := func(key string) time.Duration { return time.Duration(opts[key]) * time.Millisecond }
	cfg := sctp.Config{
		LossDetection: sctp.MissIndications, // what scripts expect
		MTU:           r.mtu, CongestionControl: sctp.Reno,
		MaxMTU: -1, // scripts know of no probes
		// An application must ask for interleaving (RFC 8260, section 2.2.1).
		NoInterleaving: opts["SCTP_INTERLEAVING_SUPPORTED"] == 0, Scheduler: s.scheduler(),
		NRSACK: opts["SCTP_NRSACK_SUPPORTED"] != 0, ECN: opts["SCTP_ECN_SUPPORTED"] != 0,
		RTOInitial: ms("srto_initial"), RTOMin: ms("srto_min"), RTOMax: ms("srto_max"),
		OutboundStreams: uint16(opts["sinit_num_ostreams"]), InboundStreams: uint16(opts["sinit_max_instreams"]),
		MaxInitRetransmits: int(opts["sinit_max_attempts"]), MaxRetransmits: int(opts["sasoc_asocmaxrxt"]),
		CookieLife: ms("sasoc_cookie_life"), HeartbeatInterval: ms("spp_hbinterval"), SackDelay: ms("sack_delay"),
		MaxBurst: int(opts["SCTP_MAX_BURST"]), ReceiveBuffer: int(opts["SO_RCVBUF"]), SendBuffer: int(opts["SO_SNDBUF"]),
	}
	enabled := opts["SCTP_ENABLE_STREAM_RESET"]
	cfg.PeerReconfig = sctp.ReconfigPolicy{
		DenyResets:            enabled&constants["SCTP_ENABLE_RESET_STREAM_REQ"] == 0,
		AllowAssociationReset: enabled&constants["SCTP_ENABLE_RESET_ASSOC_REQ"] != 0,
		DenyStreams:           enabled&constants["SCTP_ENABLE_CHANGE_ASSOC_REQ"] == 0,
	}
	if n := int(opts["spp_pathmtu"]); n > 0 { // what is left for chunks (RFC 6458, section 8.1.12)
		cfg.MTU = n + headerLen
	}
	if n := int(opts["initial_cwnd"]); n > 0 { // in packets
		cfg.InitialWindow = n * (cfg.MTU - headerLen)
	}
	if n := int(opts["SCTP_MAXSEG"]); n > 0 {
		cfg.MTU = min(cfg.MTU, n+headerLen+16)
	}
	if opts["sack_freq"] == 1 {
		cfg.SackDelay = 1 // ns: none
	}
	if opts["spp_flags"]&constants["SPP_HB_DISABLE"] != 0 {
		cfg.HeartbeatInterval = -1
	}
	return cfg
}

// newSocket returns a socket with the defaults of RFC 9260, section 16.
func newSocket(style int64) *socket {
	return &socket{style: style, subs: make(map[int64]bool), opts: map[string]int64{
		"srto_initial": 1000, "srto_min": 1000, "srto_max": 60000,
		"sinit_num_ostreams": 65535, "sinit_max_instreams": 65535, "sinit_max_attempts": 8, "sinit_max_init_timeo": 60000,
		"sasoc_asocmaxrxt": 10, "sasoc_cookie_life": 60000,
		"spp_hbinterval": 30000, "spp_pathmaxrxt": 10, "spp_flags": 9, "sack_delay": 200, "sack_freq": 2,
		"SCTP_ENABLE_STREAM_RESET": 5, // as the engine does by default
		"SCTP_MAX_BURST":           4, "SO_RCVBUF": 2 << 20, "SO_SNDBUF": 2 << 20,
	}}
}
