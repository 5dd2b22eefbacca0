package conformance

import (
	"encoding/hex"
	"strings"
	"testing"
)

// chunkOf parses a chunk as a packet that comes in has it.
func chunkOf(t *testing.T, text string) *Value {
	t.Helper()
	s, err := Parse("x", []byte("0 < sctp: "+text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s.Events[0].Packet.Chunks[0]
}

// TestEncode compares bytes with those that the RFCs' pictures ask for. The vectors
// of 9260-6.8-c are among them.
func TestEncode(t *testing.T) {
	tests := []struct{ in, want string }{
		{"COOKIE_ACK[flgs=0]", "0b000004"},
		{"SACK[flgs=0, cum_tsn=12, a_rwnd=4660, gaps=[2:3, 5:5], dups=[]]", "030000180000000c00001234000200000002000300050005"},
		{"SACK[flgs=0, cum_tsn=1, a_rwnd=2, gaps=[], dups=[3]]", "0300001400000001000000020000000100000003"},
		{"NR_SACK[flgs=0, cum_tsn=1, a_rwnd=2, gaps=[1:2], nr_gaps=[4:5], dups=[3]]",
			"1000002000000001000000020001000100010000" + "00010002" + "00040005" + "00000003"},
		{"DATA[flgs=IUBE, len=18, tsn=1, sid=2, ssn=3, ppid=4]", "000f0012000000010002000300000004" + "00010000"},
		{"I_DATA[flgs=BE, len=21, tsn=1, sid=2, mid=3, ppid=4]", "4003001500000001000200000000000300000004" + "00000000"},
		{"I_DATA[flgs=E, len=21, tsn=1, sid=2, mid=3, fsn=4]", "4001001500000001000200000000000300000004" + "00000000"},
		{"FORWARD_TSN[cum_tsn=3, ids=[{1,2}]]", "c000000c0000000300010002"},
		{"I_FORWARD_TSN[cum_tsn=3, ids=[{1,1,2}]]", "c2000010000000030001000100000002"},
		{"SHUTDOWN[flgs=0, cum_tsn=9]", "0700000800000009"},
		{"ABORT[flgs=T, USER_INITIATED_ABORT[info=\"abc\"]]", "0601000b000c000761626300"},
		{"ERROR[flgs=0, MISSING_MANDATORY_PARAMETER[types=[7]]]", "0900000e0002000a00000001" + "00070000"},
		{"ERROR[flgs=0, STALE_COOKIE_ERROR[staleness=1]]", "0900000c0003000800000001"},
		{"RECONFIG[flgs=0, OUTGOING_SSN_RESET[req_sn=1, resp_sn=2, last_tsn=3, sids=[4]], RECONFIG_RESPONSE[resp_sn=5, result=6]]",
			"82000024" + "000d0012000000010000000200000003" + "00040000" + "0010000c0000000500000006"},
		{"RECONFIG[flgs=0, RECONFIG_RESPONSE[resp_sn=5, result=1, sender_next_tsn=6, receiver_next_tsn=7]]",
			"8200001800100014000000050000000100000006" + "00000007"},
		{"RECONFIG[flgs=0, ADD_OUTGOING_STREAMS[req_sn=1, number_of_new_streams=2]]", "820000100011000c0000000100020000"},
		{"HEARTBEAT[flgs=0, HEARTBEAT_INFORMATION[len=6, val=[1, 2]]]", "0400000a0001000601020000"},
		{"INIT[flgs=0, tag=1, a_rwnd=1500, os=1, is=2, tsn=3, SUPPORTED_EXTENSIONS[types=[RECONFIG, FORWARD_TSN, 0x40]], ECN_CAPABLE[]]",
			"010000200000000" + "1000005dc0001000200000003" + "8008000782c04000" + "80000004"},
		{"CHUNK[type=0xfe, flgs=1, len=9, val=[1]]", "fe01000901000000"},
		{"PAD[flgs=0, len=6, val=...]", "8400000600000000"},
	}
	for _, tt := range tests {
		b, err := (&coder{}).chunks(nil, []*Value{chunkOf(t, tt.in)})
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if got := hex.EncodeToString(b); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.in, got, tt.want)
		}
	}
}

// decodable are chunks that come back as they went in.
var decodable = []string{
	"DATA[flgs=UBE, len=18, tsn=1, sid=2, ssn=3, ppid=4]",
	"I_DATA[flgs=B, len=21, tsn=1, sid=2, mid=3, ppid=4]",
	"I_DATA[flgs=E, len=21, tsn=1, sid=2, mid=3, fsn=4]",
	"INIT_ACK[flgs=0, tag=1, a_rwnd=1500, os=1, is=2, tsn=3, IPV4_ADDRESS[addr=192.0.2.1], IPV6_ADDRESS[addr=fe80::1], " +
		"STATE_COOKIE[len=6, val=[0x01, 0x02]], COOKIE_PRESERVATIVE[incr=7], SUPPORTED_ADDRESS_TYPES[types=[5, 6]], " +
		`HOSTNAME_ADDRESS[addr="a"], ADAPTATION_INDICATION[adaptation_code_point=4], ZERO_CHECKSUM_ACCEPTABLE[edmid=1], ` +
		"UNRECOGNIZED_PARAMETER[params=[PARAMETER[type=0xc0ff, len=5, val=[0x01]]]], FORWARD_TSN_SUPPORTED[]]",
	"SACK[flgs=0, cum_tsn=1, a_rwnd=2, gaps=[2:3, 5:5], dups=[1, 1]]",
	"NR_SACK[flgs=0, cum_tsn=1, a_rwnd=2, gaps=[2:3], nr_gaps=[5:5], dups=[1]]",
	"FORWARD_TSN[flgs=0, cum_tsn=1, ids=[{1, 2}]]",
	"I_FORWARD_TSN[flgs=0, cum_tsn=1, ids=[{1, 0, 2}, {1, 1, 3}]]",
	"RECONFIG[flgs=0, INCOMING_SSN_RESET[req_sn=1, sids=[1, 2]], SSN_TSN_RESET[req_sn=2]]",
	"RECONFIG[flgs=0, OUTGOING_SSN_RESET[req_sn=1, resp_sn=2, last_tsn=3], ADD_INCOMING_STREAMS[req_sn=3, number_of_new_streams=4]]",
	"ERROR[flgs=0, INVALID_STREAM_IDENTIFIER[sid=3], UNRESOLVABLE_ADDRESS[param=IPV4_ADDRESS[addr=10.0.0.1]], OUT_OF_RESOURCE[], " +
		"UNRECOGNIZED_PARAMETERS[params=[ECN_CAPABLE[]]], CAUSE[code=0x0063, len=5, info=[0x01]]]",
	`ABORT[flgs=T, NO_USER_DATA[tsn=3], PROTOCOL_VIOLATION[info="no"], RESTART_WITH_NEW_ADDRESSES[params=[IPV4_ADDRESS[addr=10.0.0.1]]]]`,
	"CHUNK[type=0xfe, flgs=1, len=5, val=[0x09]]",
}

func TestDecode(t *testing.T) {
	for _, text := range decodable {
		c := &coder{}
		b, err := c.chunks(nil, []*Value{chunkOf(t, text)})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := c.parse(b, chunkTable)
		if err != nil || joinChunks(got) != text {
			t.Errorf("%s\ncomes back as\n%s (%v)", text, joinChunks(got), err)
			continue
		}
		for n := range b { // truncated: an error or something, but no panic
			if got, err := c.parse(b[:n], chunkTable); err == nil && n > 0 && n%4 == 0 && len(got) == 1 && got[0].Text == "CHUNK" && !strings.HasPrefix(text, "CHUNK") {
				t.Errorf("%s: %d bytes of it are %s", text, n, joinChunks(got))
			}
		}
	}
}

// TestTranslation: the engine's numbers are translated, the tester's are not.
func TestTranslation(t *testing.T) {
	tests := []struct{ in, want string }{
		{"DATA[flgs=0, len=17, tsn=1, sid=0, ssn=0, ppid=0]", "DATA[flgs=0, len=17, tsn=1, sid=0, ssn=0, ppid=0]"},
		{"SACK[flgs=0, cum_tsn=1, a_rwnd=2, gaps=[2:3], dups=[7]]", "SACK[flgs=0, cum_tsn=1001, a_rwnd=2, gaps=[2:3], dups=[1007]]"},
		{"SHUTDOWN[flgs=0, cum_tsn=1]", "SHUTDOWN[flgs=0, cum_tsn=1001]"},
		{"FORWARD_TSN[flgs=0, cum_tsn=1, ids=[]]", "FORWARD_TSN[flgs=0, cum_tsn=1, ids=[]]"},
		{"ERROR[flgs=0, UNRECOGNIZED_CHUNK_TYPE[chk=FORWARD_TSN[flgs=0, cum_tsn=1, ids=[]]]]",
			"ERROR[flgs=0, UNRECOGNIZED_CHUNK_TYPE[chk=FORWARD_TSN[flgs=0, cum_tsn=1001, ids=[]]]]"},
		{"ERROR[flgs=0, NO_USER_DATA[tsn=1]]", "ERROR[flgs=0, NO_USER_DATA[tsn=1001]]"},
		{"RECONFIG[flgs=0, OUTGOING_SSN_RESET[req_sn=1, resp_sn=2, last_tsn=3, sids=[4]]]",
			"RECONFIG[flgs=0, OUTGOING_SSN_RESET[req_sn=1, resp_sn=1002, last_tsn=3, sids=[4]]]"},
		{"RECONFIG[flgs=0, RECONFIG_RESPONSE[resp_sn=1, result=1, sender_next_tsn=2, receiver_next_tsn=3]]",
			"RECONFIG[flgs=0, RECONFIG_RESPONSE[resp_sn=1001, result=1, sender_next_tsn=2, receiver_next_tsn=1003]]"},
	}
	for _, tt := range tests {
		in := &coder{offset: 1000} // what the tester sends, as the engine sees it
		b, err := in.chunks(nil, []*Value{chunkOf(t, tt.in)})
		if err != nil {
			t.Fatal(err)
		}
		seen, err := (&coder{}).parse(b, chunkTable)
		if err != nil || joinChunks(seen) != tt.want {
			t.Errorf("%s is seen as\n%s (%v), want\n%s", tt.in, joinChunks(seen), err, tt.want)
		}
		back, err := in.parse(b, chunkTable)
		if err != nil || joinChunks(back) != tt.in {
			t.Errorf("%s comes back as %s (%v)", tt.in, joinChunks(back), err)
		}
	}
}
