package sluice_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/netip"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// Two PeerConnections in one program, without trickling: each description is
// sent when its candidates are known.
func ExamplePeerConnection() {
	cfg := sluice.Config{IncludeLoopback: true}
	offerer, err := sluice.NewPeerConnection(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer offerer.Close()
	answerer, err := sluice.NewPeerConnection(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer answerer.Close()

	answerer.OnDataChannel(func(ch *datachannel.Channel) {
		ch.OnMessage(func(m datachannel.Message) { ch.SendText("echo: " + string(m.Data)) })
	})
	chat, err := offerer.CreateDataChannel("chat", nil)
	if err != nil {
		log.Fatal(err)
	}

	// describe makes what is due, an offer or an answer, and waits for its candidates.
	describe := func(pc *sluice.PeerConnection) sluice.SessionDescription {
		if err := pc.SetLocalDescription(sluice.SessionDescription{}); err != nil {
			log.Fatal(err)
		}
		<-pc.GatheringComplete()
		return *pc.LocalDescription()
	}
	if err := answerer.SetRemoteDescription(describe(offerer)); err != nil {
		log.Fatal(err)
	}
	if err := offerer.SetRemoteDescription(describe(answerer)); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	if err := chat.WriteMessage(ctx, []byte("hello"), true); err != nil {
		log.Fatal(err)
	}
	m, err := chat.ReadMessage(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(m.Data))
	// Output: echo: hello
}

// Two programs connect without SDP: each sends the other its parameters, as JSON.
func ExampleTransport() {
	ctx := context.Background()
	// run is one of the programs: it sends its parameters and takes those of the other.
	run := func(send, receive chan []byte, use func(*sluice.Transport)) {
		t, err := sluice.NewTransport(sluice.Config{IncludeLoopback: true})
		if err != nil {
			log.Fatal(err)
		}
		local, err := t.LocalParameters(ctx)
		if err != nil {
			log.Fatal(err)
		}
		text, err := json.Marshal(local)
		if err != nil {
			log.Fatal(err)
		}
		send <- text
		var remote sluice.TransportParameters
		if err := json.Unmarshal(<-receive, &remote); err != nil {
			log.Fatal(err)
		}
		if err := t.Start(ctx, remote); err != nil {
			log.Fatal(err)
		}
		use(t)
		if err := t.Close(); err != nil { // delivers what was sent
			log.Fatal(err)
		}
	}

	there, back := make(chan []byte, 1), make(chan []byte, 1)
	go run(there, back, func(t *sluice.Transport) {
		ch, err := t.CreateChannel("greeting", nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := ch.WriteMessage(ctx, []byte("hello"), true); err != nil {
			log.Fatal(err)
		}
	})
	run(back, there, func(t *sluice.Transport) {
		ch, err := t.Accept(ctx)
		if err != nil {
			log.Fatal(err)
		}
		m, err := ch.ReadMessage(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ch.Label(), string(m.Data))
	})
	// Output: greeting hello
}

// A server has all its peers on one UDP port.
func ExampleUDPMux() {
	mux, err := sluice.NewUDPMux(sluice.UDPMuxConfig{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		log.Fatal(err)
	}
	defer mux.Close()

	ctx := context.Background()
	for _, name := range []string{"first", "second"} {
		server, err := sluice.NewTransport(sluice.Config{UDPMux: mux})
		if err != nil {
			log.Fatal(err)
		}
		defer server.Abort()
		server.OnChannel(func(ch *datachannel.Channel) {
			ch.OnMessage(func(m datachannel.Message) { ch.SendText("hello, " + string(m.Data)) })
		})
		toPeer, err := server.LocalParameters(ctx)
		if err != nil {
			log.Fatal(err)
		}

		// Parameters go to the peer as JSON, and those of the peer come back.
		peer, err := sluice.NewTransport(sluice.Config{IncludeLoopback: true})
		if err != nil {
			log.Fatal(err)
		}
		defer peer.Abort()
		ch, err := peer.CreateChannel("greeting", nil)
		if err != nil {
			log.Fatal(err)
		}
		fromPeer, err := peer.LocalParameters(ctx)
		if err != nil {
			log.Fatal(err)
		}
		go server.Start(ctx, fromPeer)
		if err := peer.Start(ctx, toPeer); err != nil {
			log.Fatal(err)
		}

		if err := ch.WriteMessage(ctx, []byte(name), true); err != nil {
			log.Fatal(err)
		}
		m, err := ch.ReadMessage(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(m.Data))
	}
	fmt.Println(len(mux.Addrs()), "port,", mux.Stats().Connections, "connections")
	// Output:
	// hello, first
	// hello, second
	// 1 port, 2 connections
}

// The transport of the channels tells when they can be used, and what fits through them;
// statistics are those of a browser.
func ExamplePeerConnection_SCTP() {
	pc, err := sluice.NewPeerConnection(sluice.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pc.Close()
	if _, err := pc.CreateDataChannel("chat", nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println("before the offer:", pc.SCTP() != nil)
	if err := pc.SetLocalDescription(sluice.SessionDescription{}); err != nil {
		log.Fatal(err)
	}
	sctp := pc.SCTP()
	sctp.OnStateChange(func(s sluice.SCTPTransportState) {
		fmt.Println(s, "for messages of up to", sctp.MaxMessageSize(), "bytes on", sctp.MaxChannels(), "channels")
	})
	fmt.Println(sctp.State(), "over DTLS that is", sctp.Transport().State())

	stats := pc.Stats()
	report, err := json.Marshal(stats.Report()["data-channel-1"])
	if err != nil {
		log.Fatal(err)
	}
	var channel map[string]any
	if err := json.Unmarshal(report, &channel); err != nil {
		log.Fatal(err)
	}
	fmt.Println(channel["type"], channel["label"], channel["state"])
	// Output:
	// before the offer: false
	// connecting over DTLS that is new
	// data-channel chat connecting
}
