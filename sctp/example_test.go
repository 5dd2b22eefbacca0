package sctp_test

import (
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Two associations and what lies between them, driven by hand. Here time is virtual, and a network is a slice of
// packets; a program has a clock, a timer and a socket in their places.
func Example() {
	type datagram struct {
		due    time.Time
		to     *sctp.Association
		packet []byte
	}
	const delay = 25 * time.Millisecond
	var network []datagram // in the order in which they arrive
	start := time.Unix(0, 0)
	now := start

	var sides [2]*sctp.Association
	for i := range sides {
		a, err := sctp.New(sctp.Config{Seed: [32]byte{byte(i)}}) // 32 bytes of crypto/rand outside of examples
		if err != nil {
			log.Fatal(err)
		}
		sides[i] = a
	}
	client, server := sides[0], sides[1]
	if err := client.Connect(now); err != nil {
		log.Fatal(err)
	}

	react := func(a *sctp.Association, ev sctp.Event) {
		switch {
		case ev.Kind == sctp.EventConnected && a == client:
			if err := a.Send(now, sctp.Message{Stream: 7, Payload: []byte("hello")}); err != nil {
				log.Fatal(err)
			}
		case ev.Kind == sctp.EventReadable:
			buf := make([]byte, 1500)
			n, info, err := a.Read(now, ev.Stream, buf)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("after %v the server has %q on stream %d\n", now.Sub(start), buf[:n], info.Stream)
			if err := a.Shutdown(now); err != nil {
				log.Fatal(err)
			}
		case ev.Kind == sctp.EventClosed && a == client:
			fmt.Printf("after %v the client's end: %v\n", now.Sub(start), ev.Err)
		}
	}

	for {
		// After any call: the events, what is to be sent, and when to call again.
		var next time.Time
		earlier := func(t time.Time) {
			if next.IsZero() || t.Before(next) {
				next = t
			}
		}
		for i, a := range sides {
			for ev, ok := a.NextEvent(); ok; ev, ok = a.NextEvent() {
				react(a, ev)
			}
			for t, ok := a.Transmit(now, nil); ok; t, ok = a.Transmit(now, nil) {
				network = append(network, datagram{now.Add(delay), sides[1-i], t.Packet})
			}
			if t, ok := a.Timeout(); ok {
				earlier(t)
			}
		}
		if len(network) > 0 {
			earlier(network[0].due)
		}
		if next.IsZero() {
			break // nothing will ever happen again
		}
		now = next
		for len(network) > 0 && !network[0].due.After(now) {
			network[0].to.HandlePacket(now, 0, network[0].packet)
			network = slices.Delete(network, 0, 1)
		}
		for _, a := range sides {
			if t, ok := a.Timeout(); ok && !t.After(now) {
				a.HandleTimeout(now)
			}
		}
	}
	fmt.Println(client.State(), server.State())
	// Output:
	// after 125ms the server has "hello" on stream 7
	// after 200ms the client's end: <nil>
	// CLOSED CLOSED
}
