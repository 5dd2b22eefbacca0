package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestDefaults are the protocol parameters of the RFC, HB.Max.Burst and the figures
// for several paths aside. // 9260-16-a
func TestDefaults(t *testing.T) {
	a, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := a.cfg
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"RTO.Initial", c.RTOInitial, time.Second},
		{"RTO.Min", c.RTOMin, time.Second},
		{"RTO.Max", c.RTOMax, 60 * time.Second},
		{"Max.Burst", c.MaxBurst, 4},
		{"Valid.Cookie.Life", c.CookieLife, 60 * time.Second},
		{"Association.Max.Retrans", c.MaxRetransmits, 10},
		{"Max.Init.Retransmits", c.MaxInitRetransmits, 8},
		{"HB.interval", c.HeartbeatInterval, 30 * time.Second},
		{"SACK.Delay", c.SackDelay, 200 * time.Millisecond},
		{"streams out", c.OutboundStreams, uint16(65535)}, // 8831-6.2-a
		{"streams in", c.InboundStreams, uint16(65535)},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestConfigured: timers, the SACK delay and the MTU are what was asked for. // PIONS-9
func TestConfigured(t *testing.T) {
	tc := newTestConn(t, Config{
		MTU: 600, RTOInitial: 70 * time.Millisecond, RTOMin: 20 * time.Millisecond, RTOMax: 100 * time.Millisecond,
		SackDelay: 5 * time.Millisecond, HeartbeatInterval: -1,
	})
	if err := tc.a.Connect(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("INIT", "INIT")
	for i, want := range []time.Duration{70, 100, 100} {
		if d := tc.advanceToTimer(); d != want*time.Millisecond {
			t.Fatalf("INIT is repeated for the %d. time after %v", i+1, d)
		}
		tc.want("again", "INIT")
	}
	tc.write(tc.initAck())
	tc.want("COOKIE ECHO", "COOKIE ECHO")
	tc.write(chunk{t: wire.TypeCookieAck})
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("the first DATA", "SACK cum=0")
	tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "x"})
	if d := tc.advanceToTimer(); d != 5*time.Millisecond {
		t.Fatalf("SACK after %v", d)
	}
	tc.want("the second", "SACK cum=1")
	tc.send(Message{Payload: payload(1000)})
	tc.want("a packet of 600 bytes", "DATA tsn=0 sid=0 ssn=0 flags=B ppid=0 len=572")
}

// TestNoAddresses: an association over DTLS has one path, so that INIT and INIT ACK
// name no addresses and no types of them. // 8261-6.1-a 9260-3.3.2.1-a
func TestNoAddresses(t *testing.T) {
	tc := newTestConn(t, Config{})
	tc.write(tc.init())
	other := newTestConn(t, Config{})
	if err := other.a.Connect(other.now); err != nil {
		t.Fatal(err)
	}
	other.drain()
	for _, b := range append(tc.sent, other.sent...) {
		it := wire.Packet(b).Chunks()
		c, _ := it.Next()
		in, err := c.InitAck()
		if c.Type() == wire.TypeInit {
			in, err = c.Init()
		}
		if err != nil {
			t.Fatal(err)
		}
		for p, ok := in.Params.Next(); ok; p, ok = in.Params.Next() {
			switch p.Type() {
			case wire.ParamIPv4, wire.ParamIPv6, wire.ParamHostName, wire.ParamSupportedAddrTypes:
				t.Errorf("%v has %v", c.Type(), p.Type())
			}
		}
	}
}
