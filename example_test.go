package sluice_test

import (
	"context"
	"fmt"
	"log"

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
