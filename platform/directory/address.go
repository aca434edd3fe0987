package directory

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// parseAddress reads host:port[/port][*weight].
func parseAddress(text string) (Instance, error) {
	i := Instance{ID: text, Weight: 1}
	rest, weight, weighted := strings.Cut(text, "*")
	if weighted {
		n, err := strconv.Atoi(weight)
		if err != nil || n < 1 {
			return Instance{}, fmt.Errorf("%q does not end in a weight of 1 or more", text)
		}
		i.Weight = n
	}
	private, public, both := strings.Cut(rest, "/")
	host, port, err := net.SplitHostPort(private)
	if err != nil || host == "" || !isPort(port) {
		return Instance{}, fmt.Errorf("%q is no host:port, or host:port/port where the public listener matters", text)
	}
	i.RPC = private
	if both {
		if !isPort(public) {
			return Instance{}, fmt.Errorf("%q has no port of the public listener after /", text)
		}
		i.HTTP = net.JoinHostPort(host, public)
	}
	return i, nil
}

// name is what is looked up for a module.
type name struct {
	host   string
	port   string // empty: SRV records tell it
	public string // port of the public listener, where it matters
}

// parseName reads host:port[/port], or _srv._tcp.name[/port].
func parseName(text string) (name, error) {
	private, public, both := strings.Cut(text, "/")
	if both && !isPort(public) {
		return name{}, fmt.Errorf("%q has no port of the public listener after /", text)
	}
	if strings.HasPrefix(private, "_") && !strings.Contains(private, ":") {
		return name{host: private, public: public}, nil
	}
	host, port, err := net.SplitHostPort(private)
	if err != nil || host == "" || !isPort(port) {
		return name{}, fmt.Errorf("%q is no host:port, nor the name of SRV records", text)
	}
	return name{host, port, public}, nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// Reachable gives the host:port under which other processes reach a listener of
// this one. A listener on all addresses is reached under directory.host or, where
// that is empty, under the address of this machine that leads to the broker; conn
// may be nil.
func Reachable(cfg Config, conn *nats.Conn, bound net.Addr) string {
	host, port, err := net.SplitHostPort(bound.String())
	if err != nil {
		return bound.String()
	}
	if cfg.Host != "" {
		return net.JoinHostPort(cfg.Host, port)
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		return bound.String()
	}
	return net.JoinHostPort(own(conn), port)
}

// own is an address of this machine that others can reach.
func own(conn *nats.Conn) string {
	if conn != nil {
		if host, _, err := net.SplitHostPort(conn.LocalAddr()); err == nil && net.ParseIP(host) != nil {
			return host
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
				return n.IP.String()
			}
		}
	}
	return "127.0.0.1"
}
