package portable

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// TestErrors makes the mistakes that W3C's methods name.
func TestErrors(t *testing.T) {
	c := newCall(t)
	n, last := uint16(1), uint16(65535)
	for name, call := range map[string]func() error{
		"label": func() error { _, err := c.CreateDataChannel(strings.Repeat("x", 65536), nil); return err },
		"both": func() error {
			_, err := c.CreateDataChannel("", &datachannel.Init{MaxRetransmits: &n, MaxPacketLifeTime: &n})
			return err
		},
		"no ID": func() error { _, err := c.CreateDataChannel("", &datachannel.Init{Negotiated: true}); return err },
		"last ID": func() error {
			_, err := c.CreateDataChannel("", &datachannel.Init{Negotiated: true, ID: &last})
			return err
		},
		"candidate": func() error {
			return c.AddICECandidate(sluice.ICECandidateInit{Candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host"})
		},
		"local type": func() error { return c.SetLocalDescription(sluice.SessionDescription{Type: "bid"}) },
		"type":       func() error { return c.SetRemoteDescription(sluice.SessionDescription{Type: "bid"}) },
	} {
		var want *sluice.TypeError
		if err := call(); !errors.As(err, &want) {
			t.Errorf("%s: %v, want a *TypeError", name, err)
		}
	}
	for name, call := range map[string]func() error{
		"CreateAnswer":         func() error { _, err := c.CreateAnswer(); return err },
		"SetRemoteDescription": func() error { return c.SetRemoteDescription(sluice.SessionDescription{Type: sluice.SDPTypeAnswer}) },
		"rollback":             func() error { return c.SetLocalDescription(sluice.SessionDescription{Type: sluice.SDPTypeRollback}) },
		"end of candidates":    func() error { return c.AddICECandidate(sluice.ICECandidateInit{}) },
	} {
		var want *sluice.InvalidStateError
		if err := call(); !errors.As(err, &want) {
			t.Errorf("%s: %v, want an *InvalidStateError", name, err)
		}
	}
	var refused *sluice.ConfigError
	if err := c.SetICEServers([]sluice.ICEServer{{URLs: []string{"nonsense"}}}); !errors.As(err, &refused) {
		t.Errorf("SetICEServers: %v, want a *ConfigError", err)
	}
	for _, servers := range [][]sluice.ICEServer{{{URLs: []string{"turn:127.0.0.1"}, Username: "u", Credential: "p"}}, nil} {
		if err := c.SetICEServers(servers); err != nil {
			t.Errorf("SetICEServers: %v", err)
		}
	}
	id := uint16(7)
	c.open("seven", &datachannel.Init{Negotiated: true, ID: &id})
	var operation *sluice.OperationError
	if _, err := c.CreateDataChannel("seven again", &datachannel.Init{Negotiated: true, ID: &id}); !errors.As(err, &operation) {
		t.Errorf("an identifier in use: %v", err)
	}
	var state *sluice.InvalidStateError
	var sdp *sluice.RTCError
	if err := c.SetRemoteDescription(sluice.SessionDescription{Type: sluice.SDPTypeOffer, SDP: "v=1\r\n"}); !errors.As(err, &sdp) || sdp.Detail != sluice.SDPSyntaxError || sdp.SDPLineNumber != 1 {
		t.Errorf("a description that is none: %v", err)
	}
	if _, err := sluice.NewPeerConnection(sluice.Config{ICEServers: []sluice.ICEServer{{URLs: []string{"nonsense:"}}}}); !errors.As(err, &refused) {
		t.Errorf("an address that is none: %v", err)
	}
	ch := c.open("unconnected", nil)
	if err := ch.Send(nil); !errors.As(err, &state) {
		t.Errorf("send before it is open: %v", err)
	}
	c.connect()
	c.write(ch, "hello", true)
	c.read(ch, "hello", true)
	var typ *sluice.TypeError
	if err := ch.SendText("\xff"); !errors.As(err, &typ) {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	if firefox && os.Getenv("SLUICE_PEER") == "" {
		return // it accepts a GiB
	}
	if err := ch.Send(make([]byte, 262145)); !errors.As(err, &typ) {
		t.Errorf("a message that is too large: %v", err)
	}
	if err := ch.WriteMessage(c.ctx, make([]byte, 262145), false); !errors.As(err, &typ) {
		t.Errorf("a message that is too large: %v", err)
	}
}
