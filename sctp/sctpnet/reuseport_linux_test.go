package sctpnet

import (
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// soReusePort is SO_REUSEPORT, for which package syscall has no name.
const soReusePort = 15

// TestListenControl: two Listeners share a port, each with tags of its own shard.
func TestListenControl(t *testing.T) {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		t.Skip("it has another number there")
	}
	control := func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1)
		}); e != nil {
			return e
		}
		return err
	}
	listen := func(address string, shard uint32, control func(string, string, syscall.RawConn) error) (*Listener, error) {
		return Listen("udp4", address, ListenConfig{
			Control: control,
			Config:  Config{SCTP: sctp.Config{TagShard: sctp.TagShard{Bits: 1, Index: shard}}},
		})
	}
	a, err := listen("127.0.0.1:0", 0, control)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := listen(a.Addr().String(), 1, control)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := listen(a.Addr().String(), 0, nil); err == nil {
		t.Fatal("the port is shared with one that did not ask for it")
	}
	c, err := Dial(t.Context(), "udp4", a.Addr().(*net.UDPAddr).String(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort("")
	if n := a.Stats().Accepted + b.Stats().Accepted; n != 1 {
		t.Fatalf("%d associations accepted", n)
	}
}
