package main

import (
	"context"
	"errors"
	"time"
)

const (
	writeTimeout = 30 * time.Second // for one event
	byeTimeout   = 3 * time.Second  // for the other end to hang up after a bye
	stallTimeout = 30 * time.Second // without progress, for either end of a transfer
)

var errStalled = errors.New("no progress for " + stallTimeout.String())

// pipe is what the room needs of a data channel.
type pipe interface {
	// ReadMessage waits for the next message.
	ReadMessage(ctx context.Context) (data []byte, isText bool, err error)
	// WriteMessage waits for room in the send buffer.
	WriteMessage(ctx context.Context, data []byte, isText bool) error
	// TrySend sends a text message, or drops it and returns false when
	// earlier ones are still waiting.
	TrySend(data []byte) bool
	// Close closes the channel after what was written. It does not wait.
	Close() error
}

// abortPipe says why and closes.
func abortPipe(ctx context.Context, p pipe, reason string) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	// A write that fails is a channel that has ended already.
	_ = p.WriteMessage(ctx, encode(fileControl{Abort: reason}), true)
	p.Close()
}

func readWithin(ctx context.Context, d time.Duration, p pipe) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return p.ReadMessage(ctx)
}

func writeWithin(ctx context.Context, d time.Duration, p pipe, b []byte, isText bool) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return p.WriteMessage(ctx, b, isText)
}
