package datachannel

import (
	"log/slog"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Defaults of Config and Params.
const (
	DefaultMaxMessageSize       = 262144   // bytes; Config.MaxMessageSize
	DefaultRemoteMaxMessageSize = 65536    // bytes; what a peer takes that does not say (RFC 8841, section 6.1)
	DefaultMaxBufferedAmount    = 16 << 20 // bytes; Config.MaxBufferedAmount
	DefaultCloseTimeout         = 10 * time.Second
)

// Config configures a Session. Its zero value works. The callbacks run on the
// goroutine of the callbacks of the channels.
type Config struct {
	// SCTP configures the association.
	SCTP sctp.Config

	// MaxMessageSize is the largest message, in bytes, that is accepted from
	// the peer; it is what a=max-message-size announces. A larger one closes its
	// channel with an error. Negative is any size, to be announced as 0: then NextReader and
	// Read take messages of any size, OnMessage and ReadMessage of up to 64 MiB. Default
	// 262144.
	MaxMessageSize int

	// MaxBufferedAmount bounds, in bytes, what Send queues on a channel; beyond
	// it Send returns an *OperationError. Default 16 MiB, also for negative values.
	MaxBufferedAmount int

	// CloseTimeout bounds Close. Default 10 s, also for negative values.
	CloseTimeout time.Duration

	// Logger receives what happens to the association (level Info), and channels
	// that fail and streams that are refused (Debug). Default: nothing is logged.
	Logger *slog.Logger

	// OnConnected, if set, is called when the association is established,
	// before any channel reports that it is open.
	OnConnected func()

	// OnChannel, if set, receives the channels that the peer opens, each already
	// open. The peer's doing takes no effect on the channel before OnChannel has
	// returned: the callbacks set in it miss nothing. Without it, Accept returns
	// the channels.
	OnChannel func(*Channel)

	// OnClose, if set, is called when the association has ended, with the error
	// that ended it, or nil. It is not called after Abort.
	OnClose func(error)
}

func (c Config) withDefaults() Config {
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = DefaultMaxMessageSize
	}
	if c.MaxBufferedAmount <= 0 {
		c.MaxBufferedAmount = DefaultMaxBufferedAmount
	}
	if c.CloseTimeout <= 0 {
		c.CloseTimeout = DefaultCloseTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
