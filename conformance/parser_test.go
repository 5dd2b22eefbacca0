package conformance

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseTimes(t *testing.T) {
	tests := []struct {
		in   string
		want When
	}{
		{"0.1 close(3) = 0", When{At: 100 * time.Millisecond}},
		{".5 close(3) = 0", When{At: 500 * time.Millisecond}},
		{"+2 close(3) = 0", When{Relative: true, At: 2 * time.Second}},
		{"+.000001 close(3) = 0", When{Relative: true, At: time.Microsecond}},
		{"* > sctp: COOKIE_ACK[flgs=0]", When{Any: true}},
		{"1~2.5 > sctp: COOKIE_ACK[flgs=0]", When{At: time.Second, Range: true, Until: 2500 * time.Millisecond}},
		{"+0~+1 > sctp: COOKIE_ACK[flgs=0]", When{Relative: true, Range: true, Until: time.Second}},
		{"0.1...0.3 read(3, ..., 9) = 9", When{At: 100 * time.Millisecond, Blocks: true, End: 300 * time.Millisecond}},
	}
	for _, tt := range tests {
		s, err := Parse("x", []byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if got := s.Events[0].When; got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

// TestParsePackets shows packet lines as the parser understands them.
func TestParsePackets(t *testing.T) {
	tests := []struct{ in, want string }{
		{"+0 > sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0x33]", "DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0x33]"},
		{"+0 > sctp: COOKIE_ACK[flgs=0]; SACK[flgs=0, cum_tsn=1,\n a_rwnd=..., gaps=[2:3, 5:5], dups=[...]]",
			"COOKIE_ACK[flgs=0]; SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[2:3, 5:5], dups=[...]]"},
		{"+0 > sctp: I-DATA[flgs=UB, len=24, tsn=1, sid=0, mid=0, ppid=0]", "I_DATA[flgs=UB, len=24, tsn=1, sid=0, mid=0, ppid=0]"},
		{"+0 > sctp: NR_SACK[flgs=0, cum_tsn=1, a_rwnd=9, gaps=[], nr_gaps=[1:2], dups=[]]",
			"NR_SACK[flgs=0, cum_tsn=1, a_rwnd=9, gaps=[], nr_gaps=[1:2], dups=[]]"},
		{"+0 > sctp: INIT[flgs=0, tag=1, a_rwnd=1500, os=1, is=1, tsn=1, IPV4_ADDRESS[addr=192.0.2.1], IPV6_ADDRESS[addr=fe80::1],\n" +
			"SUPPORTED_ADDRESS_TYPES[types=[IPv4, IPv6]], ...]",
			"INIT[flgs=0, tag=1, a_rwnd=1500, os=1, is=1, tsn=1, IPV4_ADDRESS[addr=192.0.2.1], IPV6_ADDRESS[addr=fe80::1], " +
				"SUPPORTED_ADDRESS_TYPES[types=[IPv4, IPv6]], ...]"},
		{"+0 < sctp: FORWARD_TSN[cum_tsn=3, ids=[{1,2},{3,4}]]", "FORWARD_TSN[cum_tsn=3, ids=[{1, 2}, {3, 4}]]"},
		{"+0 < sctp: I_FORWARD_TSN[cum_tsn=3, ids=[{1,0,2}]]", "I_FORWARD_TSN[cum_tsn=3, ids=[{1, 0, 2}]]"},
		{"+0 < sctp: ERROR[flgs=0, UNRECOGNIZED_CHUNK_TYPE[chk=CHUNK[type=0x99, flgs=0, len=4, val=[]]]]",
			"ERROR[flgs=0, UNRECOGNIZED_CHUNK_TYPE[chk=CHUNK[type=0x99, flgs=0, len=4, val=[]]]]"},
		{"+0 < sctp: /* nothing */ ABORT[flgs=T, USER_INITIATED_ABORT[info=\"so\"]] // a remark", `ABORT[flgs=T, USER_INITIATED_ABORT[info="so"]]`},
	}
	for _, tt := range tests {
		s, err := Parse("x", []byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if got := joinChunks(s.Events[0].Packet.Chunks); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.in, got, tt.want)
		}
	}
}

func TestParseHeaders(t *testing.T) {
	src := `--tolerance_usecs=500
--local_ip="10.0.0.1"
` + "`true`" + `
0 < sctp(bad_crc32c, tag=7)/udp(9899>9899): [0x01, 2]
+0 > ipv4 192.0.2.1 > 192.0.2.2: [ect0] sctp: COOKIE_ACK[flgs=0]
+0 < [sctp(3)] icmp unreachable frag_needed mtu 1200
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0 > udp (1000)
+0 %{ print(1) }%
+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)
+0 connect(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 EINPROGRESS (Operation now in progress)
`
	s, err := Parse("x", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Options) != 2 || s.Options[1].Value != "10.0.0.1" || len(s.Events) != 9 {
		t.Fatalf("%d options, %d events: %+v", len(s.Options), len(s.Events), s)
	}
	p := s.Events[1].Packet
	if !p.BadCRC || p.Tag.Num != 7 || !p.Encaps || !p.Inbound || p.Raw == nil {
		t.Errorf("header: %+v", p)
	}
	p = s.Events[2].Packet
	if len(p.Outer) != 1 || p.ECN != "ect0" || len(p.Chunks) != 1 {
		t.Errorf("outer headers: %+v", p)
	}
	for i, want := range []string{"icmp", "tcp", "udp"} {
		if p := s.Events[3+i].Packet; p == nil || p.Other != want {
			t.Errorf("event %d: %+v, want a packet of %s", 3+i, p, want)
		}
	}
	if s.Events[6].Code == nil || *s.Events[6].Code != "print(1)" {
		t.Error("code is not read")
	}
	if c := s.Events[8].Call; c.Result.Num != -1 || c.Errno != "EINPROGRESS" {
		t.Errorf("call: %+v", c)
	}
}

func TestIfdef(t *testing.T) {
	src := `
#ifdef A
0 close(1) = 0
#ifdef B
0 close(2) = 0
#else
0 close(3) = 0
#endif
#endif
#ifndef B
0 close(4) = 0
#endif
`
	for defined, want := range map[string]string{"": "4", "A": "134", "B": "", "A B": "12"} {
		s, err := Parse("x", []byte(src), strings.Fields(defined)...)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, e := range s.Events {
			got += e.Call.Args[0].String()
		}
		if got != want {
			t.Errorf("with %q: calls %s, want %s", defined, got, want)
		}
	}
}

// TestSyntaxErrors: each is found where it is.
func TestSyntaxErrors(t *testing.T) {
	tests := []struct {
		desc, in string
		line     int
		msg      string
	}{
		{"unknown chunk", "0 close(3) = 0\n+0 < sctp: DATUM[flgs=0]", 2, "unknown chunk DATUM"},
		{"unknown field", "0 > sctp: SACK[flgs=0,\ncum=3]", 2, "SACK has no cum"},
		{"unknown parameter", "0 > sctp: INIT[flgs=0, FOO[]]", 1, "unknown parameter FOO"},
		{"unknown cause", "0 > sctp: ABORT[flgs=0, WHY[]]", 1, "unknown cause WHY"},
		{"field missing", "0 < sctp: SHUTDOWN[flgs=0]", 1, "SHUTDOWN needs cum_tsn"},
		{"field open", "0 < sctp: SHUTDOWN[flgs=0, cum_tsn=...]", 1, "complete"},
		{"out of range", "0 > sctp: DATA[flgs=BE, len=20, tsn=4294967296]", 1, "32 bits"},
		{"flags", "0 > sctp: DATA[flgs=BX]", 1, "letters out of EBUI"},
		{"flags twice", "0 > sctp: DATA[flgs=BB]", 1, "each once"},
		{"length", "0 > sctp: DATA[flgs=BE, len=15]", 1, "at least 16"},
		{"address", "0 > sctp: INIT[flgs=0, IPV4_ADDRESS[addr=::1]]", 1, "address of its family"},
		{"time", "x close(3) = 0", 1, "time in seconds"},
		{"time of a call", "* close(3) = 0", 1, "not exact"},
		{"range", "2~1 > sctp: COOKIE_ACK[flgs=0]", 1, "before its start"},
		{"unclosed", "0 close(3 = 0", 1, `"," or ")"`},
		{"string", "0 close(\"3) = 0", 1, "not closed"},
		{"comment", "/* 0 close(3) = 0", 1, "not closed"},
		{"ifdef", "#ifdef A\n0 close(3) = 0\n", 3, "#endif is missing"},
		{"endif", "#endif\n", 1, "without #ifdef"},
		{"directive", "#include x\n", 1, "unknown directive"},
		{"no result", "0 close(3)\n+0 close(4) = 0", 2, `"=" expected`},
		{"header", "0 > sctp(vtag=1): COOKIE_ACK[flgs=0]", 1, "common header"},
		{"bytes", "0 < sctp: [0x100]", 1, "8 bits"},
		{"deep", "0 close(" + strings.Repeat("[", 100), 1, "too deep"},
	}
	for _, tt := range tests {
		_, err := Parse("x.pkt", []byte(tt.in))
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want a *SyntaxError", tt.desc, err)
			continue
		}
		if e.Pos.Line != tt.line || !strings.Contains(e.Msg, tt.msg) {
			t.Errorf("%s: %v, want line %d, %q", tt.desc, err, tt.line, tt.msg)
		}
	}
}
