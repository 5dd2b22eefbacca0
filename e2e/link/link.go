// Package link is what the tests against other SCTP implementations share: the way to
// a peer in another process, and messages that both sides can compute.
package link

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// Lossy is a bad network: a twentieth of the packets is lost, a tenth overtaken, some
// come twice and some damaged.
var Lossy = &netsim.Conditions{
	Latency: 2 * time.Millisecond, Loss: 0.05, Reorder: 0.1, ReorderDelay: 3 * time.Millisecond,
	Duplicate: 0.02, Corrupt: 0.01,
}

// Over returns our end of a way to where a socket is connected, with these conditions in
// both directions; nil is the socket itself. Chance depends on the name.
func Over(udp *net.UDPConn, conditions *netsim.Conditions, name string) net.Conn {
	_ = udp.SetReadBuffer(4 << 20)
	if conditions == nil {
		return udp
	}
	seed := fnv.New64a()
	_, _ = io.WriteString(seed, name)
	ours, theirs := netsim.Pipe(netsim.PipeConfig{
		Seed: seed.Sum64(), AtoB: *conditions, BtoA: *conditions, ReceiveQueue: 4 << 20,
	})
	go forward(theirs, udp)
	go forward(udp, theirs)
	return ours
}

// forward carries packets until from is closed, and then closes both.
func forward(to, from net.Conn) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
	}()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err == nil {
			_, _ = to.Write(buf[:n]) // refused is lost
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
	}
}

// Payload returns the content of a message: its number in four bytes, then noise that
// follows from it, as the programs in testdata compute it.
func Payload(seq, size int) []byte {
	b := make([]byte, max(size, 4))
	binary.BigEndian.PutUint32(b, uint32(seq))
	x := uint32(seq)*2654435761 + 1
	for i := 4; i < size; i++ {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b[:size]
}
