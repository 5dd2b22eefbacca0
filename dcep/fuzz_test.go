package dcep_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/sluice-rtc/sluice/dcep"
)

// FuzzParse: a message parses or breaks a named rule, and what parses comes out
// of the encoder as it went in (but for the ignored reliability parameter).
func FuzzParse(f *testing.F) {
	f.Add([]byte{2})
	f.Add([]byte("\x03\x81\x01\x00\x00\x00\x00\x03\x00\x04\x00\x00chat"))
	f.Fuzz(func(t *testing.T, in []byte) {
		typ, err := dcep.Parse(in)
		if err != nil {
			wantNamedRule(t, err)
			return
		}
		if typ == dcep.MessageAck {
			if !bytes.HasPrefix(in, dcep.AppendAck(nil)) {
				t.Fatalf("%x parses as ACK", in)
			}
			return
		}
		open, err := dcep.ParseOpen(in)
		if err != nil {
			wantNamedRule(t, err)
			return
		}
		out, err := dcep.AppendOpen(nil, open)
		if err != nil {
			t.Fatalf("%x parses as %+v, which does not encode: %v", in, open, err)
		}
		if open.Reliability == 0 {
			copy(in[4:8], out[4:8])
		}
		if !bytes.Equal(in, out) {
			t.Fatalf("%x parses as %+v, which encodes as %x", in, open, out)
		}
	})
}

// FuzzOpen: what the encoder accepts, the decoder gives back.
func FuzzOpen(f *testing.F) {
	f.Add(uint8(0), uint16(256), uint32(0), "label", "protocol")
	f.Add(uint8(0x82), uint16(0), uint32(1500), "", "")
	f.Fuzz(func(t *testing.T, typ uint8, priority uint16, reliability uint32, label, protocol string) {
		open := dcep.Open{ChannelType: dcep.ChannelType(typ), Priority: priority, Reliability: reliability, Label: label, Protocol: protocol}
		b, err := dcep.AppendOpen(nil, open)
		if err != nil {
			wantNamedRule(t, err)
			return
		}
		if got, err := dcep.ParseOpen(b); err != nil || got != open {
			t.Fatalf("%+v comes back as %+v, %v", open, got, err)
		}
	})
}

func wantNamedRule(t *testing.T, err error) {
	t.Helper()
	var e *dcep.Error
	if !errors.As(err, &e) || e.Rule < dcep.RuleMessageEmpty || e.Rule > dcep.RuleProtocolUTF8 {
		t.Fatalf("error %v names no rule", err)
	}
}
