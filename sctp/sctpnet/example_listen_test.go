package sctpnet_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// SCTP over UDP (RFC 6951): any number of peers on one socket.
func ExampleListen() {
	ctx := context.Background()
	l, err := sctpnet.Listen("udp4", "127.0.0.1:0", sctpnet.ListenConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept(ctx)
			if err != nil {
				return // closed
			}
			go func() {
				buf := make([]byte, 64<<10)
				n, _, err := conn.ReadMessage(ctx, 0, buf)
				if err != nil {
					return
				}
				_ = conn.WriteMessage(ctx, sctp.Message{Payload: append([]byte("you said "), buf[:n]...)})
			}()
		}
	}()

	conn, err := sctpnet.Dial(ctx, "udp4", l.Addr().String(), sctpnet.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := conn.WriteMessage(ctx, sctp.Message{Payload: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	n, _, err := conn.ReadMessage(ctx, 0, buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", buf[:n])
	if err := conn.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: you said hello
}
