package conformance

import (
	"strings"
	"testing"
)

// established is a script up to the end of a handshake that the engine began.
const established = `0.0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3
+0.0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0.0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0.0 > sctp: INIT[flgs=0, tag=1, a_rwnd=..., os=..., is=..., tsn=1, ...]
+0.0 < sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=10000, os=16, is=16, tsn=1, STATE_COOKIE[len=8, val=...]]
+0.0 > sctp: COOKIE_ECHO[flgs=0, len=8, val=...]
+0.0 < sctp: COOKIE_ACK[flgs=0]
`

// lines is how many lines that has.
var lines = strings.Count(established, "\n")

// TestWrongScripts: a script that is wrong ends at the line that is, with a reason.
func TestWrongScripts(t *testing.T) {
	const data = "+0.1 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n"
	const sack = "+0.0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]\n"
	tests := []struct {
		desc, in string
		line     int // behind the handshake
		status   Status
		reason   string
	}{
		{"right", data + sack, 0, Pass, ""},
		{"another chunk", data + "+0.0 > sctp: SHUTDOWN[flgs=0, cum_tsn=1]", 2, Fail, "SHUTDOWN expected, not SACK"},
		{"another value", data + "+0.0 > sctp: SACK[flgs=0, cum_tsn=2, a_rwnd=..., gaps=[], dups=[]]", 2, Fail, "SACK.cum_tsn: 2 expected, not 1"},
		{"another list", data + "+0.0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[2:2], dups=[]]", 2, Fail, "SACK.gaps"},
		{"a chunk more", data + "+0.0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]; COOKIE_ACK[flgs=0]", 2, Fail, "COOKIE_ACK is missing"},
		{"nothing comes", "+0.1 > sctp: COOKIE_ACK[flgs=0]", 1, Fail, "no packet is sent"},
		{"too late", data + "+0.1 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]", 2, Fail, "sent at 100ms"},
		{"too early", data + sack + "+0.0 < sctp: DATA[flgs=BE, len=20, tsn=2, sid=0, ssn=1, ppid=0]\n" +
			"+0.1 > sctp: SACK[flgs=0, cum_tsn=2, a_rwnd=..., gaps=[], dups=[]]", 4, Fail, "no packet is sent until 204ms"},
		{"within the range", data + "+0.0~+0.2 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]", 0, Pass, ""},
		{"a packet left", data, 1, Fail, "a packet is left"},
		{"another tag", data + "+0.0 > sctp(tag=3): SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]", 2, Fail, "verification tag"},
		{"raw bytes", data + "+0.0 > sctp: [3, 0, 0, 16, 0, 0, 0, 1]", 2, Fail, "expected, not"},
		{"another result", "+0.1 close(3) = 1", 1, Fail, "close: 1 expected, not 0"},
		{"another error", "+0.1 read(3, ..., 10) = -1 EPIPE", 1, Fail, "EPIPE expected, not EAGAIN"},
		{"no error", "+0.1 read(3, ..., 10) = 3", 1, Fail, "3 expected, not -1 EAGAIN"},
		{"another message", data + sack + "+0.0 sctp_recvmsg(3, ..., 10, ..., ..., {sinfo_stream=1}, MSG_EOR) = 4", 3, Fail, "sinfo_stream=1 expected, not 0"},
		{"other flags", data + sack + "+0.0 sctp_recvmsg(3, ..., 10, ..., ..., {sinfo_stream=0}, 0) = 4", 3, Fail, "flags"},
		{"another state", "+0.1 getsockopt(3, IPPROTO_SCTP, SCTP_STATUS, {sstat_state=SCTP_COOKIE_WAIT}, [176]) = 0", 1, Fail, "sstat_state"},
		{"closed descriptor", "+0.1 read(4, ..., 10) = 3", 1, Fail, "EBADF"},
		{"time runs back", "+0.1 close(3) = 0\n0.0 close(3) = 0", 2, Fail, "backwards"},
		{"blocks for ever", "+0.1...0.5 read(3, ..., 10) = 3", 1, Fail, "EAGAIN"},
		{"blocks until there is data", "+0.1...0.5 read(3, ..., 10) = 4\n+0.2 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n" + sack, 0, Pass, ""},
		{"unknown call", "+0.1 poll([{fd=3}], 1, 0) = 0", 1, Unsupported, "call poll"},
		{"unknown option", "+0.1 setsockopt(3, IPPROTO_SCTP, SCTP_FOO, [1], 4) = 0", 1, Unsupported, "SCTP_FOO"},
		{"option at the wrong time", "+0.1 setsockopt(3, IPPROTO_SCTP, SCTP_RTOINFO, {srto_initial=1, srto_max=2, srto_min=1}, 16) = 0\n+0.1 < sctp: COOKIE_ACK[flgs=0]", 1, Unsupported, "runs"},
		{"TCP", "+0.1 > S 0:0(0)", 1, Unsupported, "packets of tcp"},
		{"ECN", data + "+0.0 > [noecn] sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]", 0, Pass, ""},
		{"another ECN field", data + "+0.0 > [ect0] sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]", 2, Fail, "ECN field: ect0 expected, not noecn"},
		{"HEARTBEAT on demand, of nothing", "+0.1 close(3) = 0\n+0 setsockopt(3, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, {spp_flags=SPP_HB_DEMAND}, 16) = 0", 2, Fail, "EBADF"},
		{"code", "+0.1 %{ assert 1 }%", 1, Unsupported, "program"},
		{"command", "+0.1 `ls`", 1, Unsupported, "ls"},
	}
	for _, tt := range tests {
		s, err := Parse("x", []byte(established+tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.desc, err)
			continue
		}
		for _, endpoint := range []bool{false, true} {
			res := s.Run(Options{Strict: true, Endpoint: endpoint})
			line := 0
			if res.Status != Pass {
				line = res.Pos.Line - lines
			}
			if res.Status != tt.status || line != tt.line || !strings.Contains(res.Reason, tt.reason) {
				t.Errorf("%s: %v in line %d: %s, want %v in line %d: %s", tt.desc, res.Status, line, res.Reason, tt.status, tt.line, tt.reason)
			}
		}
	}
}

// TestLenient: what is a choice of the implementation is not compared, what answers
// the peer is.
func TestLenient(t *testing.T) {
	const listen = "0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n+0 `sysctl -w x=1`\n+0 listen(3, 1) = 0\n" +
		"+0 < sctp: INIT[flgs=0, tag=1, a_rwnd=1500, os=1, is=1, tsn=1, PARAMETER[type=0xc0ff, len=4, val=[]]]\n"
	const ack = "+0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=1, is=..., tsn=1, ECN_CAPABLE[], STATE_COOKIE[len=..., val=...]"
	tests := []struct {
		in      string
		lenient bool
		want    Status
	}{
		{listen, false, Unsupported},
		{listen + ack + "]", true, Pass},
		{listen + ack + ", UNRECOGNIZED_PARAMETER[params=[PARAMETER[type=0xc0ff, len=4, val=[]]]]]", true, Pass},
		{listen + ack + ", UNRECOGNIZED_PARAMETER[params=[PARAMETER[type=0xc0fe, len=4, val=[]]]]]", true, Fail},
	}
	for _, tt := range tests {
		s, err := Parse("x", []byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		if res := s.Run(Options{Lenient: tt.lenient}); res.Status != tt.want {
			t.Errorf("%s: %v: %s, want %v", tt.in, res.Status, res.Reason, tt.want)
		}
	}
}

// TestSettings: what a script sets for the host becomes the default of its sockets.
func TestSettings(t *testing.T) {
	const get = "+0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n" +
		"+0 getsockopt(3, IPPROTO_SCTP, SCTP_ASSOCINFO, {sasoc_asocmaxrxt=3}, [16]) = 0\n"
	tests := []struct {
		in   string
		want Status
	}{
		{"0 `sysctl -w net.inet.sctp.assoc_rtx_max=3`\n" + get, Pass},
		{"0 `sysctl -w net.inet.sctp.assoc_rtx_max=4`\n" + get, Fail},
		{"0 `sysctl -w net.inet.sctp.ecn_enable=0 net.inet.sctp.assoc_rtx_max=3`\n" + get, Pass},
		{"0 `sysctl -w net.inet.sctp.ecn_enable=1`\n" + get, Fail},
		{"0 `sysctl -w net.inet.sctp.foo=1`\n" + get, Unsupported},
	}
	for _, tt := range tests {
		s, err := Parse("x", []byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		if res := s.Run(Options{}); res.Status != tt.want {
			t.Errorf("%s: %v: %s, want %v", tt.in, res.Status, res.Reason, tt.want)
		}
	}
}

// TestNotes: what was not compared is said.
func TestNotes(t *testing.T) {
	s, err := Parse("x", []byte(established+`+0 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=7]
+0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]
+0 sctp_recvmsg(3, ..., 10, ..., ..., {sinfo_stream=0, sinfo_ssn=0, sinfo_ppid=htonl(7), sinfo_tsn=1}, MSG_EOR) = 4
`))
	if err != nil {
		t.Fatal(err)
	}
	res := s.Run(Options{})
	if got := strings.Join(res.Notes, "; "); res.Status != Pass || got != "not compared: sinfo_ssn; not compared: sinfo_tsn" {
		t.Errorf("%v: notes %q", res.Status, got)
	}
}
