package conformance

import (
	"strconv"
	"strings"
)

// A setting is what a setting of a host's SCTP means here.
type setting struct {
	opt string // the option that it is the default of, "" for a switch
	is  int64  // of a switch: what the engine does
}

// settings are the names behind net.inet.sctp of FreeBSD and net.sctp of Linux that
// scripts use.
var settings = map[string]setting{
	"assoc_rtx_max":      {opt: "sasoc_asocmaxrxt"},
	"init_rtx_max":       {opt: "sinit_max_attempts"},
	"rto_initial":        {opt: "srto_initial"},
	"rto_min":            {opt: "srto_min"},
	"rto_max":            {opt: "srto_max"},
	"valid_cookie_life":  {opt: "sasoc_cookie_life"},
	"delayed_sack_time":  {opt: "sack_delay"},
	"heartbeat_interval": {opt: "spp_hbinterval"},
	"maxburst":           {opt: "SCTP_MAX_BURST"},
	"initial_cwnd":       {opt: "initial_cwnd"},
	"nrsack_enable":      {opt: "SCTP_NRSACK_SUPPORTED"},
	"nrsack_on_off":      {opt: "SCTP_NRSACK_SUPPORTED"},
	"intl_enable":        {opt: "SCTP_INTERLEAVING_SUPPORTED"},

	"association_max_retrans": {opt: "sasoc_asocmaxrxt"},
	"max_init_retransmits":    {opt: "sinit_max_attempts"},
	"sack_timeout":            {opt: "sack_delay"},
	"hb_interval":             {opt: "spp_hbinterval"},
	"max_burst":               {opt: "SCTP_MAX_BURST"},

	"outgoing_streams": {opt: "sinit_num_ostreams"},
	"incoming_streams": {opt: "sinit_max_instreams"},
	"recvspace":        {opt: "SO_RCVBUF"},
	"sendspace":        {opt: "SO_SNDBUF"},
	"pr_enable":        {is: 1},
	"prsctp_enable":    {is: 1},
	"reconf_enable":    {is: 1},
	"reconfig_enable":  {is: 1},
	"ecn_enable":       {opt: "SCTP_ECN_SUPPORTED"},
	"auth_enable":      {is: 0},
	"auth_disable":     {is: 1},
	"asconf_enable":    {is: 0},
	"pktdrop_enable":   {is: 0},
	"plpmtud_enable":   {is: 0}, // the search of the engine begins at another time
}

// assume takes from a script what its host has where nothing else is said, which its
// INIT and INIT ACK tell: how many streams, how large a buffer.
func (r *runner) assume() {
	for _, e := range r.script.Events {
		if e.Packet == nil || e.Packet.Inbound {
			continue
		}
		for _, c := range e.Packet.Chunks {
			if c.Text != "INIT" && c.Text != "INIT_ACK" {
				continue
			}
			for key, opt := range map[string]string{"os": "sinit_num_ostreams", "is": "sinit_max_instreams", "a_rwnd": "SO_RCVBUF"} {
				if v := c.field(key); v != nil && v.Kind == Number {
					r.defaults[opt] = max(r.defaults[opt], v.Num)
				}
			}
		}
	}
}

// shell takes a command line. None is run. The settings of a kernel's SCTP become
// defaults of the sockets made afterwards, where they mean something here.
func (r *runner) shell(line string) error {
	words := strings.Fields(line)
	switch {
	case len(words) > 0 && words[0] == "true":
		return nil
	case len(words) == 0 || words[0] != "sysctl":
		return unsupportedf("the command %q", line)
	}
	for _, word := range words[1:] {
		if strings.HasPrefix(word, "-") {
			continue
		}
		name, value, assigned := strings.Cut(word, "=")
		s, known := settings[name[strings.LastIndexByte(name, '.')+1:]]
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case known && s.opt == "" && n > s.is: // wants what is not there
			return unsupportedf("the setting %s", word)
		case !assigned, err != nil, !known, s.opt == "" && s.is != n:
			if !r.opts.Lenient {
				return unsupportedf("the setting %s", word)
			}
			r.note("not set: %s", word)
		case s.opt != "":
			r.defaults[s.opt] = n
		}
	}
	return nil
}
