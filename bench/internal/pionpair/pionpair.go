// Package pionpair connects associations of pion/sctp.
package pionpair

import (
	"io"
	"net"

	"github.com/pion/logging"
	"github.com/pion/sctp"
)

// QuietLog is for those that write no log.
func QuietLog() logging.LoggerFactory {
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel, quiet.Writer = logging.LogLevelDisabled, io.Discard
	return quiet
}

// Connect returns an association over a and one over b, which waits for it.
func Connect(cfg sctp.Config, a, b net.Conn) (client, server *sctp.Association, err error) {
	type result struct {
		*sctp.Association
		error
	}
	accepted := make(chan result, 1)
	go func() {
		cfg := cfg
		cfg.NetConn = b
		server, err := sctp.ServerWithOptions(cfg)
		accepted <- result{server, err}
	}()
	cfg.NetConn = a
	if client, err = sctp.ClientWithOptions(cfg); err != nil {
		return nil, nil, err
	}
	r := <-accepted
	return client, r.Association, r.error
}
