//go:build unix

package engine

import (
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// ports are the two ports of the engine. This process keeps a socket bound to each, without listening: so no other program is given
// the port while the child is away, and connections still reach the child only.
type ports struct {
	tcp, http int
	fds       []int
}

// reservePorts binds the wanted ports on host; 0 is any free one.
func reservePorts(host string, tcp, http int) (*ports, error) {
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil, errs.WithHint(errs.Invalid, "use an address such as 127.0.0.1", "the engine cannot listen on %q: not an IP address", host)
	}
	p := &ports{}
	for _, want := range []struct {
		dst  *int
		port int
	}{{&p.tcp, tcp}, {&p.http, http}} {
		fd, port, err := take(ip, want.port)
		if err != nil {
			return nil, errors.Join(errs.WithHint(errs.Unavailable, "another program has the port; stop it or choose another",
				"the engine's port %s: %v", netip.AddrPortFrom(ip, uint16(want.port)), err), p.release())
		}
		p.fds = append(p.fds, fd)
		*want.dst = port
	}
	return p, nil
}

// take returns a socket that holds the port, and the port; 0 is any free one.
func take(ip netip.Addr, port int) (fd, got int, err error) {
	// Listening first, without the options below, is the only way to learn that somebody else has the port: the options let several share it.
	l, err := net.Listen("tcp", netip.AddrPortFrom(ip, uint16(port)).String())
	if err != nil {
		return 0, 0, err
	}
	got = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, 0, err
	}
	fd, err = bind(ip, got)
	return fd, got, err
}

// bind returns a socket bound to ip and port that lets the child bind them too.
func bind(ip netip.Addr, port int) (fd int, err error) {
	family := unix.AF_INET6
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
	if v4 := ip.Unmap(); v4.Is4() {
		family = unix.AF_INET
		sa = &unix.SockaddrInet4{Port: port, Addr: v4.As4()}
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, err
	}
	unix.CloseOnExec(fd)
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// release gives the ports back.
func (p *ports) release() error {
	var all []error
	for _, fd := range p.fds {
		all = append(all, unix.Close(fd))
	}
	p.fds = nil
	return errors.Join(all...)
}
