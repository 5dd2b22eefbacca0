package conformance

import (
	"slices"
	"strings"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// scanLate returns the values that options get once an association runs, by the
// fields' names. Scripts set them as soon as a socket lets them, whereas the engine is
// told before it starts, so it has them from the start.
func (s *Script) scanLate() map[string]int64 {
	late := make(map[string]int64)
	running := false
	for _, e := range s.Events {
		if e.Call == nil {
			continue
		}
		switch e.Call.Name {
		case "connect", "sctp_connectx", "accept":
			running = true
		case "setsockopt":
			if len(e.Call.Args) < 4 {
				continue
			}
			name, given := e.Call.Args[2].Text, make(map[string]int64)
			if values(e.Call.Args[3], name, given) != nil {
				continue
			}
			late["spp_flags"] |= given["spp_flags"]
			for _, key := range sockopts[name].keys(name) {
				n, set := given[key]
				_, known := late[key]
				if running && set && !known && !kept(key, n) && (!sockopts[name].late || key == "spp_hbinterval" || key == "spp_pathmtu") {
					late[key] = n
				}
			}
			delete(late, "srto_initial") // the handshake needs the one of before
		}
	}
	return late
}

// A sockopt is what the runner knows about a socket option.
type sockopt struct {
	// fields are the fields of its structure that are kept; one that is "" stands
	// for a plain number, which is kept under the name of the option.
	fields string
	// late says that the engine takes it also when it runs, or that nothing comes
	// of it.
	late bool
	// only, if not nil, are the values that the engine can have.
	only []int64
}

// keys returns the names under which the values of an option are kept.
func (o sockopt) keys(name string) []string {
	if o.fields == "" {
		return []string{name}
	}
	return strings.Fields(o.fields)
}

// sockopts are the options that are kept and, where they mean something to the
// engine, turned into its configuration.
var sockopts = map[string]sockopt{
	"SCTP_RTOINFO":                {fields: "srto_initial srto_max srto_min"},
	"SCTP_INITMSG":                {fields: "sinit_num_ostreams sinit_max_instreams sinit_max_attempts sinit_max_init_timeo"},
	"SCTP_ASSOCINFO":              {fields: "sasoc_asocmaxrxt sasoc_cookie_life"},
	"SCTP_PEER_ADDR_PARAMS":       {fields: "spp_hbinterval spp_pathmaxrxt spp_pathmtu spp_flags spp_ipv6_flowlabel spp_dscp", late: true},
	"SCTP_DELAYED_SACK":           {fields: "sack_delay sack_freq"},
	"SCTP_DEFAULT_SEND_PARAM":     {fields: "sinfo_stream sinfo_flags sinfo_ppid sinfo_context sinfo_timetolive", late: true},
	"SCTP_DEFAULT_SNDINFO":        {fields: "snd_sid snd_flags snd_ppid snd_context", late: true},
	"SCTP_DEFAULT_PRINFO":         {fields: "pr_policy pr_value", late: true},
	"SCTP_MAXSEG":                 {},
	"SCTP_MAX_BURST":              {},
	"SO_RCVBUF":                   {},
	"SO_SNDBUF":                   {},
	"SCTP_NODELAY":                {late: true}, // there is no Nagle algorithm
	"SCTP_RECVRCVINFO":            {late: true},
	"SCTP_RECVNXTINFO":            {late: true},
	"SCTP_USE_EXT_RCVINFO":        {late: true},
	"SCTP_PRIMARY_ADDR":           {late: true}, // there is one
	"SO_LINGER":                   {fields: "onoff linger", late: true},
	"SCTP_I_WANT_MAPPED_V4_ADDR":  {late: true},
	"SCTP_REUSE_PORT":             {late: true},
	"SCTP_CONTEXT":                {late: true},
	"SO_REUSEADDR":                {late: true},
	"SCTP_AUTOCLOSE":              {late: true, only: []int64{0}},
	"SCTP_DISABLE_FRAGMENTS":      {late: true, only: []int64{0}},
	"SCTP_EXPLICIT_EOR":           {late: true, only: []int64{0}},
	"SCTP_FRAGMENT_INTERLEAVE":    {late: true, only: []int64{0, 1, 2}},
	"SCTP_PR_SUPPORTED":           {late: true, only: []int64{1}},
	"SCTP_RECONFIG_SUPPORTED":     {late: true, only: []int64{1}},
	"SCTP_ENABLE_STREAM_RESET":    {late: true},
	"SCTP_ECN_SUPPORTED":          {only: []int64{0, 1}},
	"SCTP_AUTH_SUPPORTED":         {late: true, only: []int64{0}},
	"SCTP_ASCONF_SUPPORTED":       {late: true, only: []int64{0}},
	"SCTP_NRSACK_SUPPORTED":       {only: []int64{0, 1}},
	"SCTP_PKTDROP_SUPPORTED":      {late: true, only: []int64{0}},
	"SCTP_INTERLEAVING_SUPPORTED": {only: []int64{0, 1}},
	"SCTP_STREAM_SCHEDULER":       {only: []int64{0, 1, 2, 3, 4, 5}},
	"SCTP_PLUGGABLE_SS":           {only: []int64{0, 1, 2, 3, 4, 5}},
}

// sockopt makes setsockopt, getsockopt or sctp_opt_info.
func (r *runner) sockopt(c *Call, s *socket) (outcome, error) {
	if len(c.Args) < 4 || c.Args[2].Kind != Word {
		return outcome{}, unsupportedf("%s with these arguments", c.Name)
	}
	name, v := c.Args[2].Text, c.Args[3]
	if c.Name == "setsockopt" {
		return r.setOption(s, name, v)
	}
	return r.getOption(s, name, v)
}

// values collects the numbers of a structure or of a plain value.
func values(v *Value, name string, into map[string]int64) error {
	switch v.Kind {
	case Struct:
		for _, a := range v.Args {
			if a.Kind != Pair || a.Args[0].Kind == Ellipsis || a.Args[0].Kind == List || a.Args[0].Kind == Struct ||
				a.Text == "sin_addr" || a.Text == "sin6_addr" { // there is one pair of addresses
				continue
			}
			n, err := integer(a.Args[0])
			if err != nil {
				return err
			}
			into[a.Text] = n
		}
		if n, ok := into["assoc_value"]; ok {
			into[name] = n
		}
		return nil
	case List:
		if len(v.Args) != 1 {
			return badValue(v, "one number expected, not %v", v)
		}
		v = v.Args[0]
	}
	if v.Kind == Ellipsis {
		return nil
	}
	n, err := integer(v)
	into[name] = n
	return err
}

// zeroKeeps are the structures in which 0 means: as it was.
var zeroKeeps = []string{"srto_", "sinit_", "sasoc_", "spp_", "sack_"}

// kept says whether a value of an option leaves it as it was.
func kept(key string, n int64) bool {
	return n == 0 && slices.ContainsFunc(zeroKeeps, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

// setOption sets an option, or gives a command in the form of one.
func (r *runner) setOption(s *socket, name string, v *Value) (outcome, error) {
	given := make(map[string]int64)
	if name != "SO_LINGER" && name != "SCTP_RESET_STREAMS" {
		if err := values(v, name, given); err != nil {
			return outcome{}, err
		}
	}
	switch name {
	case "SCTP_STATUS", "SCTP_GET_PEER_ADDR_INFO", "SO_ERROR", "SCTP_PEER_AUTH_CHUNKS", "SCTP_GET_ASSOC_NUMBER":
		return errno("EINVAL"), nil
	case "SCTP_EVENT":
		r.subscribe(s, given["se_type"], given["se_on"] != 0)
		return ok(0), nil
	case "SCTP_EVENTS":
		for key, kind := range eventKinds {
			if on, set := given[key]; set {
				r.subscribe(s, constants[kind], on != 0)
			}
		}
		return ok(0), nil
	case "SO_LINGER":
		on, time := v.field("onoff"), v.field("linger")
		if on == nil || time == nil {
			return outcome{}, badValue(v, "{onoff=, linger=} expected, not %v", v)
		}
		s.opts["linger"], s.opts["onoff"] = time.Num, 0
		if on.Num != 0 {
			s.opts["onoff"] = 0x80 // as FreeBSD says it
		}
		return ok(0), nil
	case "SCTP_RESET_STREAMS":
		return r.resetStreams(s, v)
	case "SCTP_STREAM_SCHEDULER_VALUE", "SCTP_SS_VALUE":
		return r.streamValue(s, given)
	case "SCTP_RESET_ASSOC":
		return r.command(s, func(a *sctp.Association) error { return a.ResetAssociation(r.time()) })
	case "SCTP_ADD_STREAMS":
		out, in := int(given["sas_outstrms"]), int(given["sas_instrms"])
		return r.command(s, func(a *sctp.Association) error { return a.AddStreams(r.time(), out, in) })
	}
	if given["srto_min"] > given["srto_max"] && given["srto_max"] != 0 {
		return errno("EINVAL"), nil
	}
	if err := r.keepOption(s, name, given); err != nil {
		return outcome{}, err
	}
	switch {
	case name == "SCTP_ENABLE_STREAM_RESET" && r.owns(s):
		r.stack.assoc.SetPeerReconfig(r.config(s).PeerReconfig)
	case name == "SCTP_PEER_ADDR_PARAMS":
		return r.pathOption(s, given)
	}
	return ok(0), nil
}

// keepOption keeps what is given of an option, for the engine's configuration.
func (r *runner) keepOption(s *socket, name string, given map[string]int64) error {
	o, known := sockopts[name]
	if !known {
		return unsupportedf("socket option %s", name)
	}
	running := r.owns(s)
	for _, key := range o.keys(name) {
		n, set := given[key]
		if key == "spp_flags" {
			n = pathFlags(s.opts[key], n)
		}
		if !set || kept(key, n) || s.opts[key] == n {
			continue
		}
		if !allowed(o, n) {
			return unsupportedf("%s of %d", name, n)
		}
		if running && !o.late && r.late[key] != n && r.packetsFollow() {
			return unsupportedf("%s while the association runs", name)
		}
		s.opts[key] = n
	}
	return nil
}

// packetsFollow says whether packets are left in the script, by which a change would be
// seen.
func (r *runner) packetsFollow() bool {
	return slices.ContainsFunc(r.left, func(e Event) bool { return e.Packet != nil })
}

func allowed(o sockopt, n int64) bool {
	for _, v := range o.only {
		if v == n {
			return true
		}
	}
	return o.only == nil
}

// pathFlags returns the flags of a path after some were given: of two that exclude
// each other, the later one counts.
func pathFlags(had, given int64) int64 {
	for _, pair := range []int64{1 | 2, 8 | 0x10} { // SPP_HB_ENABLE and SPP_HB_DISABLE, SPP_PMTUD_ENABLE and SPP_PMTUD_DISABLE
		if given&pair != 0 {
			had &^= pair
		}
	}
	return (had | given) &^ constants["SPP_HB_DEMAND"]
}

// pathOption takes the flags of SCTP_PEER_ADDR_PARAMS.
func (r *runner) pathOption(s *socket, given map[string]int64) (outcome, error) {
	flags := given["spp_flags"]
	for _, key := range []string{"spp_hbinterval", "spp_pathmtu"} {
		if n := given[key]; n != 0 && r.owns(s) && r.late[key] != n && r.packetsFollow() {
			return outcome{}, unsupportedf("SCTP_PEER_ADDR_PARAMS while the association runs")
		}
	}
	if flags&constants["SPP_HB_DEMAND"] != 0 {
		return r.command(s, func(a *sctp.Association) error { return a.RequestHeartbeat(r.time(), 0) })
	}
	return ok(0), nil
}

// resetStreams takes SCTP_RESET_STREAMS.
func (r *runner) resetStreams(s *socket, v *Value) (outcome, error) {
	if !r.owns(s) {
		return errno("ENOTCONN"), nil
	}
	flags, list := v.field("srs_flags"), v.field("srs_stream_list")
	if flags == nil || list == nil {
		return outcome{}, badValue(v, "srs_flags and srs_stream_list expected in %v", v)
	}
	n, err := integer(flags)
	if err != nil {
		return outcome{}, err
	}
	var streams []uint16
	for _, a := range list.Args {
		id, err := unsigned(a, 2)
		if err != nil {
			return outcome{}, err
		}
		streams = append(streams, uint16(id))
	}
	if len(streams) == 0 {
		return outcome{}, unsupportedf("SCTP_RESET_STREAMS of all streams")
	}
	return r.command(s, func(a *sctp.Association) error {
		if n&constants["SCTP_STREAM_RESET_OUTGOING"] != 0 {
			if err := a.ResetStreams(r.time(), streams...); err != nil {
				return err
			}
		}
		if n&constants["SCTP_STREAM_RESET_INCOMING"] != 0 {
			return a.RequestReset(r.time(), streams...)
		}
		return nil
	})
}

// command gives the association of the socket a command.
func (r *runner) command(s *socket, command func(*sctp.Association) error) (outcome, error) {
	if !r.owns(s) {
		return errno("ENOTCONN"), nil
	}
	if err := command(r.stack.assoc); err != nil {
		return errno(errnoOf(err)), nil
	}
	return ok(0), nil
}

// schedulers are those of the engine by their numbers in FreeBSD, SCTP_SS_DEFAULT first.
var schedulers = []sctp.Scheduler{
	sctp.RoundRobin, sctp.RoundRobin, sctp.RoundRobinPacket, sctp.StrictPriority, sctp.FairCapacity, sctp.FirstComeFirstServed,
}

// scheduler returns the scheduler of a socket.
func (s *socket) scheduler() sctp.Scheduler {
	return schedulers[max(s.opts["SCTP_STREAM_SCHEDULER"], s.opts["SCTP_PLUGGABLE_SS"])]
}

// streamValue takes SCTP_STREAM_SCHEDULER_VALUE. Of priorities the lower ones go first
// here (RFC 8260, section 4.3.2).
func (r *runner) streamValue(s *socket, given map[string]int64) (outcome, error) {
	if !r.owns(s) {
		return errno("ENOTCONN"), nil
	}
	id, value := given["stream_id"], given["stream_value"]
	if id < 0 || id > 65535 || value < 0 || value > 65535 {
		return errno("EINVAL"), nil
	}
	if s.scheduler() == sctp.StrictPriority {
		value = 65535 - value
	}
	if err := r.stack.assoc.SetStreamPriority(uint16(id), uint16(value)); err != nil {
		return errno(errnoOf(err)), nil
	}
	return ok(0), nil
}

// eventKinds are the notifications that the fields of SCTP_EVENTS stand for.
var eventKinds = map[string]string{
	"sctp_association_event": "SCTP_ASSOC_CHANGE", "sctp_address_event": "SCTP_PEER_ADDR_CHANGE",
	"sctp_send_failure_event": "SCTP_SEND_FAILED", "sctp_peer_error_event": "SCTP_REMOTE_ERROR",
	"sctp_shutdown_event": "SCTP_SHUTDOWN_EVENT", "sctp_partial_delivery_event": "SCTP_PARTIAL_DELIVERY_EVENT",
	"sctp_adaptation_layer_event": "SCTP_ADAPTATION_INDICATION", "sctp_authentication_event": "SCTP_AUTHENTICATION_EVENT",
	"sctp_sender_dry_event": "SCTP_SENDER_DRY_EVENT", "sctp_stream_reset_event": "SCTP_STREAM_RESET_EVENT",
}

// unsentKinds are the notifications that the engine's events do not give.
var unsentKinds = []string{
	"SCTP_SEND_FAILED", "SCTP_SEND_FAILED_EVENT", "SCTP_PARTIAL_DELIVERY_EVENT",
	"SCTP_ADAPTATION_INDICATION", "SCTP_AUTHENTICATION_EVENT", "SCTP_NOTIFICATIONS_STOPPED_EVENT",
}

// subscribe switches a notification on or off.
func (r *runner) subscribe(s *socket, kind int64, on bool) {
	s.subs[kind] = on
	if on && kind == constants["SCTP_SENDER_DRY_EVENT"] && r.owns(s) && r.stack.ups > 0 && !r.stack.busy() {
		r.stack.inbox = append(r.stack.inbox, delivery{note: senderDry()})
	}
	for _, name := range unsentKinds {
		if on && constants[name] == kind {
			r.note("never given: %s", name)
		}
	}
}

func (r *runner) getOption(s *socket, name string, v *Value) (outcome, error) {
	got := make(facts)
	switch name {
	case "SO_ERROR":
		return ok(0), r.compareError(v)
	case "SCTP_GET_ASSOC_NUMBER", "SCTP_GET_ASSOC_ID_LIST":
		if s.style != constants["SOCK_SEQPACKET"] { // RFC 6458, sections 8.2.5 and 8.2.6
			return errno("EINVAL"), nil
		}
		return outcome{}, unsupportedf("socket option %s", name)
	case "SCTP_STATUS", "SCTP_GET_PEER_ADDR_INFO":
		if r.stack.assoc == nil || r.stack.ended {
			return errno("EINVAL"), nil
		}
		got = r.status()
	case "SCTP_PR_STREAM_STATUS", "SCTP_PR_ASSOC_STATUS":
		if r.stack.assoc == nil || r.stack.ended {
			return errno("EINVAL"), nil
		}
		var err error
		if got, err = r.prStatus(name, v); err != nil {
			return outcome{}, err
		}
	case "SCTP_EVENT":
		kind, err := integer(orZero(v.field("se_type")))
		if err != nil {
			return outcome{}, err
		}
		got["se_type"] = kind
		if got["se_on"] = 0; s.subs[kind] {
			got["se_on"] = 1
		}
	case "SCTP_EVENTS":
		for key, kind := range eventKinds {
			if got[key] = 0; s.subs[constants[kind]] {
				got[key] = 1
			}
		}
	default:
		o, known := sockopts[name]
		if !known {
			return outcome{}, unsupportedf("socket option %s", name)
		}
		n := s.opts[name]
		if name == "SCTP_MAXSEG" && n == 0 && r.owns(s) { // what fits
			n = int64(r.mtu - headerLen - 16)
		}
		got["assoc_value"], got[name] = n, n
		for _, key := range strings.Fields(o.fields) {
			got[key] = s.opts[key]
		}
		if name == "SCTP_ASSOCINFO" && r.owns(s) {
			got["sasoc_number_peer_destinations"] = 1
			got["sasoc_peer_rwnd"] = r.status()["sstat_rwnd"]
		}
	}
	return ok(0), r.compareOption(name, v, got)
}

// compareError compares SO_ERROR: [0], or the name of an error.
func (r *runner) compareError(v *Value) error {
	name := "0"
	if r.stack.ended && r.stack.err != nil {
		name = errnoOf(r.stack.err)
	}
	if v.Kind != List || len(v.Args) != 1 || v.Args[0].Kind == Ellipsis {
		return nil
	}
	if want := v.Args[0].String(); want != name {
		return failf("SO_ERROR: %s expected, not %s", want, name)
	}
	return nil
}

func orZero(v *Value) *Value {
	if v == nil {
		return num(0, "")
	}
	return v
}

// compareOption compares the value of an option with what the script says.
func (r *runner) compareOption(name string, v *Value, got facts) error {
	want := make(map[string]int64)
	if err := values(v, name, want); err != nil {
		return err
	}
	for _, a := range v.Args { // in the order of the script
		if a.Kind != Pair || a.Args[0].Kind == Ellipsis {
			continue
		}
		if a.Args[0].Kind == Struct {
			if err := r.compareOption(name, a.Args[0], got); err != nil {
				return err
			}
			continue
		}
		actual, known := got[a.Text]
		switch {
		case !known:
			r.note("not compared: %s", a.Text)
		case actual != want[a.Text]:
			return failf("%s: %v expected, not %d", name, a, actual)
		}
	}
	if n, ok := want[name]; ok && v.Kind != Struct && n != got[name] {
		return failf("%s: %d expected, not %d", name, n, got[name])
	}
	return nil
}

// status returns what SCTP_STATUS and SCTP_GET_PEER_ADDR_INFO say.
func (r *runner) status() facts {
	a := r.stack.assoc
	st := a.Stats()
	states := map[sctp.State]string{
		sctp.Closed: "SCTP_CLOSED", sctp.CookieWait: "SCTP_COOKIE_WAIT", sctp.CookieEchoed: "SCTP_COOKIE_ECHOED",
		sctp.Established: "SCTP_ESTABLISHED", sctp.ShutdownPending: "SCTP_SHUTDOWN_PENDING", sctp.ShutdownSent: "SCTP_SHUTDOWN_SENT",
		sctp.ShutdownReceived: "SCTP_SHUTDOWN_RECEIVED", sctp.ShutdownAckSent: "SCTP_SHUTDOWN_ACK_SENT",
	}
	return facts{
		"sstat_state": constants[states[a.State()]], "sstat_rwnd": int64(st.PeerWindow),
		"sstat_unackdata": int64(st.UnackedDataChunks), "sstat_penddata": int64(st.UnreadDataChunks),
		"sstat_instrms": int64(a.InboundStreams()), "sstat_outstrms": int64(a.OutboundStreams()),
		"sstat_fragmentation_point": int64(st.MTU - headerLen - 16),
		"spinfo_state":              constants["SCTP_ACTIVE"], "spinfo_cwnd": int64(st.CongestionWindow),
		"spinfo_srtt": int64(st.SRTT / time.Millisecond), "spinfo_rto": int64(st.RTO / time.Millisecond),
		"spinfo_mtu": int64(st.MTU - headerLen),
	}
}

// prStatus returns what SCTP_PR_STREAM_STATUS and SCTP_PR_ASSOC_STATUS say (RFC 7496,
// sections 4.3 and 4.4).
func (r *runner) prStatus(name string, v *Value) (facts, error) {
	sid, err := integer(orZero(v.field("sprstat_sid")))
	if err != nil {
		return nil, err
	}
	policy, err := integer(orZero(v.field("sprstat_policy")))
	if err != nil {
		return nil, err
	}
	given := r.stack.assoc.Stats().Abandoned
	if name == "SCTP_PR_STREAM_STATUS" {
		given = r.stack.assoc.StreamStats(uint16(sid)).Abandoned
	}
	n := given.All()
	switch policy {
	case constants["SCTP_PR_SCTP_RTX"]:
		n = given.ByRetransmits
	case constants["SCTP_PR_SCTP_TTL"]:
		n = given.ByLifetime
	case constants["SCTP_PR_SCTP_PRIO"]:
		n = given.ByPriority
	}
	return facts{
		"sprstat_sid": sid, "sprstat_policy": policy,
		"sprstat_abandoned_unsent": int64(n.Unsent), "sprstat_abandoned_sent": int64(n.Sent),
	}, nil
}
