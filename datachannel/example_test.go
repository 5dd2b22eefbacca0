package datachannel_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
)

// udpPair returns two connected sockets. Datagrams keep the boundaries of packets,
// which is all that an association needs; in WebRTC it runs over DTLS.
func udpPair() (net.Conn, net.Conn) {
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	free, err := net.ListenUDP("udp", local)
	if err != nil {
		log.Fatal(err)
	}
	first := free.LocalAddr().(*net.UDPAddr)
	b, err := net.DialUDP("udp", local, first)
	if err != nil {
		log.Fatal(err)
	}
	free.Close()
	a, err := net.DialUDP("udp", first, b.LocalAddr().(*net.UDPAddr))
	if err != nil {
		log.Fatal(err)
	}
	return a, b
}

// sessions returns two connected sessions.
func sessions(cfg datachannel.Config) (client, server *datachannel.Session) {
	a, b := udpPair()
	client, err := datachannel.New(a, datachannel.Config{}, datachannel.Params{DTLSClient: true})
	if err != nil {
		log.Fatal(err)
	}
	server, err = datachannel.New(b, cfg, datachannel.Params{})
	if err != nil {
		log.Fatal(err)
	}
	return client, server
}

// Callbacks, as in browsers: a server that answers in capitals.
func Example() {
	client, server := sessions(datachannel.Config{
		OnChannel: func(ch *datachannel.Channel) {
			ch.OnMessage(func(m datachannel.Message) {
				ch.SendText("got: " + string(m.Data))
			})
		},
	})
	defer server.Close()
	defer client.Close()

	ch, err := client.CreateChannel("chat", nil)
	if err != nil {
		log.Fatal(err)
	}
	answer := make(chan string)
	ch.OnOpen(func() { ch.SendText("hello") })
	ch.OnMessage(func(m datachannel.Message) { answer <- string(m.Data) })
	fmt.Println(<-answer)
	// Output: got: hello
}

// Calls that wait, with contexts.
func ExampleChannel_ReadMessage() {
	client, server := sessions(datachannel.Config{})
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	go func() {
		ch, err := client.CreateChannel("telemetry", nil)
		if err != nil {
			log.Fatal(err)
		}
		for i := range 3 {
			if err := ch.WriteMessage(ctx, fmt.Appendf(nil, "reading %d", i), true); err != nil {
				log.Fatal(err)
			}
		}
		ch.Close()
	}()

	ch, err := server.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for {
		m, err := ch.ReadMessage(ctx)
		if err == io.EOF {
			fmt.Println("the end of", ch.Label())
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(m.Data))
	}
	// Output:
	// reading 0
	// reading 1
	// reading 2
	// the end of telemetry
}

// A channel that retransmits nothing and lets messages overtake each other, as
// for the state of a game: late news is no news.
func ExampleSession_CreateChannel() {
	client, server := sessions(datachannel.Config{})
	defer server.Close()
	defer client.Close()

	none := uint16(0)
	ch, err := client.CreateChannel("state", &datachannel.Init{Unordered: true, MaxRetransmits: &none})
	if err != nil {
		log.Fatal(err)
	}
	remote, err := server.Accept(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	limit, limited := remote.MaxRetransmits()
	fmt.Println(ch.Label(), remote.Ordered(), limit, limited)
	// Output: state false 0 true
}

// A channel that both sides create, with an identifier they agreed on, is open
// without a word between them.
func ExampleInit() {
	client, server := sessions(datachannel.Config{})
	defer server.Close()
	defer client.Close()

	id := uint16(7)
	agreed := &datachannel.Init{Negotiated: true, ID: &id}
	a, err := client.CreateChannel("", agreed)
	if err != nil {
		log.Fatal(err)
	}
	b, err := server.CreateChannel("", agreed)
	if err != nil {
		log.Fatal(err)
	}
	if err := a.WriteMessage(context.Background(), []byte("hello"), true); err != nil {
		log.Fatal(err)
	}
	m, err := b.ReadMessage(context.Background())
	fmt.Println(string(m.Data), err)
	// Output: hello <nil>
}

// A channel as a net.Conn.
func ExampleChannel_Conn() {
	client, server := sessions(datachannel.Config{})
	defer server.Close()
	defer client.Close()

	go func() {
		ch, err := server.Accept(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		io.Copy(ch, ch) // echo
		ch.Close()
	}()

	ch, err := client.CreateChannel("echo", nil)
	if err != nil {
		log.Fatal(err)
	}
	conn := ch.Conn()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "hello")
	buf := make([]byte, 5)
	n, err := io.ReadFull(conn, buf)
	fmt.Println(string(buf[:n]), err)
	// Output: hello <nil>
}

// Sending at the pace of the network with callbacks: refill when little is left.
func ExampleChannel_OnBufferedAmountLow() {
	client, server := sessions(datachannel.Config{})
	defer server.Close()
	defer client.Close()

	ch, err := client.CreateChannel("file", nil)
	if err != nil {
		log.Fatal(err)
	}
	const size, chunk, high = 1 << 20, 16 << 10, 256 << 10
	sent := 0
	more := func() {
		for sent < size && ch.BufferedAmount() < high {
			if err := ch.Send(make([]byte, chunk)); err != nil {
				log.Fatal(err)
			}
			sent += chunk
		}
		if sent == size {
			ch.Close()
		}
	}
	ch.SetBufferedAmountLowThreshold(high / 2)
	ch.OnBufferedAmountLow(more)
	ch.OnOpen(more)

	remote, err := server.Accept(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(io.Discard, remote)
	fmt.Println(n, err)
	// Output: 1048576 <nil>
}

// A range over the messages of a channel, to its end.
func ExampleChannel_Messages() {
	client, server := sessions(datachannel.Config{})
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	ch, err := client.CreateChannel("words", nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, word := range []string{"one", "two", "three"} {
		if err := ch.WriteMessage(ctx, []byte(word), true); err != nil {
			log.Fatal(err)
		}
	}
	ch.Close()

	remote, err := server.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for m, err := range remote.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(m.Data))
	}
	// Output:
	// one
	// two
	// three
}

// One message of 100 MB, of which neither end has more in memory than its buffers hold.
func ExampleChannel_NextWriter() {
	client, server := sessions(datachannel.Config{MaxMessageSize: -1})
	defer server.Close()
	defer client.Close()
	ctx := context.Background()

	ch, err := client.CreateChannel("backup", nil)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		w, err := ch.NextWriter(ctx, false)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := io.Copy(w, io.LimitReader(zeros{}, 100e6)); err != nil {
			w.Abort() // the other end is told to forget it
			log.Fatal(err)
		}
		if err := w.Close(); err != nil {
			log.Fatal(err)
		}
	}()

	remote, err := server.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	r, err := remote.NextReader(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(io.Copy(io.Discard, r))
	// Output: 100000000 <nil>
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// HTTP over data channels: each request has a channel for its connection.
func ExampleNewListener() {
	client, server := sessions(datachannel.Config{})
	defer server.Close()
	defer client.Close()

	go http.Serve(datachannel.NewListener(server), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "you asked for %s", r.URL.Path)
	}))

	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ch, err := client.CreateChannel("http", nil)
			if err != nil {
				return nil, err
			}
			return ch.Conn(), nil
		},
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://peer/index.html")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	// Output: you asked for /index.html <nil>
}

// A channel that may stand still for a while without holding up the others: up to 4 MiB of its
// messages wait beside the receive window, and if there are more it is closed.
func ExampleChannel_SetReadBuffer() {
	client, server := sessions(datachannel.Config{
		OnChannel: func(ch *datachannel.Channel) {
			ch.SetReadBuffer(4<<20, datachannel.CloseChannel)
			ch.OnMessage(func(m datachannel.Message) { fmt.Println(string(m.Data)) })
		},
	})
	ch, err := client.CreateChannel("log", nil)
	if err != nil {
		log.Fatal(err)
	}
	ch.OnOpen(func() { ch.SendText("hello"); ch.Close() })
	<-ch.Done()
	client.Close()
	server.Close()
	// Output: hello
}
