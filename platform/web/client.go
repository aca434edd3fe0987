package web

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/valyala/fasthttp"
)

// clientOf gives the address a request comes from. X-Forwarded-For is believed
// from a trusted proxy only, from the right up to the first address that is not
// a trusted proxy itself; X-Forwarded-Host and -Proto are never looked at.
func (s *Server) clientOf(c *fasthttp.RequestCtx) netip.Addr {
	addr := peer(c.RemoteAddr())
	if len(s.proxies) == 0 || !s.trusts(addr) {
		return addr
	}
	list := c.Request.Header.Peek(fasthttp.HeaderXForwardedFor)
	if all := c.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor); len(all) > 1 {
		list = bytes.Join(all, []byte{','})
	}
	for len(list) > 0 {
		i := bytes.LastIndexByte(list, ',')
		hop, err := netip.ParseAddr(string(bytes.TrimSpace(list[i+1:])))
		if err != nil {
			return addr // what stands left of that cannot be told
		}
		if addr = hop.Unmap(); !s.trusts(addr) {
			return addr
		}
		list = list[:max(i, 0)]
	}
	return addr
}

func (s *Server) trusts(addr netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// peer gives the address at the other end of a connection.
func peer(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.IPv4Unspecified() // a connection within the process
}
