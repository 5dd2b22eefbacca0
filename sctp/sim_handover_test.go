package sctp_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// moves are the handovers of a host.
type moves struct {
	dice  dice
	count int
	next  time.Time         // not before
	ghost *sctp.Association // what was handed over last
	made  bool              // one was made, and no EventConnected came since
}

// drawMoves decides how often each host is handed over to another place.
func (s *scenario) drawMoves(d dice) {
	for i := range s.hosts {
		s.hosts[i].moves = pick(d, 0, 0, 0.02, 0.2, 1)
	}
}

// move hands the host's association over at random moments, if it lets itself be.
// The application goes on with the one that is resumed, and the oracle notices nothing.
func (h *host) move() {
	m := &h.moves
	old, ok := h.engine.(*sctp.Association)
	if !ok || h.closed || h.w.now.Before(m.next) || !m.dice.chance(h.plan.moves) {
		return
	}
	if (h.w.s.dying || h.w.s.aborts()) && m.count >= 20 {
		return // with each handover the time to the next HEARTBEAT begins anew, and nobody would ever notice
	}
	obstacles := old.HandoverObstacles()
	state, err := old.Handover(h.w.now)
	if obstacles != 0 {
		var notReady *sctp.HandoverError
		if state != nil || !errors.As(err, &notReady) || notReady.Obstacles != obstacles {
			h.w.fail("host %d: Handover with obstacles %v: %v", h.side, obstacles, err)
		}
		return
	}
	h.w.note(h, "Handover: %x, %v", state, err)
	if err != nil {
		h.w.fail("host %d: Handover: %v", h.side, err)
		return
	}
	e, _ := old.NextEvent()
	if _, more := old.NextEvent(); more || e.Kind != sctp.EventClosed || e.Err != sctp.ErrHandedOver {
		h.w.fail("host %d: the association that was handed over reports %+v", h.side, e)
	}
	cfg := h.plan.cfg
	for i := range cfg.Seed {
		cfg.Seed[i] = byte(m.dice.Uint32())
	}
	if h.witness != nil {
		h.witness = &witness{h: h, lost: make(map[uint32]uint64)}
		cfg.Trace = h.witness
	}
	if h.engine, err = sctp.Resume(h.w.now, cfg, state); err != nil {
		h.w.fail("host %d: Resume: %v", h.side, err)
		h.engine = old
		return
	}
	m.count++
	m.next = h.w.now.Add(10*time.Millisecond + m.dice.span(time.Second))
	m.ghost, m.made = old, true
	h.readable = nil
	h.w.work++
	h.w.drain(h)
	if m.made {
		h.w.fail("host %d: resumed, and no EventConnected", h.side)
	}
}

// haunt lets a packet come for the association that was handed over last, too.
func (m *moves) haunt(h *host, packet []byte) {
	if m.ghost == nil {
		return
	}
	m.ghost.HandlePacket(h.w.now, 0, packet)
	m.ghost.HandleTimeout(h.w.now)
	_, sends := m.ghost.Transmit(h.w.now, nil)
	_, reports := m.ghost.NextEvent()
	if _, waits := m.ghost.Timeout(); sends || reports || waits {
		h.w.fail("host %d: the association that was handed over sends %v, reports %v, waits %v", h.side, sends, reports, waits)
	}
}

// TestSimulationHandover holds that scenarios do hand associations over, so that
// TestSimulation shows something about it.
func TestSimulationHandover(t *testing.T) {
	made := 0
	for seed := uint64(1); seed <= 60 && made < 100; seed++ {
		w, err := runSeed(seed, nil, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		made += w.hosts[0].moves.count + w.hosts[1].moves.count
	}
	if made < 20 {
		t.Errorf("%d handovers in 60 scenarios", made)
	}
}
