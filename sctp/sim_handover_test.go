package sctp_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// drawMoves decides how often each host is handed over to another place.
func (s *scenario) drawMoves(d dice) {
	for i := range s.hosts {
		s.hosts[i].moves = pick(d, 0, 0, 0.02, 0.2, 1)
	}
}

// move hands the host's association over at random moments, if it lets itself be.
// The application goes on with the one that is resumed, and the oracle notices nothing.
func (h *host) move() {
	if h.closed || h.w.now.Before(h.moveAt) || !h.mover.chance(h.plan.moves) {
		return
	}
	obstacles := h.HandoverObstacles()
	state, err := h.Handover()
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
	e, _ := h.NextEvent()
	if _, more := h.NextEvent(); more || e.Kind != sctp.EventClosed || e.Err != sctp.ErrHandedOver {
		h.w.fail("host %d: the association that was handed over reports %+v", h.side, e)
	}
	cfg := h.plan.cfg
	for i := range cfg.Seed {
		cfg.Seed[i] = byte(h.mover.Uint32())
	}
	a, err := sctp.Resume(h.w.now, cfg, state)
	if err != nil {
		h.w.fail("host %d: Resume: %v", h.side, err)
		return
	}
	h.ghost, h.engine = h.engine, h.w.wrapped(a)
	h.readable, h.moved = nil, true
	h.moves++
	h.moveAt = h.w.now.Add(10*time.Millisecond + h.mover.span(time.Second))
	h.w.work++
	h.w.drain(h)
	if h.moved {
		h.w.fail("host %d: resumed, and no EventConnected", h.side)
	}
}

// haunt lets a packet come for the association that was handed over last, too.
func (h *host) haunt(packet []byte) {
	if h.ghost == nil {
		return
	}
	h.ghost.HandlePacket(h.w.now, 0, packet)
	h.ghost.HandleTimeout(h.w.now)
	_, sends := h.ghost.Transmit(h.w.now, nil)
	_, reports := h.ghost.NextEvent()
	if _, waits := h.ghost.Timeout(); sends || reports || waits {
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
		made += w.hosts[0].moves + w.hosts[1].moves
	}
	if made < 20 {
		t.Errorf("%d handovers in 60 scenarios", made)
	}
}
