package sluice

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// streamPair returns the two ends of a TCP connection on loopback.
func streamPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer l.Close()
	near, err = net.Dial("tcp4", l.Addr().String())
	must(t, err)
	far, err = l.Accept()
	must(t, err)
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return near, far
}

// inTime fails the test if f does not return.
func inTime(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s does not return", what)
	}
}

// A TURN server over TCP that stops reading keeps nobody: frames are lost, whole ones,
// and closing takes no longer than a moment.
func TestStreamThatIsNotRead(t *testing.T) {
	near, far := streamPair(t)
	guard := newStreamGuard(near, nil)
	const count = 20000
	inTime(t, "Write", func() {
		for i := range uint32(count) {
			frame := binary.BigEndian.AppendUint32(nil, i)
			if n, err := guard.Write(append(frame, make([]byte, 1196)...)); n != 1200 || err != nil {
				t.Errorf("Write = %d, %v", n, err)
				return
			}
		}
	})
	frame := make([]byte, 1200)
	for n, last := 0, -1; last < 1000; n++ {
		_, err := io.ReadFull(far, frame)
		must(t, err)
		i := int(binary.BigEndian.Uint32(frame))
		if i <= last || i >= count || !bytes.Equal(frame[4:], make([]byte, 1196)) {
			t.Fatalf("frame %d is number %d, after %d", n, i, last)
		}
		last = i
	}
	inTime(t, "Close", func() { guard.queue.Close() })
	if _, err := guard.Write(frame); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

// What is written last, that an allocation is given back, is still sent; a stream that
// has failed says so.
func TestStreamClosed(t *testing.T) {
	near, far := streamPair(t)
	q := newStreamQueue(near)
	q.Write([]byte("the "))
	q.Write([]byte("end"))
	q.Close()
	if got, err := io.ReadAll(far); string(got) != "the end" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	q.Close()

	near, _ = streamPair(t)
	q = newStreamQueue(near)
	near.Close()
	q.Write([]byte("x"))
	<-q.done
	if _, err := q.Write([]byte("y")); err == nil {
		t.Error("nothing wrong with a stream that is gone")
	}
	q.Close()
}

// TLS does not wait either when it is closed.
func TestStreamOfTLSThatIsNotRead(t *testing.T) {
	near, far := streamPair(t)
	cert, err := GenerateCertificate()
	must(t, err)
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert.tls()}})
	client := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
	go server.Handshake()
	must(t, client.Handshake())
	q := newStreamQueue(client)
	begin := time.Now()
	inTime(t, "Write", func() {
		for range 20000 {
			q.Write(make([]byte, 1200))
		}
	})
	inTime(t, "Close", func() { q.Close() })
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("closed after %v", took)
	}
}
