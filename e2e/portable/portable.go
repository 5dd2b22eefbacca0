// Package portable has tests that are the same program natively and in a browser: as
// WebAssembly on the browser's RTCPeerConnection. The tests talk to a peer that the
// same code makes, in the same program or, if the environment variable
// SLUICE_PEER says where, in another one.
//
//	go test ./e2e/portable                      Go and Go
//	go test ./e2e -run TestPortable             in Chromium with itself, and with Go
package portable

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// NegotiatedID is the identifier of the channel "agreed" that the peer creates without
// being asked.
const NegotiatedID = 100

// Answer makes a peer for the offer, and returns its answer with all candidates. The
// peer sends messages back on the channel on which they come. Text messages that begin
// with "do " are commands:
//
//	do close         it closes the channel
//	do hang up       it closes the connection
//	do open LABEL    it opens a channel, whose first message is its label
//	do send N        it sends N messages of 16 KiB
//	do answer SDP    it takes a further offer, and sends back the answer with all candidates
//
// It is closed when ctx ends, or an error is returned.
func Answer(ctx context.Context, cfg sluice.Config, offer sluice.SessionDescription) (*sluice.SessionDescription, error) {
	pc, err := sluice.NewPeerConnection(cfg)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { pc.Close() })
	pc.OnDataChannel(func(ch *datachannel.Channel) { go serve(ctx, pc, ch) })
	pc.OnConnectionStateChange(func(s sluice.ConnectionState) {
		if s == sluice.ConnectionStateClosed || s == sluice.ConnectionStateFailed {
			go pc.Close()
		}
	})
	answer, err := answer(ctx, pc, offer)
	if err != nil {
		pc.Close()
	}
	return answer, err
}

func answer(ctx context.Context, pc *sluice.PeerConnection, offer sluice.SessionDescription) (*sluice.SessionDescription, error) {
	id := uint16(NegotiatedID)
	agreed, err := pc.CreateDataChannel("agreed", &datachannel.Init{Negotiated: true, ID: &id})
	if err != nil {
		return nil, err
	}
	go serve(ctx, pc, agreed)
	if err := pc.SetRemoteDescription(offer); err != nil {
		return nil, err
	}
	return describe(ctx, pc)
}

// describe sets the description that is due and returns it with all candidates.
func describe(ctx context.Context, pc *sluice.PeerConnection) (*sluice.SessionDescription, error) {
	if err := pc.SetLocalDescription(sluice.SessionDescription{}); err != nil {
		return nil, err
	}
	select {
	case <-pc.GatheringComplete():
	case <-ctx.Done():
		return nil, fmt.Errorf("gathering: %w", context.Cause(ctx))
	}
	return pc.LocalDescription(), nil
}

// serve is the peer's end of a channel.
func serve(ctx context.Context, pc *sluice.PeerConnection, ch *datachannel.Channel) {
	defer ch.Close()
	for {
		m, err := ch.ReadMessage(ctx)
		if err != nil {
			return // io.EOF, or the connection has ended
		}
		if command, ok := strings.CutPrefix(string(m.Data), "do "); ok && m.IsText {
			err = do(ctx, pc, ch, command)
		} else {
			err = ch.WriteMessage(ctx, m.Data, m.IsText)
		}
		if err != nil {
			return
		}
	}
}

func do(ctx context.Context, pc *sluice.PeerConnection, ch *datachannel.Channel, command string) error {
	verb, rest, _ := strings.Cut(command, " ")
	switch verb {
	case "close":
		return io.EOF
	case "hang":
		return pc.Close()
	case "open":
		other, err := pc.CreateDataChannel(rest, nil)
		if err != nil {
			return err
		}
		if err := other.WriteMessage(ctx, []byte(rest), true); err != nil {
			return err
		}
		go serve(ctx, pc, other)
		return nil
	case "answer":
		if err := pc.SetRemoteDescription(sluice.SessionDescription{Type: sluice.SDPTypeOffer, SDP: rest}); err != nil {
			return err
		}
		d, err := describe(ctx, pc)
		if err != nil {
			return err
		}
		return ch.WriteMessage(ctx, []byte(d.SDP), true)
	case "send":
		var n int
		if _, err := fmt.Sscan(rest, &n); err != nil {
			return err
		}
		for i := range n {
			b := make([]byte, 16<<10)
			b[0], b[1] = byte(i>>8), byte(i)
			if err := ch.WriteMessage(ctx, b, false); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no command %q", command)
}
