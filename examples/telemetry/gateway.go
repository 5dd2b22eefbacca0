package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// gatewayConfig configures a gateway.
type gatewayConfig struct {
	Name   string
	Server string // base URL
	Token  string // what the server asks for, or empty
	Dir    string // of the journals
	Disk   int64  // bytes that each of the two journals may take
	RTC    sluice.Config
	Retry  backoff
	Log    *slog.Logger
}

// A gateway sends what sensors measure to a server. While it is connected a
// reading is a message that is given up after two seconds; while it is not,
// readings go to a journal, which is sent when there is a connection again. Alarms
// always go through a journal, from which they are dropped when the server says
// that it has them. What the gateway holds in memory does not grow in either case.
type gateway struct {
	cfg     gatewayConfig
	boot    string
	alarms  *journal
	backlog *journal

	mu      sync.Mutex
	n       uint64               // readings so far
	live    *datachannel.Channel // takes readings; nil while offline
	changed chan struct{}        // closed and replaced when live changes
}

// newGateway opens the journals.
func newGateway(cfg gatewayConfig) (*gateway, error) {
	if err := validName(cfg.Name); err != nil {
		return nil, fmt.Errorf("the gateway's name %w", err)
	}
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.Retry = cmp.Or(cfg.Retry, backoff{500 * time.Millisecond, time.Minute})
	g := &gateway{cfg: cfg, boot: rand.Text(), changed: make(chan struct{})}
	var err error
	if g.alarms, err = openJournal(filepath.Join(cfg.Dir, "alarms"), cfg.Disk); err != nil {
		return nil, err
	}
	g.alarms.sync = true
	if g.backlog, err = openJournal(filepath.Join(cfg.Dir, "backlog"), cfg.Disk); err != nil {
		g.alarms.close()
		return nil, err
	}
	return g, nil
}

func (g *gateway) close() error { return errors.Join(g.alarms.close(), g.backlog.close()) }

// measure takes a reading. The error is the disk's, or says what is wrong with it.
func (g *gateway) measure(sensor string, value float64) error {
	r := reading{Time: time.Now().UnixMilli(), Sensor: sensor, Value: value}
	if err := r.validate(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	r.N = g.n
	b := encode(r)
	// What waits for the network longer than a few messages is better kept.
	if g.live != nil && g.live.BufferedAmount() < 4*maxBatch && g.live.SendText(string(b)) == nil {
		return nil
	}
	return g.backlog.append(b)
}

// alarm takes an alarm: when it returns nil it is on disk, and will arrive.
func (g *gateway) alarm(sensor string, value float64, text string) error {
	a := alarm{Time: time.Now().UnixMilli(), Sensor: sensor, Value: value, Text: text}
	if err := a.validate(); err != nil {
		return err
	}
	return g.alarms.append(encode(a))
}

func (g *gateway) setLive(ch *datachannel.Channel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live = ch
	close(g.changed)
	g.changed = make(chan struct{})
}

// online returns whether there is a connection, and a channel that is closed when
// that changes.
func (g *gateway) online() (bool, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live != nil, g.changed
}

// run keeps a connection until ctx ends, and makes a new one when it is lost.
func (g *gateway) run(ctx context.Context) error {
	retry := g.cfg.Retry
	for {
		begun := time.Now()
		err := g.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(begun) > time.Minute {
			retry = g.cfg.Retry // it did work
		}
		wait := retry.next()
		waiting, dropped := g.backlog.depth()
		g.cfg.Log.Warn("offline", "gateway", g.cfg.Name, "reason", err, "retry in", wait.Round(time.Millisecond), "readings on disk", waiting, "given up", dropped)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// connect makes a connection and returns when it has ended.
func (g *gateway) connect(ctx context.Context) error {
	t, err := sluice.NewTransport(g.cfg.RTC)
	if err != nil {
		return err
	}
	defer t.Abort()
	lifetime := uint16(readingLifetime)
	live, err := t.CreateChannel(labelReadings, &datachannel.Init{Unordered: true, MaxPacketLifeTime: &lifetime})
	if err != nil {
		return err
	}
	alarms, err := t.CreateChannel(labelAlarms, &datachannel.Init{Priority: 1024})
	if err != nil {
		return err
	}
	backlog, err := t.CreateChannel(labelBacklog, &datachannel.Init{Priority: 128})
	if err != nil {
		return err
	}
	defer g.setLive(nil)
	t.OnStateChange(func(s sluice.TransportState) {
		switch s {
		case sluice.TransportStateConnected: // also again
			g.setLive(live)
		case sluice.TransportStateDisconnected: // nothing is heard of the server for some seconds
			g.setLive(nil)
		}
	})
	if err := g.start(ctx, t); err != nil {
		return err
	}
	g.cfg.Log.Info("online", "gateway", g.cfg.Name)

	sending, stop := context.WithCancel(ctx)
	var senders sync.WaitGroup
	defer func() {
		stop()
		senders.Wait()
	}()
	failed := make(chan error, 2)
	for _, s := range []struct {
		ch *datachannel.Channel
		j  *journal
	}{{alarms, g.alarms}, {backlog, g.backlog}} {
		senders.Go(func() { failed <- s.j.sendOver(sending, s.ch) })
	}
	select {
	case <-t.Done():
		return cmp.Or(t.Err(), errors.New("the server closed the connection"))
	case err := <-failed:
		return err
	case <-ctx.Done():
		return t.Close() // with what was written
	}
}

// start finds the way to the server.
func (g *gateway) start(ctx context.Context, t *sluice.Transport) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	local, err := t.LocalParameters(ctx)
	if err != nil {
		return err
	}
	remote, err := g.signal(ctx, local)
	if err != nil {
		return err
	}
	return t.Start(ctx, remote)
}

// sendOver sends what is in the journal and what is added, and drops what the peer has.
func (j *journal) sendOver(ctx context.Context, ch *datachannel.Channel) error {
	failed := make(chan error, 1)
	ch.OnMessage(func(m datachannel.Message) {
		var a ack
		err := json.Unmarshal(m.Data, &a)
		if err == nil {
			err = j.acknowledge(a.Acked)
		}
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	})
	for sent := uint64(0); ; {
		records, more, err := j.read(sent, maxBatch)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			select {
			case <-more:
				continue
			case err := <-failed:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		entries := make([]entry, len(records))
		for i, r := range records {
			entries[i] = entry{r.n, r.data}
		}
		// It waits for room: what is on its way stays a few buffers.
		if err := ch.WriteMessage(ctx, encode(entries), true); err != nil {
			return err
		}
		sent = records[len(records)-1].n
	}
}

// signal tells the server our parameters and returns its own.
func (g *gateway) signal(ctx context.Context, local sluice.TransportParameters) (remote sluice.TransportParameters, err error) {
	body := encode(connectRequest{Name: g.cfg.Name, Boot: g.boot, Alarms: g.alarms.id, Backlog: g.backlog.id, Parameters: local})
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, g.cfg.Server+connectPath, bytes.NewReader(body))
	if err != nil {
		return remote, err
	}
	q.Header.Set("Content-Type", "application/json")
	if g.cfg.Token != "" {
		q.Header.Set("Authorization", "Bearer "+g.cfg.Token)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return remote, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxConnectBody))
	switch {
	case err != nil:
		return remote, err
	case answer.StatusCode != http.StatusOK:
		return remote, fmt.Errorf("the server says %s: %s", answer.Status, bytes.TrimSpace(b))
	}
	return remote, json.Unmarshal(b, &remote)
}
