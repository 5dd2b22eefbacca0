package bench

import (
	"context"
	"net"
	"os"
	"strings"
	"time"

	pion "github.com/pion/sctp"

	"github.com/sluice-rtc/sluice/bench/internal/pionpair"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// A stack connects two ends of a link and returns the one that sends and the one
// that receives.
type stack struct {
	name    string
	connect func(a, b net.Conn, buffer int) (sender, receiver, error) // with buffers of so many bytes
}

// A sender sends messages on streams 0 and 1.
type sender interface {
	// buffered returns the bytes on stream 0 that were handed over and are not on
	// their way, as far as the stack tells.
	buffered() int
	write(stream uint16, p []byte) error
	close()
}

// A receiver returns message after message of a stream.
type receiver interface {
	read(stream uint16, p []byte) (int, error)
	close()
}

const (
	packetSize = 1188     // of SCTP, headers included
	bufferSize = 64 << 20 // limits nothing
	peerBuffer = 1 << 20  // that of TestPeers
	ownBuffer  = 2 << 20  // sluice's default
)

// sluiceStack is sluice through its driver, with a congestion control.
func sluiceStack(name string, kind sctp.CongestionControl) stack {
	return stack{name, func(a, b net.Conn, buffer int) (sender, receiver, error) {
		cfg := sctpnet.Config{SCTP: sctp.Config{
			CongestionControl: kind, MTU: packetSize, MaxMTU: -1,
			SendBuffer: buffer, ReceiveBuffer: buffer, HeartbeatInterval: -1,
		}}
		cfg.SCTP.Seed = [32]byte{1, byte(kind)}
		rx, err := sctpnet.New(b, cfg, false)
		if err != nil {
			return nil, nil, err
		}
		cfg.SCTP.Seed[0] = 2
		tx, err := sctpnet.Client(context.Background(), a, cfg)
		return sluiceEnd{tx}, sluiceEnd{rx}, err
	}}
}

type sluiceEnd struct{ *sctpnet.Conn }

func (e sluiceEnd) buffered() int { return e.BufferedAmount(0) }

func (e sluiceEnd) write(stream uint16, p []byte) error {
	return e.WriteMessage(context.Background(), sctp.Message{Stream: stream, Payload: p})
}

func (e sluiceEnd) read(stream uint16, p []byte) (int, error) {
	n, _, err := e.ReadMessage(context.Background(), stream, p)
	return n, err
}

func (e sluiceEnd) close() {
	e.Abort("")
	<-e.Done()
}

// pionVersion is that which go.mod asks for. (Programs of go test do not know their modules.)
func pionVersion() string {
	text, _ := os.ReadFile("go.mod")
	_, after, _ := strings.Cut(string(text), "github.com/pion/sctp v")
	version, _, _ := strings.Cut(after, "\n")
	return version
}

// pionStack is pion/sctp with its defaults but the buffers.
var pionStack = stack{"pion/sctp " + pionVersion(), func(a, b net.Conn, buffer int) (sender, receiver, error) {
	cfg := pion.Config{MTU: packetSize, MaxReceiveBufferSize: uint32(buffer), LoggerFactory: pionpair.QuietLog()}
	tx, rx, err := pionpair.Connect(cfg, a, b)
	if err != nil {
		return nil, nil, err
	}
	s, r := &pionEnd{Association: tx}, &pionEnd{Association: rx}
	for i := range s.streams {
		if s.streams[i], err = tx.OpenStream(uint16(i), pion.PayloadTypeWebRTCBinary); err == nil {
			r.streams[i], err = rx.OpenStream(uint16(i), pion.PayloadTypeWebRTCBinary)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return s, r, nil
}}

type pionEnd struct {
	*pion.Association
	streams [2]*pion.Stream
}

// buffered leaves out what is in flight: a guess, because the stack counts it in.
func (e *pionEnd) buffered() int { return max(0, int(e.streams[0].BufferedAmount())-int(e.CWND())) }

func (e *pionEnd) write(stream uint16, p []byte) error {
	_, err := e.streams[stream].WriteSCTP(p, pion.PayloadTypeWebRTCBinary)
	return err
}

func (e *pionEnd) read(stream uint16, p []byte) (int, error) {
	n, _, err := e.streams[stream].ReadSCTP(p)
	return n, err
}

func (e *pionEnd) close() { e.Association.Close() }

// pause waits in virtual time.
func pause(d time.Duration) { netsim.Elapse(d) }
