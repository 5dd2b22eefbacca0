// The member at a terminal, in a page: the same program as a WebAssembly client on the
// browser's RTCPeerConnection. web/terminal.js starts it.
package main

import (
	"context"
	"fmt"
	"syscall/js"

	"github.com/sluice-rtc/sluice"
)

// typedLines is how many lines may wait for the client.
const typedLines = 64

// main runs a member until it leaves. The page has put into the global "terminal": url,
// nick and key; print, called with what is written; and gets there: type, to be called with
// each line, and offer, with each file that is chosen.
func main() {
	terminal := js.Global().Get("terminal")
	out := screen{terminal}
	lines := make(chan string, typedLines)
	typed := func(line string) {
		select {
		case lines <- line:
		default:
			fmt.Fprintln(out, "! Nothing more can be typed before the room has answered.")
		}
	}
	files := &chosenFiles{terminal: terminal, files: make(map[string]js.Value)}
	terminal.Set("type", js.FuncOf(func(_ js.Value, args []js.Value) any {
		typed(args[0].String())
		return nil
	}))
	terminal.Set("offer", js.FuncOf(func(_ js.Value, args []js.Value) any {
		typed("/send " + files.add(args[0]))
		return nil
	}))
	if err := runPage(terminal, out, files, lines); err != nil {
		fmt.Fprintf(out, "! %s\n", sentence(err))
	}
}

func runPage(terminal js.Value, out screen, files *chosenFiles, lines <-chan string) error {
	dial, err := dialer(terminal.Get("url").String(), sluice.Config{})
	if err != nil {
		return err
	}
	c := newClient(clientConfig{
		Nick: terminal.Get("nick").String(), Key: terminal.Get("key").String(), Files: files, Out: out, Dial: dial,
	})
	return c.run(context.Background(), lines)
}

// screen is what the page shows.
type screen struct{ terminal js.Value }

func (s screen) Write(b []byte) (int, error) {
	s.terminal.Call("print", string(b))
	return len(b), nil
}
