package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// chunkSize is how many bytes of a file go into one message: small enough
// that a chat message between two of them does not wait noticeably.
const chunkSize = 16 << 10

// upload sends the file at path to the room, which asked for it.
func (c *client) upload(ctx context.Context, s *session, id, path string) {
	name := filepath.Base(path)
	sum, err := c.sendFile(ctx, s, id, path)
	if err != nil {
		c.printf("! %s was not sent: %s", name, sentence(err))
		return
	}
	c.printf("* sent %s, SHA-256 %s", name, sum)
}

func (c *client) sendFile(ctx context.Context, s *session, id, path string) (sum string, err error) {
	p, err := s.open(labelFile + id)
	if err != nil {
		return "", err
	}
	defer p.Close()
	f, size, err := c.cfg.Files.open(path)
	if err != nil {
		abortPipe(ctx, p, "the sender cannot read the file")
		return "", err
	}
	defer f.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	window := newWindow()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		cancel(readAcks(ctx, p, window))
	}()

	digest, shown := sha256.New(), progress{c: c, verb: "sending", name: filepath.Base(path), size: size}
	buf := make([]byte, chunkSize)
	for {
		n, readErr := f.Read(buf)
		if n > 0 {
			digest.Write(buf[:n])
			err = sendChunk(ctx, p, window, buf[:n])
			if err != nil {
				return "", err
			}
			shown.at(window.acked.Load())
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			abortPipe(ctx, p, "the sender cannot read the file")
			return "", readErr
		}
	}
	sum = hex.EncodeToString(digest.Sum(nil))
	if err := writeWithin(ctx, stallTimeout, p, encode(fileControl{End: &fileEnd{Size: window.sent, SHA256: sum}}), true); err != nil {
		return "", whyEnded(ctx, err)
	}
	select {
	case <-finished: // the room closes the channel after the last byte
	case <-time.After(stallTimeout):
		return "", errStalled
	}
	if window.acked.Load() != window.sent {
		return "", whyEnded(ctx, errors.New("the room broke off"))
	}
	return sum, nil
}

func sendChunk(ctx context.Context, p pipe, w *window, b []byte) error {
	step, cancel := context.WithTimeoutCause(ctx, 2*stallTimeout, errStalled)
	defer cancel()
	err := w.reserve(step, len(b))
	if err == nil {
		err = p.WriteMessage(step, b, false)
	}
	if err != nil {
		return whyEnded(step, err)
	}
	return nil
}

// whyEnded prefers the reason that the other end gave to a failed write.
func whyEnded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// readAcks feeds the window until the channel ends.
func readAcks(ctx context.Context, p pipe, w *window) error {
	for {
		b, _, err := p.ReadMessage(ctx)
		if err != nil {
			return errors.New("the connection ended")
		}
		m, err := parseFileControl(b)
		if err != nil {
			return err
		}
		if m.Abort != "" {
			return reason(m.Abort)
		}
		w.ack(m.Ack)
	}
}

// reason is what the other end said, as an error without the full stop.
func reason(s string) error { return errors.New(strings.TrimRight(s, ".")) }

// download receives a file.
func (c *client) download(ctx context.Context, s *session, f file) {
	saved, sum, err := c.receiveFile(ctx, s, f)
	if err != nil {
		c.printf("! %s was not received: %s", f.Name, sentence(err))
		return
	}
	c.printf("* saved %s, SHA-256 %s verified", saved, sum)
}

func (c *client) receiveFile(ctx context.Context, s *session, f file) (saved, sum string, err error) {
	p, err := s.open(labelFile + f.ID)
	if err != nil {
		return "", "", err
	}
	defer p.Close()
	part, err := c.cfg.Files.create(f.Name)
	if err != nil {
		abortPipe(ctx, p, "the receiver cannot write the file")
		return "", "", err
	}
	defer part.drop()
	sum, err = c.receiveBytes(ctx, p, f, part)
	if err == nil {
		saved, err = part.keep()
	}
	verdict := fileVerdict{OK: err == nil, SHA256: sum}
	if err != nil {
		verdict.Note = err.Error()
	}
	if writeErr := writeWithin(ctx, stallTimeout, p, encode(fileControl{Receipt: &verdict}), true); writeErr == nil {
		readWithin(ctx, stallTimeout, p) // the room closes when it has the receipt
	}
	return saved, sum, err
}

// receiveBytes writes what comes to w, and returns the SHA-256 of it after
// the sender's turned out to be the same.
func (c *client) receiveBytes(ctx context.Context, p pipe, f file, w io.Writer) (string, error) {
	var received, acked int64
	digest, shown := sha256.New(), progress{c: c, verb: "receiving", name: f.Name, size: f.Size}
	for {
		// No limit in time: the room says when the sender fails, and the
		// connection when the room does.
		b, isText, err := p.ReadMessage(ctx)
		if err != nil {
			return "", errors.New("the connection ended")
		}
		if isText {
			m, err := parseFileControl(b)
			switch {
			case err != nil:
				return "", err
			case m.Abort != "":
				return "", reason(m.Abort)
			case m.End != nil:
				return verify(digest, received, m.End)
			}
			continue
		}
		if received += int64(len(b)); received > f.Size {
			return "", errors.New("more bytes than announced")
		}
		digest.Write(b)
		if _, err := w.Write(b); err != nil {
			return "", err
		}
		shown.at(received)
		if received-acked >= fileAck {
			acked = received
			if err := writeWithin(ctx, stallTimeout, p, encode(fileControl{Ack: acked}), true); err != nil {
				return "", errors.New("the connection ended")
			}
		}
	}
}

func verify(digest hash.Hash, received int64, end *fileEnd) (string, error) {
	sum := hex.EncodeToString(digest.Sum(nil))
	if received != end.Size {
		return sum, fmt.Errorf("%d of %d bytes came", received, end.Size)
	}
	if sum != end.SHA256 {
		return sum, errors.New("the SHA-256 differs, the file is damaged")
	}
	return sum, nil
}

// progress prints a line for every tenth of a transfer.
type progress struct {
	c          *client
	verb, name string
	size       int64
	tenths     int64
}

func (p *progress) at(n int64) {
	if p.size < 1<<20 {
		return // over before it can be read
	}
	if t := n * 10 / p.size; t > p.tenths {
		p.tenths = t
		p.c.printf("  %s %s: %d %% (%s of %s)", p.verb, p.name, t*10, formatSize(n), formatSize(p.size))
	}
}
