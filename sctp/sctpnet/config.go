package sctpnet

import (
	"crypto/rand"
	"log/slog"
	"net"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Config configures a Conn. The zero value works.
type Config struct {
	// SCTP configures the association. Seed is filled from crypto/rand if zero.
	// MaxMTU is by default -1, no search for a larger MTU, if the transport is
	// neither a FragmentController nor a syscall.Conn that controls fragmentation.
	SCTP sctp.Config

	// PeerInitToken is the INIT token of the peer, if both sides have exchanged
	// theirs (SNAP, sctp.InitToken): New then establishes the association without a
	// handshake. SCTP must be what sctp.InitToken got, Seed included, for this side's
	// token; the error for a token that cannot be used is a *sctp.InitTokenError. Not
	// for Listen and Dial, which do not look at it.
	PeerInitToken []byte

	// ExpectedRTT is the round-trip time to the peer as the transport has measured it,
	// 0 if it is not known: see sctp.Association.ExpectRTT. Not for Listen and Dial.
	ExpectedRTT time.Duration

	// OnEvent, if set, receives each event of the association, in order and one
	// at a time, with no lock of the Conn held; it may call back into the Conn
	// but must not block: not in WriteMessage, ReadMessage, Shutdown or Close,
	// for which there are TryWriteMessage, TryReadMessage, StartShutdown and
	// Abort. It runs on the goroutine of the Conn or of its PacketSource, which others
	// may need, too, or inside any method of the Conn on the goroutine that called it,
	// so a caller of those methods must not hold a lock that OnEvent takes. The first event may come before New
	// has returned; the last one is sctp.EventClosed, and comes before Done is
	// closed. With OnEvent set, AcceptStream is not available.
	OnEvent func(*Conn, sctp.Event)

	// CloseTimeout is how long Close waits for a graceful end before it aborts.
	// Default 5 s.
	CloseTimeout time.Duration

	// Logger receives what happens to the association (level Info) and what the
	// transport loses (Debug). Default: nothing is logged.
	Logger *slog.Logger
}

// roomFor returns how long packets may become, in bytes.
func roomFor(cfg *sctp.Config) int { return max(cfg.MTU, cfg.MaxMTU, 1500) }

const defaultCloseTimeout = 5 * time.Second

// complete checks the fields of this package and fills in their defaults. Those
// of SCTP are checked by sctp.New.
func (cfg Config) complete() (Config, error) {
	if cfg.CloseTimeout < 0 {
		return cfg, &sctp.ConfigError{Field: "CloseTimeout", Rule: "must not be negative"}
	}
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = defaultCloseTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.SCTP.Seed == [32]byte{} {
		rand.Read(cfg.SCTP.Seed[:]) // never fails
	}
	return cfg, nil
}

// completeOver is complete for a Conn over nc.
func (cfg Config) completeOver(nc net.Conn) (Config, error) {
	if cfg.SCTP.ECN { // ecn-d
		return cfg, &sctp.ConfigError{Field: "ECN", Rule: "needs Listen or Dial"}
	}
	if nc == nil {
		return cfg, ErrNilConn
	}
	return cfg.complete()
}
