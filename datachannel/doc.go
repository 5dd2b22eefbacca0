// Package datachannel turns an SCTP association into WebRTC data channels (RFC
// 8831, RFC 8832), with the objects and rules of the W3C's RTCDataChannel.
//
// A [Session] is the association, a [Channel] one pair of its streams. A channel
// has two faces. Callbacks, as in browsers:
//
//	ch.OnOpen(func() { ch.SendText("hello") })
//	ch.OnMessage(func(m datachannel.Message) { ... })
//	ch.OnClose(func() { ... })
//
// and calls that wait, as in Go: [Channel.WriteMessage], [Channel.ReadMessage],
// [Channel.Messages] for a range loop, [Channel.Read], [Channel.Write], and [Channel.Conn]
// for a net.Conn, [NewListener] for a net.Listener. A channel with OnMessage set is read by
// its callback, any other by these. [Channel.NextWriter] and [Channel.NextReader] are for
// messages that are not to be in memory as a whole: they send one while it is written, and
// read one while it comes in.
//
// # Events
//
// Callbacks of a session run one at a time, in order, on a goroutine that lives
// while there are some to run. They may call back into the session and its
// channels. While a callback runs, no other does; a callback that waits for
// another one waits for ever. An event of which a channel has only one (open,
// error, closing, close) waits for its callback to be set, so none is missed
// between making a channel and setting its callbacks. The events of a channel
// come in the order open, messages, error, closing, close. ReadyState and the
// errors of Send tell the present, which may be ahead of events still to come. Nobody
// recovers a callback that panics: it ends the program, as in any goroutine.
//
// # Backpressure
//
// A message stays in the association until OnMessage or ReadMessage takes it;
// what is not taken closes the receive window (sctp.Config.ReceiveBuffer, 2 MiB), and the
// peer has to wait. SCTP has one window for all channels: one whose messages nobody takes
// fills it, and then holds up the others, too. After Close its messages are thrown away. Those of a
// channel that the peer closed stay for a reader, and keep its identifier, so that the peer's next channel
// with it waits: read them, or call Close.
//
// [Channel.SetReadBuffer] gives a channel room of its own beside the window. A reader
// who stops for a time t, while the peer sends r bytes a second on the channel, holds up nobody
// as long as r*t is less than that room; beyond it he takes from the window that all share, or
// his channel is closed, or his oldest messages are thrown away, as he chooses. With
// no room of their own channels share the window by who comes first.
//
// In a browser (GOOS=js) there is no such window: the browser takes messages from the
// network whether anybody reads them or not. They are kept for the reader, up to 64 MiB
// of all channels of a connection; beyond that the channel that keeps most fails. A
// program that sends more than its peer may be able to read in time has to wait for
// acknowledgements of its own. When the peer closes the connection, browsers have the
// channel close first: Chromium then has an error for it, Firefox none.
//
// In the other direction Send queues up to Config.MaxBufferedAmount per channel,
// as browsers do, and WriteMessage waits for room. Without message interleaving
// a message holds up those of other channels while it is sent; RFC 8831, section
// 6.6, advises messages of at most 16 KB where that matters.
//
// # Differences from browsers
//
// What happens, in which order, and which errors calls return is as the W3C has it. But
// there are no tasks here between which nothing changes, so that a program may see at once
// what a page sees in a later task: a channel that is created on an established association
// is open when CreateChannel returns, one that is closed before the peer can know of it is
// closed when Close returns, and what the network takes at once never shows in
// BufferedAmount. The events come all the same. Text that is not UTF-8 is a *TypeError, where
// pages cannot have such. A channel whose identifier is beyond the streams of the
// association is not refused if the association may get more (RFC 6525).
//
// # Testing programs
//
// What a program does with its channels can be tested without ICE, DTLS and a network: two sessions over a
// net.Pipe are two peers. In a bubble of testing/synctest time is virtual, too, and minutes take none:
//
//	synctest.Test(t, func(t *testing.T) {
//		here, there := net.Pipe()
//		client, err := datachannel.New(here, datachannel.Config{}, datachannel.Params{DTLSClient: true})
//		...
//		server, err := datachannel.New(there, datachannel.Config{}, datachannel.Params{})
//		...
//		go serve(t.Context(), server) // what is tested: it takes an Acceptor
//		ch, err := client.CreateChannel("echo", nil)
//		...
//	})
//
// Both sessions have to be closed, or aborted, before the bubble ends. Where a sluice.PeerConnection or Transport is part of
// what is tested, sluice.Config.IncludeLoopback, and an InterfaceFilter for loopback, keep it on the machine.
package datachannel
