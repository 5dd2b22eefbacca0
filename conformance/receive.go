package conformance

import (
	"errors"
	"io"
	"math/bits"
	"slices"
	"strings"

	"github.com/sluice-rtc/sluice/sctp"
)

// facts are the fields of a structure that the runner knows the values of.
type facts map[string]int64

// A notification is something other than a message that the application receives.
type notification struct {
	kind int64
	size int64
	facts
}

// receive makes a call that receives a message or a notification.
func (r *runner) receive(c *Call, s *socket) (outcome, error) {
	size, err := receiveLen(c)
	if err != nil {
		return outcome{}, err
	}
	if !r.owns(s) {
		return errno("ENOTCONN"), nil
	}
	if name := unsent(c.Args); name != "" {
		return outcome{}, unsupportedf("notification %s", name)
	}
	for len(r.stack.inbox) > 0 {
		d := r.stack.inbox[0]
		if d.note != nil {
			r.stack.inbox = r.stack.inbox[1:]
			return r.received(c, r.noteLen(c, d.note), d.note.facts, constants["MSG_NOTIFICATION"]|constants["MSG_EOR"])
		}
		buf := make([]byte, size)
		n, info, err := r.stack.assoc.Read(r.time(), d.stream, buf)
		r.stack.inbox = r.stack.inbox[1:]
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, sctp.ErrMessageAborted) {
				r.stack.inbox = append(r.stack.inbox, d)
			}
			continue
		}
		flags := int64(0)
		if info.Complete {
			flags = constants["MSG_EOR"]
			r.stack.inbox = append(r.stack.inbox, d)
		} else { // the rest comes first
			r.stack.inbox = append([]delivery{d}, r.stack.inbox...)
		}
		return r.received(c, ok(int64(n)), describe(info), flags)
	}
	switch {
	case r.stack.ended && r.stack.err != nil:
		return errno(errnoOf(r.stack.err)), nil
	case r.stack.ended, r.stack.assoc.State() == sctp.ShutdownReceived, r.stack.assoc.State() == sctp.ShutdownAckSent:
		return ok(0), nil
	}
	return errno("EAGAIN"), nil
}

// received compares what a call gave if it returned what the script says; else that
// is what is wrong.
func (r *runner) received(c *Call, o outcome, got facts, flags int64) (outcome, error) {
	if c.Result.Kind == Number && c.Result.Num != o.value {
		return o, nil
	}
	return o, r.compareReceived(c, got, flags)
}

// noteLen returns the length of a notification. That of SCTP_ASSOC_CHANGE grows
// with the features of a stack, that of SCTP_REMOTE_ERROR with the chunk in it and the
// padding of the structure: they are what the script says.
func (r *runner) noteLen(c *Call, n *notification) outcome {
	for _, name := range []string{"SCTP_ASSOC_CHANGE", "SCTP_REMOTE_ERROR"} {
		if n.kind == constants[name] && c.Result.Kind == Number && c.Result.Num > n.size {
			r.note("not compared: the length of %s", name)
			return ok(c.Result.Num)
		}
	}
	return ok(n.size)
}

// unsent returns the name of a notification that the script expects and that the
// engine's events do not give, "" if there is none.
func unsent(args []*Value) string {
	for _, a := range args {
		if a.Kind == Pair && strings.HasSuffix(a.Text, "_type") && slices.Contains(unsentKinds, a.Args[0].Text) {
			return a.Args[0].Text
		}
		if name := unsent(a.Args); name != "" {
			return name
		}
	}
	return ""
}

// senderDry says that nothing is left to send or to be acknowledged.
func senderDry() *notification {
	kind := constants["SCTP_SENDER_DRY_EVENT"]
	return &notification{kind, 12, facts{"sender_dry_type": kind, "sender_dry_flags": 0, "sender_dry_length": 12}}
}

// receiveLen returns how much a call is ready to take.
func receiveLen(c *Call) (int64, error) {
	const enough = 1 << 20
	switch {
	case len(c.Args) < 2:
		return 0, failf("%s has too few arguments", c.Name)
	case c.Name == "recvmsg" && c.Args[1].field("msg_iov") == nil:
		return enough, nil
	case c.Name == "recvmsg":
		n, err := vectorLen(c.Args[1].field("msg_iov"))
		return min(n, enough), err
	case c.Name == "sctp_recvv":
		n, err := vectorLen(c.Args[1])
		return min(n, enough), err
	}
	n, err := argument(c, 2)
	return max(0, min(n, enough)), err
}

// describe returns what is known of a message.
func describe(info sctp.MessageInfo) facts {
	ppid := int64(bits.ReverseBytes32(info.PPID))
	var flags int64
	if info.Unordered {
		flags = constants["SCTP_UNORDERED"]
	}
	stream := int64(info.Stream)
	return facts{
		"sinfo_stream": stream, "sinfo_ppid": ppid, "sinfo_flags": flags, "sinfo_context": 0, "sinfo_timetolive": 0,
		"rcv_sid": stream, "rcv_ppid": ppid, "rcv_flags": flags, "rcv_context": 0,
	}
}

// compareReceived compares what a call gave with its arguments.
func (r *runner) compareReceived(c *Call, got facts, flags int64) error {
	for i, a := range c.Args[1:] {
		last := i == len(c.Args)-2
		if last && c.Name != "recv" && c.Name != "read" && c.Name != "recvmsg" {
			want, err := optional(c, i+1)
			if err == nil && a.Kind != Ellipsis && want != flags {
				err = failf("%s: flags %v expected, not %#x", c.Name, a, flags)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := r.compareFacts(a, got); err != nil {
			return err
		}
		if want := a.field("msg_flags"); want != nil && want.Kind != Ellipsis {
			n, err := integer(want)
			if err == nil && n != flags {
				err = failf("%s: flags %v expected, not %#x", c.Name, want, flags)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// infoPrefixes begin the names of fields that describe a message or a notification.
var infoPrefixes = []string{
	"sinfo_", "serinfo_", "rcv_", "nxt_", "sac_", "sse_", "sre_", "spc_", "ssf_", "ssfe_", "sai_", "pdapi_", "auth_",
	"sender_dry_", "strreset_", "assocreset_", "strchange_", "sn_",
}

// compareFacts compares the fields in a value, whatever they stand in.
func (r *runner) compareFacts(v *Value, got facts) error {
	for _, a := range v.Args {
		if a.Kind != Pair {
			if err := r.compareFacts(a, got); err != nil {
				return err
			}
			continue
		}
		val := a.Args[0]
		info := false
		for _, prefix := range infoPrefixes {
			info = info || strings.HasPrefix(a.Text, prefix)
		}
		if !info || val.Kind == Struct || val.Kind == List {
			if info && val.Kind == List {
				r.note("not compared: %s", a.Text)
			}
			if err := r.compareFacts(val, got); err != nil {
				return err
			}
			continue
		}
		if val.Kind == Ellipsis {
			continue
		}
		actual, known := got[a.Text]
		if !known {
			if belongs(a.Text, got) {
				r.note("not compared: %s", a.Text)
				continue
			}
			return failf("%v expected, but that is not what was received", a)
		}
		want, err := integer(val)
		if err != nil {
			return err
		}
		if want != actual {
			return failf("%v expected, not %d", a, actual)
		}
	}
	return nil
}

// belongs says whether a field is of the same structure as one of the facts, or of
// one that comes with it.
func belongs(key string, got facts) bool {
	prefix, _, _ := strings.Cut(key, "_")
	switch prefix {
	case "nxt":
		prefix = "rcv"
	case "serinfo":
		prefix = "sinfo"
	}
	for known := range got {
		if strings.HasPrefix(known, prefix+"_") {
			return true
		}
	}
	return false
}

// notifications turns an event of the engine into what the socket has asked for.
func (r *runner) notifications(s *socket, e sctp.Event) []notification {
	var out []notification
	add := func(name string, size int64, f facts) {
		if kind := constants[name]; s.subs[kind] {
			out = append(out, notification{kind, size, f})
		}
	}
	change := func(state string) {
		a := r.stack.assoc
		add("SCTP_ASSOC_CHANGE", 20, facts{
			"sac_type": constants["SCTP_ASSOC_CHANGE"], "sac_flags": 0, "sac_state": constants[state],
			"sac_outbound_streams": int64(a.OutboundStreams()), "sac_inbound_streams": int64(a.InboundStreams()),
		})
	}
	switch e.Kind {
	case sctp.EventPathDown: // and with its only path the association
		add("SCTP_PEER_ADDR_CHANGE", 152, facts{
			"spc_type": constants["SCTP_PEER_ADDR_CHANGE"], "spc_flags": 0, "spc_length": 152,
			"spc_state": constants["SCTP_ADDR_UNREACHABLE"], "spc_error": 0})
	case sctp.EventConnected:
		change("SCTP_COMM_UP")
	case sctp.EventRestarted:
		change("SCTP_RESTART")
	case sctp.EventShutdownReceived:
		add("SCTP_SHUTDOWN_EVENT", 12, facts{"sse_type": constants["SCTP_SHUTDOWN_EVENT"], "sse_flags": 0, "sse_length": 12})
	case sctp.EventPeerError:
		var peer *sctp.PeerError
		if errors.As(e.Err, &peer) {
			add("SCTP_REMOTE_ERROR", int64(16+4+len(peer.Info)), facts{
				"sre_type": constants["SCTP_REMOTE_ERROR"], "sre_flags": 0, "sre_error": int64(peer.Code)})
		}
	case sctp.EventStreamReset, sctp.EventStreamResetDone, sctp.EventStreamResetFailed:
		flags := constants["SCTP_STREAM_RESET_OUTGOING_SSN"]
		if e.Kind == sctp.EventStreamReset {
			flags = constants["SCTP_STREAM_RESET_INCOMING_SSN"]
		} else if e.Kind == sctp.EventStreamResetFailed {
			flags |= constants["SCTP_STREAM_RESET_FAILED"]
		}
		add("SCTP_STREAM_RESET_EVENT", 14, facts{
			"strreset_type": constants["SCTP_STREAM_RESET_EVENT"], "strreset_flags": flags, "strreset_length": 14})
	case sctp.EventStreamResetRefused:
		add("SCTP_STREAM_RESET_EVENT", 14, facts{
			"strreset_type":  constants["SCTP_STREAM_RESET_EVENT"],
			"strreset_flags": constants["SCTP_STREAM_RESET_INCOMING_SSN"] | constants["SCTP_STREAM_RESET_FAILED"], "strreset_length": 14})
	case sctp.EventStreamsAdded, sctp.EventAssociationReset, sctp.EventReconfigFailed:
		r.reconfigured(e, add)
	case sctp.EventClosed:
		switch {
		case e.Err == nil:
			change("SCTP_SHUTDOWN_COMP")
		case r.stack.ups == 0:
			change("SCTP_CANT_STR_ASSOC")
		default:
			change("SCTP_COMM_LOST")
		}
	}
	return out
}

// reconfigured adds the notifications of more streams, of an association reset, and
// of those that were refused. The TSNs of the latter are not known here.
func (r *runner) reconfigured(e sctp.Event, add func(name string, size int64, f facts)) {
	const denied, failed = 4, 8 // of both notifications
	flags := int64(0)
	var refused *sctp.ReconfigError
	if errors.As(e.Err, &refused) {
		if flags = failed; refused.Result == 2 {
			flags = denied
		}
	}
	if e.Kind == sctp.EventAssociationReset || refused != nil && refused.Request == sctp.AssociationReset {
		add("SCTP_ASSOC_RESET_EVENT", 20, facts{
			"assocreset_type": constants["SCTP_ASSOC_RESET_EVENT"], "assocreset_flags": flags, "assocreset_length": 20})
		return
	}
	a := r.stack.assoc
	add("SCTP_STREAM_CHANGE_EVENT", 16, facts{
		"strchange_type": constants["SCTP_STREAM_CHANGE_EVENT"], "strchange_flags": flags, "strchange_length": 16,
		"strchange_instrms": int64(a.InboundStreams()), "strchange_outstrms": int64(a.OutboundStreams())})
}
