package sluice

import (
	"net"
	"testing"
)

// What strangers send, and what is no packet at all, is counted and does no harm.
func TestDroppedDatagrams(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	connect(t, a, b)
	ports := a.core.ice.mux.Addrs()
	if len(ports) == 0 {
		t.Fatal("no ports")
	}
	stranger, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	malformed := make([]byte, 24) // STUN with an attribute longer than the message
	copy(malformed, []byte{0, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42})
	copy(malformed[20:], []byte{0, 0x20, 0, 200})
	for _, c := range []struct {
		desc     string
		datagram []byte
		want     DroppedDatagrams
	}{
		{"a record", []byte{23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3}, DroppedDatagrams{Strangers: 1}},
		{"RTP", []byte{0x80, 0, 0, 0}, DroppedDatagrams{Unknown: 1}},
		{"broken STUN", malformed, DroppedDatagrams{Malformed: 1}},
	} {
		before := a.Stats().Transport.DatagramsDropped
		if _, err := stranger.Write(c.datagram); err != nil {
			t.Fatal(err)
		}
		var now DroppedDatagrams
		if !eventually(func() bool {
			now = a.Stats().Transport.DatagramsDropped
			now.Strangers -= before.Strangers
			now.Malformed -= before.Malformed
			now.Unknown -= before.Unknown
			return now == c.want
		}) {
			t.Errorf("%s: %+v", c.desc, now)
		}
	}
	ch, err := a.CreateChannel("after all", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.WriteMessage(t.Context(), []byte("hello"), true); err != nil {
		t.Fatal(err)
	}
	wantChannelMessage(t, accept(t, b), []byte("hello"), true)
}
