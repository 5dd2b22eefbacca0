package sctpnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

func TestClosedError(t *testing.T) {
	for _, tc := range []struct {
		err  error
		text string
		is   []error
	}{
		{&closedError{}, "sctpnet: association closed", []error{net.ErrClosed, sctp.ErrClosed}},
		{
			&closedError{&TransportError{"read", io.EOF}},
			"sctpnet: association closed: sctpnet: transport read: EOF",
			[]error{net.ErrClosed, sctp.ErrClosed, io.EOF},
		},
	} {
		if got := tc.err.Error(); got != tc.text {
			t.Errorf("got %q, want %q", got, tc.text)
		}
		for _, is := range tc.is {
			if !errors.Is(tc.err, is) {
				t.Errorf("%v does not match %v", tc.err, is)
			}
		}
	}
}

func TestTransportErrorKinds(t *testing.T) {
	op := func(err error) error { return &net.OpError{Op: "read", Net: "udp", Err: err} }
	sys := func(errno syscall.Errno) error { return op(os.NewSyscallError("read", errno)) }
	for _, tc := range []struct {
		err         error
		fatalWrite  bool
		passingRead bool
	}{
		{sys(syscall.ECONNREFUSED), false, true},
		{sys(syscall.EMSGSIZE), false, true},
		{sys(syscall.EHOSTUNREACH), false, true},
		{sys(10040), false, true}, // WSAEMSGSIZE
		{sys(syscall.EIO), false, false},
		{sys(syscall.ECONNRESET), false, false},
		{op(os.ErrDeadlineExceeded), false, true},
		{op(net.ErrClosed), true, false},
		{io.EOF, true, false},
		{io.ErrClosedPipe, true, false},
		{io.ErrShortBuffer, false, true},
		{fmt.Errorf("wrapped: %w", temporary{errCable}), false, true},
		{errCable, false, false},
	} {
		if got := fatalWrite(tc.err); got != tc.fatalWrite {
			t.Errorf("fatalWrite(%v) = %v", tc.err, got)
		}
		if got := passingRead(tc.err); got != tc.passingRead {
			t.Errorf("passingRead(%v) = %v", tc.err, got)
		}
	}
}

// Without a net.Conn there is an error at once, and not a panic when the first packet is due.
func TestNilConn(t *testing.T) {
	for name, open := range map[string]func() (*Conn, error){
		"New":    func() (*Conn, error) { return New(nil, Config{}, true) },
		"Client": func() (*Conn, error) { return Client(t.Context(), nil, Config{}) },
		"Server": func() (*Conn, error) { return Server(t.Context(), nil, Config{}) },
		"Resume": func() (*Conn, error) { return Resume(nil, Config{}, nil) },
	} {
		if c, err := open(); c != nil || !errors.Is(err, ErrNilConn) {
			t.Errorf("%s = %v, %v", name, c, err)
		}
	}
}
