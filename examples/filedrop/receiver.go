package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// A receiver fetches a file. What it has lies in a file beside that one until all is
// there and verified; a connection that is lost, or a receiver that is started again, goes on
// with that.
type receiver struct {
	endpoint string // to post the offer to
	key      string
	dir      string
	rtc      sluice.Config
	tries    int           // connections without a byte until it gives up
	rest     time.Duration // between them, doubled each time
	tell     func(format string, args ...any)
}

// errFinal wraps an error that another try would not mend.
var errFinal = errors.New("cannot be fetched")

// newReceiver takes a link as the sender printed it.
func newReceiver(link, dir string) (*receiver, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment == "" {
		return nil, fmt.Errorf("%q is not a link of filedrop: http://HOST:PORT/#KEY", link)
	}
	key := u.Fragment
	u.Fragment = ""
	return &receiver{endpoint: strings.TrimSuffix(u.String(), "/") + offerPath, key: key, dir: dir, tries: 8, rest: 500 * time.Millisecond,
		tell: func(string, ...any) {}}, nil
}

// fetch returns the path of the file.
func (r *receiver) fetch(ctx context.Context) (string, error) {
	rest := r.rest
	for failures := 0; ; {
		path, progress, err := r.try(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, errFinal) {
			return path, err
		}
		if progress {
			failures, rest = 0, r.rest
		}
		if failures++; failures >= r.tries {
			return "", err
		}
		r.tell("%v; trying again", err)
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return "", ctx.Err()
		}
		rest = min(2*rest, 10*time.Second)
	}
}

// goodbye is how long the last report may take to reach the sender.
const goodbye = 5 * time.Second

// try makes one connection, and tells whether anything came over it.
func (r *receiver) try(ctx context.Context) (path string, progress bool, err error) {
	pc, err := sluice.NewPeerConnection(r.rtc)
	if err != nil {
		return "", false, err
	}
	defer pc.Close()
	ch, err := pc.CreateDataChannel(label, nil)
	if err != nil {
		return "", false, err
	}
	pc.OnConnectionStateChange(func(s sluice.ConnectionState) {
		if s == sluice.ConnectionStateFailed {
			go pc.Close() // which ends the channel
		}
	})
	if err := r.signal(ctx, pc); err != nil {
		return "", false, err
	}
	m, err := ch.ReadMessage(ctx)
	if err != nil {
		return "", false, err
	}
	var i info
	if err := json.Unmarshal(m.Data, &i); err != nil {
		return "", false, fmt.Errorf("%w: %w", errFinal, err)
	}
	if err := i.validate(); err != nil {
		return "", false, fmt.Errorf("%w: %w", errFinal, err)
	}
	p, err := openPartial(r.dir, i)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", errFinal, err)
	}
	defer p.f.Close()
	from := p.have
	r.tell("%s: %s of %s are here", i.Name, bytesText(from), bytesText(i.Size))
	if err := r.receive(ctx, ch, p); err != nil {
		return "", p.have > from, err
	}
	path, err = p.finish()
	verified := err == nil
	if told := ch.WriteMessage(ctx, encode(report{Verified: &verified}), true); err == nil && told != nil {
		r.tell("the sender does not know that it is done: %v", told)
	}
	// Closing the connection would throw away what is not out yet; closing the channel sends it first.
	ch.Close()
	select {
	case <-ch.Done():
	case <-time.After(goodbye):
	}
	if err != nil {
		return "", true, fmt.Errorf("%w: %w", errFinal, err)
	}
	return path, true, nil
}

// receive reads what is missing.
func (r *receiver) receive(ctx context.Context, ch *datachannel.Channel, p *partial) error {
	if err := ch.WriteMessage(ctx, encode(report{From: &p.have}), true); err != nil {
		return err
	}
	tenth, reported := 0, p.have
	for p.have < p.Size {
		m, err := ch.ReadMessage(ctx)
		if err != nil {
			return err
		}
		if m.IsText || int64(len(m.Data)) > p.Size-p.have {
			return fmt.Errorf("%w: the sender sends something else", errFinal)
		}
		if err := p.add(m.Data); err != nil {
			return fmt.Errorf("%w: %w", errFinal, err)
		}
		if p.have-reported >= reportEach {
			reported = p.have
			if err := ch.WriteMessage(ctx, encode(report{Have: &reported}), true); err != nil {
				return err
			}
		}
		if t := int(p.have * 10 / p.Size); t > tenth {
			tenth = t
			r.tell("%3d %%  %s", t*10, bytesText(p.have))
		}
	}
	return nil
}

// signal exchanges offer and answer.
func (r *receiver) signal(ctx context.Context, pc *sluice.PeerConnection) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	offer, err := pc.CreateOffer()
	if err == nil {
		err = pc.SetLocalDescription(offer)
	}
	if err != nil {
		return err
	}
	if offer, err = gathered(ctx, pc); err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, bytes.NewReader(encode(request{r.key, offer})))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRequest))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		err := fmt.Errorf("the sender says %s: %s", res.Status, bytes.TrimSpace(body))
		if res.StatusCode < 500 {
			err = fmt.Errorf("%w: %w", errFinal, err)
		}
		return err
	}
	var answer sluice.SessionDescription
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	return pc.SetRemoteDescription(answer)
}

// partial is a file that is not complete. Its name is made of the hash, so that another file is never
// taken for its beginning.
type partial struct {
	info
	dir  string
	f    *os.File
	have int64
	sum  hash.Hash // of what is there
}

func openPartial(dir string, i info) (*partial, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, ".filedrop-"+i.SHA256[:32]), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	p := &partial{info: i, dir: dir, f: f, sum: sha256.New()}
	if p.have, err = io.Copy(p.sum, io.LimitReader(f, i.Size)); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *partial) add(b []byte) error {
	n, err := p.f.Write(b)
	p.sum.Write(b[:n])
	p.have += int64(n)
	return err
}

// finish verifies the file and gives it its name, or one that is free.
func (p *partial) finish() (string, error) {
	if got := hex.EncodeToString(p.sum.Sum(nil)); got != p.SHA256 {
		return "", errors.Join(fmt.Errorf("SHA-256 is %s, should be %s", got, p.SHA256), p.f.Close(), os.Remove(p.f.Name()))
	}
	if err := errors.Join(p.f.Sync(), p.f.Close()); err != nil {
		return "", err
	}
	name := safeName(p.Name)
	ext := filepath.Ext(name)
	for n := 1; ; n++ {
		path := filepath.Join(p.dir, name)
		if n > 1 {
			path = filepath.Join(p.dir, fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ext), n, ext))
		}
		placeholder, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o644) // Rename alone would replace a file
		switch {
		case err == nil:
			return path, errors.Join(placeholder.Close(), os.Rename(p.f.Name(), path))
		case !errors.Is(err, os.ErrExist):
			return "", err
		}
	}
}
