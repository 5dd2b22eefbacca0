package conformance

import (
	"slices"
	"strings"
	"testing"
)

// suiteCase is a script as suites for kernels have them, behind the handshake.
type suiteCase struct {
	desc, in string
	status   Status
	reason   string
}

// run runs the case over an endpoint, as the command does.
func (tt suiteCase) run(t *testing.T, opts Options) {
	t.Helper()
	s, err := Parse("x", []byte(established+tt.in))
	if err != nil {
		t.Errorf("%s: %v", tt.desc, err)
		return
	}
	opts.Endpoint = true
	if res := s.Run(opts); res.Status != tt.status || !strings.Contains(res.Reason, tt.reason) {
		t.Errorf("%s: %v in line %d: %s (%s), want %v: %s", tt.desc, res.Status, res.Pos.Line-lines, res.Reason, res.Got, tt.status, tt.reason)
	}
}

// TestIPFields: fields of the IP header are read in either kind of brackets, and ports.
func TestIPFields(t *testing.T) {
	tests := []struct {
		in, ecn string
		unseen  []string
		ports   bool
	}{
		{"[ect0]", "ect0", nil, false},
		{"(ecn ce)", "ce", nil, false},
		{"[tos 0x02]", "ect0", []string{"tos"}, false},
		{"(class 0x01, flowlabel 0x12345, hlim 64)", "ect1", []string{"class", "flowlabel", "hlim"}, false},
		{"[dscp cs1, ecn noecn, ttl 63] 5001 > 5002", "noecn", []string{"dscp", "ttl"}, true},
		{"[dscp 0x20]", "", []string{"dscp"}, false},
	}
	for _, tt := range tests {
		s, err := Parse("x", []byte("0 < "+tt.in+" sctp: COOKIE_ACK[flgs=0]"))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if p := s.Events[0].Packet; p.ECN != tt.ecn || !slices.Equal(p.Unseen, tt.unseen) || p.Ports != tt.ports {
			t.Errorf("%s: ECN %q, unseen %v, ports %v", tt.in, p.ECN, p.Unseen, p.Ports)
		}
	}
	for _, in := range []string{"[foo]", "[tos]", "[ttl x]", "(ecn 1)", "[ect0, ]", "[tos 0x02", "[dscp 0x20 ttl 3]"} {
		if _, err := Parse("x", []byte("0 < "+in+" sctp: COOKIE_ACK[flgs=0]")); err == nil {
			t.Errorf("%s is accepted", in)
		}
	}
}

// TestGrammarOfSuites: forms that scripts of kernel suites have.
func TestGrammarOfSuites(t *testing.T) {
	const data = "+0.1 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]"
	const sack = "\n+0.0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]"
	for _, tt := range []suiteCase{
		{"a semicolon at the end", data + ";" + sack + ";\n+0 read(3, ..., 10) = 4\n", Pass, ""},
		{"a string that goes on", `+0 write(3, "abc"..., 100) = 100` + "\n+0 > sctp: DATA[flgs=BE, len=116, tsn=1, sid=0, ssn=0, ppid=0]\n", Pass, ""},
		{"fields of the IP header", strings.Replace(data, "sctp", "(ttl 9) sctp", 1) + sack, Pass, ""},
		{"ports", strings.Replace(data, "sctp", "1 > 2 sctp", 1), Unsupported, "ports"},
		{"names of chunk types", "+0 < sctp: ERROR[flgs=0, UNRECOGNIZED_PARAMETERS[params=[SUPPORTED_EXTENSIONS[types=[I-DATA, AUTH, ASCONF, ASCONF_ACK]]]]]\n", Pass, ""},
		{"a comma at the end", "+0 setsockopt(3, IPPROTO_SCTP, SCTP_NODELAY, {assoc_value=1,}, 8) = 0\n", Pass, ""},
	} {
		tt.run(t, Options{})
	}
}

// TestChoices: what an implementation may choose is not compared with Lenient set, and
// otherwise is.
func TestChoices(t *testing.T) {
	const write = "+0 write(3, ..., 4) = 4\n"
	const reliable = "+0 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n+0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]\n"
	for _, tt := range []suiteCase{
		{"the I bit", write + "+0 shutdown(3, SHUT_WR) = 0\n+0 > sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n+0 < sctp: SACK[flgs=0, cum_tsn=0, a_rwnd=10000, gaps=[], dups=[]]\n" +
			"+1 > sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n", Fail, "DATA.flgs"},
		{"the order of chunks", "+0 < sctp: ERROR[flgs=0]; HEARTBEAT[flgs=0, HEARTBEAT_INFORMATION[len=8, val=[1, 2, 3, 4]]]; DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n" +
			"+0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]; HEARTBEAT_ACK[flgs=0, HEARTBEAT_INFORMATION[len=8, val=...]]\n", Fail, "SACK expected, not HEARTBEAT_ACK"},
		{"a SACK that rides along", "+0 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]; HEARTBEAT[flgs=0, HEARTBEAT_INFORMATION[len=8, val=[1, 2, 3, 4]]]\n" +
			"+0 > sctp: HEARTBEAT_ACK[flgs=0, HEARTBEAT_INFORMATION[len=8, val=...]]\n", Fail, "SACK was not expected"},
		{"a cause", "+0 < sctp: DATA[flgs=BE, len=16, tsn=1, sid=0, ssn=0, ppid=0]\n+0 > sctp: ABORT[flgs=0]\n", Fail, "NO_USER_DATA was not expected"},
	} {
		tt.run(t, Options{})
		tt.status, tt.reason = Pass, ""
		tt.run(t, Options{Lenient: true})
	}
	suiteCase{"the I bit that is wanted", write + "+0 > sctp: DATA[flgs=IBE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n", Fail, "IBE expected"}.run(t, Options{Lenient: true})
	suiteCase{"another chunk than a SACK", reliable + "+0 < sctp: SHUTDOWN[flgs=0, cum_tsn=0]\n+0 > sctp: COOKIE_ACK[flgs=0]\n", Fail, "COOKIE_ACK expected"}.run(t, Options{Lenient: true})
	suiteCase{"an abort by the user", "+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0\n+0 close(3) = 0\n+0 > sctp: ABORT[flgs=0]\n", Pass, ""}.run(t, Options{})
}

// TestMergeGaps: which gaps of a NR-SACK are never dropped is a choice of the receiver,
// which arrived is not.
func TestMergeGaps(t *testing.T) {
	chunk := func(fields string) []*Value {
		s, err := Parse("x", []byte("0 > sctp: NR_SACK[flgs=0, cum_tsn=1, a_rwnd=1, "+fields+"]"))
		if err != nil {
			t.Fatal(err)
		}
		return s.Events[0].Packet.Chunks
	}
	got := chunk("gaps=[], nr_gaps=[2:5, 7:7], dups=[]")
	for fields, same := range map[string]bool{
		"gaps=[2:3, 7:7], nr_gaps=[4:5], dups=[]": true,
		"gaps=[2:4], nr_gaps=[3:5, 7:7], dups=[]": true,
		"gaps=[2:5], nr_gaps=[], dups=[]":         false,
		"gaps=[2:5, 7:7], nr_gaps=[], dups=[3]":   false,
		"gaps=[...], nr_gaps=[2:5], dups=[]":      false,
	} {
		if err := compareChunks(chunk(fields), got, true); (err == nil) != same {
			t.Errorf("%s: %v", fields, err)
		}
		if compareChunks(chunk(fields), got, false) == nil {
			t.Errorf("%s equals another list", fields)
		}
	}
}

// TestLateOptions: what a script sets once the association runs, and never otherwise,
// holds from the start.
func TestLateOptions(t *testing.T) {
	const late = "+0 setsockopt(3, IPPROTO_SCTP, "
	const path = late + "SCTP_PEER_ADDR_PARAMS, {spp_address={sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr(\"192.0.2.1\")}, "
	const send = "+0 write(3, ..., 1000) = 1000\n"
	const more = "+0 < sctp: SHUTDOWN[flgs=0, cum_tsn=0]\n+0 > sctp: SHUTDOWN_ACK[flgs=0]\n"
	for _, tt := range []suiteCase{
		{"the least RTO", late + "SCTP_RTOINFO, {srto_max=1000, srto_min=1000}, 16) = 0\n" + late + "SCTP_RTOINFO, {srto_max=1000, srto_min=500}, 16) = 0\n" + more, Unsupported, "SCTP_RTOINFO while"},
		{"the delay of SACKs", late + "SCTP_DELAYED_SACK, {sack_delay=100, sack_freq=2}, 12) = 0\n+0 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n" +
			"+0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]\n+0 < sctp: DATA[flgs=BE, len=20, tsn=2, sid=0, ssn=1, ppid=0]\n" +
			"+0.1 > sctp: SACK[flgs=0, cum_tsn=2, a_rwnd=..., gaps=[], dups=[]]\n", Pass, ""},
		{"an RTO at most less than the first", late + "SCTP_RTOINFO, {srto_max=500, srto_min=100}, 16) = 0\n" + more, Unsupported, "SCTP_RTOINFO while"},
		{"a change that nobody sees", late + "SCTP_RTOINFO, {srto_max=500, srto_min=100}, 16) = 0\n", Pass, ""},
		{"no delay of SACKs", late + "SCTP_DELAYED_SACK, {sack_freq=1}, 12) = 0\n+0 < sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n" +
			"+0 > sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=..., gaps=[], dups=[]]\n+0 < sctp: DATA[flgs=BE, len=20, tsn=2, sid=0, ssn=1, ppid=0]\n" +
			"+0 > sctp: SACK[flgs=0, cum_tsn=2, a_rwnd=..., gaps=[], dups=[]]\n", Pass, ""},
		{"the MTU, in bytes of chunks", path + "spp_pathmtu=516, spp_flags=SPP_PMTUD_DISABLE}, 152) = 0\n" + send +
			"+0 > sctp: DATA[flgs=B, len=516, tsn=1, sid=0, ssn=0, ppid=0]\n+0 > sctp: DATA[flgs=E, len=516, tsn=2, sid=0, ssn=0, ppid=0]\n", Pass, ""},
		{"flags of the path", path + "spp_hbinterval=300, spp_flags=SPP_HB_ENABLE|SPP_DSCP}, 152) = 0\n" + path + "spp_flags=SPP_HB_DISABLE}, 152) = 0\n" +
			"+0 getsockopt(3, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, {spp_address=..., spp_hbinterval=300, spp_flags=SPP_HB_DISABLE|SPP_PMTUD_ENABLE|SPP_DSCP}, [152]) = 0\n", Pass, ""},
		{"two intervals", path + "spp_hbinterval=300, spp_flags=SPP_HB_ENABLE}, 152) = 0\n" + path + "spp_hbinterval=400, spp_flags=SPP_HB_ENABLE}, 152) = 0\n" + more, Unsupported, "PARAMS while"},
		{"bounds in the wrong order", late + "SCTP_RTOINFO, {srto_max=1, srto_min=2}, 16) = -1 EINVAL\n", Pass, ""},
	} {
		tt.run(t, Options{})
	}
}

// TestOptionValues: what options say of an association, beside what was set.
func TestOptionValues(t *testing.T) {
	const get, set = "+0 getsockopt(3, IPPROTO_SCTP, ", "+0 setsockopt(3, IPPROTO_SCTP, "
	for _, tt := range []suiteCase{
		{"of the peer", set + "SCTP_ASSOCINFO, {sasoc_number_peer_destinations=3, sasoc_peer_rwnd=1, sasoc_cookie_life=7000}, 20) = 0\n" +
			get + "SCTP_ASSOCINFO, {sasoc_number_peer_destinations=1, sasoc_peer_rwnd=10000, sasoc_cookie_life=7000}, [20]) = 0\n", Pass, ""},
		{"the largest chunk", get + "SCTP_MAXSEG, {assoc_value=1452}, [8]) = 0\n" + set + "SCTP_MAXSEG, {assoc_value=1200}, 8) = 0\n" +
			get + "SCTP_MAXSEG, {assoc_value=1200}, [8]) = 0\n", Pass, ""},
		{"the only address", set + "SCTP_PRIMARY_ADDR, {ssp_addr={sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr(\"192.0.2.1\")}}, 136) = 0\n" +
			get + "SCTP_PRIMARY_ADDR, {ssp_addr=...}, [136]) = 0\n", Pass, ""},
		{"lingering", "+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=30}, 8) = 0\n+0 getsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=128, linger=30}, [8]) = 0\n", Pass, ""},
		{"what only one-to-many sockets have", get + "SCTP_GET_ASSOC_NUMBER, [0], [4]) = -1 EINVAL\n" + get + "SCTP_GET_ASSOC_ID_LIST, {gaids_number_of_ids=0, gaids_assoc_id=[...]}, [0]) = -1\n", Pass, ""},
	} {
		tt.run(t, Options{})
	}
}

// TestHostSettings: settings of the host, as scripts or whoever runs them make them.
func TestHostSettings(t *testing.T) {
	const get = "0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n+0 getsockopt(3, IPPROTO_SCTP, SCTP_RTOINFO, {srto_initial=3000}, [16]) = 0\n"
	s, err := Parse("x", []byte(get))
	if err != nil {
		t.Fatal(err)
	}
	if res := s.Run(Options{}); res.Status != Fail {
		t.Errorf("without settings: %v", res.Status)
	}
	if res := s.Run(Options{Settings: []string{"rto_initial=3000", "net.sctp.max_burst=3"}}); res.Status != Pass {
		t.Errorf("with settings: %v: %s", res.Status, res.Reason)
	}
	if res := s.Run(Options{Settings: []string{"plpmtud_enable=1"}, Lenient: true}); res.Status != Unsupported {
		t.Errorf("with a setting that wants what is not there: %v", res.Status)
	}
	suiteCase{"the first window", "+0 write(3, ..., 2000) = 2000\n+0 > sctp: DATA[flgs=B, len=1468, tsn=1, sid=0, ssn=0, ppid=0]\n" +
		"+0.5 < sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=10000, gaps=[], dups=[]]\n+0 > sctp: DATA[flgs=E, len=564, tsn=2, sid=0, ssn=0, ppid=0]\n", Pass, "",
	}.run(t, Options{Settings: []string{"initial_cwnd=1"}, Lenient: true})
}

// TestNotificationsOfSuites: what the sockets of a suite are told, or why not.
func TestNotificationsOfSuites(t *testing.T) {
	const on = "+0 setsockopt(3, IPPROTO_SCTP, SCTP_EVENT, {se_assoc_id=0, se_type=%, se_on=1}, 8) = 0\n"
	recv := func(fields, flags, n string) string {
		return "+0 sctp_recvv(3, [{iov_base={" + fields + "}, iov_len=1000}], 1, ..., 20, NULL, [0], [SCTP_RECVV_NOINFO], [" + flags + "]) = " + n + "\n"
	}
	const note = "MSG_NOTIFICATION|MSG_EOR"
	const dry = "sender_dry_type=SCTP_SENDER_DRY_EVENT, sender_dry_flags=0, sender_dry_length=12"
	const failed = "+0 < sctp: ERROR[flgs=0, INVALID_STREAM_IDENTIFIER[sid=1]]\n"
	subscribe := func(kind string) string { return strings.Replace(on, "%", kind, 1) }
	for _, tt := range []suiteCase{
		{"nothing to send", subscribe("SCTP_SENDER_DRY_EVENT") + recv(dry, note, "12"), Pass, ""},
		{"all sent", "+0 write(3, ..., 4) = 4\n+0 > sctp: DATA[flgs=BE, len=20, tsn=1, sid=0, ssn=0, ppid=0]\n" + subscribe("SCTP_SENDER_DRY_EVENT") +
			"+0 read(3, ..., 9) = -1 EAGAIN\n+0 < sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=10000, gaps=[], dups=[]]\n" + recv(dry, note, "12"), Pass, ""},
		{"an error of the peer", subscribe("SCTP_REMOTE_ERROR") + failed + recv("sre_type=SCTP_REMOTE_ERROR, sre_error=1", note, "32"), Pass, ""},
		{"one that is not given", subscribe("SCTP_SEND_FAILED_EVENT") + recv("ssfe_type=SCTP_SEND_FAILED_EVENT", note, "32"), Unsupported, "notification SCTP_SEND_FAILED_EVENT"},
		{"the result before the flags", subscribe("SCTP_REMOTE_ERROR") + failed + recv("sre_type=SCTP_REMOTE_ERROR", "0", "-1 ECONNRESET"), Fail, "sctp_recvv: -1 expected"},
		{"a silent peer", subscribe("SCTP_PEER_ADDR_CHANGE") + strings.Repeat("* > sctp: HEARTBEAT[flgs=0, HEARTBEAT_INFORMATION[len=..., val=...]]\n", 11) +
			"+100 read(3, ..., 0) = 152\n+0 read(3, ..., 9) = -1 ETIMEDOUT\n", Pass, ""},
		{"addresses", "+0 sctp_getpaddrs(3, 3, [...]) = 1\n+0 sctp_freepaddrs([...]) = 0\n", Pass, ""},
	} {
		tt.run(t, Options{})
	}
}

// TestAssumedHost: a script for another host says in INIT and INIT ACK what that has.
// Parameters that come in may be left open, and a TSN may be written in other ways.
func TestAssumedHost(t *testing.T) {
	const client = "0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n+0 connect(3, ..., ...) = -1 EINPROGRESS\n" +
		"+0 > sctp: INIT[flgs=0, tag=1, a_rwnd=70000, os=7, is=9, tsn=0, ...]\n" +
		"+0 < sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=10000, os=20, is=20, tsn=0, STATE_COOKIE[len=4, val=...], ...]\n" +
		"+0 > sctp: COOKIE_ECHO[flgs=0, len=4, val=...]\n+0 < sctp: COOKIE_ACK[flgs=0]\n" +
		"+0 getsockopt(3, IPPROTO_SCTP, SCTP_STATUS, {sstat_instrms=9, sstat_outstrms=7}, [176]) = 0\n" +
		"+0 write(3, ..., 4) = 4\n+0 > sctp: DATA[flgs=BE, len=20, tsn=0, sid=0, ssn=0, ppid=0]\n" +
		"+0 < sctp: SACK[flgs=0, cum_tsn=-1, a_rwnd=10000, gaps=[], dups=[]]\n" +
		"+0 < sctp: SACK[flgs=0, cum_tsn=0, a_rwnd=10000, gaps=[], dups=[0 : 0]]\n"
	const server = "0 socket(..., SOCK_STREAM, IPPROTO_SCTP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n" +
		"+0 < sctp: INIT[flgs=0, tag=1, a_rwnd=10000, os=4, is=3, tsn=1, ...]\n" +
		"+0 > sctp: INIT_ACK[flgs=0, tag=2, a_rwnd=..., os=%, is=12, tsn=1, ...]\n"
	for _, tt := range []struct {
		desc, in string
		opts     Options
		want     Status
	}{
		{"a client", client, Options{Lenient: true}, Pass},
		{"a client, to the letter", client, Options{}, Fail},
		{"a setting comes first", client, Options{Lenient: true, Settings: []string{"incoming_streams=8"}}, Fail},
		{"a server", strings.Replace(server, "%", "3", 1), Options{Lenient: true}, Pass},
		{"a server with more streams than the client takes", strings.Replace(server, "%", "4", 1), Options{Lenient: true}, Fail},
		{"a buffer that cannot be", strings.Replace(client, "70000", "1000", 1), Options{Lenient: true}, Unsupported},
	} {
		s, err := Parse("x", []byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.desc, err)
			continue
		}
		tt.opts.Endpoint = true
		if res := s.Run(tt.opts); res.Status != tt.want {
			t.Errorf("%s: %v in line %d: %s (%s), want %v", tt.desc, res.Status, res.Pos.Line, res.Reason, res.Got, tt.want)
		}
	}
	for _, in := range []string{"< sctp: COOKIE_ACK[flgs=0, ...]", "< sctp: SACK[flgs=0, cum_tsn=-2, a_rwnd=0, gaps=[], dups=[]]", "< sctp: SACK[flgs=0, cum_tsn=1, a_rwnd=0, gaps=[], dups=[1 : 2]]"} {
		if _, err := Parse("x", []byte("0 "+in)); err == nil {
			t.Errorf("%s is accepted", in)
		}
	}
}

// TestShown: messages cut long lists, what is written as a script does not. Addresses of
// the other family are shown as bytes.
func TestShown(t *testing.T) {
	long := "COOKIE_ECHO[flgs=0, len=44, val=[" + strings.Repeat("0x01, ", 39) + "0x01]]"
	s, err := Parse("x", []byte("0 < sctp: "+long+"; CHUNK[type=6, flgs=0, len=16, val=[0, 11, 0, 12, 0, 6, 0, 8, 1, 2, 3, 4]]"))
	if err != nil {
		t.Fatal(err)
	}
	chunks := s.Events[0].Packet.Chunks
	if got := joinChunks(chunks[:1]); got != long {
		t.Errorf("written as %s", got)
	}
	if got := showChunks(chunks[:1]); !strings.HasSuffix(got, "0x01, ... 24 more]]") || len(got) > 150 {
		t.Errorf("shown as %s", got)
	}
	c := &coder{fromEngine: true}
	b, err := c.chunks(nil, chunks)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := c.parse(b, chunkTable)
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range seen {
		if err := check(chunk, chunkTable, false); err != nil {
			t.Errorf("%v: %v", chunk, err)
		}
	}
}
