package gateway

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"time"
)

// statsdPacket adds the lines of a datagram up.
func (g *Gateway) statsdPacket(_ context.Context, data []byte, _ netip.AddrPort) {
	g.statsd.Write(data)
}

// maxStatsdLine bounds a line over TCP; a datagram of DogStatsD's has 8 KiB at most.
const maxStatsdLine = 64 << 10

// statsdStream adds the lines of a connection up as they come.
func (g *Gateway) statsdStream(_ context.Context, c net.Conn, _ netip.AddrPort) error {
	in := bufio.NewScanner(c)
	in.Buffer(make([]byte, 0, 4<<10), maxStatsdLine)
	for {
		if err := c.SetReadDeadline(time.Now().Add(streamIdle)); err != nil {
			return err
		}
		if !in.Scan() {
			return in.Err()
		}
		g.statsd.Write(in.Bytes())
	}
}
