package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// liveBacklog is how many bytes may wait in a live channel before newer
// messages are dropped.
const liveBacklog = 4 << 10

// dialTimeout bounds joining, from the offer to open channels.
const dialTimeout = 20 * time.Second

// channelPipe is a data channel as the room sees it.
type channelPipe struct{ ch *datachannel.Channel }

func (p channelPipe) ReadMessage(ctx context.Context) ([]byte, bool, error) {
	m, err := p.ch.ReadMessage(ctx)
	return m.Data, m.IsText, err
}

func (p channelPipe) WriteMessage(ctx context.Context, data []byte, isText bool) error {
	return p.ch.WriteMessage(ctx, data, isText)
}

func (p channelPipe) TrySend(data []byte) bool {
	return p.ch.BufferedAmount() < liveBacklog && p.ch.SendText(string(data)) == nil
}

func (p channelPipe) Close() error { return p.ch.Close() }

// gathered waits for the candidates and returns the complete description.
func gathered(ctx context.Context, pc *sluice.PeerConnection) (sluice.SessionDescription, error) {
	select {
	case <-pc.GatheringComplete():
	case <-ctx.Done():
		return sluice.SessionDescription{}, context.Cause(ctx)
	}
	d := pc.LocalDescription()
	if d == nil {
		return sluice.SessionDescription{}, fmt.Errorf("the connection was closed")
	}
	return *d, nil
}

// dialer returns the function that joins the room at a URL.
func dialer(room string, cfg sluice.Config) (func(context.Context) (*session, error), error) {
	u, err := url.Parse(room)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("-join wants the address of a room, such as http://127.0.0.1:8080, not %q", room)
	}
	endpoint := u.JoinPath(joinPath).String()
	return func(ctx context.Context) (*session, error) {
		pc, err := sluice.NewPeerConnection(cfg)
		if err != nil {
			return nil, err
		}
		s, err := dial(ctx, pc, endpoint)
		if err != nil {
			pc.Close()
			return nil, err
		}
		return s, nil
	}, nil
}

// dial offers two channels and waits until they are open.
func dial(ctx context.Context, pc *sluice.PeerConnection, endpoint string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	failed := make(chan struct{})
	var once sync.Once
	pc.OnConnectionStateChange(func(s sluice.ConnectionState) {
		if s == sluice.ConnectionStateFailed || s == sluice.ConnectionStateClosed {
			once.Do(func() { close(failed) })
			go pc.Close() // ends the channels and those who read them
		}
	})
	opened := make(chan struct{}, 2)
	open := func(label string, init *datachannel.Init) (*datachannel.Channel, error) {
		ch, err := pc.CreateDataChannel(label, init)
		if err == nil {
			ch.OnOpen(func() { opened <- struct{}{} })
		}
		return ch, err
	}
	chat, err := open(labelChat, nil)
	if err != nil {
		return nil, err
	}
	live, err := open(labelLive, &datachannel.Init{Unordered: true, MaxRetransmits: new(uint16)})
	if err != nil {
		return nil, err
	}
	if err := offerTo(ctx, pc, endpoint); err != nil {
		return nil, err
	}
	for range 2 {
		select {
		case <-opened:
		case <-failed:
			return nil, errors.New("no network path to the room (ICE or DTLS failed): a firewall may block UDP")
		case <-ctx.Done():
			return nil, errors.New("the room answered, but no connection came about in time: a firewall may block UDP")
		}
	}
	return &session{
		chat: channelPipe{chat}, live: channelPipe{live},
		open: func(label string) (pipe, error) {
			ch, err := pc.CreateDataChannel(label, nil)
			if err != nil {
				return nil, err
			}
			return channelPipe{ch}, nil
		},
		close: func() { pc.Close() },
	}, nil
}

// offerTo exchanges offer and answer over one HTTP request.
func offerTo(ctx context.Context, pc *sluice.PeerConnection, endpoint string) error {
	offer, err := pc.CreateOffer()
	if err != nil {
		return err
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	if offer, err = gathered(ctx, pc); err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(encode(offer)))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return fmt.Errorf("the room cannot be reached (%w)", err)
	}
	defer res.Body.Close()
	body := json.NewDecoder(io.LimitReader(res.Body, maxOffer))
	if res.StatusCode != http.StatusOK {
		var p problem
		if body.Decode(&p) != nil || p.Reason == "" {
			return fmt.Errorf("there is no room at %s (%s)", endpoint, res.Status)
		}
		return reason(clean(p.Reason))
	}
	var answer sluice.SessionDescription
	if err := body.Decode(&answer); err != nil {
		return fmt.Errorf("there is no room at %s (%w)", endpoint, err)
	}
	return pc.SetRemoteDescription(answer)
}
