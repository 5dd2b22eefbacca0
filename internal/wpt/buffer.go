package wpt

import (
	"fmt"
	"slices"
)

// bufferRows are about bufferedAmount and its low threshold. W3C has the amount fall in a
// later task only; a program without tasks may see it fall at once, so that no more than an
// upper bound is wanted after a send.
func bufferRows() []Row {
	return []Row{
		{amountFile, "0 at first", Both, amountFirst},
		{amountFile, "rises by the bytes of what is sent and is 0 when that has arrived", Both, amountRises},
		{amountFile, "is not lowered by closing the channel or the connection", Both, amountAtClose},
		{amountFile, "bufferedamountlow comes after a send, and again after the next", Both, lowAfterEachSend},
		{lowFile, "default 0", Both, lowDefault},
		{lowFile, "comes when the amount falls to the threshold", Both, lowThresholds},
		{lowFile, "not on other channels", Both, lowOfOthers},
	}
}

func amountFirst(c *Case) {
	near, far := c.open(Init{})
	for _, ch := range []Channel{near, far} {
		if n := ch.Attributes().BufferedAmount; n != 0 {
			c.Errorf("bufferedAmount %d", n)
		}
	}
}

func amountRises(c *Case) {
	near, far := c.open(Init{})
	most := 0
	for i := range 20 {
		messages := []Message{text("\u4e16\u754c" + string(pattern(i*100, i))), binary(make([]byte, i*1000))}
		for j, n := range c.send(near, messages...) {
			if most += len(messages[j].Data); n > most || n < 0 {
				c.Fatalf("bufferedAmount %d, and %d bytes were sent", n, most)
			}
		}
	}
	for range 40 {
		c.want(far, "message")
	}
	c.Settle()
	if n := near.Attributes().BufferedAmount; n != 0 {
		c.Errorf("bufferedAmount %d when all has arrived", n)
	}
}

func amountAtClose(c *Case) {
	near, _ := c.open(Init{})
	amounts := c.send(near, slices.Repeat([]Message{binary(make([]byte, 60000))}, 200)...)
	before := amounts[len(amounts)-1]
	if before == 0 {
		c.Fatalf("nothing is buffered")
	}
	near.Close()
	between := near.Attributes().BufferedAmount // some may be sent meanwhile
	c.Near.Close()
	if after := near.Attributes().BufferedAmount; between == 0 || between > before || after == 0 || after > between {
		c.Errorf("bufferedAmount %d, %d after channel.close(), %d after pc.close()", before, between, after)
	}
	c.Settle()
	after := near.Attributes().BufferedAmount
	if c.Settle(); near.Attributes().BufferedAmount != after || after == 0 {
		c.Errorf("bufferedAmount %d when all is over", after)
	}
}

func lowAfterEachSend(c *Case) {
	near, far := c.open(Init{})
	for i := range 3 {
		// Several sends make one event, or as many.
		c.send(near, slices.Repeat([]Message{text("hello")}, i+1)...)
		if e := c.want(near, low); i == 0 && e.Amount > 0 {
			c.Errorf("bufferedamountlow with %d bytes", e.Amount)
		}
		for range i + 1 {
			c.want(far, "message")
		}
		c.quiet(near, far)
	}
}

func lowDefault(c *Case) {
	near, far := c.open(Init{})
	if a, b := near.Attributes().LowThreshold, far.Attributes().LowThreshold; a != 0 || b != 0 {
		c.Errorf("thresholds %d and %d", a, b)
	}
}

func lowThresholds(c *Case) {
	near, far := c.open(Init{})
	for _, size := range []int{4, 65536} {
		for _, count := range []int{1, 10} {
			for _, threshold := range []int{size * count / 2, size*count - 1, 0} {
				desc := fmt.Sprintf("%d messages of %d bytes, threshold %d", count, size, threshold)
				near.SetLowThreshold(threshold)
				if got := near.Attributes().LowThreshold; got != threshold {
					c.Errorf("%s: it is %d", desc, got)
				}
				c.send(near, slices.Repeat([]Message{binary(make([]byte, size))}, count)...)
				// Each may leave at once, below the threshold, and while the handler runs more
				// may be sent.
				if count == 1 || threshold == 0 {
					if e := c.want(near, low); count == 1 && e.Amount > threshold {
						c.Errorf("%s: bufferedamountlow with %d", desc, e.Amount)
					}
				}
				for range count {
					c.want(far, "message")
				}
				c.quiet(near, far)
			}
		}
	}
}

func lowOfOthers(c *Case) {
	first, second := c.prepare("1", Init{}), c.prepare("2", Init{})
	c.Connect()
	near, far := first()
	other, otherFar := second()
	for _, ch := range []Channel{near, far, other, otherFar} {
		c.want(ch, "open")
	}
	c.send(near, binary(make([]byte, 65536)))
	c.want(near, low)
	c.want(far, "message")
	c.Settle()
	for _, ch := range []Channel{other, otherFar} {
		if e := ch.Pending(); len(e) > 0 {
			c.Errorf("events of another channel: %+v", e)
		}
	}
}
