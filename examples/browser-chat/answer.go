//go:build !js

package main

import (
	"context"
	"fmt"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// answerer returns the function that connects an offer to the room.
func answerer(r *room, cfg sluice.Config) answerFunc {
	return func(ctx context.Context, offer sluice.SessionDescription) (sluice.SessionDescription, error) {
		pc, err := sluice.NewPeerConnection(cfg)
		if err != nil {
			return sluice.SessionDescription{}, err
		}
		l, err := r.connect(func() { pc.Close() })
		if err != nil {
			pc.Close()
			return sluice.SessionDescription{}, err
		}
		pc.OnDataChannel(func(ch *datachannel.Channel) { l.attach(ch.Label(), channelPipe{ch}) })
		pc.OnConnectionStateChange(func(s sluice.ConnectionState) {
			switch s {
			case sluice.ConnectionStateFailed, sluice.ConnectionStateClosed:
				l.end()
			case sluice.ConnectionStateDisconnected:
				r.trouble(l, true)
			case sluice.ConnectionStateConnected:
				r.trouble(l, false)
			}
		})
		answer, err := answerOffer(ctx, pc, offer)
		if err != nil {
			l.end()
		}
		return answer, err
	}
}

func answerOffer(ctx context.Context, pc *sluice.PeerConnection, offer sluice.SessionDescription) (sluice.SessionDescription, error) {
	if offer.Type != "offer" {
		return sluice.SessionDescription{}, fmt.Errorf("%w: description of type %.20q", errProtocol, offer.Type)
	}
	if err := pc.SetRemoteDescription(offer); err != nil {
		return sluice.SessionDescription{}, err
	}
	answer, err := pc.CreateAnswer()
	if err != nil {
		return sluice.SessionDescription{}, err
	}
	if err := pc.SetLocalDescription(answer); err != nil {
		return sluice.SessionDescription{}, err
	}
	return gathered(ctx, pc)
}
