package conformance

import (
	"errors"
	"slices"
	"strings"

	"github.com/sluice-rtc/sluice/sctp"
)

// An outcome is what a call returned.
type outcome struct {
	value int64
	errno string // of a value of -1
}

func ok(n int64) outcome { return outcome{value: n} }

func errno(name string) outcome { return outcome{-1, name} }

// call makes a call of the application and compares what it returns.
func (r *runner) call(c *Call) error {
	o, err := r.invoke(c)
	if err != nil {
		return err
	}
	if o.errno == "EAGAIN" {
		if s := r.socketOf(c); s != nil && !s.nonblock && c.Errno != "EAGAIN" && c.Errno != "EWOULDBLOCK" {
			return failf("%s would block", c.Name)
		}
	}
	if err := compareOutcome(c, o); err != nil {
		return err
	}
	return r.drain()
}

// complete ends a blocked call.
func (r *runner) complete(c *Call) error {
	if c.Name == "connect" || c.Name == "sctp_connectx" {
		o := ok(0)
		switch {
		case r.stack.ended:
			o = errno(errnoOf(r.stack.err))
		case r.stack.ups == 0:
			return failf("%s still blocks", c.Name)
		}
		return compareOutcome(c, o)
	}
	return r.call(c)
}

// compareOutcome compares what a call returned with what the script says.
func compareOutcome(c *Call, got outcome) error {
	if c.Result.Kind == Ellipsis {
		return nil
	}
	want, err := integer(c.Result)
	if err != nil {
		return err
	}
	name := c.Errno
	if name == "EWOULDBLOCK" {
		name = "EAGAIN"
	}
	switch {
	case got.value != want && got.errno != "":
		return failf("%s: %d expected, not -1 %s", c.Name, want, got.errno)
	case got.value != want:
		return failf("%s: %d expected, not %d", c.Name, want, got.value)
	case name != "" && got.errno != "" && name != got.errno:
		return failf("%s: %s expected, not %s", c.Name, name, got.errno)
	}
	return nil
}

// errnoOf names an error of the engine as a socket would.
func errnoOf(err error) string {
	var aborted *sctp.PeerAbortError
	var abort *sctp.AbortedError
	switch {
	case err == nil || errors.Is(err, sctp.ErrNotConnected):
		return "ENOTCONN"
	case errors.Is(err, sctp.ErrWouldBlock), errors.Is(err, sctp.ErrSendBufferFull):
		return "EAGAIN"
	case errors.Is(err, sctp.ErrShuttingDown), errors.Is(err, sctp.ErrClosed):
		return "EPIPE"
	case errors.Is(err, sctp.ErrHandshakeTimeout), errors.Is(err, sctp.ErrPeerUnreachable):
		return "ETIMEDOUT"
	case errors.As(err, &aborted):
		return "ECONNRESET"
	case errors.As(err, &abort):
		return "ECONNABORTED"
	case errors.Is(err, sctp.ErrNotSupported):
		return "EOPNOTSUPP"
	case errors.Is(err, sctp.ErrAlreadyStarted):
		return "EISCONN"
	case errors.Is(err, sctp.ErrResetPending), errors.Is(err, sctp.ErrResetTooSoon):
		return "EALREADY"
	}
	return "EINVAL"
}

// invoke makes the call.
func (r *runner) invoke(c *Call) (outcome, error) {
	if c.Name == "socket" {
		return r.socket(c)
	}
	if c.Name == "sctp_freepaddrs" || c.Name == "sctp_freeladdrs" {
		return ok(0), nil
	}
	s := r.socketOf(c)
	if s == nil {
		if known(c.Name) {
			return errno("EBADF"), nil
		}
		return outcome{}, unsupportedf("call %s", c.Name)
	}
	switch c.Name {
	case "bind", "sctp_bindx":
		return ok(0), nil
	case "listen":
		n, err := argument(c, 1)
		s.listening = err == nil && n > 0
		return ok(0), err
	case "accept":
		return r.accept(c, s)
	case "connect", "sctp_connectx":
		if err := r.connect(c); err != nil {
			return outcome{}, err
		}
		if c.Name == "sctp_connectx" && s.nonblock && c.Result.Kind == Number && c.Result.Num == 0 {
			return ok(0), nil // FreeBSD returns 0 here, the RFC EINPROGRESS
		}
		return errno("EINPROGRESS"), nil
	case "sctp_getpaddrs", "sctp_getladdrs":
		if !r.owns(s) {
			return errno("ENOTCONN"), nil
		}
		return ok(1), nil
	case "close":
		return r.close(s)
	case "shutdown":
		return r.shutdown(c, s)
	case "fcntl":
		return fcntl(c, s)
	case "setsockopt", "sctp_opt_info", "getsockopt":
		return r.sockopt(c, s)
	case "read", "recv", "recvmsg", "sctp_recvmsg", "sctp_recvv":
		return r.receive(c, s)
	case "write", "send", "sendto", "sendmsg", "sctp_send", "sctp_sendx", "sctp_sendmsg", "sctp_sendv":
		return r.send(c, s)
	}
	return outcome{}, unsupportedf("call %s", c.Name)
}

// known says whether invoke knows a call.
func known(name string) bool {
	return slices.Contains(strings.Fields(`bind sctp_bindx listen accept connect sctp_connectx close shutdown fcntl
		setsockopt getsockopt sctp_opt_info sctp_getpaddrs sctp_getladdrs read recv recvmsg sctp_recvmsg sctp_recvv write send sendto sendmsg
		sctp_send sctp_sendx sctp_sendmsg sctp_sendv`), name)
}

// argument evaluates an argument to a number.
func argument(c *Call, i int) (int64, error) {
	if i >= len(c.Args) {
		return 0, failf("%s has too few arguments", c.Name)
	}
	v := c.Args[i]
	if v.Kind == List && len(v.Args) == 1 {
		v = v.Args[0]
	}
	return integer(v)
}

// optional is argument for one that may be ..., which counts as 0.
func optional(c *Call, i int) (int64, error) {
	if i < len(c.Args) && c.Args[i].Kind == Ellipsis {
		return 0, nil
	}
	return argument(c, i)
}

// socketOf returns the socket of the first argument, nil if it is none.
func (r *runner) socketOf(c *Call) *socket {
	fd, err := argument(c, 0)
	if err != nil || r.sockets[fd] == nil || r.sockets[fd].closed {
		return nil
	}
	return r.sockets[fd]
}

func (r *runner) socket(c *Call) (outcome, error) {
	style, err := argument(c, 1)
	if err != nil {
		return outcome{}, err
	}
	if proto, err := argument(c, 2); err != nil || proto != constants["IPPROTO_SCTP"] {
		return outcome{}, unsupportedf("sockets that are not of SCTP")
	}
	s := newSocket(style)
	for opt, n := range r.defaults {
		s.opts[opt] = n
	}
	return r.install(c, s)
}

// install gives a socket the number that the script expects.
func (r *runner) install(c *Call, s *socket) (outcome, error) {
	fd, err := integer(c.Result)
	if err != nil {
		return outcome{}, err
	}
	if old := r.sockets[fd]; fd < 0 || old != nil && !old.closed {
		return outcome{}, failf("%s returns a new descriptor, not %d", c.Name, fd)
	}
	r.sockets[fd] = s
	return ok(fd), nil
}

func (r *runner) accept(c *Call, s *socket) (outcome, error) {
	if !s.listening {
		return errno("EINVAL"), nil
	}
	if r.stack.ups == 0 || r.stack.taken {
		return errno("EAGAIN"), nil
	}
	r.stack.taken = true
	accepted := newSocket(s.style)
	accepted.connected = true
	for key, n := range s.opts {
		accepted.opts[key] = n
	}
	accepted.subs = s.subs // FreeBSD hands the subscriptions on
	return r.install(c, accepted)
}

// connect starts the handshake.
func (r *runner) connect(c *Call) error {
	s := r.socketOf(c)
	if s == nil {
		return failf("%s needs a socket", c.Name)
	}
	if r.stack.engine == nil || r.stack.ended {
		if err := r.stack.open(r, s); err != nil {
			return err
		}
	}
	a, err := r.stack.engine.connect(r.time())
	if err != nil {
		return failf("%s: %v", c.Name, err)
	}
	r.stack.assoc, r.stack.owner = a, s
	s.connected, r.stack.taken = true, true
	return nil
}

// owns says whether a socket has the association.
func (r *runner) owns(s *socket) bool {
	return r.stack.assoc != nil && (s.connected || s.style == constants["SOCK_SEQPACKET"])
}

func (r *runner) close(s *socket) (outcome, error) {
	s.closed = true
	if !r.owns(s) {
		return ok(0), nil
	}
	if s.opts["onoff"] != 0 && s.opts["linger"] == 0 {
		r.stack.assoc.Abort(r.time(), "")
	} else if err := r.stack.assoc.Shutdown(r.time()); err != nil && !errors.Is(err, sctp.ErrClosed) {
		return outcome{}, failf("close: %v", err)
	}
	return ok(0), nil
}

func (r *runner) shutdown(c *Call, s *socket) (outcome, error) {
	how, err := argument(c, 1)
	switch {
	case err != nil:
		return outcome{}, err
	case !r.owns(s):
		return errno("ENOTCONN"), nil
	case how == constants["SHUT_RD"]:
		return outcome{}, unsupportedf("shutdown of the receiving side")
	}
	if err := r.stack.assoc.Shutdown(r.time()); err != nil {
		return errno(errnoOf(err)), nil
	}
	return ok(0), nil
}

func fcntl(c *Call, s *socket) (outcome, error) {
	command, err := argument(c, 1)
	if err != nil {
		return outcome{}, err
	}
	switch command {
	case constants["F_GETFL"]:
		flags := constants["O_RDWR"]
		if s.nonblock {
			flags |= constants["O_NONBLOCK"]
		}
		return ok(flags), nil
	case constants["F_SETFL"]:
		flags, err := argument(c, 2)
		s.nonblock = flags&constants["O_NONBLOCK"] != 0
		return ok(0), err
	}
	return outcome{}, unsupportedf("fcntl %v", c.Args[1])
}
