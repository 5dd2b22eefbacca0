package dtlsrecord

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// The library relies on deadlines, which those of an ICE connection do not have.
func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newShim(nil)
		read := func() error {
			_, err := a.Read(make([]byte, 10))
			return err
		}
		begin := time.Now()
		a.SetReadDeadline(begin.Add(-time.Second))
		if err := read(); err != os.ErrDeadlineExceeded {
			t.Errorf("with a deadline in the past: %v", err)
		}
		a.SetReadDeadline(begin.Add(time.Second))
		blocked := make(chan error)
		go func() { blocked <- read() }()
		synctest.Wait()
		a.SetReadDeadline(begin.Add(3 * time.Second)) // while it waits
		if err := <-blocked; err != os.ErrDeadlineExceeded || time.Since(begin) != 3*time.Second {
			t.Errorf("moved deadline: %v after %v, want 3s", err, time.Since(begin))
		}
		a.SetReadDeadline(time.Time{})
		go func() { blocked <- read() }()
		netsim.Elapse(time.Hour) // virtual
		a.Close()
		if err := <-blocked; err != net.ErrClosed {
			t.Errorf("Close during Read: %v", err)
		}
	})
}
