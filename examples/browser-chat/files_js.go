package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall/js"
)

// chosenFiles is the storage of a member in a page: files that were chosen there are
// sent, and those received are offered for saving.
type chosenFiles struct {
	terminal js.Value

	mu    sync.Mutex
	files map[string]js.Value // by name
}

// add takes a file that was chosen, and returns the name to send it by.
func (c *chosenFiles) add(file js.Value) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := safeFileName(file.Get("name").String())
	for n := 1; c.files[name].Truthy(); n++ {
		name = fmt.Sprintf("%d %s", n, safeFileName(file.Get("name").String()))
	}
	c.files[name] = file
	return name
}

func (c *chosenFiles) find(name string) (js.Value, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	file, ok := c.files[name]
	if !ok {
		return file, fmt.Errorf("no file %q was chosen: use the button", name)
	}
	return file, nil
}

func (c *chosenFiles) size(name string) (int64, error) {
	file, err := c.find(name)
	if err != nil {
		return 0, err
	}
	return int64(file.Get("size").Float()), nil
}

func (c *chosenFiles) open(name string) (io.ReadCloser, int64, error) {
	file, err := c.find(name)
	if err != nil {
		return nil, 0, err
	}
	size := int64(file.Get("size").Float())
	return &blobReader{file: file, size: size}, size, nil
}

// blobReader reads a Blob, a slice at a time.
type blobReader struct {
	file     js.Value
	at, size int64
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.at == r.size {
		return 0, io.EOF
	}
	end := min(r.at+int64(len(p)), r.size)
	buffer, err := await(r.file.Call("slice", r.at, end).Call("arrayBuffer"))
	if err != nil {
		return 0, err
	}
	r.at = end
	return js.CopyBytesToGo(p, js.Global().Get("Uint8Array").New(buffer)), nil
}

func (r *blobReader) Close() error { return nil }

// await waits for a promise. The browser goes on meanwhile, so it must not be called in a
// js.Func.
func await(promise js.Value) (js.Value, error) {
	type outcome struct {
		v   js.Value
		err error
	}
	settled := make(chan outcome, 1)
	fulfilled := js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{v: args[0]}
		return nil
	})
	rejected := js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{err: errors.New(args[0].Call("toString").String())}
		return nil
	})
	promise.Call("then", fulfilled, rejected)
	o := <-settled
	fulfilled.Release()
	rejected.Release()
	return o.v, o.err
}

// create keeps the file in the browser's memory until it is saved.
func (c *chosenFiles) create(name string) (part, error) {
	return &blobPart{c.terminal, name, js.Global().Get("Array").New()}, nil
}

type blobPart struct {
	terminal js.Value
	name     string
	pieces   js.Value
}

func (p *blobPart) Write(b []byte) (int, error) {
	piece := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(piece, b)
	p.pieces.Call("push", piece)
	return len(b), nil
}

func (p *blobPart) keep() (string, error) {
	p.terminal.Call("save", p.name, p.pieces)
	return p.name, nil
}

func (p *blobPart) drop() {}
