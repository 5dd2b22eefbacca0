package dcep_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/dcep"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openVectors pairs messages with their bytes. Byte groups: type, channel type,
// priority, reliability, label length, protocol length, label, protocol.
var openVectors = []struct {
	desc string
	open dcep.Open
	want string
}{
	{"8832-v", dcep.Open{ChannelType: dcep.PartialReliableRexmitUnordered, Priority: 256, Reliability: 3, Label: "chat"},
		"03 81 0100 00000003 0004 0000 63686174"},
	{"nothing but the header", dcep.Open{}, "03 00 0000 00000000 0000 0000"},
	{"reliable", dcep.Open{Label: "a", Priority: dcep.PriorityNormal}, "03 00 0100 00000000 0001 0000 61"},
	{"reliable unordered", dcep.Open{ChannelType: dcep.ReliableUnordered, Protocol: "p"}, "03 80 0000 00000000 0000 0001 70"},
	{"rexmit 0", dcep.Open{ChannelType: dcep.PartialReliableRexmit}, "03 01 0000 00000000 0000 0000"},
	{"timed", dcep.Open{ChannelType: dcep.PartialReliableTimed, Reliability: 0xffffffff, Priority: 0xffff}, "03 02 ffff ffffffff 0000 0000"},
	{"timed unordered", dcep.Open{ChannelType: dcep.PartialReliableTimedUnordered, Reliability: 1500, Priority: dcep.PriorityExtraHigh, Label: "é", Protocol: "\x00"},
		"03 82 0400 000005dc 0002 0001 c3a9 00"},
}

// 8832-5.1-a, 8832-5.1-b, 8832-v
func TestOpenVectors(t *testing.T) {
	for _, v := range openVectors {
		want := unhex(t, v.want)
		got, err := dcep.AppendOpen([]byte("x"), v.open)
		if err != nil || !bytes.Equal(got[1:], want) || got[0] != 'x' {
			t.Errorf("%s: AppendOpen = %x, %v, want %x", v.desc, got, err, want)
		}
		if open, err := dcep.ParseOpen(want); err != nil || open != v.open {
			t.Errorf("%s: ParseOpen = %+v, %v, want %+v", v.desc, open, err, v.open)
		}
		if typ, err := dcep.Parse(want); err != nil || typ != dcep.MessageOpen {
			t.Errorf("%s: Parse = %v, %v", v.desc, typ, err)
		}
	}
}

// 8832-5.2-a
func TestAck(t *testing.T) {
	ack := dcep.AppendAck(nil)
	if !bytes.Equal(ack, []byte{2}) {
		t.Fatalf("AppendAck = %x", ack)
	}
	if typ, err := dcep.Parse(ack); typ != dcep.MessageAck || err != nil {
		t.Fatalf("Parse = %v, %v", typ, err)
	}
	if typ, err := dcep.Parse([]byte{2, 0, 0, 0}); typ != dcep.MessageAck || err != nil {
		t.Errorf("an ACK as pion/webrtc sends it: Parse = %v, %v", typ, err)
	}
}

func wantRule(t *testing.T, desc string, rule dcep.Rule, f func() error) {
	t.Helper()
	var e *dcep.Error
	if err := f(); !errors.As(err, &e) || e.Rule != rule {
		t.Errorf("%s: error %v, want one about: %v", desc, err, rule)
	}
}

// 8832-5.2-a: 0x00, 0x01 and 0xff are reserved, the rest unassigned.
func TestEveryMessageType(t *testing.T) {
	for i := range 256 {
		b := append([]byte{byte(i)}, make([]byte, 11)...)
		if typ := dcep.MessageType(i); typ != dcep.MessageOpen {
			if typ != dcep.MessageAck {
				wantRule(t, typ.String(), dcep.RuleMessageType, func() error { _, err := dcep.Parse(b); return err })
			}
			wantRule(t, typ.String(), dcep.RuleMessageType, func() error { _, err := dcep.ParseOpen(b); return err })
		}
	}
	wantRule(t, "no bytes", dcep.RuleMessageEmpty, func() error { _, err := dcep.Parse(nil); return err })
	wantRule(t, "no bytes", dcep.RuleMessageEmpty, func() error { _, err := dcep.ParseOpen(nil); return err })
}

// 8832-5.1-b: six types, all others invalid; the parameter of the reliable ones is ignored.
func TestEveryChannelType(t *testing.T) {
	assigned := map[dcep.ChannelType]struct{ unordered, rexmit, timed bool }{
		0x00: {false, false, false}, 0x01: {false, true, false}, 0x02: {false, false, true},
		0x80: {true, false, false}, 0x81: {true, true, false}, 0x82: {true, false, true},
	}
	for i := range 256 {
		typ := dcep.ChannelType(i)
		in := []byte{3, byte(i), 0, 0, 0, 0, 0, 7, 0, 0, 0, 0}
		want, ok := assigned[typ]
		if typ.Valid() != ok {
			t.Fatalf("%v.Valid() = %v", typ, !ok)
		}
		if !ok {
			wantRule(t, typ.String(), dcep.RuleChannelType, func() error { _, err := dcep.ParseOpen(in); return err })
			wantRule(t, typ.String(), dcep.RuleChannelType, func() error {
				_, err := dcep.AppendOpen(nil, dcep.Open{ChannelType: typ})
				return err
			})
			continue
		}
		if typ.Unordered() != want.unordered || typ.LimitsRetransmits() != want.rexmit || typ.LimitsLifetime() != want.timed {
			t.Errorf("%v: properties differ from %+v", typ, want)
		}
		open, err := dcep.ParseOpen(in)
		if partial := want.rexmit || want.timed; err != nil || partial != (open.Reliability == 7) {
			t.Errorf("%v: ParseOpen = %+v, %v", typ, open, err)
		}
	}
}

// 8832-5.1-a: total exactly 12 + lengths. Every truncation and every extension fails.
func TestOpenLengths(t *testing.T) {
	whole := unhex(t, "03 81 0100 00000003 0004 0003 63686174 616263")
	for n := 1; n < len(whole); n++ {
		rule := dcep.RuleOpenLength
		if n < 12 {
			rule = dcep.RuleOpenHeader
		}
		wantRule(t, "truncated", rule, func() error { _, err := dcep.ParseOpen(whole[:n:n]); return err })
	}
	for n := 1; n < 5; n++ {
		long := append(bytes.Clone(whole), make([]byte, n)...)
		wantRule(t, "extended", dcep.RuleOpenLength, func() error { _, err := dcep.ParseOpen(long); return err })
	}
	// Every value of one length field; the other compensating is the one way to stay well formed.
	for field := 8; field <= 10; field += 2 {
		for v := range 65536 {
			m := bytes.Clone(whole)
			m[field], m[field+1] = byte(v>>8), byte(v)
			open, err := dcep.ParseOpen(m)
			if (err == nil) != bytes.Equal(m, whole) {
				t.Fatalf("length field at %d = %d: %+v, %v", field, v, open, err)
			}
		}
	}
	shifted := bytes.Clone(whole)
	shifted[9], shifted[11] = 7, 0
	if open, err := dcep.ParseOpen(shifted); err != nil || open.Label != "chatabc" || open.Protocol != "" {
		t.Errorf("ParseOpen = %+v, %v", open, err)
	}
}

// 8832-7-a, w3c-create-a: label and protocol of 65535 bytes pass, one more is refused.
func TestFieldLimits(t *testing.T) {
	full := dcep.Open{Label: strings.Repeat("é", 32767) + "x", Protocol: strings.Repeat("p", 65535)}
	b, err := dcep.AppendOpen(nil, full)
	if err != nil || len(b) != dcep.MaxOpenLen {
		t.Fatalf("AppendOpen: %d bytes, %v", len(b), err)
	}
	if got, err := dcep.ParseOpen(b); err != nil || got != full {
		t.Fatalf("ParseOpen: %v", err)
	}
	appendErr := func(o dcep.Open) func() error {
		return func() error {
			b, err := dcep.AppendOpen([]byte("kept"), o)
			if string(b) != "kept" {
				t.Errorf("AppendOpen changed its buffer to %q", b)
			}
			return err
		}
	}
	long := strings.Repeat("a", 65536)
	wantRule(t, "long label", dcep.RuleLabelLength, appendErr(dcep.Open{Label: long}))
	wantRule(t, "long protocol", dcep.RuleProtocolLength, appendErr(dcep.Open{Protocol: long}))
	wantRule(t, "parameter of a reliable channel", dcep.RuleReliability, appendErr(dcep.Open{Reliability: 1}))
	wantRule(t, "parameter of a reliable channel", dcep.RuleReliability, appendErr(dcep.Open{ChannelType: dcep.ReliableUnordered, Reliability: 1}))
}

// 8832-5.1-a: label and protocol are UTF-8.
func TestInvalidUTF8(t *testing.T) {
	for _, bad := range []string{"\xff", "\xc3", "a\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"} {
		for i, rule := range []dcep.Rule{dcep.RuleLabelUTF8, dcep.RuleProtocolUTF8} {
			o := dcep.Open{Label: bad}
			b := append([]byte{3, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(bad)), 0, 0}, bad...)
			if i == 1 {
				o = dcep.Open{Protocol: bad}
				b[9], b[11] = b[11], b[9]
			}
			wantRule(t, "parse", rule, func() error { _, err := dcep.ParseOpen(b); return err })
			wantRule(t, "append", rule, func() error { _, err := dcep.AppendOpen(nil, o); return err })
		}
	}
}

// Every rule, and every value with a name, says something of its own.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	name := func(s string) {
		if s == "" || seen[s] {
			t.Errorf("name %q is empty or not unique", s)
		}
		seen[s] = true
	}
	for r := dcep.RuleMessageEmpty; r <= dcep.RuleProtocolUTF8+1; r++ {
		name((&dcep.Error{Rule: r, Got: 5}).Error())
	}
	for i := range 256 {
		name(dcep.ChannelType(i).String())
		name(dcep.MessageType(i).String())
	}
}

func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 64)
	open := dcep.Open{Label: "label", Protocol: "protocol"}
	if n := testing.AllocsPerRun(100, func() { buf, _ = dcep.AppendOpen(buf[:0], open); buf = dcep.AppendAck(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations to append", n)
	}
	in, _ := dcep.AppendOpen(nil, open)
	if n := testing.AllocsPerRun(100, func() { dcep.Parse(in); dcep.ParseOpen(in) }); n > 2 {
		t.Errorf("%v allocations to parse, want at most the two strings", n)
	}
}
