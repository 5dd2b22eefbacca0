package netsim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// want reads one packet and compares it.
func want(t *testing.T, c net.Conn, text string) {
	t.Helper()
	buf := make([]byte, 2000)
	n, err := c.Read(buf)
	if err != nil || string(buf[:n]) != text {
		t.Fatalf("read %q, %v; want %q", buf[:n], err, text)
	}
}

// wantErr reads and expects an error.
func wantErr(t *testing.T, c net.Conn, target error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 2000)); !errors.Is(err, target) || n != 0 {
		t.Fatalf("read %d bytes, %v; want %v", n, err, target)
	}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write of %d bytes: %d, %v", len(text), n, err)
	}
}

func TestPipePreservesMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b net.Conn = Pipe(PipeConfig{AtoB: Conditions{Latency: 20 * ms}, BtoA: Conditions{Latency: 70 * ms}})
		begin := time.Now()
		send(t, a, "one")
		send(t, a, "")
		send(t, a, "three")
		want(t, b, "one")
		want(t, b, "")
		want(t, b, "three")
		if d := time.Since(begin); d != 20*ms {
			t.Errorf("took %v, want 20 ms", d)
		}
		send(t, b, "back")
		want(t, a, "back")
		if d := time.Since(begin); d != 90*ms {
			t.Errorf("took %v, want 90 ms", d)
		}
		if a.LocalAddr().String() != b.RemoteAddr().String() || a.RemoteAddr().String() != b.LocalAddr().String() ||
			a.LocalAddr().Network() != "netsim" {
			t.Errorf("addresses %v %v %v %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
	})
}

func TestPipeWriterMayReuseItsBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{AtoB: Conditions{Latency: ms}})
		buf := []byte("first")
		a.Write(buf)
		copy(buf, "-----")
		want(t, b, "first")
	})
}

func TestPipeShortBuffer(t *testing.T) {
	a, b := Pipe(PipeConfig{})
	send(t, a, "too long")
	send(t, a, "next")
	buf := make([]byte, 3)
	if n, err := b.Read(buf); n != 3 || err != io.ErrShortBuffer || string(buf) != "too" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	want(t, b, "next")
}

func TestPipeConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{Seed: 3, AtoB: everything, ReceiveQueue: 1 << 20})
		go func() {
			for i := range 2000 {
				a.Write(testPacket(uint32(i), 300))
				Elapse(2 * ms)
			}
			a.Close()
		}()
		var got, late, damaged uint64
		highest := -1
		buf := make([]byte, 2000)
		for {
			n, err := b.Read(buf)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got++
			id := int(buf[2])<<8 | int(buf[3])
			if !bytes.Equal(buf[:n], testPacket(uint32(id), 300)) {
				damaged++
				continue
			}
			if id < highest {
				late++
			}
			highest = max(highest, id)
		}
		s := a.Stats()
		if s.Sent != 2000 || s.Arrived != got || s.Arrived != 2000-s.Lost-s.QueueDrops-s.Swallowed+s.Duplicated {
			t.Errorf("%d read, %+v", got, s)
		}
		if s.Swallowed != 100 || s.Lost == 0 || s.Duplicated == 0 || late == 0 || damaged != s.Corrupted {
			t.Errorf("%d late, %d damaged, %+v", late, damaged, s)
		}
	})
}

func TestPipeReceiveQueueIsBounded(t *testing.T) {
	a, b := Pipe(PipeConfig{ReceiveQueue: 1000})
	for i := range 10 {
		send(t, a, fmt.Sprintf("%0300d", i))
	}
	if s := a.Stats(); s.Arrived != 10 || s.Unread != 7 {
		t.Errorf("%+v, want 7 unread", s)
	}
	for i := range 3 {
		want(t, b, fmt.Sprintf("%0300d", i))
	}
	// One that is larger than the queue passes when nothing waits.
	send(t, a, fmt.Sprintf("%01500d", 1))
	want(t, b, fmt.Sprintf("%01500d", 1))
}

func TestPipeCloseWakesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{AtoB: Conditions{Latency: 10 * ms}})
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() { wantErr(t, a, net.ErrClosed) })
		}
		readers.Go(func() {
			begin := time.Now()
			wantErr(t, b, io.EOF)
			if d := time.Since(begin); d != time.Second+10*ms {
				t.Errorf("end seen after %v, want the latency after Close", d)
			}
		})
		Elapse(time.Second)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		readers.Wait()
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close: %v", err)
		}
		if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline after Close: %v", err)
		}
		send(t, b, "to nobody")
		wantErr(t, b, io.EOF)
	})
}

func TestPipeCloseDeliversWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Conditions{Latency: 10 * ms, Rate: 1000, Reorder: 1, ReorderDelay: time.Second}
		a, b := Pipe(PipeConfig{AtoB: c})
		for range 20 {
			send(t, a, "0123456789")
		}
		a.Close()
		for range 20 {
			want(t, b, "0123456789")
		}
		wantErr(t, b, io.EOF)
		b.Close()
	})
}

func TestPipeCloseDropsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{AtoB: Conditions{Latency: 10 * ms}})
		send(t, a, "never read")
		b.Close()
		Elapse(time.Second)
		wantErr(t, b, net.ErrClosed)
		wantErr(t, a, io.EOF)
	})
}

func TestPipeCloseOverDeadLinkIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{})
		a.SetConditions(Conditions{Down: []Window{Always}})
		send(t, a, "swallowed")
		a.Close()
		b.SetReadDeadline(time.Now().Add(time.Hour))
		wantErr(t, b, os.ErrDeadlineExceeded)
	})
}

func TestPipeSetConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{})
		a.SetConditions(Conditions{Loss: 1})
		send(t, a, "lost")
		a.SetConditions(Conditions{Latency: ms})
		send(t, a, "found")
		want(t, b, "found")
		send(t, b, "the other way is as it was")
		want(t, a, "the other way is as it was")
	})
}

func TestPipeReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{AtoB: Conditions{Latency: 10 * ms}})
		begin := time.Now()
		b.SetReadDeadline(begin.Add(5 * ms))
		wantErr(t, b, os.ErrDeadlineExceeded)
		if d := time.Since(begin); d != 5*ms {
			t.Errorf("deadline met after %v", d)
		}
		// It stays exceeded, and is a timeout in the words of net.
		_, err := b.Read(nil)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		// What arrives in the meantime is not lost.
		send(t, a, "kept")
		Elapse(20 * ms)
		wantErr(t, b, os.ErrDeadlineExceeded)
		b.SetReadDeadline(time.Time{})
		want(t, b, "kept")
		// A deadline in the past works at once, though data waits.
		send(t, a, "waits")
		Elapse(20 * ms)
		b.SetDeadline(time.Now().Add(-1))
		wantErr(t, b, os.ErrDeadlineExceeded)
		b.SetDeadline(time.Now().Add(time.Hour))
		want(t, b, "waits")
	})
}

func TestPipeDeadlineMovesUnderAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := Pipe(PipeConfig{})
		begin := time.Now()
		var reader sync.WaitGroup
		read := func(d time.Duration) {
			reader.Go(func() {
				wantErr(t, b, os.ErrDeadlineExceeded)
				if got := time.Since(begin); got != d {
					t.Errorf("woken after %v, want %v", got, d)
				}
			})
			synctest.Wait()
		}
		read(20 * ms)
		b.SetReadDeadline(begin.Add(10 * ms)) // set while it waits
		b.SetReadDeadline(begin.Add(20 * ms)) // extended before it fires
		reader.Wait()
		b.SetReadDeadline(time.Time{})
		read(30 * ms)
		b.SetReadDeadline(begin.Add(time.Hour))
		Elapse(10 * ms)
		b.SetReadDeadline(time.Now()) // cut short
		reader.Wait()
	})
}

func TestPipeWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeConfig{})
		a.SetWriteDeadline(time.Now().Add(ms))
		send(t, a, "in time")
		Elapse(ms)
		synctest.Wait()
		if _, err := a.Write([]byte("late")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write past its deadline: %v", err)
		}
		a.SetReadDeadline(time.Now().Add(time.Hour)) // is another matter
		if _, err := a.Write([]byte("late")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write past its deadline: %v", err)
		}
		a.SetWriteDeadline(time.Time{})
		send(t, a, "again")
		want(t, b, "in time")
		want(t, b, "again")
	})
}

func TestPipeConcurrentUse(t *testing.T) {
	a, b := Pipe(PipeConfig{AtoB: Conditions{Latency: 100 * time.Microsecond}, BtoA: Conditions{Jitter: ms}})
	var users, writers sync.WaitGroup
	for _, c := range []*Conn{a, b} {
		for range 2 {
			writers.Go(func() {
				for range 500 {
					c.Write([]byte("packet"))
					c.SetDeadline(time.Now().Add(time.Hour))
					c.Stats()
				}
			})
			users.Go(func() {
				for buf := make([]byte, 10); ; {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			})
		}
	}
	writers.Wait()
	a.Close()
	b.Close()
	users.Wait()
}
