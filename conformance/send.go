package conformance

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A sending is what a call wants to send, and how.
type sending struct {
	size   int64
	stream int64
	ppid   uint32
	flags  int64
	ttl    int64 // ms; 0: for ever
	policy int64
	value  int64
}

// send makes a call that sends a message.
func (r *runner) send(c *Call, s *socket) (outcome, error) {
	m := sending{
		stream: s.opts["snd_sid"], ppid: uint32(s.opts["snd_ppid"]), flags: s.opts["snd_flags"],
		policy: s.opts["pr_policy"], value: s.opts["pr_value"],
	}
	if err := m.arguments(c); err != nil {
		return outcome{}, err
	}
	if !r.owns(s) {
		if r.stack.assoc == nil && s.style == constants["SOCK_SEQPACKET"] {
			return outcome{}, unsupportedf("a handshake that a message starts")
		}
		return errno("ENOTCONN"), nil
	}
	return r.transmit(s, &m)
}

// arguments reads the arguments of the different calls.
func (m *sending) arguments(c *Call) error {
	var err error
	number := func(i int) (n int64) {
		if err == nil {
			n, err = optional(c, i)
		}
		return n
	}
	switch c.Name {
	case "write", "send", "sendto":
		m.size = number(2)
	case "sctp_send", "sctp_sendx":
		info := 3
		m.size = number(2)
		if c.Name == "sctp_sendx" {
			info = 5
		}
		if err == nil && info < len(c.Args) {
			err = m.info(c.Args[info])
		}
	case "sctp_sendmsg": // fd, msg, len, to, tolen, ppid, flags, stream, timetolive, context
		if len(c.Args) != 10 {
			return failf("sctp_sendmsg has 10 arguments")
		}
		m.size, m.flags, m.stream, m.ttl = number(2), number(6), number(7), number(8)
		if err == nil && c.Args[5].Kind != Ellipsis {
			m.ppid, err = networkOrder(c.Args[5])
		}
	case "sctp_sendv": // fd, iov, iovcnt, addrs, addrcnt, info, infolen, infotype, flags
		if len(c.Args) != 9 {
			return failf("sctp_sendv has 9 arguments")
		}
		if m.size, err = vectorLen(c.Args[1]); err == nil {
			err = m.info(c.Args[5])
		}
	case "sendmsg":
		if len(c.Args) < 2 {
			return failf("sendmsg has 3 arguments")
		}
		if iov := c.Args[1].field("msg_iov"); iov != nil {
			m.size, err = vectorLen(iov)
		}
		if control := c.Args[1].field("msg_control"); err == nil && control != nil {
			for _, block := range control.Args {
				if data := block.field("cmsg_data"); err == nil && data != nil {
					err = m.info(data)
				}
			}
		}
	}
	return err
}

// vectorLen adds up the lengths of an I/O vector.
func vectorLen(v *Value) (int64, error) {
	var sum int64
	for _, part := range v.Args {
		size := part.field("iov_len")
		if size == nil && len(part.Args) == 2 {
			size = part.Args[1]
		}
		if size == nil {
			return 0, badValue(part, "an I/O vector expected, not %v", part)
		}
		n, err := integer(size)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// info reads a structure that says how to send.
func (m *sending) info(v *Value) error {
	for _, a := range v.Args {
		if a.Kind != Pair || a.Args[0].Kind == Ellipsis {
			continue
		}
		val := a.Args[0]
		var err error
		switch a.Text {
		case "snd_sid", "sinfo_stream":
			m.stream, err = integer(val)
		case "snd_flags", "sinfo_flags":
			m.flags, err = integer(val)
		case "snd_ppid", "sinfo_ppid":
			m.ppid, err = networkOrder(val)
		case "sinfo_timetolive":
			m.ttl, err = integer(val)
		case "pr_policy":
			m.policy, err = integer(val)
		case "pr_value":
			m.value, err = integer(val)
		case "sendv_sndinfo", "sendv_prinfo":
			err = m.info(val)
		case "sendv_flags", "sendv_authinfo", "auth_keynumber", "snd_context", "snd_assoc_id", "sinfo_context",
			"sinfo_assoc_id", "sinfo_ssn", "sinfo_tsn", "sinfo_cumtsn",
			"sa_family", "sin_port", "sin_addr", "sin6_port", "sin6_addr", "sin6_flowinfo", "sin6_scope_id": // one peer only
		case "sinit_num_ostreams", "sinit_max_instreams", "sinit_max_attempts", "sinit_max_init_timeo":
			return unsupportedf("a handshake that a message starts")
		default:
			return unsupportedf("%s in a message", a.Text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxMessage bounds the messages of a script.
const maxMessage = 16 << 20

// transmit hands the message to the engine.
func (r *runner) transmit(s *socket, m *sending) (outcome, error) {
	if m.size < 0 || m.size > maxMessage {
		return outcome{}, unsupportedf("a message of %d bytes", m.size)
	}
	// EOF, ABORT, UNORDERED, ADDR_OVER, SENDALL, SACK_IMMEDIATELY; there is one address and one association.
	const understood = 0x100 | 0x200 | 0x400 | 0x800 | 0x1000 | 0x4000
	if m.flags&^understood != 0 {
		return outcome{}, unsupportedf("flags %#x of a message", m.flags&^understood)
	}
	if m.flags&constants["SCTP_ABORT"] != 0 {
		r.stack.assoc.Abort(r.time(), string(make([]byte, m.size)))
		return ok(m.size), nil
	}
	msg := sctp.Message{
		Stream: uint16(m.stream), PPID: m.ppid, Unordered: m.flags&constants["SCTP_UNORDERED"] != 0,
		Immediate: m.flags&constants["SCTP_SACK_IMMEDIATELY"] != 0, Payload: make([]byte, m.size),
	}
	if m.stream < 0 || m.stream > 65535 {
		return errno("EINVAL"), nil
	}
	for i := range msg.Payload {
		msg.Payload[i] = byte(i)
	}
	switch {
	case m.policy == constants["SCTP_PR_SCTP_RTX"]:
		msg.Reliability = sctp.Reliability{LimitRetransmits: true, MaxRetransmits: uint16(m.value)}
	case m.policy == constants["SCTP_PR_SCTP_TTL"]:
		m.ttl = m.value
	case m.policy == constants["SCTP_PR_SCTP_PRIO"]:
		msg.Reliability = sctp.Reliability{LimitPriority: true, Priority: uint32(m.value)}
	case m.policy != 0:
		return outcome{}, unsupportedf("PR-SCTP policy %d", m.policy)
	}
	if m.ttl > 0 && !msg.Reliability.LimitRetransmits {
		msg.Reliability = sctp.Reliability{LimitLifetime: true, Lifetime: time.Duration(m.ttl) * time.Millisecond}
	}
	if s.opts["SCTP_NODELAY"] == 0 && r.stack.busy() {
		r.note("there is no Nagle algorithm, as if SCTP_NODELAY were set")
	}
	if n := s.opts["SCTP_MAXSEG"]; n > 0 && int64(m.size) > n {
		r.note("SCTP_MAXSEG is the size of packets as well: no fragments are bundled")
	}
	eof := m.flags&constants["SCTP_EOF"] != 0
	if m.size > 0 || !eof {
		if err := r.stack.assoc.Send(r.time(), msg); err != nil {
			return errno(errnoOf(err)), nil
		}
	}
	if eof {
		if err := r.stack.assoc.Shutdown(r.time()); err != nil {
			return errno(errnoOf(err)), nil
		}
	}
	return ok(m.size), nil
}
