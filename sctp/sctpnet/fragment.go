package sctpnet

import (
	"errors"
	"log/slog"
	"syscall"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// FragmentController is what a net.Conn implements besides if it can say whether
// the network may fragment what is written from now on. SetDontFragment is called
// between writes. A net.Conn that is a syscall.Conn, such as *net.UDPConn, need not
// have it.
//
// The search for a larger MTU (sctp.Config.MaxMTU) needs it: without, a probe that
// is fragmented would seem to show that the path carries it.
type FragmentController interface {
	SetDontFragment(on bool) error
}

// fragmentation tells a transport whether packets must stay whole. Whoever writes
// uses it.
type fragmentation struct {
	set   func(on bool) error // nil: there is nothing to tell
	whole bool                // as the transport was told last
}

// newFragmentation returns the fragmentation of a transport. One that has no say in
// it gets no search for a larger MTU by default.
func newFragmentation(transport any, cfg *sctp.Config) fragmentation {
	if cfg.MaxMTU < 0 {
		return fragmentation{}
	}
	var f fragmentation
	switch t := transport.(type) {
	case FragmentController:
		f.set = t.SetDontFragment
	case syscall.Conn:
		f.set = func(on bool) error { return udpsock.SetDontFragment(t, on) }
	}
	err := errors.ErrUnsupported
	if f.set != nil {
		err = f.set(false)
	}
	if err == nil {
		return f
	}
	if cfg.MaxMTU == 0 {
		cfg.MaxMTU = -1
	}
	return fragmentation{}
}

// apply makes the transport treat the next packets as said.
func (f *fragmentation) apply(whole bool, log *slog.Logger) {
	if f.set == nil || f.whole == whole {
		return
	}
	f.whole = whole
	if err := f.set(whole); err != nil {
		log.Debug("the transport does not control fragmentation any more", "error", err)
	}
}

// sameWhole returns how many packets from the first on are to be treated alike.
func sameWhole(whole []bool) int {
	for i, w := range whole {
		if w != whole[0] {
			return i
		}
	}
	return len(whole)
}
