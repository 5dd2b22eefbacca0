package sctpnet_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// A server that sends back each message on the stream it came on.
func serve(nc net.Conn) {
	c, err := sctpnet.Server(context.Background(), nc, sctpnet.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	for {
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			return // the association has ended; c.Err says how
		}
		go func() {
			defer s.Close()
			io.Copy(s, s)
		}()
	}
}

// Any net.Conn that preserves messages will do; here it is a net.Pipe.
func ExampleClient() {
	near, far := net.Pipe()
	go serve(far)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := sctpnet.Client(ctx, near, sctpnet.Config{})
	if err != nil {
		log.Fatal(err)
	}
	s, err := c.OpenStream(7)
	if err != nil {
		log.Fatal(err)
	}
	s.SetDeadline(time.Now().Add(10 * time.Second))
	for _, text := range []string{"one message", "and another"} {
		if _, err := s.Write([]byte(text)); err != nil {
			log.Fatal(err)
		}
		buf := make([]byte, 1500)
		n, err := s.Read(buf)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", buf[:n])
	}
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// one message
	// and another
}

// Messages with a limited lifetime, and reading with a context.
func ExampleConn_WriteMessage() {
	near, far := net.Pipe()
	go serve(far)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := sctpnet.Client(ctx, near, sctpnet.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	err = c.WriteMessage(ctx, sctp.Message{
		Stream:      1,
		PPID:        53,
		Unordered:   true,
		Reliability: sctp.Reliability{Lifetime: 500 * time.Millisecond},
		Payload:     []byte("21.5 °C"),
	})
	if err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, info, err := c.ReadMessage(ctx, 1, buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, whole: %v\n", buf[:n], info.Complete)
	// Output:
	// 21.5 °C, whole: true
}

// With OnEvent the application needs no goroutine of its own: it is called when a
// stream turns readable, and reads without waiting.
func ExampleConfig_onEvent() {
	near, far := net.Pipe()
	go serve(far)
	received := make(chan string, 1)
	onEvent := func(c *sctpnet.Conn, ev sctp.Event) {
		switch ev.Kind {
		case sctp.EventConnected:
			c.TryWriteMessage(sctp.Message{Stream: 2, Payload: []byte("ping")})
		case sctp.EventReadable:
			buf := make([]byte, 1500)
			for {
				n, _, err := c.TryReadMessage(ev.Stream, buf)
				if err != nil {
					return // sctp.ErrWouldBlock: an event will say when there is more
				}
				received <- string(buf[:n])
			}
		}
	}
	c, err := sctpnet.New(near, sctpnet.Config{OnEvent: onEvent}, true)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-received)
	c.Close()
	// Output:
	// ping
}
