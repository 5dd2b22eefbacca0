package sctpnet

import (
	"net"
	"net/netip"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Handover ends the Conn and returns the state with which Resume or Listener.Resume
// goes on in its place, here or elsewhere: see sctp.Association.Handover, also for how
// the state must be protected. While the association is not ready, the error is a
// *sctp.HandoverError that says why, and nothing has changed.
//
// The peer is not told, and no packet leaves any more. When Handover returns, nothing
// uses the net.Conn, which is not closed: it is the caller's again, with its
// deadlines cleared. A socket of Listen goes on, and drops what comes for the
// association for two minutes; that of Dial is closed. Streams must be opened anew. A
// net.Conn on which a Read does not return a second after a deadline has passed, because
// its deadlines are stubs, cannot be given back and is closed; the state is good for
// another.
//
// OnEvent gets its last event, sctp.EventClosed with sctp.ErrHandedOver, before
// Handover returns, so Handover must not be called in it.
func (c *Conn) Handover() ([]byte, error) {
	state, err := c.handOver()
	if err != nil {
		return nil, err
	}
	if c.nc == nil {
		<-c.when(&c.life.done)
	} else {
		c.vacate()
		if c.reader.source != nil {
			c.reader.source.Receive(nil)
		}
		if err := c.nc.SetDeadline(time.Time{}); err != nil {
			c.log.Debug("clearing the deadlines of the transport", "error", err)
		}
	}
	return state, nil
}

// heedTime is how long a Read may take to return once its deadline has passed.
const heedTime = time.Second

// vacate waits until nothing uses the net.Conn any more, which it closes if nothing else
// helps.
func (c *Conn) vacate() {
	patience := time.NewTicker(heedTime)
	defer patience.Stop()
	for {
		select {
		case <-c.when(&c.life.done):
			return
		case <-patience.C:
		}
		c.mu.Lock()
		stuck := c.life.holds > 0 && !c.events.busy && c.events.len() == 0
		c.mu.Unlock()
		if stuck {
			c.log.Info("the transport does not heed its deadlines: closing it")
			c.nc.Close()
		}
	}
}

// handOver is Handover without waiting.
func (c *Conn) handOver() (state []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.settle(now, aCaller)
	switch {
	case c.life.isOver:
		return nil, c.life.err
	case c.sender.busy || c.sock != nil && c.sock.isSending(c):
		return nil, &sctp.HandoverError{Obstacles: sctp.ObstaclePackets}
	case c.events.len() > 0:
		return nil, &sctp.HandoverError{Obstacles: sctp.ObstacleEvents}
	}
	c.life.kept = true
	if c.sock != nil {
		state, err = c.sock.ep.Handover(now, c.id)
	} else {
		state, err = c.assoc.Handover(now)
	}
	if err != nil {
		c.life.kept = false
		return nil, err
	}
	c.settle(now, aCaller)
	return state, nil
}

// Resume drives, over nc, the association that Handover returned state of. It is
// established from the beginning. The error is ErrNilConn, a *sctp.ConfigError or a
// *sctp.ResumeError, and nc is the caller's then.
func Resume(nc net.Conn, cfg Config, state []byte) (*Conn, error) {
	cfg, err := cfg.completeOver(nc)
	if err != nil {
		return nil, err
	}
	fragments := newFragmentation(nc, &cfg.SCTP)
	assoc, err := sctp.Resume(time.Now(), cfg.SCTP, state)
	if err != nil {
		return nil, err
	}
	return drive(nc, cfg, assoc, fragments), nil
}

// Resume goes on, over the Listener's socket, with the association that Handover
// returned state of, whose peer is at an address. It is not among those that Accept
// returns. The errors are those of sctp.Endpoint.Resume, and one that matches
// net.ErrClosed once the Listener is closed.
func (l *Listener) Resume(peer netip.AddrPort, state []byte) (*Conn, error) {
	s := l.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil, l.err
	}
	now := time.Now()
	id, err := s.ep.Resume(now, peer, state)
	if err != nil {
		return nil, err
	}
	c := s.add(id)
	s.settle(now, aCaller)
	return c, nil
}
