package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/examples/internal/website"
)

//go:embed web
var webFiles embed.FS

// maxReceivers is how many may be served at once.
const maxReceivers = 16

// A drop is a file on offer.
type drop struct {
	info
	path    string
	changed time.Time // when the file was hashed: it must not change any more
	key     string    // the secret of the link
	rate    int64     // bytes in a second to each receiver; 0: as many as there is room for
	hosts   []string
	rtc     sluice.Config
	tell    func(format string, args ...any)

	mu        sync.Mutex
	receivers int // so far, to number them
	conns     map[*sluice.PeerConnection]bool
}

// newDrop reads the file once, for its hash.
func newDrop(path string) (*drop, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return nil, err
	}
	d := &drop{path: path, changed: stat.ModTime(), conns: map[*sluice.PeerConnection]bool{}, tell: func(string, ...any) {},
		info: info{Name: safeName(stat.Name()), Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}}
	return d, d.check(f)
}

// check says whether the file is still the one that was hashed.
func (d *drop) check(f *os.File) error {
	stat, err := f.Stat()
	if err == nil && (stat.Size() != d.Size || !stat.ModTime().Equal(d.changed)) {
		err = errors.New("the file has changed since it was offered")
	}
	return err
}

func (d *drop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+offerPath, d.offer)
	mux.Handle("GET /", website.Pages(webFiles))
	return website.Guard(d.hosts, mux, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not served under that host name: start filedrop with -host", http.StatusMisdirectedRequest)
	})
}

// offer connects a receiver.
func (d *drop) offer(w http.ResponseWriter, q *http.Request) {
	if !website.SameOrigin(q) {
		http.Error(w, "only the page of this program may fetch the file", http.StatusForbidden)
		return
	}
	if t, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || t != "application/json" {
		http.Error(w, "the request must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	var r request
	if err := json.NewDecoder(http.MaxBytesReader(w, q.Body, maxRequest)).Decode(&r); err != nil {
		http.Error(w, "the request is not readable: "+err.Error(), http.StatusBadRequest)
		return
	}
	if subtle.ConstantTimeCompare([]byte(r.Key), []byte(d.key)) != 1 {
		http.Error(w, "the link is not complete, or an old one", http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), 15*time.Second)
	defer cancel()
	answer, err := d.connect(ctx, r.Offer)
	switch {
	case errors.Is(err, errBusy):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, "no connection: "+err.Error(), http.StatusBadRequest)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(encode(answer))
	}
}

var errBusy = fmt.Errorf("%d people are fetching the file; try again later", maxReceivers)

// connect answers an offer.
func (d *drop) connect(ctx context.Context, offer sluice.SessionDescription) (sluice.SessionDescription, error) {
	pc, n, err := d.admit()
	if err != nil {
		return offer, err
	}
	pc.OnDataChannel(func(ch *datachannel.Channel) {
		if ch.Label() != label {
			ch.Close()
			return
		}
		go func() {
			if err := d.send(ch, n); err != nil {
				d.tell("receiver %d: %v", n, err)
			}
			d.dismiss(pc)
		}()
	})
	pc.OnConnectionStateChange(func(s sluice.ConnectionState) {
		if s == sluice.ConnectionStateFailed || s == sluice.ConnectionStateClosed {
			go d.dismiss(pc)
		}
	})
	answer, err := answerOffer(ctx, pc, offer)
	if err != nil {
		d.dismiss(pc)
	}
	return answer, err
}

func (d *drop) admit() (pc *sluice.PeerConnection, n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.conns) >= maxReceivers {
		return nil, 0, errBusy
	}
	if pc, err = sluice.NewPeerConnection(d.rtc); err != nil {
		return nil, 0, err
	}
	d.conns[pc] = true
	d.receivers++
	return pc, d.receivers, nil
}

func (d *drop) dismiss(pc *sluice.PeerConnection) {
	d.mu.Lock()
	delete(d.conns, pc)
	d.mu.Unlock()
	pc.Close()
}

// close cuts all connections.
func (d *drop) close() {
	d.mu.Lock()
	conns := d.conns
	d.conns = map[*sluice.PeerConnection]bool{}
	d.mu.Unlock()
	for pc := range conns {
		pc.Close()
	}
}

func answerOffer(ctx context.Context, pc *sluice.PeerConnection, offer sluice.SessionDescription) (none sluice.SessionDescription, err error) {
	if offer.Type != "offer" {
		return none, fmt.Errorf("the description is no offer, but %.20q", offer.Type)
	}
	if err := pc.SetRemoteDescription(offer); err != nil {
		return none, err
	}
	answer, err := pc.CreateAnswer()
	if err == nil {
		err = pc.SetLocalDescription(answer)
	}
	if err != nil {
		return none, err
	}
	return gathered(ctx, pc)
}

// gathered returns the description with all candidates.
func gathered(ctx context.Context, pc *sluice.PeerConnection) (none sluice.SessionDescription, err error) {
	select {
	case <-pc.GatheringComplete():
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if d := pc.LocalDescription(); d != nil {
		return *d, nil
	}
	return none, sluice.ErrClosed
}

// send sends the file over a channel, and returns when the receiver has it.
func (d *drop) send(ch *datachannel.Channel, n int) error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := d.check(f); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := ch.WriteMessage(ctx, encode(d.info), true); err != nil {
		return err
	}
	first, err := nextReport(ctx, ch)
	if err != nil {
		return err
	}
	if first.From == nil || *first.From < 0 || *first.From > d.Size {
		return errors.New("it does not say where to begin")
	}
	have := make(chan int64, 1) // the last one
	ended := make(chan error, 1)
	go func() {
		ended <- listen(ctx, ch, *first.From, d.Size, have)
		stop()
	}()
	d.tell("receiver %d begins at %s of %s", n, bytesText(*first.From), bytesText(d.Size))
	begun := time.Now()
	if err := d.stream(ctx, ch, f, *first.From, have); err != nil {
		if ctx.Err() != nil {
			return <-ended
		}
		return err
	}
	if err := d.check(f); err != nil {
		return err
	}
	if err := <-ended; err != nil {
		return err
	}
	d.tell("receiver %d has the file, verified: %s in %v", n, bytesText(d.Size-*first.From), time.Since(begun).Round(time.Millisecond))
	return nil
}

// stream sends the bytes from one on, never more than window beyond those reported.
func (d *drop) stream(ctx context.Context, ch *datachannel.Channel, f *os.File, from int64, have <-chan int64) error {
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	pace := newPacer(d.rate)
	buf := make([]byte, chunkSize)
	for at, reported := from, from; at < d.Size; {
		for at-reported >= window {
			select {
			case reported = <-have:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		m := buf[:min(chunkSize, d.Size-at)]
		if _, err := io.ReadFull(f, m); err != nil {
			return err
		}
		if err := pace.wait(ctx, len(m)); err != nil {
			return err
		}
		if err := ch.WriteMessage(ctx, m, false); err != nil {
			return err
		}
		at += int64(len(m))
	}
	return nil
}

// listen reads the receiver's reports until it has verified the file.
func listen(ctx context.Context, ch *datachannel.Channel, from, size int64, have chan int64) error {
	for last := from; ; {
		r, err := nextReport(ctx, ch)
		switch {
		case err != nil:
			return err
		case r.Verified != nil && !*r.Verified:
			return errors.New("what arrived is not the file: its SHA-256 differs")
		case r.Verified != nil:
			return nil
		case r.Have == nil || *r.Have < last || *r.Have > size:
			return errors.New("its report makes no sense")
		}
		last = *r.Have
		select {
		case <-have:
		default:
		}
		have <- last
	}
}

func nextReport(ctx context.Context, ch *datachannel.Channel) (r report, err error) {
	m, err := ch.ReadMessage(ctx)
	if err == nil {
		err = json.Unmarshal(m.Data, &r)
	}
	return r, err
}
