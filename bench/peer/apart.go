package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// A message there and back between two processes, as in life: where each end waits, its process
// sleeps, and has to be woken. In a single process of Go the goroutine of the other end mostly goes
// on with the thread that would have slept.
//
// The process that measures starts the one that answers, which is this program with the WORK
// "answer"; they tell each other their ports by its standard
// input and output.

// A caller is the end that measures, of a stack: it opens a socket, of which it returns the
// port, 0 if that does not matter, and connects it to the port of the other.
type caller func() (port int, connect func(to int) (end, error), err error)

// An answerer is the other end: it opens a socket for what comes from a port, and waits for the caller.
type answerer func(from int) (port int, accept func() (end, error), err error)

// apartRunners are those of a stack.
func apartRunners(calls caller, answers answerer) map[string]runner {
	return map[string]runner{
		"pingpong": func(j job) (report, error) { return callOther(calls, j) },
		"answer":   func(job) (report, error) { return nil, answerOther(answers) },
	}
}

// callOther starts the other process, and measures.
func callOther(calls caller, j job) (report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	other := exec.Command(self, os.Args[1], os.Args[2], "answer")
	other.Stderr = os.Stderr
	in, err := other.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := other.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := other.Start(); err != nil {
		return nil, err
	}
	defer other.Wait()
	defer in.Close() // which ends it
	alsoCounts = other.Process.Pid
	port, connect, err := calls()
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(in, port); err != nil {
		return nil, err
	}
	to, err := readPort(bufio.NewReader(out))
	if err != nil {
		return nil, err
	}
	a, err := connect(to)
	if err != nil {
		return nil, err
	}
	defer a.close()
	return bounce(a, j, make(chan error, 4))
}

// answerOther answers until the process that measures ends its standard input.
func answerOther(answers answerer) error {
	in := bufio.NewReader(os.Stdin)
	from, err := readPort(in)
	if err != nil {
		return err
	}
	port, accept, err := answers(from)
	if err != nil {
		return err
	}
	fmt.Println(port)
	b, err := accept()
	if err != nil {
		return err
	}
	b.receive(func(stream int, p []byte) {
		if err := b.send(stream, p); err != nil {
			fmt.Fprintln(os.Stderr, "answering:", err)
		}
	})
	io.Copy(io.Discard, in)
	os.Exit(0)
	return nil
}

func readPort(from *bufio.Reader) (int, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

func loopback(port int) *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }

// callsOver and answersOver are ends over a connected socket.
func callsOver(made func(*net.UDPConn) (end, error)) caller {
	return func() (int, func(to int) (end, error), error) {
		c, err := net.ListenUDP("udp4", loopback(0))
		if err != nil {
			return 0, nil, err
		}
		own := c.LocalAddr().(*net.UDPAddr)
		return own.Port, func(to int) (end, error) {
			c.Close() // its port is taken again at once, connected this time
			c, err := dialLoopback(own, loopback(to))
			if err != nil {
				return nil, err
			}
			return made(c)
		}, nil
	}
}

func answersOver(made func(*net.UDPConn) (end, error)) answerer {
	return func(from int) (int, func() (end, error), error) {
		c, err := dialLoopback(loopback(0), loopback(from))
		if err != nil {
			return 0, nil, err
		}
		return c.LocalAddr().(*net.UDPAddr).Port, func() (end, error) { return made(c) }, nil
	}
}

func rawEnd(c *net.UDPConn) (end, error) { return socketEnd{c}, nil }

// bareCalls and bareAnswers are our sockets alone.
func bareCalls() (int, func(to int) (end, error), error) {
	c, err := net.ListenUDP("udp4", loopback(0))
	if err != nil {
		return 0, nil, err
	}
	return c.LocalAddr().(*net.UDPAddr).Port, func(to int) (end, error) {
		return &bareSocket{Socket: udpsock.New(c), to: loopback(to).AddrPort()}, nil
	}, nil
}

func bareAnswers(from int) (int, func() (end, error), error) {
	port, connect, err := bareCalls()
	return port, func() (end, error) { return connect(from) }, err
}

// sluiceCalls and sluiceAnswers are Dial and a Listener: an Endpoint each.
func sluiceCalls() (int, func(to int) (end, error), error) {
	return 0, func(to int) (end, error) {
		c, err := sctpnet.Dial(context.Background(), "udp4", loopback(to).String(), sctpnet.Config{SCTP: sctpConfig()})
		return &sluiceEnd{Conn: c, streams: 1}, err
	}, nil
}

func sluiceAnswers(int) (int, func() (end, error), error) {
	l, err := listen()
	if err != nil {
		return 0, nil, err
	}
	return l.Addr().(*net.UDPAddr).Port, func() (end, error) {
		c, err := l.Accept(context.Background())
		return &sluiceEnd{Conn: c, streams: 1}, err
	}, nil
}
